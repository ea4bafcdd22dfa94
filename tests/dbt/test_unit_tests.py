"""dbt's unit tests (beside the models) run and pass; the daily build leaves them out."""

from __future__ import annotations

import json
from pathlib import Path

from orchestration.lib.build import environment
from orchestration.lib.home import DBT_PROJECT_DIR


def test_every_unit_test_of_a_model_runs_and_passes(warehouse_copy: Path, tmp_path: Path) -> None:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    settings = {
        # Relations of the built warehouse give the fixtures their types; no row of it is read.
        "TIERHOUSE_WAREHOUSE": str(warehouse_copy),
        "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
        "DBT_LOG_PATH": str(tmp_path),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    select = ["--select", "test_type:unit", "--project-dir", str(DBT_PROJECT_DIR), "--target-path", str(tmp_path)]
    with environment(settings):
        try:
            dbtRunner().invoke(["test", *select, "--quiet"])
        finally:
            DuckDBConnectionManager.close_all_connections()

    declared = json.loads((tmp_path / "manifest.json").read_text("utf-8"))["unit_tests"]
    results = json.loads((tmp_path / "run_results.json").read_text("utf-8"))["results"]
    assert {r["unique_id"] for r in results} == set(declared)
    assert len(declared) > 0
    assert [(r["unique_id"], r["message"]) for r in results if r["status"] != "pass"] == []
