"""Lint of policies/events.yml: numbers within reason, months that are kept, a role that may ask, fields there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

from pydantic import BaseModel

from orchestration.lib.policies.events import ARCHIVE_FIELDS, AumFall, EventsVersion
from orchestration.lib.policies.finding import Finding, Kind
from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.yaml_file import Loc

# Smallest and largest sensible value of a number, and its unit. Occasions are laid out seventy days ahead, month
# ends are kept for twelve months beside the last, what was told is remembered for three months.
_RANGES = {
    "lead": (0, 70, "days"),
    "min_amount": (0, 1_000_000_000, "yuan"),
    "min_month_average": (0, 1_000_000_000, "yuan"),
    "months": (1, 12, "months"),
    "quiet": (1, 366, "days"),
    "repeat": (1, 92, "days"),
    "due": (1, 366, "days"),
}
# Tables hold so many decimals of a rate.
_SMALLEST = Decimal("1e-8")


def lint_events(policies: PolicySet) -> Iterator[Finding]:
    """Findings in events.yml."""
    for i, version in enumerate(policies.events.versions):
        for kind, rule in version.events.stated().items():
            yield from _lint_numbers(policies, i, ("events", kind), rule)
        if version.events.aum_fall is not None:
            yield from _lint_falls(policies, i, version.events.aum_fall)
        yield from _lint_archive(policies, i, version)


def _finding(policies: PolicySet, i: int, loc: Loc, kind: Kind, found: str, mend: str) -> Finding:
    label = f"events@{policies.events.versions[i].version}"
    return Finding("events.yml", policies.line("events", ("versions", i, *loc)), label, kind, found, mend)


def _lint_numbers(policies: PolicySet, i: int, loc: Loc, part: BaseModel) -> Iterator[Finding]:
    for name, value in part:
        here = (*loc, name)
        if name == "min_rate" and (not 0 < value <= 1 or value % _SMALLEST):
            mend = "write a share above 0, at most 100%, of at most 8 decimals"
            yield _finding(policies, i, here, "rate", f"min_rate {value}", mend)
        if name in _RANGES:
            low, high, unit = _RANGES[name]
            if not low <= value <= high:
                yield _finding(policies, i, here, "range", f"{name} {value}", f"write {low:,} to {high:,} {unit}")


def _lint_falls(policies: PolicySet, i: int, rule: AumFall) -> Iterator[Finding]:
    loc: Loc = ("events", "aum_fall", "falls")
    if not rule.falls:
        yield _finding(policies, i, loc, "gap", "no fall is one", "name one or more falls, or leave aum_fall out")
    for n, fall in enumerate(rule.falls):
        yield from _lint_numbers(policies, i, (*loc, n), fall)
    for months, count in Counter(fall.months for fall in rule.falls).items():
        if count > 1:
            found = f"{months} months stand {count} times"
            yield _finding(policies, i, loc, "overlap", found, "compare with each month once")
    for nearer, farther in pairwise(rule.falls):
        if nearer.months > farther.months:
            found = f"{farther.months} months after {nearer.months}"
            yield _finding(policies, i, loc, "order", found, "begin with the nearest month")


def _lint_archive(policies: PolicySet, i: int, version: EventsVersion) -> Iterator[Finding]:
    archive = version.archive
    yield from _lint_numbers(policies, i, ("archive",), archive)
    role = policies.roles.roles.get(archive.unowned_role)
    loc: Loc = ("archive", "unowned_role")
    if role is None:
        mend = "name a role of roles.yml, or add it there"
        yield _finding(policies, i, loc, "unknown", f"role {archive.unowned_role!r}", mend)
    elif not role.needs_nda:
        mend = "let roles.yml say needs_nda: true, or choose another role"
        yield _finding(policies, i, loc, "nda", f"{archive.unowned_role} fills archives without an NDA", mend)
    if not archive.fields:
        yield _finding(policies, i, ("archive", "fields"), "gap", "an archive of nothing", "name what it must hold")
    for code in archive.fields:
        if code not in ARCHIVE_FIELDS:
            mend = f"name one of {', '.join(ARCHIVE_FIELDS)}"
            yield _finding(policies, i, ("archive", "fields", code), "unknown", f"field {code!r}", mend)
