"""The shape of policies/appraisal.yml: what employees, outlets and branches are scored on at the end of a quarter."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

from orchestration.lib.policies.model import DatedVersion, Strict
from orchestration.lib.policies.units import Days, Money, Rate

MeasureCode = Literal["m1_retention", "m2_uplift", "m3_deepening", "m4_acquisition", "m5_growth"]
Numerator = Literal["customers_lost", "customers_risen", "customers_covered", "customers_won", "net_flow"]
Denominator = Literal["cohort", "cohort_below_top_tier", "opening_daily_average"]
# What a numerator is judged by. A balance of one day can be said, so that it can be refused by name.
Basis = Literal[
    "quarter_daily_average",
    "official_tier",
    "families_in_use",
    "customers_won_by_employee",
    "point_in_time_balance",
]
Guard = Literal["none", "tier_held_another_month", "in_scope_another_month", "smaller_of_quarter_and_days_after"]
Curve = Literal["plain", "inverse"]
ExclusionCode = Literal["merged", "deceased", "court_freeze"]
GateCode = Literal["complaints", "cadence", "archives", "conduct"]
FlagKind = Literal[
    "month_end_deviation",
    "book_deviation",
    "in_and_out",
    "bunching",
    "opened_unused",
    "family_shifting",
    "handover_timing",
    "contacts_in_bulk",
    "supervisor_as_b",
]


class Said(NamedTuple):
    """What the models compute for a measure; a policy says it for its readers and cannot say otherwise."""

    numerator: Numerator
    denominator: Denominator
    basis: Basis
    guard: Guard
    curve: Curve


MEASURES: dict[MeasureCode, Said] = {
    "m1_retention": Said("customers_lost", "cohort", "quarter_daily_average", "none", "inverse"),
    "m2_uplift": Said("customers_risen", "cohort_below_top_tier", "official_tier", "tier_held_another_month", "plain"),
    "m3_deepening": Said("customers_covered", "cohort", "families_in_use", "none", "plain"),
    "m4_acquisition": Said("customers_won", "cohort", "customers_won_by_employee", "in_scope_another_month", "plain"),
    "m5_growth": Said(
        "net_flow",
        "opening_daily_average",
        "quarter_daily_average",
        "smaller_of_quarter_and_days_after",
        "plain",
    ),
}
# Measures that selling alone can raise.
SALES_MEASURES: tuple[MeasureCode, ...] = ("m3_deepening", "m4_acquisition", "m5_growth")
EXCLUSIONS: tuple[ExclusionCode, ...] = ("merged", "deceased", "court_freeze")
GATES: tuple[GateCode, ...] = ("complaints", "cadence", "archives", "conduct")
# Parameters that the model of a flag reads.
FLAG_PARAMETERS: dict[FlagKind, tuple[str, ...]] = {
    "month_end_deviation": ("rate", "amount"),
    "book_deviation": ("rate", "least"),
    "in_and_out": ("rate", "amount", "days"),
    "bunching": ("rate", "least", "others"),
    "opened_unused": ("least",),
    "family_shifting": ("rate", "amount", "days"),
    "handover_timing": ("days", "least", "codes"),
    "contacts_in_bulk": ("least", "others", "codes"),
    "supervisor_as_b": ("least", "codes"),
}


class Cohort(Strict):
    """Whom a quarter is about, and what a customer weighs."""

    membership: Literal["in_scope_on_first_day"]
    weight: Literal["days_held"]
    rule_id: str


class Named(Strict):
    """A name for people."""

    label_zh: str
    label_en: str


class Loss(Strict):
    """When a customer is lost: see docs/appraisal.md, measure m1."""

    floor: Money
    kept_share: Rate
    fall_from: Money
    rule_id: str


class Line(Strict):
    """An amount from which on something holds."""

    at_least: Money
    rule_id: str


class After(Strict):
    """Days after the last day of the quarter."""

    after: Days
    rule_id: str


class Scoring(Strict):
    """The curve: ``full`` points at the target, at most ``cap``; ``gate_cap`` of the total behind a failed gate."""

    full: Decimal
    cap: Decimal
    gate_cap: Decimal
    least_ranked: int
    rule_id: str


class PeerGroup(Strict):
    """Who is compared with whom."""

    by: tuple[Literal["role", "branch_level"], ...]
    rule_id: str


class MeasureDefinition(Named):
    """One of the five measures."""

    rule_id: str
    numerator: Numerator
    denominator: Denominator
    basis: Basis
    guard: Guard
    curve: Curve
    weight: Rate
    first_target: Rate


class Gate(Named):
    """Counts fail above the limit, shares below it."""

    limit: Rate


class Flag(Strict):
    """Parameters of an integrity flag: which ones, says FLAG_PARAMETERS.

    ``codes``: the reasons of handovers, channels of contacts or roles of employees that it looks at.
    """

    label_zh: str
    rate: Rate | None = None
    amount: Money | None = None
    days: Days | None = None
    least: int | None = None
    others: int | None = None
    codes: tuple[str, ...] | None = None


class AppraisalVersion(DatedVersion):
    """One dated version of the rules."""

    cohort: Cohort
    exclusions: dict[ExclusionCode, Named]
    loss: Loss
    liability: Line
    mid_high: Line
    guard: After
    closing: After
    scoring: Scoring
    peer_group: PeerGroup
    measures: dict[MeasureCode, MeasureDefinition]
    families: dict[str, int]
    gates: dict[GateCode, Gate]
    flags: dict[FlagKind, Flag]


class Appraisal(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[AppraisalVersion, ...]
