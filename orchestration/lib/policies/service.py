"""The shape of policies/service.yml: within how long complaints are answered, and by whom."""

from __future__ import annotations

from typing import Literal

from orchestration.lib.policies.model import DatedVersion, Strict

# The steps of a complaint that follow its receipt, in order; the feed has a moment for each.
Step = Literal["accepted", "resolved", "fed_back"]
STEPS: tuple[Step, ...] = ("accepted", "resolved", "fed_back")
Severity = Literal["low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = ("low", "medium", "high")


class StepLabel(Strict):
    """A step's name for people."""

    label_zh: str


class Complaints(Strict):
    """``deadlines``: severity -> step -> working days after the day of receipt. ``assistant_role`` helps (D1-12)."""

    rule_id: str
    assistant_role: str
    steps: dict[Step, StepLabel]
    deadlines: dict[Severity, dict[Step, int]]


class ServiceVersion(DatedVersion):
    """One dated version of the rules."""

    complaints: Complaints


class Service(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[ServiceVersion, ...]
