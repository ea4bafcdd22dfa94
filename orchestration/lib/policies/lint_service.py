"""Lint of policies/service.yml: every step of every complaint has a day, and later steps no earlier ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from orchestration.lib.policies.finding import Finding, Kind
from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.service import SEVERITIES, STEPS, ServiceVersion
from orchestration.lib.policies.yaml_file import Loc

# Due days are counted on a calendar that looks so many days back.
_MOST_DAYS = 40


def lint_service(policies: PolicySet) -> Iterator[Finding]:
    """Findings in service.yml."""
    for i, version in enumerate(policies.service.versions):
        yield from _lint_complaints(policies, i, version)


def _finding(policies: PolicySet, i: int, loc: Loc, kind: Kind, found: str, mend: str) -> Finding:
    label = f"service@{policies.service.versions[i].version}"
    line = policies.line("service", ("versions", i, "complaints", *loc))
    return Finding("service.yml", line, label, kind, found, mend)


def _lint_complaints(policies: PolicySet, i: int, version: ServiceVersion) -> Iterator[Finding]:
    complaints = version.complaints
    if complaints.assistant_role not in policies.roles.roles:
        found = f"role {complaints.assistant_role!r}"
        yield _finding(policies, i, ("assistant_role",), "unknown", found, "name a role of roles.yml, or add it there")
    for step in STEPS:
        if step not in complaints.steps:
            yield _finding(policies, i, ("steps",), "gap", f"steps say nothing of {step}", "give it a label_zh")
    for severity in SEVERITIES:
        days = complaints.deadlines.get(severity)
        if days is None:
            found = f"deadlines say nothing of {severity}"
            yield _finding(policies, i, ("deadlines",), "gap", found, "give it a day for every step")
            continue
        loc: Loc = ("deadlines", severity)
        missing = [step for step in STEPS if step not in days]
        if missing:
            found = f"no day for {', '.join(missing)} of a {severity} complaint"
            yield _finding(policies, i, loc, "gap", found, "give every step its working days")
        for step, number in days.items():
            if not 0 <= number <= _MOST_DAYS:
                mend = f"write 0 to {_MOST_DAYS} working days"
                yield _finding(policies, i, (*loc, step), "range", f"{step} within {number} working days", mend)
        for earlier, later in pairwise(step for step in STEPS if step in days):
            if days[later] < days[earlier]:
                found = f"{later} within {days[later]} working days, {earlier} within {days[earlier]}"
                yield _finding(policies, i, (*loc, later), "order", found, "let no step be due before the one before")
