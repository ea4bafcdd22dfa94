"""Replaying schemes: the very models of a month-end evaluation, run by dbt in a scratch warehouse of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.lib import warehouse
from orchestration.lib.dbt_manifest import environment, read_manifest
from orchestration.lib.home import DBT_PROJECT_DIR, Home
from orchestration.lib.journal import Journal
from orchestration.lib.ledger import Ledger
from orchestration.lib.planning import OPENING_FEED, advance_json, find_opening_date, plan_chunk
from orchestration.lib.policies import PolicySet, compile_policies

_MERGES = "stg_core_banking__customer_merges"
# What an evaluation reads, and who the customers are.
_KEPT = ("fct_month_measure", "fct_customer_factor")
_INPUTS = (_MERGES, "int_customer__household_member", "dim_customer", *_KEPT)
_RISK = "int_tiering__risk_factor"
_MODELS = (
    "int_customer__successor",
    "int_tiering__vetoed_customer",
    "fct_population_bin",
    "fct_tier_evaluation",
)


class TrialFailed(RuntimeError):
    """A replay that cannot be made: no kept month ends, a busy warehouse, or models that failed."""


class Trial:
    """A scratch warehouse in ``folder``: an evaluation's inputs, and what schemes make of them.

    ``first_date``: first business date of the deployment; averages of windows that began before it are partial and
    give no tiers, unless balance-days of before were delivered (``opening_date``).
    """

    def __init__(self, folder: Path, *, first_date: date, opening_date: date | None = None) -> None:
        self.folder = folder
        self.first_date = first_date
        self.opening_date = opening_date
        # The manifest names this catalog: dbt calls a DuckDB file by its stem.
        self.warehouse = folder / "warehouse.duckdb"
        self._manifest = read_manifest()
        folder.mkdir(parents=True, exist_ok=True)
        with self.connect() as con:
            for schema in ("intermediate", "policy", "trial"):
                con.execute(f"create schema {schema}")
            for model in _INPUTS:
                self._create(con, model)
            # The ranks of the month end itself; of what was rated that day nothing else is kept.
            ranks = ("risk_result_rank", "special_flag_rank", "aml_class_rank")
            con.execute(
                f"create view {self._relation(_RISK)} as select evaluation_date, customer_id, {', '.join(ranks)} "
                f"from core.fct_customer_factor where coalesce({', '.join(ranks)}) is not null"
            )

    @classmethod
    def of_home(cls, home: Home, folder: Path) -> Trial:
        """A trial on copies of a deployment's kept month ends up to the published day. The home is only read.

        Households are those of the last build; merges, risk ratings and all else are those of each month end.
        Raises TrialFailed.
        """
        published = Journal(home.journal).last_published()
        if published is None:
            raise TrialFailed(f"{home.root}: nothing has been published yet; run `tierhouse run` first")
        first_date = date.fromisoformat(published["first_date"])
        accepted = [b for b in Ledger(home.ledger).batches() if b.is_accepted and b.feed_id == OPENING_FEED]
        trial = cls(folder, first_date=first_date, opening_date=find_opening_date(accepted, first_date))
        try:
            trial._copy(home, date.fromisoformat(published["as_of_date"]))
        except duckdb.Error as error:
            raise TrialFailed(f"{home.warehouse}: cannot be read; is a build running? wait for it ({error})") from error
        return trial

    def _copy(self, home: Home, through: date) -> None:
        # A view's body names its own catalog, so it is read where it lives.
        with warehouse.connect(home.warehouse, read_only=True) as con:
            merges = con.execute(f"select * from {self._relation(_MERGES)}").to_arrow_table()
        self.put(_MERGES, merges)
        with self.connect() as con:
            con.execute(f"attach '{str(home.warehouse).replace(chr(39), chr(39) * 2)}' as deployment (read_only)")
            for model in _INPUTS[1:]:
                relation = self._relation(model)
                kept = f"where evaluation_date <= date '{through}'" if model in _KEPT else ""
                con.execute(f"insert into {relation} by name select * from deployment.{relation} {kept}")

    def put(self, model: str, rows: pa.Table | Sequence[Mapping[str, Any]]) -> None:
        """Append rows to a model's table, as the input of others; columns that are left out are empty."""
        if not isinstance(rows, pa.Table):
            names = dict.fromkeys(name for row in rows for name in row)
            rows = pa.table({name: [row.get(name) for row in rows] for name in names})
        with self.connect() as con:
            self._create(con, model)
            if rows.num_rows:
                con.register("new_rows", rows)
                con.execute(f"insert into {self._relation(model)} by name select * from new_rows")

    def _create(self, con: duckdb.DuckDBPyConnection, model: str) -> None:
        node = self._node(model)
        columns = ", ".join(f"{name} {column.data_type}" for name, column in node.columns.items())
        con.execute(f"create schema if not exists {node.schema}")
        con.execute(f"create table if not exists {self._relation(model)} ({columns})")

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to the scratch warehouse, for as long as no replay runs."""
        with warehouse.connect(self.warehouse) as con:
            yield con

    def month_ends(self) -> list[date]:
        """Month ends of which measures are there, oldest first."""
        with self.connect() as con:
            rows = con.execute("select distinct evaluation_date from core.fct_month_measure order by 1").fetchall()
        return [row[0] for row in rows]

    def lay_policies(self, policies: PolicySet) -> None:
        """Put the compiled tables of policies in place: dbt's source ``policy``."""
        with self.connect() as con:
            for table, file in compile_policies(policies, self.folder / "policy").items():
                con.execute(f"create or replace view policy.{table} as select * from read_parquet('{file}')")

    def replay(self, policies: PolicySet, dates: Sequence[date], name: str) -> None:
        """Evaluate month ends in order, each from the one before, the first one from nothing.

        The result is the table ``trial.<name>`` with the columns of fct_tier_evaluation. Raises TrialFailed.
        """
        self.lay_policies(policies)
        with self.connect() as con:
            is_merging = bool(con.execute(f"select 1 from {self._relation(_MERGES)} limit 1").fetchone())
        plans = []
        before = None
        for day in dates:
            chunk = plan_chunk(before, day, day, self.first_date, self.opening_date, policies)
            plans.append(
                advance_json(chunk, first_date=self.first_date, opening_date=self.opening_date, is_merging=is_merging)
            )
            before = day
        self.run(_MODELS, plans)
        with self.connect() as con:
            con.execute(f"create or replace table trial.{name} as select * from core.fct_tier_evaluation")
            con.execute(f"create or replace table trial.{name}_population_bin as select * from core.fct_population_bin")
            con.execute("drop table core.fct_tier_evaluation")
            con.execute("drop table core.fct_population_bin")

    def run(self, models: Sequence[str], plans: Sequence[str]) -> None:
        """Run dbt models once for each plan (JSON of ``advance_json``). Raises TrialFailed."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        settings = {
            "TIERHOUSE_WAREHOUSE": str(self.warehouse),
            "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DO_NOT_TRACK": "1",
        }
        # The project is parsed once, and dbt looks at nothing but these models.
        arguments = ["run", "--select", *models, "--project-dir", str(DBT_PROJECT_DIR)]
        arguments += ["--target-path", str(self.folder / "target"), "--quiet", "--no-write-json"]
        arguments += ["--cache-selected-only", "--log-level-file", "none"]
        runner = dbtRunner(manifest=self._manifest)
        try:
            for plan in plans:
                with environment({**settings, "TIERHOUSE_PLAN": plan}):
                    result = runner.invoke(arguments)
                if not result.success:
                    nodes: list[Any] = getattr(result.result, "results", [])
                    failed = [f"{r.node.name}: {r.message}" for r in nodes if r.status == "error"]
                    raise TrialFailed("; ".join(failed) or str(result.exception)) from result.exception
        finally:
            # dbt keeps its connection for the life of the process.
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]

    def _node(self, model: str) -> Any:
        return self._manifest.nodes[f"model.tierhouse.{model}"]

    def _relation(self, model: str) -> str:
        node = self._node(model)
        return f"{node.schema}.{node.alias}"
