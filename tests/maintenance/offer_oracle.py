"""Offers as somebody would make them who reads who holds what, with nothing but Python and fractions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
_STEP = Fraction(1, 10**8)


def in_decimals(share: Fraction) -> Decimal:
    """Rounded half up to 8 decimals."""
    return Decimal((share / _STEP + Fraction(1, 2)).__floor__()).scaleb(-8)


@dataclass(frozen=True)
class Association:
    """How often the holders of a family hold another one."""

    support: Decimal
    confidence: Decimal
    lift: Decimal


@dataclass(frozen=True)
class Offer:
    """A way of selling a family to a customer, and the product that stands for it."""

    offer_kind: str
    product: Row
    association: Association | None = None
    maturity_date: date | None = None

    @property
    def risk(self) -> int:
        """0 for products that have no level."""
        return int((self.product["risk_level"] or "r0")[1:])


@dataclass
class Shop:
    """What a bank knows on a day. ``holdings`` and ``maturities`` name products of ``products``; ``people`` are the
    customers in the books.
    """

    day: date
    policy: Row
    products: Mapping[str, Row]
    people: Mapping[str, Row]
    holdings: Iterable[tuple[str, str]]
    maturities: Iterable[tuple[str, str, date]]
    allowed: set[str]
    suppressed: set[str]
    merged: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.held: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for customer, code in self.holdings:
            product = self.products[code]
            if product["product_family"] in self.policy["families"]:
                self.held[self.merged.get(customer, customer)][product["product_family"]].append(product)

    def sold(self, family: str) -> list[Row]:
        """Products of a family that may be sold, the least risky first."""
        found = [p for p in self.products.values() if p["product_family"] == family and p["product_grade"] is not None]
        return sorted(found, key=lambda p: (p["risk_level"] or "", p["product_grade"], p["product_code"]))

    def associations(self) -> dict[tuple[str, str], Association]:
        """Of all families in pairs, those that are held together often enough."""
        baskets = [frozenset(families) for families in self.held.values()]
        total = len(baskets)
        families = sorted(self.policy["families"])
        found: dict[tuple[str, str], Association] = {}
        for first in families:
            for second in families:
                ones = sum(first in basket for basket in baskets)
                others = sum(second in basket for basket in baskets)
                both = sum({first, second} <= basket for basket in baskets)
                if first == second or not both:
                    continue
                association = Association(
                    in_decimals(Fraction(both, total)),
                    in_decimals(Fraction(both, ones)),
                    in_decimals(Fraction(both, ones) / Fraction(others, total)),
                )
                if (
                    association.support >= self.policy["minimum_support"]
                    and association.confidence >= self.policy["minimum_confidence"]
                    and association.lift >= self.policy["minimum_lift"]
                ):
                    found[first, second] = association
        return found

    def unsuitable(self, customer: str, offer: Offer) -> str | None:
        """Why an offer does not suit; None when it does."""
        person = self.people[customer]
        highest = self.policy["appetites"].get(person["risk_appetite"], self.policy["unknown_appetite"])
        if offer.risk > int(highest[1:]):
            return "risk_level"
        born = person["birth_date"]
        if born is not None and offer.risk > int(self.policy["senior_highest"][1:]):
            age = self.day.year - born.year - ((self.day.month, self.day.day) < (born.month, born.day))
            if age >= self.policy["senior_age"]:
                return "senior_duty"
        return None

    def offers(self) -> dict[tuple[str, str], tuple[int, Offer, str | None]]:
        """(customer, family) -> rank, offer and why it does not suit."""
        associations = self.associations()
        due: dict[tuple[str, str], list[tuple[date, str]]] = defaultdict(list)
        for customer, code, day in self.maturities:
            product = self.products[code]
            within = self.day < day <= self.day + timedelta(self.policy["maturity_days"])
            if within and product["product_family"] in self.policy["families"] and product["product_grade"] is not None:
                due[self.merged.get(customer, customer), product["product_family"]].append((day, code))
        found: dict[tuple[str, str], tuple[int, Offer, str | None]] = {}
        for customer in set(self.people) & self.allowed - self.suppressed:
            ranked = []
            for family in self.policy["families"]:
                ways = self._ways(customer, family, due, associations)
                if ways:
                    offer = min(ways, key=lambda way: self.policy["kinds"].index(way.offer_kind))
                    reason = self.unsuitable(customer, offer)
                    lift = offer.association.lift if offer.association else Decimal(0)
                    place = self.policy["kinds"].index(offer.offer_kind)
                    ranked.append(((reason is not None, place, -lift, family), offer, reason))
            for rank, (key, offer, reason) in enumerate(sorted(ranked, key=lambda each: each[0]), start=1):
                if rank <= self.policy["most_offers"]:
                    found[customer, key[3]] = (rank, offer, reason)
        return found

    def _ways(
        self,
        customer: str,
        family: str,
        due: Mapping[tuple[str, str], list[tuple[date, str]]],
        associations: Mapping[tuple[str, str], Association],
    ) -> list[Offer]:
        held, ways = self.held.get(customer, {}), []
        if (customer, family) in due:
            day, code = min(due[customer, family])
            ways.append(Offer("repeat_sell", self.products[code], maturity_date=day))
        if family in held:
            best = max((p["product_grade"] for p in held[family] if p["product_grade"] is not None), default=None)
            higher = [p for p in self.sold(family) if best is not None and p["product_grade"] > best]
            if higher:
                grade = min(p["product_grade"] for p in higher)
                ways.append(Offer("up_sell", next(p for p in higher if p["product_grade"] == grade)))
        else:
            links = [(first, a) for (first, second), a in associations.items() if second == family and first in held]
            if links and self.sold(family):
                _, association = min(links, key=lambda link: (-link[1].lift, -link[1].confidence, link[0]))
                ways.append(Offer("cross_sell", self.sold(family)[0], association))
        return ways
