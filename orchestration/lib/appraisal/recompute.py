"""Scorecards computed again from frozen evidence and policy, in plain Python: a second reading of the formulas.

Shares no code with the SQL that made the scorecards. Decimals are exact; halves are rounded away from zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

Row = Mapping[str, Any]
# (numerator, denominator, value_rate)
Value = tuple[Decimal, Decimal, Decimal | None]

GROWTH, WON, KEPT = "m5_growth", "m4_acquisition", "m1_retention"


def rounded(value: Fraction, places: int) -> Decimal:
    """A fraction as a decimal of so many places, half away from zero."""
    scaled = abs(value) * 10**places
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    with localcontext(prec=60):
        return Decimal(units if value >= 0 else -units).scaleb(-places)


def median(rates: Iterable[Decimal]) -> Decimal | None:
    """The middle one, or the mean of the two in the middle; None without any. Eight decimals."""
    ordered = sorted(rates)
    if not ordered:
        return None
    lower, upper = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return rounded((Fraction(lower) + Fraction(upper)) / 2, 8)


def score(value: Decimal | None, target: Decimal, is_inverse: bool, unit: Decimal, cap: Decimal) -> Decimal | None:
    """Points of a value against its target: ``unit`` at the target, from 0 to ``cap``."""
    if value is None:
        return None
    if is_inverse and value <= 0:
        points = Fraction(cap) if target > 0 else Fraction(unit)
    elif is_inverse:
        points = Fraction(unit) * Fraction(target) / Fraction(value) if target > 0 else Fraction(0)
    elif target <= 0:
        points = Fraction(cap) if value > target else Fraction(unit) if value == target else Fraction(0)
    else:
        points = Fraction(unit) * Fraction(value) / Fraction(target)
    return rounded(min(max(points, Fraction(0)), Fraction(cap)), 4)


@dataclass
class Sums:
    """Evidence of one subject and measure, in customer-days and fen-days."""

    days: int = 0
    numerator_days: int = 0
    value_days: Fraction = field(default_factory=Fraction)
    base_days: Fraction = field(default_factory=Fraction)
    customers: int = 0

    def add(self, row: Row, days: int) -> None:
        self.customers += 1
        if row["exclusion_reason"] is None:
            self.days += days
            self.base_days += Fraction(row["base_cny"] or 0) * days
        if row["is_numerator"]:
            self.numerator_days += days
            self.value_days += Fraction(row["value_cny"] or 0) * days


def values(sums: Mapping[str, Sums], measures: Iterable[str], day_count: int) -> dict[str, Value]:
    """Numerator, denominator and rate of every measure of one subject; ``sums`` by measure, of ``day_count`` days."""
    found: dict[str, Value] = {}
    for measure in measures:
        own = sums.get(measure, Sums())
        if measure == GROWTH:
            numerator = rounded(own.value_days / day_count, 2)
            denominator = rounded(own.base_days / day_count, 2)
            rate = rounded(Fraction(numerator) / Fraction(denominator), 8) if denominator > 0 else None
        else:
            # Who is won is measured against the customers who were there.
            whole = sums.get(KEPT, Sums()).days if measure == WON else own.days
            numerator = rounded(Fraction(own.numerator_days, day_count), 8)
            denominator = rounded(Fraction(whole, day_count), 8)
            rate = rounded(Fraction(own.numerator_days, whole), 8) if whole else None
        found[measure] = (numerator, denominator, rate)
    return found


def employee_sums(evidence: Iterable[Row]) -> dict[str, dict[str, Sums]]:
    """Employee -> measure -> sums over the days that each customer was held."""
    found: dict[str, dict[str, Sums]] = defaultdict(lambda: defaultdict(Sums))
    for row in evidence:
        found[row["employee_id"]][row["measure_code"]].add(row, row["held_days"])
    return found


def failed_gates(total: Row, gates: Iterable[Row]) -> str | None:
    """Codes of the gates that a scorecard's figures fail, sorted; None when there is none."""
    above = {"complaints": "complaint_count", "conduct": "conduct_count"}
    below = {"cadence": "cadence_rate", "archives": "archive_rate"}
    failed = []
    for gate in gates:
        code, limit = gate["gate_code"], Decimal(gate["limit_value"])
        is_failed = (code in above and Decimal(total[above[code]]) > limit) or (
            code in below and total[below[code]] is not None and total[below[code]] < limit
        )
        failed += [code] if is_failed else []
    return ",".join(sorted(failed)) or None


def total_score(
    scores: Mapping[str, Decimal | None], weights: Mapping[str, Decimal], gate_code: str | None, gate_cap: Decimal
) -> Decimal | None:
    """Weighted mean of the measures that are scored, capped behind a failed gate; None when none is."""
    scored = {measure: points for measure, points in scores.items() if points is not None}
    if not scored:
        return None
    whole = sum((Fraction(weights[measure]) for measure in scored), Fraction())
    total = rounded(sum((Fraction(weights[m]) * Fraction(p) for m, p in scored.items()), Fraction()) / whole, 4)
    return min(total, rounded(Fraction(gate_cap), 4)) if gate_code else total


def ranks(totals: Iterable[Row], least_ranked: int) -> dict[str, int]:
    """Employee -> rank by total within his peer group, with gaps, of those with enough customers."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for total in totals:
        is_ranked = total["total_score"] is not None and total["cohort_count"] >= least_ranked
        if is_ranked and total["peer_group_code"] is not None:
            groups[total["peer_group_code"]].append(total)
    return {
        member["employee_id"]: 1 + sum(other["total_score"] > member["total_score"] for other in members)
        for members in groups.values()
        for member in members
    }
