"""A real bank through the whole pipeline: Berka, 1993-01-01..1994-03-30, in Czech crowns at 1 CNY."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pyarrow.compute as pc
import pytest

from examples.berka.to_landing import Summary
from orchestration.lib.home import Home
from orchestration.lib.ledger import Ledger
from orchestration.lib.warehouse import connect
from tests import support
from tests.berka import oracle
from tests.conftest import BuiltHome

pytestmark = pytest.mark.full

FIRST_DAY, LAST_DAY = date(1993, 1, 1), date(1994, 3, 30)
CORRECTED_DAY = date(1993, 6, 15)
DEPOSITS = "core_banking.deposit_accounts"


@pytest.fixture(scope="module")
def delivered(berka_landing: tuple[Path, Summary]) -> Path:
    return berka_landing[0]


@pytest.fixture(scope="module")
def bank(delivered: Path, built_home: BuiltHome, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The bank after its first five days, then after all of them."""
    home = Home(tmp_path_factory.mktemp("berka") / "home")
    shutil.copytree(built_home.dbt_target, home.root / "dbt_target")
    support.published(support.advance(home, delivered, date(1993, 1, 5)))
    support.published(support.advance(home, delivered))
    return home


def test_every_day_is_landed(bank: Home, delivered: Path) -> None:
    accepted = {(b.feed_id, b.business_date) for b in Ledger(bank.ledger).accepted()}
    found = {
        (f"{path.parts[-4]}.{path.parts[-3]}", date.fromisoformat(path.parts[-2]))
        for path in delivered.glob("*/*/*/_manifest.json")
    }
    assert accepted == found
    assert len({day for feed, day in accepted if feed == DEPOSITS}) == (LAST_DAY - FIRST_DAY).days + 1 == 454


def test_quarter_averages_equal_a_computation_from_the_original_files(bank: Home, berka: Path) -> None:
    rows = support.query(bank, "select customer_id, aum_quarter_avg_cny from assets.customer_assets")
    expected = oracle.quarter_averages(berka, LAST_DAY)
    assert {customer: value for customer, value in rows if customer in expected} == expected
    assert {value for customer, value in rows if customer not in expected} <= {0}
    for quarter_end in (date(1993, 3, 31), date(1993, 6, 30), date(1993, 9, 30), date(1993, 12, 31)):
        rows = support.query(
            bank,
            "select customer_id, aum_quarter_avg_cny from assets.customer_assets_monthly "
            f"where month_end_date = date '{quarter_end}'",
        )
        expected = oracle.quarter_averages(berka, quarter_end)
        assert len(expected) > 50
        assert {customer: value for customer, value in rows if customer in expected} == expected


def test_a_correction_of_june_that_comes_at_the_end_equals_one_that_came_in_time(
    bank: Home, delivered: Path, built_home: BuiltHome, tmp_path: Path
) -> None:
    accounts, _, _ = support.read_delivery(delivered, DEPOSITS, CORRECTED_DAY)
    corrected = accounts.slice(0, 5)
    is_corrected = pc.is_in(accounts.column("account_id"), corrected.column("account_id").combine_chunks())
    folder = support.redeliver(
        delivered,
        DEPOSITS,
        CORRECTED_DAY,
        lambda table: support.add_to(table, "balance", "1000.00", is_corrected),
        sequence_no=2,
    )
    try:
        in_time = Home(tmp_path / "in_time")
        shutil.copytree(built_home.dbt_target, in_time.root / "dbt_target")
        support.published(support.advance(in_time, delivered))
        late = support.copy_home(bank, tmp_path / "late")
        outcome = support.published(support.advance(late, delivered))
    finally:
        shutil.rmtree(folder)
    assert outcome.plan is not None
    assert outcome.plan.dirty_from == CORRECTED_DAY
    assert support.fact_hashes(late) != support.fact_hashes(bank)
    assert support.fact_hashes(late) == support.fact_hashes(in_time)
    assert support.state_hashes(late) == support.state_hashes(in_time)

    restated = support.query(
        late, "select customer_id, business_date, measure_code, cause_batch_id from assets.restatement"
    )
    with connect(late.warehouse, read_only=True) as con:
        judged = con.execute(
            "select customer_id from core.fct_tier_evaluation where evaluation_date = date '1993-06-30'"
        ).fetchall()
    # Nine months later the totals of June's days are dropped: what is restated is the month and its tier.
    customers = set(corrected.column("customer_id").to_pylist())
    june = date(1993, 6, 30)
    assert {row[:3] for row in restated} == {(c, june, "aum_month_avg_cny") for c in customers} | {
        (c, june, "tier") for (c,) in judged if c in customers
    }
    assert {cause for *_, cause in restated} == {f"{DEPOSITS}.{CORRECTED_DAY}.2"}
