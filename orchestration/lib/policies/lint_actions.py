"""Lint of policies/actions.yml: whether everything that is owed has its points, and whether what is named exists."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from orchestration.lib.bank_calendar import DAYS_AROUND
from orchestration.lib.contracts import contact_values
from orchestration.lib.policies.actions import (
    PLACEHOLDERS,
    Action,
    ActionsVersion,
    DatedAction,
    UrgencyBin,
    ValueBin,
)
from orchestration.lib.policies.churn import LEVELS
from orchestration.lib.policies.finding import Finding, Kind
from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.service import STEPS
from orchestration.lib.policies.yaml_file import Loc

_BRACES = re.compile(r"\{([^{}]*)\}")
_MOST_LINES = 200
_MOST_POINTS = 1000


def lint_actions(policies: PolicySet) -> Iterator[Finding]:
    """Findings in actions.yml."""
    for i, version in enumerate(policies.actions.versions):
        yield from _lint_limits(policies, i, version)
        yield from _lint_bins(policies, i, "urgency", version.urgency)
        yield from _lint_bins(policies, i, "value", version.value)
        yield from _lint_codes(policies, i, version)
        yield from _lint_actions(policies, i, version)


def _finding(policies: PolicySet, i: int, loc: Loc, kind: Kind, found: str, mend: str) -> Finding:
    label = f"actions@{policies.actions.versions[i].version}"
    return Finding("actions.yml", policies.line("actions", ("versions", i, *loc)), label, kind, found, mend)


def _lint_range(
    policies: PolicySet, i: int, loc: Loc, number: int, low: int, high: int, unit: str
) -> Iterator[Finding]:
    if not low <= number <= high:
        yield _finding(policies, i, loc, "range", f"{loc[-1]} {number}", f"write {low} to {high} {unit}")


def _lint_limits(policies: PolicySet, i: int, version: ActionsVersion) -> Iterator[Finding]:
    yield from _lint_range(policies, i, ("capacity",), version.capacity, 1, _MOST_LINES, "lines")
    for role, lines in version.role_capacities.items():
        loc: Loc = ("role_capacities", role)
        if role not in policies.roles.roles:
            yield _finding(policies, i, loc, "unknown", f"role {role!r}", "name a role of roles.yml")
        yield from _lint_range(policies, i, loc, lines, 1, _MOST_LINES, "lines")
    yield from _lint_range(policies, i, ("overdue_shown",), version.overdue_shown, 0, DAYS_AROUND, "days")
    yield from _lint_range(policies, i, ("event_shown",), version.event_shown, 1, DAYS_AROUND, "days")
    yield from _lint_range(policies, i, ("quiet",), version.quiet, 0, DAYS_AROUND, "days")
    yield from _lint_range(policies, i, ("regulation_points",), version.regulation_points, 0, _MOST_POINTS, "points")


def _lint_bins(policies: PolicySet, i: int, name: str, bins: Sequence[UrgencyBin | ValueBin]) -> Iterator[Finding]:
    """The first bin has no lower end, each other one begins above the one before it: each number is in one."""
    if not bins:
        yield _finding(policies, i, (name,), "gap", f"{name} has no bin", "write one without at_least, for everything")
    for n, each in enumerate(bins):
        loc: Loc = (name, n)
        if n == 0 and each.at_least is not None:
            found = f"the first bin of {name} begins at {each.at_least}"
            yield _finding(policies, i, loc, "gap", found, "leave its at_least out, so that it holds all that is lower")
        if n > 0 and each.at_least is None:
            found = f"a later bin of {name} has no at_least"
            yield _finding(policies, i, loc, "overlap", found, "say from where on it holds")
        before = bins[n - 1].at_least if n else None
        if before is not None and each.at_least is not None and each.at_least <= before:
            found = f"a bin of {name} begins at {each.at_least}, the one before it at {before}"
            yield _finding(policies, i, loc, "order", found, "write the lowest first")
        yield from _lint_range(policies, i, (*loc, "points"), each.points, 0, _MOST_POINTS, "points")


def _lint_codes(policies: PolicySet, i: int, version: ActionsVersion) -> Iterator[Finding]:
    """Each thing to do is one that there is; what somebody owes or complains of is not forgotten."""
    kinds = {kind for each in policies.obligations.versions for kind in each.kinds}
    events = {kind for each in policies.events.versions for kind in each.events.stated()}
    yield from _lint_all_named(policies, i, "obligations", version.obligations, kinds, "kind of obligation")
    yield from _lint_all_named(policies, i, "churn_warnings", version.churn_warnings, LEVELS[::-1], "level")
    yield from _lint_all_named(policies, i, "complaints", version.complaints, STEPS, "step")
    yield from _lint_all_named(policies, i, "channels_zh", version.channels_zh, contact_values("channel"), "channel")
    for code in version.events:
        if code not in events:
            mend = f"name one of {', '.join(sorted(events))}"
            yield _finding(policies, i, ("events", code), "unknown", f"kind of event {code!r}", mend)
        elif code in kinds:
            found = f"{code} is an event and an obligation"
            yield _finding(policies, i, ("events", code), "overlap", found, "name one of them otherwise")


def _lint_all_named(
    policies: PolicySet, i: int, name: str, said: Mapping[str, object], known: Collection[str], what: str
) -> Iterator[Finding]:
    for code in said:
        if code not in known:
            mend = f"name one of {', '.join(sorted(known))}"
            yield _finding(policies, i, (name, code), "unknown", f"{what} {code!r}", mend)
    missing = sorted(set(known) - set(said))
    if missing:
        found = f"{name} say nothing of {', '.join(missing)}"
        yield _finding(policies, i, (name,), "gap", found, "give each its entry")


def _lint_actions(policies: PolicySet, i: int, version: ActionsVersion) -> Iterator[Finding]:
    groups: dict[str, Mapping[str, Action]] = {
        "obligations": version.obligations,
        "events": version.events,
        "churn_warnings": version.churn_warnings,
        "complaints": version.complaints,
    }
    for name, actions in groups.items():
        for code, action in actions.items():
            loc: Loc = (name, code)
            yield from _lint_range(policies, i, (*loc, "points"), action.points, 0, _MOST_POINTS, "points")
            for word in _BRACES.findall(action.sentence_zh):
                if word not in PLACEHOLDERS:
                    mend = f"name one of {', '.join(PLACEHOLDERS)}"
                    yield _finding(policies, i, (*loc, "sentence_zh"), "unknown", f"{{{word}}}", mend)
            if isinstance(action, DatedAction):
                yield from _lint_dated(policies, i, loc, action, version.obligations)


def _lint_dated(
    policies: PolicySet, i: int, loc: Loc, action: DatedAction, obligations: Collection[str]
) -> Iterator[Finding]:
    yield from _lint_range(policies, i, (*loc, "within"), action.within, 0, DAYS_AROUND, "days")
    lists = (("purposes", action.purposes, contact_values("purpose")), ("covered_by", action.covered_by, obligations))
    for name, codes, known in lists:
        for n, code in enumerate(codes):
            if code not in known:
                mend = f"name one of {', '.join(sorted(known))}"
                yield _finding(policies, i, (*loc, name, n), "unknown", f"{name} {code!r}", mend)
        for code, count in Counter(codes).items():
            if count > 1:
                yield _finding(policies, i, (*loc, name), "overlap", f"{code} stands {count} times", "name it once")
