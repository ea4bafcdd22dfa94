"""A copy of the built warehouse to damage, and what dbt compiled for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.conftest import BuiltHome


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
