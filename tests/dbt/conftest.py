"""A copy of the built warehouse to damage, and what dbt compiled for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.dbt_manifest import environment
from orchestration.lib.home import DBT_PROJECT_DIR
from orchestration.lib.planning import advance_json, plan_chunk
from orchestration.lib.policies import load_policies
from tests.conftest import FIRST_DATE, BuiltHome


@pytest.fixture(scope="session")
def manifest(built_home: BuiltHome) -> dict[str, Any]:
    """dbt's manifest of the last build, with the SQL as it ran."""
    content: dict[str, Any] = json.loads((built_home.dbt_target / "manifest.json").read_text("utf-8"))
    return content


@pytest.fixture(scope="session")
def warehouse_copy(built_home: BuiltHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Views name their catalog: a copy must be called as the original.
    copy = tmp_path_factory.mktemp("copy") / built_home.home.warehouse.name
    shutil.copy(built_home.home.warehouse, copy)
    return copy


@pytest.fixture
def damaged(warehouse_copy: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose changes are all taken back after the test."""
    con = duckdb.connect(str(warehouse_copy))
    con.execute("begin")
    try:
        yield con
    finally:
        con.execute("rollback")
        con.close()


@pytest.fixture(scope="session")
def compiled(
    built_home: BuiltHome, warehouse_copy: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, str]]:
    """SQL of what is chosen as an advance from one day to another of a build runs it, by name."""

    def compile_chosen(base: date, end: date, *chosen: str, published_version: int = 0) -> dict[str, str]:
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        opening = FIRST_DATE - timedelta(days=1)
        chunk = plan_chunk(base, end, end, FIRST_DATE, opening, load_policies())
        target = tmp_path_factory.mktemp("compiled") / "target"
        shutil.copytree(built_home.dbt_target, target)
        settings = {
            "TIERHOUSE_PLAN": advance_json(
                chunk,
                first_date=FIRST_DATE,
                opening_date=opening,
                is_merging=True,
                published_version=published_version,
            ),
            "TIERHOUSE_WAREHOUSE": str(warehouse_copy),
            "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
            "DBT_LOG_PATH": str(target),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        arguments = ["compile", *chosen, "--project-dir", str(DBT_PROJECT_DIR), "--target-path", str(target), "--quiet"]
        with environment(settings):
            try:
                result = dbtRunner().invoke(arguments)
            finally:
                DuckDBConnectionManager.close_all_connections()
        assert result.success, result.exception
        return {found.node.name: found.node.compiled_code for found in result.result.results}

    return compile_chosen


@pytest.fixture(scope="session")
def singular_tests(compiled: Callable[..., dict[str, str]]) -> Callable[[date, date], dict[str, str]]:
    """SQL of every singular data test as an advance from one day to another runs it, by name."""
    return cache(lambda base, end: compiled(base, end, "--select", "test_type:singular"))
