"""Lint of policies/appraisal.yml: whole quarters, measures that say what is computed, no forbidden score."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from orchestration.lib.contracts import contact_values
from orchestration.lib.policies.appraisal import (
    EXCLUSIONS,
    FLAG_PARAMETERS,
    GATES,
    MEASURES,
    SALES_MEASURES,
    AppraisalVersion,
)
from orchestration.lib.policies.finding import Finding, Kind
from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.units import OPEN_END
from orchestration.lib.policies.yaml_file import Loc

# Balances of this day after a quarter are kept for the guard's averages (orchestration.lib.planning).
_GUARD_DAYS = 30
_FLAG_PARAMETER_NAMES = ("rate", "amount", "days", "least", "others", "codes")
# A period is judged a month end later: money that went in and out is seen so many days around its end.
_MOST_FLAG_DAYS = {"in_and_out": 8, "family_shifting": 8}


def lint_appraisal(policies: PolicySet) -> Iterator[Finding]:
    """Findings in appraisal.yml."""
    for i, version in enumerate(policies.appraisal.versions):
        yield from _lint_quarters(policies, i, version)
        yield from _lint_measures(policies, i, version)
        yield from _lint_forbidden(policies, i, version)
        yield from _lint_numbers(policies, i, version)
        yield from _lint_families(policies, i, version)
        yield from _lint_complete(policies, i, version)


def _finding(policies: PolicySet, i: int, loc: Loc, kind: Kind, found: str, mend: str) -> Finding:
    label = f"appraisal@{policies.appraisal.versions[i].version}"
    return Finding("appraisal.yml", policies.line("appraisal", ("versions", i, *loc)), label, kind, found, mend)


def _lint_quarters(policies: PolicySet, i: int, version: AppraisalVersion) -> Iterator[Finding]:
    for name in ("effective_from", "effective_to"):
        day = getattr(version, name)
        if day != OPEN_END and (day.day != 1 or day.month % 3 != 1):
            mend = "write the first day of a quarter: a quarter is judged by one version"
            yield _finding(policies, i, (name,), "range", f"{name} {day}", mend)


def _lint_measures(policies: PolicySet, i: int, version: AppraisalVersion) -> Iterator[Finding]:
    for code, measure in version.measures.items():
        for name, computed in MEASURES[code]._asdict().items():
            written = getattr(measure, name)
            if written not in (computed, "point_in_time_balance"):
                found, mend = f"{name} {written} of {code}", f"write {computed}: that is what {code} computes"
                yield _finding(policies, i, ("measures", code, name), "unknown", found, mend)
        for name in ("weight", "first_target"):
            if not 0 <= getattr(measure, name) <= 1:
                found, mend = f"{name} {getattr(measure, name)} of {code}", "write a share from 0 to 100%"
                yield _finding(policies, i, ("measures", code, name), "range", found, mend)
    total = sum((measure.weight for measure in version.measures.values()), Decimal(0))
    if total != 1:
        yield _finding(policies, i, ("measures",), "weights", f"weights that sum to {total}", "let them sum to 100%")


def _lint_forbidden(policies: PolicySet, i: int, version: AppraisalVersion) -> Iterator[Finding]:
    """What regulators forbid: balances of one day (2018), and scores of sales alone (金规〔2025〕6号)."""
    for code, measure in version.measures.items():
        if measure.basis == "point_in_time_balance":
            mend = f"write {MEASURES[code].basis}: balances of one day may not be appraised (存款偏离度, 2018)"
            found = f"{code} over the balance of one day"
            yield _finding(policies, i, ("measures", code, "basis"), "point in time", found, mend)
    weighted = {code for code, measure in version.measures.items() if measure.weight > 0}
    if weighted and weighted <= set(SALES_MEASURES):
        found = f"a score of {', '.join(sorted(weighted))} alone"
        mend = "give m1_retention or m2_uplift a weight (金规〔2025〕6号)"
        yield _finding(policies, i, ("measures",), "sales only", found, mend)
    for gate in ("complaints", "conduct"):
        if gate not in version.gates:
            mend = "add it: complaints and findings must count (金规〔2025〕6号)"
            yield _finding(policies, i, ("gates",), "sales only", f"no gate for {gate}", mend)


def _lint_numbers(policies: PolicySet, i: int, version: AppraisalVersion) -> Iterator[Finding]:
    scoring = version.scoring
    if not 0 < scoring.gate_cap < scoring.full <= scoring.cap:
        found = f"gate_cap {scoring.gate_cap}, full {scoring.full}, cap {scoring.cap}"
        yield _finding(
            policies, i, ("scoring",), "order", found, "let gate_cap be below full, and full no more than cap"
        )
    if scoring.least_ranked < 1:
        found = f"least_ranked {scoring.least_ranked}"
        yield _finding(policies, i, ("scoring", "least_ranked"), "range", found, "write 1 or more")
    if version.guard.after != _GUARD_DAYS:
        mend = f"write {_GUARD_DAYS} days: balances are kept for an average of so many"
        yield _finding(policies, i, ("guard", "after"), "range", f"{version.guard.after} days", mend)
    if version.closing.after <= version.guard.after:
        found = f"closed after {version.closing.after} days, guarded for {version.guard.after}"
        yield _finding(policies, i, ("closing", "after"), "order", found, "close after the guard's last day")
    if not 0 < version.loss.kept_share <= 1:
        found = f"kept_share {version.loss.kept_share}"
        yield _finding(policies, i, ("loss", "kept_share"), "range", found, "write a share above 0 and up to 100%")
    for loc, amount in (
        (("loss", "floor"), version.loss.floor),
        (("loss", "fall_from"), version.loss.fall_from),
        (("liability", "at_least"), version.liability.at_least),
        (("mid_high", "at_least"), version.mid_high.at_least),
    ):
        if amount < 0:
            yield _finding(policies, i, loc, "range", f"{loc[-1]} {amount}", "write an amount that is not negative")
    for code, gate in version.gates.items():
        is_share = code in ("cadence", "archives")
        if gate.limit < 0 or (is_share and gate.limit > 1):
            mend = "write a share from 0 to 100%" if is_share else "write a number that is not negative"
            yield _finding(policies, i, ("gates", code, "limit"), "range", f"limit {gate.limit} of {code}", mend)


def _lint_families(policies: PolicySet, i: int, version: AppraisalVersion) -> Iterator[Finding]:
    tiers = {
        tier.tier_code
        for scheme in policies.schemes
        if scheme.is_primary
        for scheme_version in scheme.versions
        for tier in (*((scheme_version.door_tier,) if scheme_version.door_tier else ()), *scheme_version.tiers)
    }
    for tier, count in version.families.items():
        if count < 1:
            found = f"{count} families of {tier}"
            yield _finding(policies, i, ("families", tier), "range", found, "write 1 or more")
        if tier not in tiers:
            found, mend = f"families of {tier}", f"write one of {', '.join(sorted(tiers))}"
            yield _finding(policies, i, ("families", tier), "unknown", found, mend)
    missing = sorted(tiers - set(version.families))
    if missing:
        found = f"families say nothing of {', '.join(missing)}"
        yield _finding(policies, i, ("families",), "gap", found, "give every tier its number")


def _lint_complete(policies: PolicySet, i: int, version: AppraisalVersion) -> Iterator[Finding]:
    parts: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("measures", tuple(MEASURES)),
        ("exclusions", EXCLUSIONS),
        ("gates", tuple(gate for gate in GATES if gate not in ("complaints", "conduct"))),
        ("flags", tuple(FLAG_PARAMETERS)),
    )
    for name, wanted in parts:
        missing = [code for code in wanted if code not in getattr(version, name)]
        if missing:
            found = f"{name} say nothing of {', '.join(missing)}"
            yield _finding(policies, i, (name,), "gap", found, "say each: none is left out by silence")
    for kind, flag in version.flags.items():
        given = {
            name for name in ("rate", "amount", "days", "least", "others", "codes") if getattr(flag, name) is not None
        }
        if given != set(FLAG_PARAMETERS[kind]):
            found = f"{kind} has {', '.join(sorted(given)) or 'nothing'}"
            mend = f"give it {', '.join(FLAG_PARAMETERS[kind])} and nothing else"
            yield _finding(policies, i, ("flags", kind), "shape", found, mend)
        elif any(getattr(flag, name) < 0 for name in given - {"codes"}):
            found = f"a negative number of {kind}"
            yield _finding(policies, i, ("flags", kind), "range", found, "write numbers that are not negative")
        elif flag.days is not None and flag.days > _MOST_FLAG_DAYS.get(kind, 92):
            mend = f"write at most {_MOST_FLAG_DAYS.get(kind, 92)} days"
            yield _finding(policies, i, ("flags", kind, "days"), "range", f"{flag.days} days of {kind}", mend)
        for code in set(flag.codes or ()) - _codes(policies, kind):
            found, mend = f"code {code} of {kind}", f"write one of {', '.join(sorted(_codes(policies, kind)))}"
            yield _finding(policies, i, ("flags", kind, "codes"), "unknown", found, mend)


def _codes(policies: PolicySet, kind: str) -> set[str]:
    """What a flag may look at."""
    if kind == "handover_timing":
        return {code for version in policies.books.versions for code in version.reasons}
    if kind == "contacts_in_bulk":
        return set(contact_values("channel"))
    return set(policies.roles.roles)
