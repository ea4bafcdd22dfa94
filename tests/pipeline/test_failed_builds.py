"""A build that fails its audit changes nothing that anyone sees, and nothing that a later build starts from."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from orchestration.lib import build, publish, warehouse
from orchestration.lib.contracts import load_contracts
from orchestration.lib.delivery import write_delivery
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.ledger import Ledger
from orchestration.lib.planning import plan_build
from orchestration.lib.policies import load_policies
from tests import conftest, support
from tests.pipeline.conftest import DATE_AFTER, NEXT_DATE

DEPOSITS = "core_banking.deposit_accounts"
CUSTOMERS = "core_banking.customers"


def more_on_the_first_account(table: pa.Table) -> pa.Table:
    """A wrong balance that the drift gate lets through and the general ledger does not."""
    first = pc.min(table.column("account_id"))
    return support.add_to(table, "balance", "1000.00", pc.equal(table.column("account_id"), first))


def truncated(table: pa.Table) -> pa.Table:
    return table.slice(0, table.num_rows // 2)


def override(home: Home, check_name: str, day: date = NEXT_DATE) -> None:
    event = {"event": "override", "check_name": check_name, "as_of_date": day.isoformat()}
    Journal(home.journal).append({**event, "reason": "branch closed", "by": "L. Wang", "approved_by": "M. Zhao"})


def test_a_build_that_disagrees_with_the_ledger_is_never_a_base_and_its_correction_heals_it(
    home: Home, landing: Path, small_bank: Path, undisturbed: Callable[[Path], Home], tmp_path: Path
) -> None:
    right = undisturbed(support.copy_deliveries(landing, tmp_path / "right"))
    before = support.snapshot(home)
    support.redeliver(landing, DEPOSITS, NEXT_DATE, more_on_the_first_account)

    failed = support.advance(home, landing, NEXT_DATE)
    assert failed.blocking == ["dbt.assert_books_agree"]
    assert failed.check("dbt.assert_books_agree").failed_count == 1
    assert re.fullmatch(
        rf"branch \w+, deposit, CNY: ledger less customers -1000\.00, the amounts differ, since {NEXT_DATE}, 1 days",
        failed.check("dbt.assert_books_agree").detail,
    )
    assert support.snapshot(home) == before
    assert [e["event"] for e in Journal(home.journal).events()][-2:] == ["begin", "failed"]
    assert NEXT_DATE in warehouse.kept_dates(home)  # the wrong state is there, and must not be used
    assert failed.plan is not None
    override(home, "dbt.assert_books_agree")  # nothing is built behind a failing dbt test: it cannot be let pass
    assert support.advance(home, landing, NEXT_DATE).blocking == ["dbt.assert_books_agree"]
    with pytest.raises(publish.NotPublishable, match=r"dbt\.assert_books_agree"):
        publish.publish(home, failed.plan.build_id)

    shutil.copytree(
        support.delivery_folder(small_bank, DEPOSITS, NEXT_DATE),
        support.delivery_folder(landing, DEPOSITS, NEXT_DATE) / "2",
    )
    manifest = support.delivery_folder(landing, DEPOSITS, NEXT_DATE) / "2" / "_manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text("utf-8")) | {"sequence_no": 2}), "utf-8")
    healed = support.published(support.advance(home, landing, DATE_AFTER))
    assert healed.plan is not None
    assert healed.plan.base_date == conftest.AS_OF_DATE
    assert support.fact_hashes(home) == support.fact_hashes(right)
    assert support.state_hashes(home) == support.state_hashes(right)


def test_a_truncated_customers_file_is_stopped_by_the_drift_gate(home: Home, landing: Path, small_bank: Path) -> None:
    before = support.snapshot(home)
    everyone, mode, _ = support.read_delivery(small_bank, CUSTOMERS, conftest.FIRST_DATE)
    assert mode == "full"
    shutil.rmtree(support.delivery_folder(landing, CUSTOMERS, NEXT_DATE))
    write_delivery(landing, support.feed(CUSTOMERS), NEXT_DATE, truncated(everyone), mode="full")

    outcome = support.advance(home, landing, NEXT_DATE)
    assert not outcome.report.rejected  # rows, checksums and totals agree with the manifest
    assert {f"drift.rows.{CUSTOMERS}", f"drift.keys.{CUSTOMERS}"} <= set(outcome.blocking)
    assert f"{CUSTOMERS}.{NEXT_DATE}.1: 150 rows after 300" in outcome.check(f"drift.rows.{CUSTOMERS}").detail
    assert "limit 20%" in outcome.check(f"drift.rows.{CUSTOMERS}").detail
    assert "150 of 300 keys" in outcome.check(f"drift.keys.{CUSTOMERS}").detail
    assert support.snapshot(home) == before


@pytest.mark.full
def test_a_truncated_deposit_file_passes_only_with_an_override_that_the_publish_log_names(
    home: Home, landing: Path
) -> None:
    before = support.snapshot(home)
    support.redeliver(landing, DEPOSITS, NEXT_DATE, truncated)
    # A day without its ledger: reconciliation has nothing to say.
    shutil.rmtree(support.delivery_folder(landing, "finance.gl_balances", NEXT_DATE))

    stopped = support.advance(home, landing, NEXT_DATE)
    gate = [f"drift.rows.{DEPOSITS}", f"drift.keys.{DEPOSITS}"]
    assert [name for name in stopped.blocking if not name.startswith("drift.money")] == gate
    assert "limit 20%" in stopped.check(gate[0]).detail
    assert f"{DEPOSITS}.{NEXT_DATE}.1" in stopped.check(gate[0]).detail
    assert support.snapshot(home) == before

    override(home, gate[0], day=DATE_AFTER)  # an override holds for its own day and check alone
    override(home, f"drift.rows.{CUSTOMERS}")
    again = support.advance(home, landing, NEXT_DATE)
    assert again.blocking == stopped.blocking
    assert support.snapshot(home) == before

    for name in stopped.blocking:
        override(home, name)
    passed = support.published(support.advance(home, landing, NEXT_DATE))
    entry = publish.read_publish_log(home)[-1]
    assert entry["version"] == passed.version
    assert entry["overrides"] == stopped.blocking
    assert "L. Wang, approved by M. Zhao: branch closed" in passed.check(gate[0]).detail


def test_running_a_day_again_changes_nothing(home: Home, built_home: conftest.BuiltHome) -> None:
    before = support.snapshot(home)
    again = support.advance(home, built_home.landing, conftest.AS_OF_DATE)
    assert again.plan is None
    assert not again.report.accepted
    assert support.snapshot(home) == before


@pytest.mark.full
def test_building_a_published_day_by_force_makes_the_same_content(home: Home) -> None:
    facts, state = support.fact_hashes(home), support.state_hashes(home)
    # A begun build that was never published makes its days dirty.
    begun = {"event": "begin", "build_id": "abandoned", "dirty_from": conftest.AS_OF_DATE.isoformat()}
    Journal(home.journal).append({**begun, "new_batches": []})
    with build.build_lock(home):
        plan = plan_build(
            Ledger(home.ledger).accepted(),
            load_contracts(),
            Journal(home.journal).read(),
            load_policies(),
            warehouse.kept_dates(home),
            conftest.AS_OF_DATE,
        )
    assert plan is not None
    assert plan.base_date == conftest.FIRST_AS_OF_DATE
    rebuilt = support.published(support.advance(home, home.root, conftest.AS_OF_DATE))
    assert rebuilt.version == 3
    assert support.fact_hashes(home) == facts
    assert support.state_hashes(home) == state
