"""Keeps what the suite's invented banks looked like after their models ran: a pytest plugin.

    TIERHOUSE_STAGES=<folder> pytest -p tests.dbt.stages tests/maintenance/test_churn.py

Each stage is a folder: the warehouse, and stage.json with the SQL that ran and whose test it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.policies.trial import Trial
from tests.maintenance import support as obligations

FOLDER = "TIERHOUSE_STAGES"
STAGE = "stage.json"
# More runs of one test file tell nothing new.
MOST_STAGES = 6
_run = Trial.run
_kept: Counter[str] = Counter()


def write_stage(folder: Path, name: str, warehouse: Path, base_date: str | None, models: dict[str, Any]) -> None:
    """Keep a warehouse with the nodes of dbt's manifest that ran on it, ``compiled_code`` in them."""
    folder.mkdir(parents=True)
    # Views name their catalog: a copy must be called as the original.
    copy = Path(shutil.copy(warehouse, folder / "warehouse.duckdb"))
    with duckdb.connect(str(copy)) as con:
        views = con.execute("select schema_name, view_name from duckdb_views() where schema_name = 'policy'").fetchall()
        for schema, view in views:
            con.execute(f"create table {schema}.laid as select * from {schema}.{view}")
            con.execute(f"drop view {schema}.{view}")
            con.execute(f"alter table {schema}.laid rename to {view}")
    told = {"name": name, "base_date": base_date or "0001-01-01", "models": models}
    (folder / STAGE).write_text(json.dumps(told), encoding="utf-8")


LAYERS = ("intermediate", "core", "marts", "audit")


def nodes_with_logic(manifest: dict[str, Any]) -> dict[str, Any]:
    """What a stage tells of the models of dbt's manifest that ran and are more than a view of a source."""
    return {
        node["name"]: {
            "compiled_code": node["compiled_code"],
            "relation_name": node["relation_name"],
            "materialized": node["config"]["materialized"],
            "partition_column": node["config"].get("partition_column"),
        }
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["path"].split("/")[0] in LAYERS and node.get("compiled_code")
    }


def _run_and_keep(self: Trial, models: Sequence[str], plans: Sequence[str]) -> None:
    test = _test()
    for plan in plans:
        _run(self, models, [plan])
        _kept[test] += 1
        if _kept[test] > MOST_STAGES:
            continue
        nodes = {}
        for model in models:
            node = self._node(model)
            path = self.folder / "target" / "compiled" / "tierhouse" / node.original_file_path
            nodes[model] = {
                "compiled_code": path.read_text("utf-8"),
                "relation_name": node.relation_name,
                "materialized": node.config.materialized,
                "partition_column": node.config.get("partition_column"),
            }
        folder = Path(os.environ[FOLDER]) / f"{Path(test).stem}-{_kept[test]}"
        write_stage(folder, test, self.warehouse, json.loads(plan)["base_date"], nodes)


_decide = obligations.Bank.decide
# Days of the year of obligations: months, quarters and the year begin or end, festivals are near.
DAYS = tuple(date.fromisoformat(day) for day in ("2020-01-28", "2020-03-31", "2020-06-25", "2020-10-01", "2020-12-30"))


def _decide_and_keep(self: obligations.Bank, day: date) -> list[Any]:
    decided = _decide(self, day)
    test = _test()
    if day in DAYS and _kept[f"{test} {day}"] == 0:
        _kept[f"{test} {day}"] += 1
        folder = Path(os.environ[FOLDER]) / f"{Path(test).stem}-{day}"
        folder.mkdir(parents=True)
        self.con.execute(f"attach '{folder / 'warehouse.duckdb'}' as kept")
        self.con.execute("copy from database warehouse to kept")
        self.con.execute("detach kept")
        node = {
            "compiled_code": self._sql(obligations.MODEL, day),
            "relation_name": f'"{obligations.relation(obligations.MODEL).replace(".", chr(34) + "." + chr(34))}"',
            "materialized": "daily",
            "partition_column": "as_of_date",
        }
        told = {"name": test, "base_date": str(day - obligations.DAY), "models": {obligations.MODEL: node}}
        (folder / STAGE).write_text(json.dumps(told), encoding="utf-8")
    return decided


def _test() -> str:
    return os.environ["PYTEST_CURRENT_TEST"].partition("::")[0]


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get(FOLDER):
        Trial.run = _run_and_keep  # type: ignore[method-assign]
        obligations.Bank.decide = _decide_and_keep  # type: ignore[method-assign]
