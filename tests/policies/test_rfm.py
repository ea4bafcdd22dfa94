"""RFM scores are those of rfm_table_order of the R package rfm 0.3.0: an implementation of its own, in exact fractions.

The package takes R's quantiles of type 7 at 20, 40, 60 and 80 %, adds one to each, and scores a value by the half-open
intervals [lowest, cut 1), [cut 1, cut 2), ..., [cut 4, highest + 1). So a value that equals a quantile, or lies less
than one above it, stays in the lower interval.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import pytest

from orchestration.lib.policies import load_policies
from orchestration.lib.policies.trial import Trial
from tests.policies.replay import assets, evaluated, factors, month_ends, only

(DAY,) = month_ends(1)
QUANTITIES = {"recency": "days_since_spend", "frequency": "spend_365d_count", "monetary": "card_spend_365d_cny"}
Customer = tuple[int, int, Decimal]

# The first rows of the package's documentation, and the 20, 40, 60 and 80 % quantiles of its 995 customers.
PUBLISHED_QUANTILES = (
    [114, 180, Fraction("296.4"), 481],
    [3, 4, 5, 7],
    [Fraction("254.8"), 381, Fraction("505.4"), 665],
)
PUBLISHED = {(205, 6, 472): 343, (140, 3, 340): 412, (194, 4, 405): 323, (98, 7, 596): 544, (132, 5, 448): 433}


def quantile_7(values: Sequence[Fraction], share: Fraction) -> Fraction:
    """R's default: position (n - 1) x share of the ordered values, between two of them in proportion."""
    ordered = sorted(values)
    position = (len(ordered) - 1) * share
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])


def interval(value: Fraction, quantiles: Sequence[Fraction | int]) -> int:
    """Number of the interval from 1; a value on a cut belongs above it."""
    return 1 + sum(value >= quantile + 1 for quantile in quantiles)


def scores(customers: Sequence[Customer]) -> list[tuple[int, int, int]]:
    """(recency, frequency, monetary) score of each; the fewest days score highest."""
    columns = [[Fraction(value) for value in column] for column in zip(*customers, strict=True)]
    quantiles = [[quantile_7(column, Fraction(n, 5)) for n in (1, 2, 3, 4)] for column in columns]
    found = []
    for row in zip(*columns, strict=True):
        days, times, money = (interval(value, cuts) for value, cuts in zip(row, quantiles, strict=True))
        found.append((6 - days, times, money))
    return found


def segment(recency: int, frequency: int, monetary: int) -> str:
    if recency >= 4:
        if frequency >= 4:
            return "champions" if monetary >= 4 else "loyal"
        return "potential" if frequency >= 2 else "new"
    if recency == 3:
        return "loyal" if frequency >= 4 else "need_attention"
    return "at_risk" if frequency >= 4 or monetary >= 4 else "lost"


def populations() -> dict[str, list[Customer]]:
    draw = random.Random(7)

    def money(top: int) -> Decimal:
        return Decimal(draw.randrange(1, top * 100)) / 100

    spread = [(draw.randrange(366), draw.randrange(1, 200), money(90_000)) for _ in range(997)]
    ties = [
        (draw.choice([0, 1, 7, 30]), draw.choice([1, 1, 1, 2, 3]), Decimal(draw.choice([10, 11, 20])))
        for _ in range(500)
    ]
    # Within a unit of one another: the cut lies a unit above the quantile, not on it.
    close = [
        (draw.randrange(4), draw.randrange(1, 5), Decimal(1000) + Decimal(draw.randrange(400)) / 100)
        for _ in range(300)
    ]
    return {
        "spread": spread,
        "ties": ties,
        "close": close,
        "alike": [(5, 12, Decimal("99.99"))] * 40,
        "refunded": [(draw.randrange(366), draw.randrange(1, 9), money(100) - 50) for _ in range(83)],
        "six": spread[:6],
        "one": spread[:1],
    }


def test_the_rule_gives_the_scores_that_the_package_documents() -> None:
    for customer, score in PUBLISHED.items():
        days, times, money = (
            interval(Fraction(value), cuts) for value, cuts in zip(customer, PUBLISHED_QUANTILES, strict=True)
        )
        assert (6 - days) * 100 + times * 10 + money == score


@pytest.mark.parametrize("population", populations())
@pytest.mark.rule("C1-04", "G38")
def test_scores_equal_those_of_the_r_package(trial: Trial, population: str) -> None:
    customers = {f"{number:04}": customer for number, customer in enumerate(populations()[population])}
    # Customers without spend are no part of the population, whatever else is known of them.
    rows = [factors(DAY, "quiet", deposit_cny=5)]
    rows += [
        factors(DAY, name, days_since_spend=days, spend_365d_count=times, card_spend_365d_cny=money)
        for name, (days, times, money) in customers.items()
    ]
    trial.put("fct_customer_factor", rows)
    trial.put("fct_month_measure", [assets(DAY, "quiet", 5)])

    trial.replay(only(load_policies(), "rfm"), [DAY], "rfm")

    expected = dict(zip(customers, scores(list(customers.values())), strict=True))
    assert scored(trial, "rfm") == expected
    assert evaluated(trial, "rfm", "rfm") == {(DAY, name): segment(*found) for name, found in expected.items()}


def scored(trial: Trial, name: str) -> dict[str, tuple[int, ...]]:
    """Scores of every customer by the bins that were made of the population."""
    bins = ", ".join(
        f"list(bin_code::int) filter (factor_code = '{factor}' "
        f"and {quantity} >= lower_value and {quantity} < upper_value)"
        for factor, quantity in QUANTITIES.items()
    )
    with trial.connect() as con:
        rows = con.execute(
            f"select customer_id, {bins} from core.fct_customer_factor cross join trial.{name}_population_bin "
            "where days_since_spend is not null group by customer_id"
        ).fetchall()
    # A list of one: every value lies in one bin of each factor and in no second one.
    assert all(len(codes) == 1 for _, *lists in rows for codes in lists)
    return {customer_id: tuple(codes[0] for codes in lists) for customer_id, *lists in rows}
