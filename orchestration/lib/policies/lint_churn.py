"""Lint of policies/churn.yml: known indicators, ranges that ascend, levels, segments, quoted rules."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from orchestration.lib.policies.churn import (
    BANK_SEGMENT,
    INDICATOR_UNITS,
    LEVELS,
    OTHER_SEGMENT,
    ChurnVersion,
    Judgement,
    Range,
    Unit,
)
from orchestration.lib.policies.compile import NONE_TIER, tier_ranks
from orchestration.lib.policies.compile_churn import level_rank
from orchestration.lib.policies.finding import Finding, Kind
from orchestration.lib.policies.lint_rules import RULE_ID
from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.yaml_file import Loc

# Measures of month ends are kept for 13 months: twice these must lie within.
_MOST_MONTHS = 6
# Logs are kept for a year.
_MOST_DAYS = 365
# Largest sensible value of each unit: shares are of what was there before.
_LARGEST: dict[Unit, Decimal] = {"share": Decimal(1), "day": Decimal(_MOST_DAYS), "count": Decimal(100)}
_SMALLEST = {"share": Decimal("0.0001"), "day": Decimal(1), "count": Decimal(1)}


def lint_churn(policies: PolicySet) -> Iterator[Finding]:
    """Findings in churn.yml."""
    for i, version in enumerate(policies.churn.versions):
        yield from _lint_outcome(policies, i, version)
        yield from _lint_indicators(policies, i, version)
        yield from _lint_judgement(policies, i, ("bank",), version.bank, version.bank)
        missing = [level for level in LEVELS if level not in version.bank.levels]
        if missing:
            found = f"levels of the bank say nothing of {', '.join(missing)}"
            yield _finding(policies, i, ("bank",), "gap", found, "give every level its score")
        yield from _lint_segments(policies, i, version)
        for n, rule in enumerate(version.rules):
            if not RULE_ID.fullmatch(rule.rule_id):
                mend = "write it as the catalogue does: A9-05, G12"
                yield _finding(policies, i, ("rules", n, "rule_id"), "rule id", repr(rule.rule_id), mend)
            if rule.source_line < 1:
                found = f"source_line {rule.source_line}"
                yield _finding(policies, i, ("rules", n, "source_line"), "rule id", found, "count lines from 1")


def _finding(policies: PolicySet, i: int, loc: Loc, kind: Kind, found: str, mend: str) -> Finding:
    label = f"churn@{policies.churn.versions[i].version}"
    return Finding("churn.yml", policies.line("churn", ("versions", i, *loc)), label, kind, found, mend)


def _lint_outcome(policies: PolicySet, i: int, version: ChurnVersion) -> Iterator[Finding]:
    outcome, activity = version.outcome, version.activity
    numbers: list[tuple[Loc, int, int, str]] = [
        (("outcome", "months"), outcome.months, _MOST_MONTHS, "months"),
        (("salary_within",), version.salary_within, _MOST_DAYS, "days"),
        (("activity", "days"), activity.days, _MOST_DAYS, "days"),
        (("activity", "before"), activity.before, _MOST_DAYS - activity.days, "days"),
        (("activity", "minimum"), activity.minimum, 10_000, "purchases"),
    ]
    for loc, value, most, unit in numbers:
        if not 1 <= value <= most:
            yield _finding(policies, i, loc, "range", f"{loc[-1]} {value}", f"write 1 to {most:,} {unit}")
    if outcome.floor < 0:
        loc = ("outcome", "floor")
        yield _finding(policies, i, loc, "range", f"floor {outcome.floor}", "write an amount of 0 or more")
    if not 0 <= outcome.kept_share <= 1 or outcome.kept_share % Decimal("1e-8"):
        found = f"kept_share {outcome.kept_share}"
        loc = ("outcome", "kept_share")
        yield _finding(policies, i, loc, "rate", found, "write a share from 0 to 100%, of 8 decimals")


def _lint_indicators(policies: PolicySet, i: int, version: ChurnVersion) -> Iterator[Finding]:
    quoted = {rule.rule_id for rule in version.rules}
    for code, indicator in version.indicators.items():
        loc: Loc = ("indicators", code)
        if code not in INDICATOR_UNITS:
            mend = f"name one of {', '.join(INDICATOR_UNITS)}"
            yield _finding(policies, i, loc, "unknown", f"indicator {code!r}", mend)
        if indicator.rule_id not in quoted:
            found = f"rule {indicator.rule_id}, which is quoted nowhere"
            yield _finding(policies, i, (*loc, "rule_id"), "rule id", found, "quote it under `rules`, or correct it")
    missing = [code for code in INDICATOR_UNITS if code not in version.indicators]
    if missing:
        found = f"indicators say nothing of {', '.join(missing)}"
        yield _finding(policies, i, ("indicators",), "gap", found, "give every indicator its entry")


def _lint_judgement(policies: PolicySet, i: int, loc: Loc, judgement: Judgement, bank: Judgement) -> Iterator[Finding]:
    """Levels that ascend, the bank's filled in, and the ranges that are written here."""
    scores = [({**bank.levels, **judgement.levels}).get(level) for level in LEVELS]
    known = [score for score in scores if score is not None]
    if any(score < 1 for score in known):
        yield _finding(policies, i, (*loc, "levels"), "range", f"a score of {min(known)}", "write 1 or more")
    if any(lower >= upper for lower, upper in itertools.pairwise(known)):
        found = f"scores {', '.join(map(str, known))} of {', '.join(LEVELS)}"
        yield _finding(policies, i, (*loc, "levels"), "order", found, "let a higher level need a higher score")
    for code, ranges in judgement.ranges.items():
        unit = INDICATOR_UNITS.get(code)
        if unit is None:
            mend = f"name one of {', '.join(INDICATOR_UNITS)}"
            yield _finding(policies, i, (*loc, "ranges", code), "unknown", f"indicator {code!r}", mend)
        else:
            yield from _lint_ranges(policies, i, (*loc, "ranges", code), ranges, unit)


def _lint_ranges(policies: PolicySet, i: int, loc: Loc, ranges: tuple[Range, ...], unit: Unit) -> Iterator[Finding]:
    values: list[Decimal] = []
    for n, each in enumerate(ranges):
        here = (*loc, n, "at_least")
        try:
            value = each.lower_value(unit)
        except ValueError as error:
            mend = f"write it in {unit}s"
            yield _finding(policies, i, here, "unit", f"at_least {each.at_least!r}: {error}", mend)
            return
        if not _SMALLEST[unit] <= value <= _LARGEST[unit] or value % _SMALLEST[unit]:
            mend = f"write {_SMALLEST[unit]} to {_LARGEST[unit]} in steps of {_SMALLEST[unit]}"
            yield _finding(policies, i, here, "range", f"at_least {each.at_least} of {loc[-1]}", mend)
        if each.points < 0:
            found = f"points {each.points} of {loc[-1]}"
            yield _finding(policies, i, (*loc, n, "points"), "points", found, "write 0 or more")
        values.append(value)
    for n, (lower, upper) in enumerate(itertools.pairwise(values), start=1):
        if lower >= upper:
            found = f"at_least {ranges[n].at_least} of {loc[-1]} follows {ranges[n - 1].at_least}"
            kind: Kind = "overlap" if lower == upper else "order"
            yield _finding(policies, i, (*loc, n, "at_least"), kind, found, "let the values ascend, each once")
    for n, (below, above) in enumerate(itertools.pairwise(ranges), start=1):
        if level_rank(below.level) > level_rank(above.level) or below.points > above.points:
            found = f"{loc[-1]} weighs less from {above.at_least} than from {below.at_least}"
            yield _finding(
                policies, i, (*loc, n), "points", found, "let level and points of a worse value not be lower"
            )


def _lint_segments(policies: PolicySet, i: int, version: ChurnVersion) -> Iterator[Finding]:
    for code, count in Counter(segment.segment_code for segment in version.segments).items():
        if count > 1:
            yield _finding(policies, i, ("segments",), "overlap", f"{code} stands {count} times", "name it once")
    claimed: dict[tuple[str, str], str] = {}
    schemes = {scheme.scheme_code: scheme for scheme in policies.schemes}
    for n, segment in enumerate(version.segments):
        loc: Loc = ("segments", n)
        if segment.segment_code in (BANK_SEGMENT, OTHER_SEGMENT):
            found = f"segment {segment.segment_code!r}, which is every bank's own"
            yield _finding(policies, i, (*loc, "segment_code"), "name", found, "give it another name")
        scheme = schemes.get(segment.scheme_code)
        if scheme is None or scheme.subject != "customer":
            mend = "name a scheme of customers in policies/"
            yield _finding(policies, i, (*loc, "scheme_code"), "unknown", f"scheme {segment.scheme_code!r}", mend)
            continue
        known = {code for each in scheme.versions for code in tier_ranks(each)} - {NONE_TIER}
        for m, tier in enumerate(segment.tier_codes):
            here = (*loc, "tier_codes", m)
            if tier not in known:
                mend = f"name one of {', '.join(sorted(known))}"
                yield _finding(policies, i, here, "unknown", f"tier {tier!r} of {scheme.scheme_code}", mend)
            other = claimed.setdefault((scheme.scheme_code, tier), segment.segment_code)
            if other != segment.segment_code:
                found = f"{tier} is of {other} and of {segment.segment_code}, which it never reaches"
                yield _finding(policies, i, here, "overlap", found, "let one segment have it")
        if not segment.tier_codes:
            found = f"{segment.segment_code} has no tier"
            yield _finding(policies, i, (*loc, "tier_codes"), "empty", found, "name its tiers, or remove it")
        yield from _lint_judgement(policies, i, loc, segment, version.bank)
