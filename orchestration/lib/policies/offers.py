"""The shape of policies/offers.yml: which products are offered to whom."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from orchestration.lib.policies.model import DatedVersion, Strict
from orchestration.lib.policies.units import Days, Rate, Years

RiskLevel = Literal["r1", "r2", "r3", "r4", "r5"]
Appetite = Literal["c1", "c2", "c3", "c4", "c5"]
OfferKind = Literal["repeat_sell", "up_sell", "cross_sell"]
UnsuitableReason = Literal["risk_level", "senior_duty"]
# What the models know; a policy orders and names them.
OFFER_KINDS: tuple[OfferKind, ...] = ("repeat_sell", "up_sell", "cross_sell")
UNSUITABLE_REASONS: tuple[UnsuitableReason, ...] = ("risk_level", "senior_duty")
APPETITES: tuple[Appetite, ...] = ("c1", "c2", "c3", "c4", "c5")


class Kind(Strict):
    """A way of selling; kinds that stand first hold for a family that several fit (D1-09)."""

    label_zh: str
    rule_id: str


class UnsuitableLabel(Strict):
    """Why an offer does not suit, in words."""

    label_zh: str


class Suitability(Strict):
    """``appetites``: highest product risk per customer appetite. From ``senior_age`` on, risk above ``senior_highest``
    asks for a special duty.
    """

    rule_id: str
    appetites: dict[Appetite, RiskLevel]
    unknown_appetite: RiskLevel
    senior_age: Years
    senior_highest: RiskLevel
    reasons: dict[UnsuitableReason, UnsuitableLabel]


class OffersVersion(DatedVersion):
    """One dated version of the rules.

    Support: customers who hold both families among those who hold any. Confidence: among those who hold the first.
    Lift: confidence over the share of all who hold the second.
    """

    kinds: dict[OfferKind, Kind]
    most_offers: int
    maturity: Days
    minimum_support: Rate
    minimum_confidence: Rate
    minimum_lift: Decimal
    families: dict[str, str]
    suitability: Suitability


class Offers(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[OffersVersion, ...]
