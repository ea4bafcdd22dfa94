"""Judges mutants of models: by the models' unit tests, by data tests and by what a built bank then holds.

A unit test is compiled once by dbt, with its input and what it expects in one query; a mutant costs a run of that query
in DuckDB. On a built bank the model's query of an advance is run with the error in it, on the state that the advance
left, and its rows are compared with those of the query as it is.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
from sqlglot import exp

from orchestration.lib.dbt_manifest import environment
from orchestration.lib.home import DBT_PROJECT_DIR
from tests.dbt.sql_mutants import TESTED, Mutant, mutants_of, mutated, parse
from tests.dbt.stages import STAGE

# The mutant is no SQL that could be built: dbt itself would stop.
INVALID = ("BinderException", "ParserException", "CatalogException")
# A mutant that joins everything with everything is stopped; a build would not end either.
SECONDS = 30


def run_unit_tests(warehouse: Path, target: Path) -> dict[str, Any]:
    """Run every unit test of the project; dbt's results. ``warehouse``: gives the types of inputs, not a row."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    settings = {
        "TIERHOUSE_WAREHOUSE": str(warehouse),
        "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
        "DBT_LOG_PATH": str(target),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    select = ["--select", "test_type:unit", "--project-dir", str(DBT_PROJECT_DIR), "--target-path", str(target)]
    with environment(settings):
        try:
            dbtRunner().invoke(["test", *select, "--quiet"])
        finally:
            DuckDBConnectionManager.close_all_connections()
    results: dict[str, Any] = json.loads((target / "run_results.json").read_text("utf-8"))
    return results


def unit_test_queries(target: Path, models: set[str] | None = None) -> dict[str, dict[str, exp.Expr]]:
    """Model -> unit test -> its query as dbt ran it; of some models, or of all."""
    manifest = json.loads((target / "manifest.json").read_text("utf-8"))
    files = {path.stem: path for path in (target / "run").rglob("*.sql") if TESTED in path.read_text("utf-8")}
    queries: dict[str, dict[str, exp.Expr]] = defaultdict(dict)
    for test in manifest["unit_tests"].values():
        if models is not None and test["model"] not in models:
            continue
        queries[test["model"]][test["name"]] = parse(files[test["name"]].read_text("utf-8"))
    return queries


@dataclass
class Stage:
    """A bank as one run of models left it, and the SQL that ran; ``final``: the built bank that it became.

    Of a bank that tests read cell by cell every row counts; of a built bank those that its last working file still has,
    which the golden hashes cover.
    """

    folder: Path
    final: Path | None = None

    @cached_property
    def told(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / STAGE).read_text("utf-8"))
        return content

    @property
    def name(self) -> str:
        return str(self.told["name"])

    @property
    def level(self) -> str:
        """Who notices other rows here."""
        return "second reading" if self.name.startswith("tests/") else "golden bank"

    @cached_property
    def trees(self) -> dict[str, exp.Expr]:
        """Query of each model that ran, parsed."""
        return {name: parse(model["compiled_code"]) for name, model in self.told["models"].items()}

    @contextmanager
    def begun(self, model: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection in which the model has yet to run, with its own rows in ``whole``; nothing of it remains."""
        con = duckdb.connect(str(self.folder / "warehouse.duckdb"))
        if self.final is not None:
            con.execute(f"attach '{self.final}' as final_bank (read_only)")
        try:
            self.begin(con, model)
            yield con
        finally:
            con.execute("rollback")
            con.close()

    def begin(self, con: duckdb.DuckDBPyConnection, model: str) -> None:
        node = self.told["models"][model]
        con.execute("begin")
        if node["partition_column"] and node["materialized"] in ("range", "daily"):
            is_new = f"{node['partition_column']} > date '{self.told['base_date']}'"
            con.execute(f"delete from {node['relation_name']} where {is_new}")
        con.execute(f"create temp table whole as {self.trees[model].sql(dialect='duckdb')}")

    def shows(self, con: duckdb.DuckDBPyConnection, model: str) -> bool:
        """Whether every row that the model makes here can be seen by a test."""
        if self.final is None:
            return True
        relation = self.told["models"][model]["relation_name"].split(".", 1)[1]
        columns = ", ".join(name for name, *_ in con.execute("describe whole").fetchall())
        gone = f"select {columns} from whole except all select {columns} from final_bank.{relation}"
        return con.execute(f"select count(*) from ({gone})").fetchall()[0][0] == 0


@dataclass
class Verdict:
    """What became of a mutant. ``noticed_by``: a unit test, a data test, or the bank whose rows it changes."""

    mutant: Mutant
    level: str = "survived"
    noticed_by: str = ""


@dataclass
class Judge:
    """Judges mutants; holds nothing but what dbt compiled and the banks."""

    unit_tests: dict[str, dict[str, exp.Expr]]
    stages: list[Stage]
    seconds: float = SECONDS
    _memory: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def mutants(self) -> dict[str, dict[str, set[Mutant]]]:
        """Every mutant by model and operator, taken from what the advances of the banks compiled."""
        names = sorted({name for stage in self.stages for name in stage.trees})
        return {
            name: mutants_of(name, [stage.trees[name] for stage in self.stages if name in stage.trees])
            for name in names
        }

    def verdicts(self, mutants: Iterable[Mutant]) -> list[Verdict]:
        """What becomes of each mutant: unit tests first, banks for those that they let pass."""
        judged: dict[Mutant, Verdict] = {}
        for mutant in mutants:
            judged[mutant] = self.by_unit_tests(mutant) or Verdict(mutant)
        waiting: dict[str, list[Mutant]] = defaultdict(list)
        for mutant, verdict in judged.items():
            if verdict.level == "survived":
                waiting[mutant.model].append(mutant)
        for model, open_ones in waiting.items():
            judged |= {verdict.mutant: verdict for verdict in self.by_banks(model, open_ones)}
        return list(judged.values())

    def by_unit_tests(self, mutant: Mutant) -> Verdict | None:
        """The verdict of the model's unit tests: None when none of them notices; `invalid` when it cannot run."""
        is_invalid = False
        for name, tree in self.unit_tests.get(mutant.model, {}).items():
            sql = mutated(tree, mutant)
            if sql is None:
                continue
            try:
                with _limited(self._memory, self.seconds):
                    rows = self._memory.execute(sql).fetchall()
            except duckdb.Error as error:
                kind = type(error).__name__
                if kind not in INVALID:
                    return Verdict(mutant, "unit test", f"{name} ({kind})")
                is_invalid = True
            else:
                if not agrees(rows):
                    return Verdict(mutant, "unit test", name)
        return Verdict(mutant, "invalid") if is_invalid else None

    def by_banks(self, model: str, mutants: Iterable[Mutant]) -> list[Verdict]:
        """Verdicts of data tests and of the rows that the banks then hold."""
        open_ones = {mutant: Verdict(mutant) for mutant in mutants}
        for stage in self.stages:
            waiting = [m for m, verdict in open_ones.items() if verdict.level == "survived"]
            if waiting and model in stage.trees:
                for verdict in self._by_bank(stage, model, waiting):
                    open_ones[verdict.mutant] = verdict
        return list(open_ones.values())

    def _by_bank(self, stage: Stage, model: str, mutants: list[Mutant]) -> Iterator[Verdict]:
        tree = stage.trees[model]
        queries = {mutant: sql for mutant in mutants if (sql := mutated(tree, mutant)) is not None}
        if not queries:
            return
        with stage.begun(model) as con:
            if not stage.shows(con, model):
                return
            again = _difference(con, tree.sql(dialect="duckdb"))
            assert again == 0, f"{model} of {stage.name} gives other rows each time"
            for mutant, sql in queries.items():
                try:
                    with _limited(con, self.seconds):
                        con.execute(f"create or replace temp table broken as {sql}")
                        is_other = _difference(con, "select * from broken") > 0
                    error = ""
                except duckdb.Error as raised:
                    is_other, error = True, type(raised).__name__
                    # An error ends the transaction.
                    con.execute("rollback")
                    stage.begin(con, model)
                if is_other:
                    level = "invalid" if error in INVALID else stage.level
                    yield Verdict(mutant, level, f"{stage.name} ({error})" if error else stage.name)


def agrees(rows: list[tuple[Any, ...]]) -> bool:
    """Whether a unit test's query gives the expected rows: the last column says which side a row is of."""
    sides: dict[str, Counter[tuple[Any, ...]]] = {"actual": Counter(), "expected": Counter()}
    for *values, side in rows:
        sides[side][tuple(values)] += 1
    return sides["actual"] == sides["expected"]


def _difference(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Number of rows that a query and the model's own differ by."""
    return con.execute(
        f"with other as ({sql}) select (select count(*) from (select * from whole except all select * from other)) "
        "+ (select count(*) from (select * from other except all select * from whole))"
    ).fetchall()[0][0]


@contextmanager
def _limited(con: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, con.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def sample(mutants: dict[str, dict[str, set[Mutant]]], share: int = 40, least: int = 2, most: int = 10) -> list[Mutant]:
    """One in ``share`` of every model's mutants, its operators in turn, but ``least`` to ``most`` of each model."""
    chosen: list[Mutant] = []
    for by_operator in mutants.values():
        ranked = sorted(
            (rank, mutant.draw, mutant)
            for group in by_operator.values()
            for rank, mutant in enumerate(sorted(group, key=lambda m: m.draw))
        )
        number = min(most, max(least, len(ranked) // share))
        chosen += [mutant for *_, mutant in ranked[:number]]
    return chosen
