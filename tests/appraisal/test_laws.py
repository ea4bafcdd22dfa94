"""Laws of the five measures: what a change of the bank does to a quarter that is judged, and what it does not do."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from orchestration.lib.content_hash import content_hash
from orchestration.lib.dbt_manifest import environment
from orchestration.lib.home import Home
from orchestration.lib.marts import MARTS
from orchestration.lib.policies.load import POLICIES_VARIABLE
from tests import support
from tests.appraisal import bank
from tests.appraisal.conftest import JudgedBank
from tests.books.support import days_of, read_rows, write_rows

pytestmark = pytest.mark.full

PARKED = Decimal(100_000)
DEPOSITS, OWNERS, LEDGER = "core_banking.deposit_accounts", "core_banking.account_owners", "finance.gl_balances"
DAY_AFTER = bank.QUARTER_END + bank.DAY
CUTS = (50_000, 100_000, 200_000)


@dataclass(frozen=True)
class Pair:
    """The judged bank, and the same with money of two customers: ``parked`` has it on the quarter's last day alone,
    ``kept`` from that day on.
    """

    judged: JudgedBank
    home: Home
    parked: str
    kept: str

    def both(self, sql: str) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        return support.query(self.judged.home, sql), support.query(self.home, sql)

    def maintainer(self, customer: str) -> str:
        ((employee,),) = support.query(
            self.judged.home,
            f"select employee_id from appraisal.scorecard_evidence where period_code = '{bank.QUARTER}' "
            f"and measure_code = 'm5_growth' and customer_id = '{customer}'",
        )
        return str(employee)


def candidates(judged: JudgedBank) -> list[tuple[str, str]]:
    """(Customer, maintainer): with him all quarter, nothing but deposits, and in the month after it poorer on average
    than in the quarter, so that the guard decides; 100,000 more on the last day would take him over a cut.
    """
    crossed = " or ".join(f"(quarter.aum_cny < {cut} and quarter.aum_cny + {PARKED} >= {cut})" for cut in CUTS)
    return [
        (str(customer), str(employee))
        for customer, employee in support.query(
            judged.home,
            f"""
            select evidence.customer_id, evidence.employee_id
            from appraisal.scorecard_evidence as evidence
            inner join assets.customer_assets_monthly as quarter
                on evidence.customer_id = quarter.customer_id and quarter.month_end_date = date '{bank.QUARTER_END}'
            inner join assets.customer_assets_monthly as guard
                on evidence.customer_id = guard.customer_id and guard.month_end_date = date '{bank.JUDGED_ON}'
            inner join assets.customer_assets as assets on evidence.customer_id = assets.customer_id
            where evidence.period_code = '{bank.QUARTER}' and evidence.measure_code = 'm5_growth'
                and evidence.cohort_role = 'opening' and evidence.employee_id not like 'pool:%'
                and assets.aum_cny = assets.deposit_cny
                and quarter.aum_quarter_avg_cny > guard.aum_month_avg_cny + 2000 and ({crossed})
            order by evidence.customer_id
            """,
        )
    ]


def pay_in(landing: Path, day: date, customers: Collection[str], sequence_no: int) -> None:
    """Deliver the day's accounts and ledger with the money in the first yuan account of each customer."""
    rows, waiting = read_rows(landing, DEPOSITS, day), set(customers)
    ledger = {(r["branch_id"], r["product_family"], r["currency"]): r for r in read_rows(landing, LEDGER, day)}
    for row in rows:
        if row["customer_id"] in waiting and row["currency"] == "CNY":
            row["balance"] += PARKED
            ledger[row["branch_id"], "deposit", "CNY"]["balance"] += PARKED
            waiting.remove(row["customer_id"])
    assert not waiting
    write_rows(landing, DEPOSITS, day, rows, sequence_no=sequence_no)
    write_rows(landing, LEDGER, day, list(ledger.values()), sequence_no=sequence_no)


@pytest.fixture(scope="module")
def pair(judged_bank: JudgedBank, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("parking")
    landing = Path(shutil.copytree(judged_bank.story.landing, folder / "landing"))
    accounts = {
        row["customer_id"] for row in read_rows(landing, DEPOSITS, bank.QUARTER_END) if row["currency"] == "CNY"
    }
    owners, _, _ = support.read_delivery(landing, OWNERS, newest_day(landing, OWNERS))
    owned = set(owners.column("account_id").to_pylist())
    joint = {row["customer_id"] for row in read_rows(landing, DEPOSITS, bank.QUARTER_END) if row["account_id"] in owned}
    able = [(c, e) for c, e in candidates(judged_bank) if c in accounts and c not in joint]
    parked, employee = able[0]
    kept = next(customer for customer, other in able if other != employee)
    pay_in(landing, bank.QUARTER_END, (parked, kept), sequence_no=2)
    day = DAY_AFTER
    while day <= bank.JUDGED_ON:
        pay_in(landing, day, (kept,), sequence_no=1)
        day += bank.DAY
    home = support.copy_home(judged_bank.at_quarter_end, folder / "home")
    with environment({POLICIES_VARIABLE: str(judged_bank.policies)}):
        support.published(support.advance(home, landing, bank.JUDGED_ON))
        support.published(support.advance(home, landing, bank.LAST_DATE))
    return Pair(judged_bank, home, parked, kept)


def newest_day(landing: Path, feed_id: str) -> date:
    return max(day for day in days_of(landing, feed_id) if day <= bank.QUARTER_END)


def test_money_parked_on_the_last_day_moves_a_count_of_that_day(pair: Pair) -> None:
    """What the measure would be if it were taken at a point in time."""
    counted = " ".join(f", count(*) filter (aum_cny >= {cut})" for cut in CUTS)
    sql = (
        f"select customer_id = '{pair.parked}' as is_his {counted} from assets.customer_assets_monthly "
        f"where month_end_date = date '{bank.QUARTER_END}' and customer_id != '{pair.kept}' group by 1 order by 1"
    )
    before, after = pair.both(sql)
    assert before[0] == after[0]
    assert sum(before[1][1:]) < sum(after[1][1:])


def test_money_parked_on_the_last_day_moves_no_growth(pair: Pair) -> None:
    before, after = pair.both(
        "select employee_id, numerator, denominator, value_rate from appraisal.scorecard "
        f"where period_code = '{bank.QUARTER}' and measure_code = 'm5_growth' "
        f"and employee_id != '{pair.maintainer(pair.kept)}' order by employee_id"
    )
    assert pair.maintainer(pair.parked) in {row[0] for row in before}
    assert before == after
    ((average_before,),), ((average_after,),) = pair.both(
        f"select aum_quarter_avg_cny from assets.customer_assets_monthly where customer_id = '{pair.parked}' "
        f"and month_end_date = date '{bank.QUARTER_END}'"
    )
    assert average_after - average_before == Decimal("1098.90")  # 100,000 over 91 days: it is the guard that held


def test_money_that_stays_for_the_month_after_the_quarter_is_growth(pair: Pair) -> None:
    """The same money on the same day, and it is still there when the guard looks: the quarter's own share counts."""
    sql = (
        f"select value_cny from appraisal.scorecard_evidence where period_code = '{bank.QUARTER}' "
        f"and measure_code = 'm5_growth' and customer_id = '{pair.kept}' "
        f"and employee_id = '{pair.maintainer(pair.kept)}'"
    )
    ((before,),), ((after,),) = pair.both(sql)
    assert after > before


# --- how the days are cut into runs ----------------------------------------------------------------

# What a correction would change of a quarter is told of the versions that were published.
JUDGED_MARTS = [
    m for m in MARTS if m.schema in ("appraisal", "crm") and m.name not in ("restatement", "rebalance_proposal")
]


def hashes(home: Home) -> dict[str, str]:
    with duckdb.connect(str(home.current / "marts.duckdb"), read_only=True) as con:
        return {mart.relation: content_hash(con, mart.relation) for mart in JUDGED_MARTS}


def test_a_quarter_that_is_advanced_day_by_day_has_the_scorecards_of_one_advanced_as_a_range(
    judged_bank: JudgedBank, tmp_path: Path
) -> None:
    home = support.copy_home(judged_bank.at_quarter_end, tmp_path / "home")
    day = DAY_AFTER
    with environment({POLICIES_VARIABLE: str(judged_bank.policies)}):
        while day <= bank.LAST_DATE:
            support.published(support.advance(home, judged_bank.story.landing, day))
            day += bank.DAY
    assert hashes(home) == hashes(judged_bank.home)


# --- employees under other ids ---------------------------------------------------------------------

EMPLOYEES = {
    "hr.employees": ("employee_id",),
    "crm.maintainers": ("employee_id",),
    "crm.customer_choices": ("employee_id",),
    "crm.referrals": ("from_employee_id", "to_employee_id"),
    "crm.complaints": ("employee_id", "responsible_employee_id"),
    "crm.contacts": ("employee_id",),
    "crm.surveys": ("employee_id",),
    "crm.work_plans": ("employee_id",),
    "finance.revenue": ("seller_employee_id",),
}


def other_id(employee: str | None) -> str | None:
    """Ids in the same order: nobody is preferred whom the old ids did not prefer."""
    return employee and employee.replace("e", "f", 1)


def rename_employees(landing: Path) -> None:
    for feed_id, columns in EMPLOYEES.items():
        for day in days_of(landing, feed_id):
            if list(support.delivery_folder(landing, feed_id, day).glob("*.xlsx")):
                rows = read_rows(landing, feed_id, day)
                write_rows(landing, feed_id, day, [{**r, **{c: other_id(r[c]) for c in columns}} for r in rows])
                continue

            def renamed(table: pa.Table, columns: tuple[str, ...] = columns) -> pa.Table:
                for column in columns:
                    ids = pa.array([other_id(e) for e in table.column(column).to_pylist()], pa.string())
                    table = table.set_column(table.column_names.index(column), column, ids)
                return table

            support.redeliver(landing, feed_id, day, renamed)


def test_employees_under_other_ids_have_the_scores_under_their_other_ids(
    judged_bank: JudgedBank, tmp_path: Path
) -> None:
    landing = Path(shutil.copytree(judged_bank.story.landing, tmp_path / "landing"))
    for correction in landing.glob("*/*/*/2"):
        shutil.rmtree(correction)
    rename_employees(landing)
    home = Home(tmp_path / "home")
    with environment({POLICIES_VARIABLE: str(judged_bank.policies)}):
        support.published(support.advance(home, landing, bank.QUARTER_END))
        bank.deliver_correction(landing)
        for day in (bank.JUDGED_ON, bank.LAST_DATE):
            support.published(support.advance(home, landing, day))
    for mart in ("scorecard", "scorecard_total", "branch_scorecard", "scorecard_evidence", "book_flow"):
        column = {"book_flow": "subject_id", "branch_scorecard": "branch_id"}.get(mart, "employee_id")
        sql = f"select {column}, * exclude ({column}) from appraisal.{mart}"
        before = [(_other_name(row[0]), *row[1:]) for row in support.query(judged_bank.home, sql)]
        assert before
        assert sorted(before, key=repr) == sorted(support.query(home, sql), key=repr), mart
    ids = support.query(home, "select distinct employee_id from appraisal.scorecard_total")
    assert ids
    assert all(employee.startswith("f") for (employee,) in ids)


def _other_name(subject: str) -> str | None:
    return other_id(subject) if subject.startswith("e0") else subject
