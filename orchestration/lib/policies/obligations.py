"""The shape of policies/obligations.yml: what customers of a tier are owed, and when: the rule books' cadences."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from orchestration.lib.policies.model import DatedVersion, Strict
from orchestration.lib.policies.units import Days, Money, Rate

# D1-14 names three strategies by how often they meet and call; G37: they are names for cadence sets.
Strategy = Literal["active", "responsive", "passive"]
Occasion = Literal["month", "quarter", "half_year", "year", "birthday", "festival", "life_event"]

PERIODS: tuple[Occasion, ...] = ("month", "quarter", "half_year", "year")

# Why an undone obligation is not owed, as the models judge it; the first that applies is the reason given.
SUPPRESSION_REASONS = ("deceased", "court_freeze", "risk_veto", "closed", "tier_changed", "no_consent")


class Kind(Strict):
    """What is owed, and which contacts of the log meet it: a channel and a purpose, each one of these.

    ``channels``: best first; the first that the customer allows is proposed. ``is_marketing``: owed to those alone who
    said yes to the channel (PIPL Art. 24).
    """

    label_zh: str
    is_marketing: bool = False
    channels: tuple[str, ...]
    purposes: tuple[str, ...]


class Cadence(Strict):
    """How often a kind is owed: ``times`` per period, or once per birthday, festival or life event.

    An occasion's window opens ``before`` it and ends ``after`` it; its obligation is created ``lead`` before that.
    ``performer_role``: who must do it beside the owner or in his place. ``sample_rate``: the share of customers
    drawn each period. ``aum_at_least`` and ``aum_at_most``: only customers with a month average of their assets from
    one to the other, both included.
    """

    rule_id: str
    kind: str
    per: Occasion
    times: int = 1
    before: Days = 0
    after: Days = 0
    lead: Days = 0
    festivals: tuple[str, ...] = ()
    performer_role: str | None = None
    sample_rate: Rate | None = None
    aum_at_least: Money | None = None
    aum_at_most: Money | None = None


class CadenceSet(Strict):
    """Cadences that customers of some tiers of one scheme are owed, under one strategy.

    Where several sets ask for one kind on one occasion, the most times win; of equal ones the one that stands first.
    """

    scheme_code: str
    tiers: tuple[str, ...]
    strategy: Strategy
    cadences: dict[str, Cadence]


class Suppression(Strict):
    """Why an obligation is not owed although a cadence asks for it."""

    rule_id: str
    label_zh: str


class ObligationsVersion(DatedVersion):
    """One dated version of the rules.

    ``late_contact``: how long after its window an obligation is still met by a contact within the window that is
    delivered late. ``leap_birthday``: the day, as MMDD, on which 29 February is kept in common years.
    ``consent_channels``: channels by which a customer may refuse to be reached.
    """

    late_contact: Days
    leap_birthday: str
    consent_channels: tuple[str, ...]
    kinds: dict[str, Kind]
    cadence_sets: dict[str, CadenceSet]
    suppressions: dict[str, Suppression]


class CalendarYear(Strict):
    """All days of a year on which banks rest though they are no weekend days, and weekend days on which they work."""

    holidays: tuple[date, ...]
    working_weekends: tuple[date, ...]


class Obligations(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id.

    ``calendar_years``: years that the calendar package does not know yet, or that it has wrong, each stated whole.
    """

    calendar_years: dict[int, CalendarYear] = Field(default_factory=dict)
    versions: tuple[ObligationsVersion, ...]
