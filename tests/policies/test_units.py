"""Numbers as people write them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from orchestration.lib.policies.model import Bound, Interval
from orchestration.lib.policies.units import HIGHEST, LOWEST, Years, parse_count, parse_money, parse_rate


@pytest.mark.parametrize(
    ("written", "yuan"),
    [
        ("50000", "50000"),
        (50000, "50000"),
        (0.5, "0.5"),
        ("5万", "50000"),
        (" 5 万元", "50000"),
        ("0.1万", "1000"),
        ("1千", "1000"),
        ("1.5亿", "150000000"),
        ("2,000,000元", "2000000"),
        ("-3万", "-30000"),
        ("0.01", "0.01"),
    ],
)
def test_amounts_are_yuan(written: object, yuan: str):
    assert parse_money(written) == Decimal(yuan)


@pytest.mark.parametrize(
    "written", ["", "万", "5 w", "5k", "five", "5万5千", "0.001", "0.0000001万", "1e5", True, None]
)
def test_what_is_no_amount_in_whole_fen_is_refused(written: object):
    with pytest.raises(ValueError, match=r"expected .* found"):
        parse_money(written)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=2))
def test_an_amount_reads_the_same_in_yuan_and_in_wan(amount: Decimal):
    assert parse_money(f"{amount:f}") == parse_money(f"{amount:,f}元") == amount
    assert parse_money(f"{amount / 10_000:f}万") == amount


@pytest.mark.parametrize(("written", "rate"), [("80%", "0.8"), (0.8, "0.8"), ("12.5 %", "0.125"), (1, "1"), ("0", "0")])
def test_rates_are_shares_of_one(written: object, rate: str):
    assert parse_rate(written) == Decimal(rate)


@pytest.mark.parametrize("written", ["80 percent", "8成", "", "1/2"])
def test_what_is_no_rate_is_refused(written: str):
    with pytest.raises(ValueError, match="expected a rate"):
        parse_rate(written)


@pytest.mark.parametrize(
    ("written", "number", "unit"),
    [
        ("60", "60", ""),
        ("60 years", "60", "year"),
        ("60岁", "60", "year"),
        ("3个月", "3", "month"),
        ("30 days", "30", "day"),
        ("24 times", "24", ""),
        ("2.5分", "2.5", ""),
    ],
)
def test_counts_have_a_unit(written: str, number: str, unit: str):
    assert parse_count(written) == (Decimal(number), unit)


@pytest.mark.parametrize("written", ["60 weeks", "60万", "sixty", "0.005"])
def test_what_is_no_count_is_refused(written: str):
    with pytest.raises(ValueError, match="expected"):
        parse_count(written)


@pytest.mark.parametrize("written", ["60 years", "60岁", 60, "60"])
def test_ages_are_whole_years(written: object):
    assert TypeAdapter(Years).validate_python(written) == 60


@pytest.mark.parametrize("written", ["60.5", "60 months", "old"])
def test_what_is_no_age_is_refused(written: object):
    with pytest.raises(ValidationError):
        TypeAdapter(Years).validate_python(written)


@pytest.mark.parametrize("written", [3, "3", 3.0])
def test_a_bound_may_be_written_as_a_number(written: object):
    assert Bound.model_validate({"value": written, "inclusive": True}).number("count") == 3


@pytest.mark.parametrize(
    ("value", "unit"), [("3 months", "year"), ("3 years", "cny"), ("5万", "count"), ("yes", "day")]
)
def test_a_bound_in_another_unit_than_its_measure_is_refused(value: str, unit: str):
    with pytest.raises(ValueError, match="expected"):
        Bound(value=value, inclusive=True).number(unit)


def test_an_end_belongs_to_the_interval_when_it_says_so():
    def interval(lower: bool, upper: bool) -> tuple[Decimal, Decimal]:
        ends = Interval(lower=Bound(value="5万", inclusive=lower), upper=Bound(value="10万", inclusive=upper))
        return ends.lower_value("cny"), ends.upper_value("cny")

    assert interval(True, False) == (Decimal(50_000), Decimal(100_000))
    assert interval(False, True) == (Decimal("50000.01"), Decimal("100000.01"))
    assert (Interval().lower_value("cny"), Interval().upper_value("cny")) == (LOWEST, HIGHEST)
