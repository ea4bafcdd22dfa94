"""Money macros as DuckDB runs them, against Python's exact decimals."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import Any

import duckdb
import jinja2
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.lib.home import DBT_PROJECT_DIR

FEN = Decimal("0.01")
# Enough digits that no quotient is rounded before it is quantized.
EXACT = Context(prec=90)
LARGEST_FEN = 10**18 - 1
LONGEST_WINDOW = 366


def rendered(file: str, macro: str, *arguments: str) -> str:
    """SQL of a macro of the project, with DuckDB's implementation of whatever is dispatched."""
    scope: dict[str, Any] = {}

    class Adapter:
        @staticmethod
        def dispatch(name: str, package: str) -> Callable[..., str]:
            implementation: Callable[..., str] = getattr(scope["module"], f"duckdb__{name}")
            return implementation

    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(
        (DBT_PROJECT_DIR / "macros" / file).read_text("utf-8")
    )
    scope["module"] = template.make_module({"adapter": Adapter, "return": lambda value: value})
    return str(getattr(scope["module"], macro)(*arguments))


DIVISION = rendered("engine/portable.sql", "divide_half_up", "amount", "divisor")
MULTIPLIED = rendered("money.sql", "multiply_money", "amount", "rate")
MULTIPLIED_UNITS = rendered("money.sql", "multiply_units", "units", "price")
RATE = rendered("engine/portable.sql", "rate", "part", "whole")
SHARE = rendered("money.sql", "share_of_money", "amount", "share")


def run(
    expression: str, result_type: str = "DECIMAL(18,2)", **columns: tuple[pa.DataType, list[Any]]
) -> list[Decimal | None]:
    """The expression over rows of these columns, all in one query, in order."""
    rows = pa.table({name: pa.array(values, kind) for name, (kind, values) in columns.items()})
    with duckdb.connect() as con:
        con.register("input_rows", rows)
        found = con.execute(f"select {expression} as result, typeof({expression}) from input_rows").fetchall()
    assert {kind for _, kind in found} <= {result_type}
    return [value for value, _ in found]


def fen(number: int) -> Decimal:
    return EXACT.scaleb(Decimal(number), -2)


def half_up(value: Decimal) -> Decimal:
    return value.quantize(FEN, ROUND_HALF_UP, context=EXACT)


@st.composite
def balance_days(draw: st.DrawFn) -> tuple[Decimal, int]:
    """Balance-days of a window with an average that fits money; often a fen beside a tie."""
    days = draw(st.integers(1, LONGEST_WINDOW))
    if draw(st.booleans()):
        average = draw(st.integers(-(10**9), 10**9))
        return fen(average * days + (days // 2) + draw(st.sampled_from([-1, 0, 1]))), days
    limit = LARGEST_FEN * days
    return fen(draw(st.integers(-limit, limit))), days


@settings(max_examples=25, deadline=None)
@given(st.lists(balance_days(), min_size=50, max_size=200))
def test_an_average_is_the_exact_quotient_rounded_half_up_with_negatives_mirrored(
    cases: list[tuple[Decimal, int]],
) -> None:
    expected = [half_up(EXACT.divide(amount, Decimal(days))) for amount, days in cases]
    # A sum over decimal(28, 2) is as wide as decimals go.
    for kind in (pa.decimal128(28, 2), pa.decimal128(38, 2)):
        amounts, days = [a for a, _ in cases], [d for _, d in cases]
        assert run(DIVISION, amount=(kind, amounts), divisor=(pa.int32(), days)) == expected


def test_half_a_fen_goes_away_from_zero_and_less_than_half_to_zero() -> None:
    amounts = ["0.04", "0.03", "-0.04", "-0.03", "0.00", "0.12", "-0.12"]
    kind = pa.decimal128(28, 2)
    found = run(DIVISION, amount=(kind, [Decimal(a) for a in amounts]), divisor=(pa.int32(), [8] * len(amounts)))
    assert [str(v) for v in found] == ["0.01", "0.00", "-0.01", "0.00", "0.00", "0.02", "-0.02"]


def test_an_unknown_amount_or_divisor_and_a_divisor_of_zero_give_no_average() -> None:
    amounts, days = [Decimal(1), None, Decimal(1)], [0, 8, None]
    assert run(DIVISION, amount=(pa.decimal128(28, 2), amounts), divisor=(pa.int32(), days)) == [None] * 3


@st.composite
def amount_and_rate(draw: st.DrawFn) -> tuple[Decimal, Decimal]:
    rate = draw(st.integers(0, 10**12) | st.sampled_from([0, 10**8, 5 * 10**7, 7_12345678]))
    limit = LARGEST_FEN if rate <= 10**8 else LARGEST_FEN * 10**8 // rate
    amount = draw(st.integers(-limit, limit) | st.integers(-200, 200))
    return fen(amount), EXACT.scaleb(Decimal(rate), -8)


@settings(max_examples=25, deadline=None)
@given(st.lists(amount_and_rate(), min_size=50, max_size=200))
def test_an_amount_in_another_currency_is_the_exact_product_rounded_half_up(
    cases: list[tuple[Decimal, Decimal]],
) -> None:
    expected = [half_up(EXACT.multiply(amount, rate)) for amount, rate in cases]
    amounts, rates = [a for a, _ in cases], [r for _, r in cases]
    assert run(MULTIPLIED, amount=(pa.decimal128(18, 2), amounts), rate=(pa.decimal128(18, 8), rates)) == expected


@st.composite
def units_and_price(draw: st.DrawFn) -> tuple[Decimal, Decimal]:
    price = draw(st.integers(0, 10**13) | st.integers(0, 10**18 - 1))
    limit = min(10**18 - 1, LARGEST_FEN * 10**12 // max(price, 1))
    units = draw(st.integers(-limit, limit) | st.integers(-min(limit, 10**6), min(limit, 10**6)))
    return EXACT.scaleb(Decimal(units), -6), EXACT.scaleb(Decimal(price), -8)


@settings(max_examples=25, deadline=None)
@given(st.lists(units_and_price(), min_size=50, max_size=200))
def test_units_at_a_price_are_the_exact_product_rounded_half_up(cases: list[tuple[Decimal, Decimal]]) -> None:
    expected = [half_up(EXACT.multiply(units, price)) for units, price in cases]
    units, prices = [u for u, _ in cases], [p for _, p in cases]
    found = run(MULTIPLIED_UNITS, units=(pa.decimal128(18, 6), units), price=(pa.decimal128(18, 8), prices))
    assert found == expected


@st.composite
def amount_and_share(draw: st.DrawFn) -> tuple[Decimal, Decimal]:
    share = draw(st.integers(0, 10**8) | st.sampled_from([0, 33333333, 5 * 10**7, 10**8]))
    amount = draw(st.integers(-LARGEST_FEN, LARGEST_FEN) | st.integers(-200, 200))
    return fen(amount), EXACT.scaleb(Decimal(share), -8)


@settings(max_examples=25, deadline=None)
@given(st.lists(amount_and_share(), min_size=50, max_size=200))
def test_a_share_is_cut_to_whole_fen_towards_zero(cases: list[tuple[Decimal, Decimal]]) -> None:
    expected = [EXACT.multiply(amount, share).quantize(FEN, ROUND_DOWN, context=EXACT) for amount, share in cases]
    amounts, shares = [a for a, _ in cases], [s for _, s in cases]
    assert run(SHARE, amount=(pa.decimal128(18, 2), amounts), share=(pa.decimal128(18, 8), shares)) == expected


# A lift of counts of ten million customers each: products of two counts, which are whole numbers of 64 bits.
@given(
    st.lists(st.tuples(st.integers(0, 10**14), st.integers(0, 10**14)), min_size=1, max_size=50),
    st.lists(st.integers(1, 10**7), min_size=1, max_size=50),
)
@settings(max_examples=50, deadline=None)
def test_shares_are_exact_half_up_and_never_overflow(pairs: list[tuple[int, int]], halves: list[int]) -> None:
    # What lies exactly between two shares of 8 decimals goes up.
    pairs = [(part, max(whole, part // 10**7)) for part, whole in pairs] + [(n, 2 * 10**8) for n in halves]
    columns = {"part": [part for part, _ in pairs], "whole": [whole for _, whole in pairs]}
    given_columns = {name: (pa.int64(), values) for name, values in columns.items()}
    expected = [
        EXACT.divide(Decimal(part), Decimal(whole)).quantize(Decimal("1e-8"), ROUND_HALF_UP, EXACT) if whole else None
        for part, whole in pairs
    ]
    assert run(RATE, "DECIMAL(18,8)", **given_columns) == expected
