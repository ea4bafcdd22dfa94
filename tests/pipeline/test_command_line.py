"""`tierhouse run` as an operator meets it: one process per run, the Dagster job inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg

from orchestration.lib import build
from orchestration.lib.dbt_manifest import environment
from orchestration.lib.delivery import MANIFEST
from orchestration.lib.home import PROJECT_ROOT, Home
from orchestration.lib.journal import Journal
from orchestration.lib.ledger import Ledger
from orchestration.lib.policies.load import POLICIES_VARIABLE
from tests import support
from tests.pipeline.conftest import DATE_AFTER, NEXT_DATE

DEPOSITS = "core_banking.deposit_accounts"


def tierhouse(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {
        k: v
        for k, v in os.environ.items()
        if k == POLICIES_VARIABLE or not k.startswith(("TIERHOUSE_", "DAGSTER_", "DBT_"))
    }
    return subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *map(str, arguments)],
        cwd=PROJECT_ROOT,
        env=environment | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def run(home: Home, landing: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return tierhouse("run", "--home", home.root, "--landing", landing, *arguments)


def test_a_rejected_delivery_changes_nothing_and_the_right_one_heals_it(home: Home, landing: Path) -> None:
    before = support.snapshot(home)
    folder = support.delivery_folder(landing, DEPOSITS, NEXT_DATE)
    manifest = folder / MANIFEST
    right = manifest.read_text("utf-8")
    manifest.write_text(json.dumps(json.loads(right) | {"row_count": 7}), "utf-8")

    refused = run(home, landing, "--through", NEXT_DATE)
    assert refused.returncode != 0
    assert DEPOSITS in refused.stderr
    assert NEXT_DATE.isoformat() in refused.stderr
    assert f"rejected {DEPOSITS}.{NEXT_DATE}.1" in refused.stdout
    assert "row_count" in refused.stdout
    assert support.snapshot(home) == before

    manifest.write_text(right, "utf-8")
    healed = run(home, landing, "--through", NEXT_DATE)
    assert healed.returncode == 0, healed.stderr
    assert f"as of {NEXT_DATE}" in healed.stdout
    assert support.query(home, "select distinct as_of_date from assets.customer_assets") == [(NEXT_DATE,)]
    with environment({"DAGSTER_HOME": str(home.dagster)}), dg.DagsterInstance.get() as instance:
        runs = sorted(instance.get_runs(), key=lambda r: r.run_id != instance.get_runs()[0].run_id)
        assert [r.status for r in runs] == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
        event = instance.get_latest_materialization_event(dg.AssetKey(["published", "version"]))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.metadata["version"].value == 3
        assert {"tier_pyramid", "aum_trend", "data_docs"} <= event.asset_materialization.metadata.keys()

    settled = support.snapshot(home)
    nothing = run(home, landing, "--through", NEXT_DATE)
    assert nothing.returncode == 0, nothing.stderr
    assert "nothing new" in nothing.stdout
    assert support.snapshot(home) == settled


def test_a_missing_compulsory_feed_ends_the_run_with_its_name(home: Home, landing: Path) -> None:
    (support.delivery_folder(landing, "core_banking.customers", NEXT_DATE) / MANIFEST).unlink()
    before = support.snapshot(home)
    late = run(home, landing, "--through", DATE_AFTER)
    assert late.returncode != 0
    assert "core_banking.customers" in late.stderr
    assert NEXT_DATE.isoformat() in late.stderr
    assert DEPOSITS not in late.stderr
    assert support.snapshot(home) == before
    assert {b.business_date for b in Ledger(home.ledger).accepted()} >= {NEXT_DATE}  # what came is kept


def test_a_second_run_is_told_who_holds_the_deployment(home: Home, landing: Path) -> None:
    begun = [e for e in Journal(home.journal).events() if e["event"] == "begin"]
    with build.build_lock(home):
        second = run(home, landing)
    assert second.returncode != 0
    assert "another build is running" in second.stderr
    assert f"process {os.getpid()} on" in second.stderr
    assert [e for e in Journal(home.journal).events() if e["event"] == "begin"] == begun
