"""The shape of policies/actions.yml: what comes first on an employee's daily list, and how long the list may be."""

from __future__ import annotations

from pydantic import Field

from orchestration.lib.policies.model import DatedVersion, Strict
from orchestration.lib.policies.units import Days, Money

# What a sentence may hold, in braces; SQL puts it in.
PLACEHOLDERS = ("amount", "channel", "count", "date", "due", "role", "rule")


class Action(Strict):
    """What one thing to do is worth. ``points``: before urgency and value are added.

    ``is_regulated``: regulation, and not the bank alone, asks for it. ``is_marketing``: only for whoever said yes to
    some channel. ``sentence_zh``: the reason that the line gives.
    """

    points: int
    is_regulated: bool = False
    is_marketing: bool = False
    sentence_zh: str


class DatedAction(Action):
    """What no obligation gives a last day: it is due ``within`` these days, or on the day of the event itself.

    A contact for one of ``purposes`` takes it off the list; who is owed one of the kinds ``covered_by`` has it there.
    """

    rule_id: str
    within: Days
    on_event_date: bool = False
    purposes: tuple[str, ...] = ()
    covered_by: tuple[str, ...] = ()


class StepAction(Action):
    """A step of a complaint; its last day is that of the complaint."""

    rule_id: str


class UrgencyBin(Strict):
    """Points from so many days before the last day on; negative days are past it."""

    at_least: int | None = None
    points: int


class ValueBin(Strict):
    """Points of customers with assets from this amount on."""

    at_least: Money | None = None
    points: int


class ActionsVersion(DatedVersion):
    """One dated version of the rules.

    ``capacity``: lines of a day, where ``role_capacities`` says nothing else. ``overdue_shown``: how long an obligation
    past its last day stays on the list. ``event_shown``: how long an event does. ``quiet``: how long a contact about
    it takes a churn warning off.
    """

    capacity: int
    role_capacities: dict[str, int] = Field(default_factory=dict)
    overdue_shown: Days
    event_shown: Days
    quiet: Days
    regulation_points: int
    urgency: tuple[UrgencyBin, ...]
    value: tuple[ValueBin, ...]
    channels_zh: dict[str, str]
    obligations: dict[str, Action]
    events: dict[str, DatedAction]
    churn_warnings: dict[str, DatedAction]
    complaints: dict[str, StepAction]


class Actions(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[ActionsVersion, ...]
