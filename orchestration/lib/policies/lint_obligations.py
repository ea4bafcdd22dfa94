"""Lint of policies/obligations.yml: who is owed what, whether it can be done, and whether a year is stated whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from itertools import combinations

from orchestration.lib.bank_calendar import (
    DAYS_AROUND,
    FESTIVALS,
    FIRST_YEAR_OF_LUNAR_HOLIDAYS,
    LUNAR_YEARS,
    festival_date,
)
from orchestration.lib.contracts import contact_values
from orchestration.lib.policies.finding import Finding
from orchestration.lib.policies.finding import Kind as FindingKind
from orchestration.lib.policies.lint_rules import CODE
from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.model import Scheme, SchemeVersion, Tier
from orchestration.lib.policies.obligations import (
    PERIODS,
    SUPPRESSION_REASONS,
    Cadence,
    CadenceSet,
    ObligationsVersion,
)
from orchestration.lib.policies.units import HIGHEST, LOWEST
from orchestration.lib.policies.yaml_file import Loc

_LEAP_BIRTHDAYS = ("0228", "0301")
# More contacts of a kind than one a day are no service.
_MOST_TIMES = {"month": 31, "quarter": 92, "half_year": 184, "year": 366}
# Tables hold so many decimals of a share.
_SMALLEST = Decimal("1e-8")
_SATURDAY = 5


def lint_obligations(policies: PolicySet) -> Iterator[Finding]:
    """Findings in obligations.yml."""
    yield from _lint_calendar_years(policies)
    for i, version in enumerate(policies.obligations.versions):
        yield from _lint_limits(policies, i, version)
        yield from _lint_kinds(policies, i, version)
        yield from _lint_sets(policies, i, version)
        yield from _lint_doubles(policies, i, version)
        yield from _lint_suppressions(policies, i, version)


def _finding(policies: PolicySet, i: int, loc: Loc, kind: FindingKind, found: str, mend: str) -> Finding:
    label = f"obligations@{policies.obligations.versions[i].version}"
    return Finding("obligations.yml", policies.line("obligations", ("versions", i, *loc)), label, kind, found, mend)


def _lint_names(
    policies: PolicySet, i: int, loc: Loc, names: Sequence[str], known: Collection[str], what: str
) -> Iterator[Finding]:
    """A list of names: each known, each once."""
    for n, name in enumerate(names):
        if name not in known:
            mend = f"name one of {', '.join(known)}"
            yield _finding(policies, i, (*loc, n), "unknown", f"{what} {name!r}", mend)
    for name, count in Counter(names).items():
        if count > 1:
            yield _finding(policies, i, loc, "overlap", f"{what} {name} stands {count} times", "name it once")


def _lint_code(policies: PolicySet, i: int, loc: Loc, code: str, what: str) -> Iterator[Finding]:
    if not CODE.fullmatch(code):
        yield _finding(policies, i, loc, "name", f"{what} {code!r}", "use small letters, digits and _")


def _lint_limits(policies: PolicySet, i: int, version: ObligationsVersion) -> Iterator[Finding]:
    if not 0 <= version.late_contact <= DAYS_AROUND:
        found, mend = f"late_contact {version.late_contact}", f"write 0 to {DAYS_AROUND} days"
        yield _finding(policies, i, ("late_contact",), "range", found, mend)
    if version.leap_birthday not in _LEAP_BIRTHDAYS:
        found = f"leap_birthday {version.leap_birthday!r}"
        mend = f"write {' or '.join(repr(day) for day in _LEAP_BIRTHDAYS)}, in quotes"
        yield _finding(policies, i, ("leap_birthday",), "range", found, mend)
    yield from _lint_names(
        policies, i, ("consent_channels",), version.consent_channels, contact_values("channel"), "channel"
    )


def _lint_kinds(policies: PolicySet, i: int, version: ObligationsVersion) -> Iterator[Finding]:
    asked = {cadence.kind for each in version.cadence_sets.values() for cadence in each.cadences.values()}
    for code, kind in version.kinds.items():
        loc: Loc = ("kinds", code)
        yield from _lint_code(policies, i, loc, code, "kind")
        if code not in asked:
            found = f"kind {code}, which no cadence asks for"
            yield _finding(policies, i, loc, "unknown", found, "remove it, or let a cadence ask for it")
        for name, codes in (("channels", kind.channels), ("purposes", kind.purposes)):
            what = name.removesuffix("s")
            if not codes:
                found, mend = f"{code} has no {what}", f"name a {what} of crm.contacts, or no contact ever meets it"
                yield _finding(policies, i, (*loc, name), "gap", found, mend)
            yield from _lint_names(policies, i, (*loc, name), codes, contact_values(what), what)
        for channel in kind.channels:
            if kind.is_marketing and channel not in version.consent_channels:
                found = f"{code} is marketing by {channel}, which nobody is asked about"
                mend = "add the channel to consent_channels, or leave it out (G30)"
                yield _finding(policies, i, (*loc, "channels"), "gap", found, mend)


def _lint_suppressions(policies: PolicySet, i: int, version: ObligationsVersion) -> Iterator[Finding]:
    loc: Loc = ("suppressions",)
    for code in version.suppressions:
        if code not in SUPPRESSION_REASONS:
            mend = f"name one of {', '.join(SUPPRESSION_REASONS)}"
            yield _finding(policies, i, (*loc, code), "unknown", f"reason code {code!r}", mend)
    missing = [code for code in SUPPRESSION_REASONS if code not in version.suppressions]
    if missing:
        found = f"suppressions say nothing of {', '.join(missing)}"
        yield _finding(policies, i, loc, "gap", found, "give every reason its entry")


def _lint_sets(policies: PolicySet, i: int, version: ObligationsVersion) -> Iterator[Finding]:
    codes = Counter(code for each in version.cadence_sets.values() for code in each.cadences)
    for name, each in version.cadence_sets.items():
        loc: Loc = ("cadence_sets", name)
        yield from _lint_code(policies, i, loc, name, "cadence set")
        yield from _lint_tiers(policies, i, version, loc, each)
        if not each.cadences:
            found, mend = f"{name} has no cadence", "add one, or remove the set"
            yield _finding(policies, i, (*loc, "cadences"), "gap", found, mend)
        for code, cadence in each.cadences.items():
            here: Loc = (*loc, "cadences", code)
            yield from _lint_code(policies, i, here, code, "cadence")
            if codes[code] > 1:
                found = f"cadence {code} stands in {codes[code]} sets"
                yield _finding(policies, i, here, "overlap", found, "give each cadence a code of its own")
            yield from _lint_cadence(policies, i, version, here, code, cadence)
            yield from _lint_assets(policies, i, version, here, code, cadence, each)


def _scheme_versions(policies: PolicySet, version: ObligationsVersion, scheme_code: str) -> Iterator[SchemeVersion]:
    """Versions of a scheme that are in force on a day on which the obligations' version is."""
    for scheme in policies.schemes:
        for each in scheme.versions if scheme.scheme_code == scheme_code else ():
            if each.effective_from < version.effective_to and version.effective_from < each.effective_to:
                yield each


def _tier_codes(version: SchemeVersion) -> tuple[str, ...]:
    door = (version.door_tier.tier_code,) if version.door_tier else ()
    return (*door, *(tier.tier_code for tier in version.tiers))


def _lint_tiers(
    policies: PolicySet, i: int, version: ObligationsVersion, loc: Loc, each: CadenceSet
) -> Iterator[Finding]:
    schemes: dict[str, Scheme] = {s.scheme_code: s for s in policies.schemes if s.subject == "customer"}
    if each.scheme_code not in schemes:
        mend = f"name a scheme that tiers customers: {', '.join(sorted(schemes))}"
        yield _finding(policies, i, (*loc, "scheme_code"), "unknown", f"scheme {each.scheme_code!r}", mend)
        return
    if not each.tiers:
        found, mend = f"{loc[-1]} names no tier", "name the tiers whose customers are owed it"
        yield _finding(policies, i, (*loc, "tiers"), "gap", found, mend)
    for scheme_version in _scheme_versions(policies, version, each.scheme_code):
        what = f"tier of {each.scheme_code}@{scheme_version.version}"
        yield from _lint_names(policies, i, (*loc, "tiers"), each.tiers, _tier_codes(scheme_version), what)


def _lint_cadence(
    policies: PolicySet, i: int, version: ObligationsVersion, loc: Loc, code: str, cadence: Cadence
) -> Iterator[Finding]:
    def finding(key: str, kind: FindingKind, found: str, mend: str) -> Finding:
        return _finding(policies, i, (*loc, key), kind, f"{code}: {found}", mend)

    if cadence.kind not in version.kinds:
        yield finding("kind", "unknown", f"kind {cadence.kind!r}", f"name one of {', '.join(version.kinds)}")
    is_periodic = cadence.per in PERIODS
    most = _MOST_TIMES.get(cadence.per, 1)
    if not 1 <= cadence.times <= most:
        yield finding("times", "range", f"{cadence.times} times per {cadence.per}", f"write 1 to {most}")
    windows = {"before": cadence.before, "after": cadence.after, "lead": cadence.lead}
    for key, days in windows.items():
        if days < 0:
            yield finding(key, "range", f"{key} {days} days", "write 0 days or more")
        elif days and is_periodic:
            mend = "leave it out: the window is the period"
            yield finding(key, "shape", f"{key} of a cadence per {cadence.per}", mend)
        elif days and cadence.per == "life_event" and key != "after":
            yield finding(key, "shape", f"{key} of a life event, which nobody foresees", "leave it out")
    for key, reach in (("before", cadence.before + cadence.lead), ("after", cadence.after + version.late_contact)):
        if reach > DAYS_AROUND:
            with_key = {"before": "lead", "after": "late_contact"}[key]
            found = f"{key} and {with_key} are {reach} days"
            yield finding(key, "range", found, f"let them be {DAYS_AROUND} days at most: occasions are laid no further")
    if (cadence.per == "festival") != bool(cadence.festivals):
        found = "no festival" if cadence.per == "festival" else f"festivals of a cadence per {cadence.per}"
        yield finding("festivals", "shape", found, "name festivals with `per: festival`, and only there")
    yield from _lint_names(policies, i, (*loc, "festivals"), cadence.festivals, FESTIVALS, "festival")
    rate = cadence.sample_rate
    if rate is not None and (not 0 < rate <= 1 or rate % _SMALLEST):
        mend = "write a share above 0, at most 100%, of at most 8 decimals"
        yield finding("sample_rate", "rate", f"sample_rate {rate}", mend)
    if cadence.performer_role is not None:
        role = policies.roles.roles.get(cadence.performer_role)
        if role is None:
            mend = "name a role of roles.yml, or add it there"
            yield finding("performer_role", "unknown", f"role {cadence.performer_role!r}", mend)
        elif not role.needs_nda:
            mend = "let roles.yml say needs_nda: true, or choose another role"
            yield finding("performer_role", "nda", f"{cadence.performer_role} meets customers without an NDA", mend)


def _assets(cadence: Cadence) -> tuple[Decimal, Decimal]:
    """From and to, both included."""
    low = LOWEST if cadence.aum_at_least is None else cadence.aum_at_least
    return low, HIGHEST if cadence.aum_at_most is None else cadence.aum_at_most


def _lint_assets(
    policies: PolicySet, i: int, version: ObligationsVersion, loc: Loc, code: str, cadence: Cadence, each: CadenceSet
) -> Iterator[Finding]:
    """Some customer of each tier has assets as the cadence wants them; tiers by another measure do not say."""
    low, high = _assets(cadence)
    if low > high:
        found = f"{code}: aum_at_least {low:,.2f} above aum_at_most {high:,.2f}"
        yield _finding(policies, i, (*loc, "aum_at_least"), "range", found, "write the smaller amount first (G27)")
        return
    for scheme_version in _scheme_versions(policies, version, each.scheme_code):
        measure = scheme_version.measure
        if measure is None or measure.averaging_window != "month":
            continue
        for tier in scheme_version.tiers:
            if tier.tier_code in each.tiers and _is_apart(tier, low, high):
                found = f"{code}: nobody in {tier.tier_code} has assets from {low:,.2f} to {high:,.2f}"
                mend = "correct aum_at_least and aum_at_most, or leave the tier out"
                yield _finding(policies, i, loc, "gap", found, mend)


def _is_apart(tier: Tier, low: Decimal, high: Decimal) -> bool:
    """Whether a tier ends below, or begins above, the amounts; one whose own amounts cannot be read is found there."""
    try:
        return tier.interval.lower_value("cny") > high or tier.interval.upper_value("cny") <= low
    except ValueError:
        return False


def _lint_doubles(policies: PolicySet, i: int, version: ObligationsVersion) -> Iterator[Finding]:
    """Within a scheme a tier is owed a kind on an occasion by one cadence; of two the smaller would never count."""
    cadences = [
        (name, each, code, cadence)
        for name, each in version.cadence_sets.items()
        for code, cadence in each.cadences.items()
    ]
    for (_, first_set, first_code, first), (name, each, code, cadence) in combinations(cadences, 2):
        shared = [tier for tier in each.tiers if tier in first_set.tiers]
        if each.scheme_code != first_set.scheme_code or not shared:
            continue
        if (cadence.kind, cadence.per) != (first.kind, first.per):
            continue
        if cadence.festivals and not set(cadence.festivals) & set(first.festivals):
            continue
        (low, high), (first_low, first_high) = _assets(cadence), _assets(first)
        if low <= first_high and first_low <= high:
            found = f"{code} and {first_code} both ask for {cadence.kind} per {cadence.per} of {', '.join(shared)}"
            here: Loc = ("cadence_sets", name, "cadences", code)
            yield _finding(policies, i, here, "overlap", found, "keep one of them")


def _lint_calendar_years(policies: PolicySet) -> Iterator[Finding]:
    for year, stated in policies.obligations.calendar_years.items():
        loc: Loc = ("calendar_years", year)

        def finding(key: str, kind: FindingKind, found: str, mend: str, loc: Loc = loc) -> Finding:
            line = policies.line("obligations", (*loc, key))
            return Finding("obligations.yml", line, "obligations", kind, found, mend)

        if year not in LUNAR_YEARS:
            first, last = LUNAR_YEARS[0], LUNAR_YEARS[-1]
            yield finding("holidays", "range", f"calendar year {year}", f"write a year from {first} to {last}")
            continue
        for key, days in (("holidays", stated.holidays), ("working_weekends", stated.working_weekends)):
            for day in (d for d in days if d.year != year):
                yield finding(key, "range", f"{day} in calendar year {year}", "write it into its own year")
            for day, count in Counter(days).items():
                if count > 1:
                    yield finding(key, "overlap", f"{day} stands {count} times in {key} of {year}", "write it once")
        for day in stated.working_weekends:
            if day.weekday() < _SATURDAY:
                found = f"working weekend {day}, a {day:%A}"
                yield finding("working_weekends", "range", found, "write Saturdays and Sundays that are worked")
            if day in stated.holidays:
                yield finding("working_weekends", "overlap", f"{day} is a holiday as well", "write it into one list")
        missing = [FESTIVALS[code].label_zh for code, day in _days_off(year) if day not in stated.holidays]
        if missing:
            found = f"holidays of {year} leave out {', '.join(missing)}"
            mend = "state the whole year as the State Council announced it"
            yield finding("holidays", "gap", found, mend)


def _days_off(year: int) -> Iterable[tuple[str, date]]:
    """Festivals of a year that are days off by law."""
    for code, festival in FESTIVALS.items():
        is_off = festival.is_holiday and (
            not festival.is_lunar or code == "spring_festival" or year >= FIRST_YEAR_OF_LUNAR_HOLIDAYS
        )
        if is_off:
            yield code, festival_date(code, year)
