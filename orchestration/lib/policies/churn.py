"""The shape of policies/churn.yml: what warns of a customer's leaving, and how warnings are tested against the past."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from orchestration.lib.policies.model import DatedVersion, Strict
from orchestration.lib.policies.units import Days, Money, Months, Rate, parse_count, parse_rate

Level = Literal["yellow", "orange", "red"]
LEVELS: tuple[Level, ...] = ("yellow", "orange", "red")
Unit = Literal["share", "day", "count"]

# What the models measure of every customer in scope (columns of fct_churn_indicator), and what each is counted in.
INDICATOR_UNITS: dict[str, Unit] = {
    "aum_fall_1m": "share",
    "aum_fall_3m": "share",
    "outflow_ratio": "share",
    "maturity_not_renewed": "share",
    "product_count_down": "count",
    "salary_stop": "day",
    "no_contact": "day",
    "complaint_open": "count",
    "activity_down": "share",
}
# What a value is followed by in the reason of a warning; a share is written in hundredths.
UNITS_ZH: dict[str, str] = {
    **dict.fromkeys((code for code, unit in INDICATOR_UNITS.items() if unit == "share"), "%"),
    "product_count_down": "类",
    "salary_stop": "天",
    "no_contact": "天",
    "complaint_open": "件",
}
# Customers of no segment, and all customers together in the backtest: names that no segment may have.
OTHER_SEGMENT = "other"
BANK_SEGMENT = "bank"


class Outcome(Strict):
    """Who has left ``months`` after a month end: closed, below ``floor``, or below ``kept_share`` of what was there."""

    months: Months
    floor: Money
    kept_share: Rate


class Activity(Strict):
    """Card purchases of the last ``days`` against the ``before`` days before them, of which there are ``minimum``."""

    days: Days
    before: Days
    minimum: int


class Indicator(Strict):
    rule_id: str
    label_zh: str


class Range(Strict):
    """Values from ``at_least`` to below the next range's. ``level``: what the indicator would say alone."""

    at_least: Annotated[str, BeforeValidator(str, json_schema_input_type=str | float)]
    level: Level
    points: int

    def lower_value(self, unit: Unit) -> Decimal:
        """The value in its unit; a share of 1. Raises ValueError when the unit does not fit."""
        if unit == "share":
            return parse_rate(self.at_least)
        number, written = parse_count(self.at_least)
        if written not in ("", unit):
            raise ValueError(f"expected {unit}s, found {self.at_least!r}")
        return number


class Judgement(Strict):
    """Score of each level, lowest first, and ranges of each indicator; in a segment those of the bank fill in."""

    levels: dict[Level, int] = Field(default_factory=dict)
    ranges: dict[str, tuple[Range, ...]] = Field(default_factory=dict)


class Segment(Judgement):
    """Customers of some tiers of a scheme."""

    segment_code: str
    label_zh: str
    scheme_code: str
    tier_codes: tuple[str, ...]


class ChurnVersion(DatedVersion):
    """One dated version of the rules. ``segments``: a customer is judged by the first one that he is in."""

    outcome: Outcome
    salary_within: Days
    activity: Activity
    indicators: dict[str, Indicator]
    bank: Judgement
    segments: tuple[Segment, ...]

    def judgements(self) -> dict[str, Judgement]:
        """What each segment is judged by, customers of no segment last, with all that the bank fills in."""
        return {
            **{
                segment.segment_code: Judgement(
                    levels={**self.bank.levels, **segment.levels}, ranges={**self.bank.ranges, **segment.ranges}
                )
                for segment in self.segments
            },
            OTHER_SEGMENT: self.bank,
        }


class Churn(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[ChurnVersion, ...]
