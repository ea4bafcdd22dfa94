"""Books are decided once: what comes late, comes twice or is built otherwise changes no decision of the past."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib import warehouse
from orchestration.lib.content_hash import content_hash
from orchestration.lib.home import Home
from orchestration.lib.planning import BuildPlan
from tests import support as runs
from tests.books import support
from tests.books.conftest import DAYS, SimulatedBank, own_policies, read_log

Row = dict[str, Any]
NEXT_DATE = support.live_day(DAYS)
CORRECTED_DATE = support.live_day(DAYS - 4)
FIRST_DAYS_OF_THE_MONTH = [date(2026, 5, 31), *(support.MONTH_LATER + n * support.DAY for n in range(3))]


@pytest.fixture(autouse=True)
def policies(simulated_bank: SimulatedBank) -> Iterator[None]:
    with own_policies(simulated_bank.policies):
        yield


def up_to(log: list[Row], day: date) -> list[Row]:
    return [row for row in log if row["business_date"] <= day]


@dataclass(frozen=True)
class LateNews:
    """A run for the day after the last, which brings a correction of balances and a choice for published days. It is
    made twice before it is published, and ``logs`` are what each had decided.
    """

    home: Home
    plan: BuildPlan
    logs: list[list[Row]]
    chooser: str
    chosen: str
    past_owner: str


@pytest.fixture(scope="module")
def late_news(simulated_bank: SimulatedBank, tmp_path_factory: pytest.TempPathFactory) -> LateNews:
    folder = tmp_path_factory.mktemp("late")
    landing = runs.copy_deliveries(simulated_bank.landing, folder / "landing", lambda day: day == NEXT_DATE)
    owners = simulated_bank.books("a")[simulated_bank.days[-1]]
    at_work = [r["employee_id"] for r in simulated_bank.world.snapshot("hr.employees", NEXT_DATE) if may_serve(r)]
    chooser = min(c for c, row in owners.items() if row["role_code"] == "teller")
    chosen = min(e for e in at_work if e != owners[chooser]["employee_id"])

    def read_then(feed_id: str) -> list[Row]:
        return support.read_rows(simulated_bank.landing, feed_id, CORRECTED_DATE)

    accounts, ledger = read_then("core_banking.deposit_accounts"), read_then("finance.gl_balances")
    richer = next(row for row in accounts if row["customer_id"] == chooser and row["currency"] == "CNY")
    richer["balance"] += Decimal(50_000)
    for row in ledger:
        key = (row["branch_id"], row["product_family"], row["currency"])
        if key == (richer["branch_id"], "deposit", "CNY"):
            row["balance"] += Decimal(50_000)
    support.write_rows(landing, "core_banking.deposit_accounts", CORRECTED_DATE, accounts, sequence_no=2)
    support.write_rows(landing, "finance.gl_balances", CORRECTED_DATE, ledger, sequence_no=2)
    is_known = CORRECTED_DATE in support.days_of(simulated_bank.landing, "crm.customer_choices")
    known = read_then("crm.customer_choices") if is_known else []
    choice = {"choice_id": "c_late", "customer_id": chooser, "employee_id": chosen, "evidence_ref": "form-late"}
    support.write_rows(
        landing,
        "crm.customer_choices",
        CORRECTED_DATE,
        [*known, {**choice, "chosen_date": CORRECTED_DATE}],
        sequence_no=2,
    )
    home = runs.copy_home(simulated_bank.home, folder / "home")
    logs = []
    with own_policies(simulated_bank.policies):
        for is_published in (False, True):
            outcome = runs.advance(home, landing, NEXT_DATE, is_published=is_published)
            assert outcome.plan is not None
            assert not outcome.blocking
            logs.append(read_log(home))
        runs.published(outcome)
    return LateNews(home, outcome.plan, logs, chooser, chosen, owners[chooser]["employee_id"])


def may_serve(row: Row) -> bool:
    is_signed = row["nda_signed_date"] is not None and row["nda_signed_date"] <= NEXT_DATE
    return row["role_code"] == "wealth_manager" and row["status"] == "active" and is_signed and row["capacity"] is None


@pytest.mark.full
def test_a_late_correction_of_balances_changes_no_past_row(simulated_bank: SimulatedBank, late_news: LateNews):
    """The run restates the corrected day, so the log could have been decided anew."""
    assert late_news.plan.is_restatement
    assert late_news.plan.dirty_from == CORRECTED_DATE
    assert up_to(read_log(late_news.home), simulated_bank.days[-1]) == simulated_bank.log


@pytest.mark.full
@pytest.mark.rule("A9-06")
def test_a_late_choice_acts_on_the_first_day_that_is_decided_after_it_arrives(late_news: LateNews):
    changes = [
        (row["business_date"], row["from_employee_id"], row["to_employee_id"], row["reason_code"])
        for row in read_log(late_news.home)
        if row["customer_id"] == late_news.chooser and row["slot"] == "a" and row["business_date"] > CORRECTED_DATE
    ]
    assert changes == [(NEXT_DATE, late_news.past_owner, late_news.chosen, "customer_choice")]


@pytest.mark.full
def test_a_day_that_is_built_again_has_the_changes_that_it_had(late_news: LateNews):
    assert late_news.logs[0] == late_news.logs[1]


@pytest.mark.full
def test_days_that_are_built_one_by_one_have_the_log_of_the_range(simulated_bank: SimulatedBank, tmp_path: Path):
    home = runs.copy_home(simulated_bank.eve, tmp_path / "home")
    for day in (FIRST_DAYS_OF_THE_MONTH[0] - support.DAY, *FIRST_DAYS_OF_THE_MONTH):
        runs.published(runs.advance(home, simulated_bank.landing, day))
    assert read_log(home) == up_to(simulated_bank.log, FIRST_DAYS_OF_THE_MONTH[-1])


@pytest.mark.full
def test_the_same_deliveries_in_the_same_order_give_the_same_books(simulated_bank: SimulatedBank, tmp_path: Path):
    home = Home(tmp_path / "home")
    for day in (support.GO_LIVE - support.DAY, simulated_bank.days[-1]):
        runs.published(runs.advance(home, simulated_bank.landing, day))
    assert hashes(home) == hashes(simulated_bank.home)


def hashes(home: Home) -> dict[str, str]:
    """Content hash of the log and of the CRM's marts."""
    with warehouse.connect(home.warehouse, read_only=True) as con:
        tables = con.execute("select table_name from information_schema.tables where table_schema = 'crm'").fetchall()
        relations = ["core.fct_assignment_change", *(f"crm.{name}" for (name,) in sorted(tables))]
        return {relation: content_hash(con, relation) for relation in relations}
