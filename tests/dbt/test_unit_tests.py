"""dbt's unit tests (beside the models) run and pass; the daily build leaves them out. They notice errors in the SQL."""

from __future__ import annotations

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.dbt.mutation import Judge, run_unit_tests, unit_test_queries
from tests.dbt.sql_mutants import Mutant

# Errors in the SQL of assets, averages, tiers, books and scores, each of them noticed by the model's unit tests.
NOTICED = [
    Mutant(**told) for told in yaml.safe_load(Path(__file__).with_name("noticed_mutants.yml").read_text("utf-8"))
]


@pytest.fixture(scope="module")
def target(warehouse_copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a run of every unit test. Relations of the built warehouse give the fixtures their types, no more."""
    folder = tmp_path_factory.mktemp("unit_tests")
    run_unit_tests(warehouse_copy, folder)
    return folder


def test_every_unit_test_of_a_model_runs_and_passes(target: Path) -> None:
    declared = json.loads((target / "manifest.json").read_text("utf-8"))["unit_tests"]
    results: list[dict[str, Any]] = json.loads((target / "run_results.json").read_text("utf-8"))["results"]
    assert {r["unique_id"] for r in results} == set(declared)
    assert len(declared) > 0
    assert [(r["unique_id"], r["message"]) for r in results if r["status"] != "pass"] == []


def test_errors_put_into_the_sql_are_noticed_by_the_unit_tests_of_the_model(target: Path) -> None:
    judge = Judge(unit_test_queries(target, {mutant.model for mutant in NOTICED}), [])
    levels = {astuple(mutant): judge.by_unit_tests(mutant) for mutant in NOTICED}
    assert [key for key, verdict in levels.items() if verdict is None or verdict.level != "unit test"] == []
