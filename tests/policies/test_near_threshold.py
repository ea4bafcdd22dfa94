"""Near a cut: what is said to be needed is exactly enough, what may leave exactly as much, and a fen decides."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from orchestration.lib.home import Home
from orchestration.lib.planning import DAY, advance_json, plan_chunk, window_start
from orchestration.lib.policies import PolicySet, load_policies
from orchestration.lib.policies.trial import Trial
from tests import support
from tests.policies import replay
from tests.policies import support as policy_support

DEPOSITS = "core_banking.deposit_accounts"
FEN = Decimal("0.01")
# Mid-month, one day left, the first day of month and quarter, and the last day of every window.
DATES = [date(2025, 2, 10), date(2025, 3, 30), date(2025, 7, 1), date(2025, 11, 3), date(2025, 12, 31)]


# --- any customer, any cut, any number of days left ----------------------------------------------------


def average(total: Decimal, days: int) -> Decimal:
    """A quotient of fen-days rounded half up to the fen, by whole fractions."""
    doubled = Fraction(total) * 200 / days
    return Decimal((doubled + 1) // 2) / 100 if doubled >= 0 else -average(-total, days)


def window_end(day: date, window: str) -> date:
    last = day
    while window_start(last + DAY, window) == window_start(day, window):
        last += DAY
    return last


@dataclass(frozen=True)
class Case:
    """What the mart says of a customer, and what it was told of him."""

    row: dict[str, Any]
    total: Decimal
    divisor: int
    days_left: int

    def reaches(self, daily: Decimal) -> bool:
        reached: bool = average(self.total + daily * self.days_left, self.divisor) >= self.row["threshold_cny"]
        return reached


# The primary scheme measured otherwise: (window, day_count) -> days that its sum is divided by in the end.
MEASURES = {
    ("month", "actual"): lambda day: window_end(day, "month").day,
    ("quarter", "actual"): lambda day: (window_end(day, "quarter") - window_start(day, "quarter")).days + 1,
    ("year", "actual"): lambda _: 365,
    ("month", "thirty"): lambda _: 30,
}


def measured(folder: Path, window: str, day_count: str) -> PolicySet:
    directory = policy_support.copy_policies(folder)

    def change(content: dict[str, Any]) -> None:
        policy_support.first(content)["measure"].update(window=window, day_count=day_count)

    policy_support.edit(directory, policy_support.PRIMARY, change)
    return load_policies(directory)


def invented(draw: random.Random, day: date, window: str, day_count: str) -> list[replay.Row]:
    """Customers on both sides of every cut, some of them a fen away from it."""
    elapsed = (day - window_start(day, window)).days + 1
    days = 30 if day_count == "thirty" else elapsed
    found = []
    for number in range(400):
        cut = Decimal(draw.choice(["50000", "100000", "200000", "2000000.01"]))
        aim = cut * Decimal(draw.randrange(85, 116)) / 100 if draw.random() < 0.7 else cut
        total = (aim * days).quantize(FEN) + FEN * draw.randrange(-2 * days, 2 * days)
        found.append(
            {
                "measure_date": day,
                "customer_id": f"{number:03}",
                "aum_cny": total / elapsed // FEN * FEN + FEN * draw.randrange(-900_000, 900_000),
                f"{window}_balance_days_cny": total,
                f"aum_{window}_avg_cny": average(total, elapsed),
            }
        )
    return found


@pytest.mark.parametrize(("window", "day_count"), MEASURES)
def test_the_required_balance_is_the_smallest_that_reaches_the_cut(tmp_path: Path, window: str, day_count: str) -> None:
    policies = measured(tmp_path, window, day_count)
    divisor_of: Callable[[date], int] = MEASURES[window, day_count]
    trial = Trial(tmp_path / "trial", first_date=replay.FIRST_DATE)
    draw = random.Random(3)
    trial.put("dim_customer", [{"customer_id": f"{number:03}"} for number in range(399)])
    trial.put("fct_known_maturity", [])
    given: dict[date, list[replay.Row]] = {day: invented(draw, day, window, day_count) for day in DATES}
    trial.put("fct_customer_measure", [row for rows in given.values() for row in rows])
    trial.lay_policies(policies)
    directions = set()
    for day in DATES:
        chunk = plan_chunk(day - DAY, day, day, replay.FIRST_DATE, None, policies)
        plan = advance_json(chunk, first_date=replay.FIRST_DATE, opening_date=None, is_merging=False)
        trial.run(["fct_near_threshold", "mart_tiering__near_threshold"], [plan])
        cases = []
        totals = {row["customer_id"]: row[f"{window}_balance_days_cny"] for row in given[day]}
        with trial.connect() as con:
            cursor = con.execute("select * from tiering.near_threshold")
            names = [column[0] for column in cursor.description or []]
            for values in cursor.fetchall():
                row = dict(zip(names, values, strict=True))
                days_left = (window_end(day, window) - day).days
                cases.append(Case(row, totals[row["customer_id"]], divisor_of(day), days_left))
        assert len(cases) > 150
        assert "399" not in {case.row["customer_id"] for case in cases}, "not a customer"
        for case in cases:
            check(case)
            directions.add((case.row["direction"], case.days_left > 0))
    assert directions >= {("up", True), ("down", True), ("down", False)}


def check(case: Case) -> None:
    row = case.row
    is_below = row["measure_value"] < row["threshold_cny"]
    assert row["direction"] == ("up" if is_below else "down")
    assert row["gap_cny"] == abs(row["measure_value"] - row["threshold_cny"])
    assert row["gap_cny"] <= row["threshold_cny"] / 10 + FEN
    assert row["days_left"] == case.days_left
    required, may_leave = row["required_daily_balance_cny"], row["may_leave_cny"]
    if case.days_left == 0:
        assert (required, may_leave) == (None, None)
        return
    assert case.reaches(required), row
    assert required == 0 or not case.reaches(required - FEN), row
    if is_below:
        assert may_leave is None
        return
    left = row["aum_cny"] - may_leave
    assert may_leave >= 0
    if may_leave > 0:
        assert case.reaches(left), row
        # Even all of it may leave where the window is safe already.
        assert left == 0 or not case.reaches(left - FEN), row
    else:
        assert row["aum_cny"] <= required


def test_maturities_of_the_days_left_are_told_and_no_others(tmp_path: Path) -> None:
    trial = Trial(tmp_path / "trial", first_date=replay.FIRST_DATE)
    day = date(2025, 2, 10)
    trial.put("dim_customer", [{"customer_id": "a"}, {"customer_id": "b"}])
    near = {"measure_date": day, "aum_cny": Decimal(51000), "aum_month_avg_cny": Decimal(51000)}
    trial.put(
        "fct_customer_measure", [near | {"customer_id": c, "month_balance_days_cny": Decimal(510000)} for c in "ab"]
    )
    trial.put(
        "fct_known_maturity",
        [
            {"customer_id": "a", "maturity_date": matures, "value_cny": Decimal(value)}
            for matures, value in [(date(2025, 2, 20), 300), (date(2025, 2, 28), 40), (date(2025, 3, 1), 5)]
        ],
    )
    policies = load_policies()
    trial.lay_policies(policies)
    chunk = plan_chunk(day - DAY, day, day, replay.FIRST_DATE, None, policies)
    trial.run(
        ["fct_near_threshold", "mart_tiering__near_threshold"],
        [advance_json(chunk, first_date=replay.FIRST_DATE, opening_date=None, is_merging=False)],
    )
    with trial.connect() as con:
        found = con.execute(
            "select customer_id, target_tier_code, matures_cny, matures_from_date from tiering.near_threshold "
            "order by customer_id"
        ).fetchall()
    assert found == [("a", "none", Decimal(340), date(2025, 2, 20)), ("b", "none", Decimal(0), None)]


# --- in a bank that is built ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def told(small_bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A deployment three days before April ends."""
    home = Home(tmp_path_factory.mktemp("told") / "home")
    support.published(support.advance(home, small_bank, date(2026, 4, 27)))
    return home


@pytest.mark.full
def test_who_holds_what_he_was_told_upgrades_and_a_fen_less_does_not(
    told: Home, small_bank: Path, tmp_path: Path
) -> None:
    landing = support.copy_deliveries(small_bank, tmp_path / "landing")
    with duckdb.connect(str(told.warehouse), read_only=True) as con:
        # Customers with deposits in yuan, shared with nobody: what they hold is what the delivery says.
        said = con.execute(
            """
            select near.customer_id, near.target_tier_code, near.required_daily_balance_cny, min(balances.account_id)
            from tiering.near_threshold as near
            inner join core.fct_account_balance as balances
                on near.customer_id = balances.customer_id and balances.as_of_date = near.as_of_date
            where near.direction = 'up' and near.days_left = 3
            group by 1, 2, 3
            having bool_and(
                balances.account_kind = 'deposit' and balances.currency = 'CNY'
                and balances.account_id not in (
                    select account_id from core.fct_account_balance group by account_id, as_of_date having count(*) > 1
                )
            )
            order by 1
            """
        ).fetchall()
    assert len(said) >= 2
    promised = {
        customer_id: (tier_code, required - (FEN if number % 2 else 0))
        for number, (customer_id, tier_code, required, _) in enumerate(said)
    }
    firsts = {account_id for _, _, _, account_id in said}

    def hold(table: pa.Table) -> pa.Table:
        rows = table.to_pylist()
        for customer_id, (_, amount) in promised.items():
            own = [row for row in rows if row["customer_id"] == customer_id]
            (first,) = (row for row in own if row["account_id"] in firsts)
            first["balance"] = amount - sum(row["balance"] for row in own if row is not first)
        return pa.Table.from_pylist(rows, schema=table.schema)

    for day in (date(2026, 4, 28), date(2026, 4, 29), date(2026, 4, 30)):
        support.redeliver(landing, DEPOSITS, day, hold)
    home = support.copy_home(told, tmp_path / "home")
    support.advance(home, landing, date(2026, 4, 30))
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        reached = dict(
            con.execute(
                "select customer_id, indicative_tier_code from core.fct_tier_evaluation "
                "where evaluation_date = date '2026-04-30' and scheme_code = 'branch_tiered_maintenance'"
            ).fetchall()
        )
    for number, (customer_id, (tier_code, _)) in enumerate(promised.items()):
        assert (reached.get(customer_id, "none") == tier_code) == (number % 2 == 0), customer_id
