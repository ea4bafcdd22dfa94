"""One run of a deployment as the daily job does it, altered deliveries, and readers of what was made."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.lib import audit, build, fault, landing, publish, warehouse
from orchestration.lib.content_hash import content_hash
from orchestration.lib.contracts import Feed, load_contracts
from orchestration.lib.delivery import ARROW_TYPES, IS_DELETED, MANIFEST, write_delivery
from orchestration.lib.home import Home
from orchestration.lib.marts import fact_marts
from orchestration.lib.planning import BuildPlan
from orchestration.lib.policies import load_policies

# Kept state, and history that marts are made of. Restatements and reconciliations are accounts of builds; who maintains
# whom, and what follows from it, is decided once a day on what was known then, so it does depend on the order of
# deliveries.
STATE_TABLES = (
    "fct_account_balance",
    "fct_customer_product_balance",
    "fct_customer_balance",
    "fct_priced_value",
    "fct_customer_price_effect",
    "fct_employee_day",
    "fct_branch_balance_day",
    "fct_card_spend",
    "fct_card_spend_day",
    "fct_open_door",
    "fct_instrument_price",
    "fct_revenue_day",
    "fct_month_measure",
    "fct_customer_factor",
    "fct_population_bin",
    "fct_tier_evaluation",
    "fct_tier_change",
)


@dataclass(frozen=True)
class Outcome:
    """What one run did: plan None when nothing was new, version 0 when it published nothing."""

    report: landing.LandingReport
    plan: BuildPlan | None = None
    verdict: audit.Verdict | None = None
    version: int = 0
    blocking: list[str] = field(default_factory=list)

    def check(self, name: str) -> audit.Check:
        assert self.verdict is not None
        return next(c for c in self.verdict.checks if c.check_name == name)


def advance(
    home: Home, landing_root: Path, through: date | None = None, strict: bool = False, *, is_published: bool = True
) -> Outcome:
    """Land, plan, build, audit, publish and drop old state: what the job's assets do, in their order."""
    with build.build_lock(home):
        report = landing.land(home, landing_root, through=through)
        plan = build.start_build(home, load_contracts(), load_policies(), through, is_strict=strict)
        if plan is None:
            return Outcome(report)
        verdict = build_and_audit(home, plan)
        outcome = Outcome(report, plan, verdict, blocking=verdict.blocking())
        return publish_audited(home, outcome) if verdict.is_passed and is_published else outcome


def publish_audited(home: Home, audited: Outcome) -> Outcome:
    """Publish what an audit let pass, and drop old state."""
    assert audited.plan is not None
    version = publish.publish(home, audited.plan.build_id)
    warehouse.apply_retention(home, audited.plan.as_of_date, audited.plan.first_date)
    return replace(audited, version=version)


def build_and_audit(home: Home, plan: BuildPlan) -> audit.Verdict:
    """Carry out a plan that has begun. The build lock must be held."""
    target = build_models(home, plan)
    fault.point(build.AFTER_MODELS)
    return audit.audit(home, plan.build_id, load_contracts(), target)


def build_models(home: Home, plan: BuildPlan) -> Path:
    """Advance the state and build the marts; returns the folder of dbt's results."""
    contracts, policies = load_contracts(), load_policies()
    target = home.root / "dbt_target"
    for chunk in plan.chunks:
        build.prepare_chunk(home, plan, chunk, contracts, policies)
        is_last = chunk is plan.chunks[-1]
        command = ["build", "--exclude-resource-type", "unit_test"] if is_last else ["run"]
        try:
            build.run_dbt(home, plan, chunk, command)
        except build.DbtFailed:
            if not is_last or not build.has_results(target):
                raise
    return target


def die_at(fault_point: str, step: Callable[..., object], *arguments: object) -> None:
    """For a process of its own: it takes the step and is killed at the fault point."""
    os.environ[fault.ENV] = fault_point
    step(*arguments)


def audit_again(home: Home, build_id: str) -> audit.Verdict:
    return audit.audit(home, build_id, load_contracts(), home.root / "dbt_target")


def published(outcome: Outcome) -> Outcome:
    """The outcome, which must be a published version made of accepted deliveries."""
    assert not outcome.report.rejected, [(b.batch_id, b.reason) for b in outcome.report.rejected]
    assert outcome.verdict is not None
    assert outcome.version, [c for c in outcome.verdict.checks if c.blocks]
    return outcome


def copy_home(home: Home, root: Path) -> Home:
    """A deployment of its own with the same history."""
    shutil.copytree(home.root, root, symlinks=True)
    return Home(root)


# --- what readers see ------------------------------------------------------------------------------


def fact_hashes(home: Home) -> dict[str, str]:
    """Content hash of every fact mart of the version that readers see."""
    with duckdb.connect(str(home.current / "marts.duckdb"), read_only=True) as con:
        return {mart.relation: content_hash(con, mart.relation) for mart in fact_marts()}


def state_hashes(home: Home) -> dict[str, str]:
    """Content hash of every state table of the working file."""
    with warehouse.connect(home.warehouse, read_only=True) as con:
        return {name: content_hash(con, f"core.{name}") for name in STATE_TABLES}


def query(home: Home, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query on the published marts."""
    with duckdb.connect(str(home.current / "marts.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def snapshot(home: Home) -> tuple[str, str, dict[str, str], int]:
    """What must not change when nothing is published: pointer, log, fact hashes, number of files."""
    return (
        str(home.current.readlink()),
        home.publish_log.read_text("utf-8"),
        fact_hashes(home),
        sum(1 for _ in home.current.resolve().rglob("*")),
    )


# --- deliveries ------------------------------------------------------------------------------------


def feed(feed_id: str) -> Feed:
    return load_contracts()[feed_id]


def delivery_folder(landing_root: Path, feed_id: str, day: date) -> Path:
    return landing_root.joinpath(*feed_id.split("."), day.isoformat())


def read_delivery(landing_root: Path, feed_id: str, day: date) -> tuple[pa.Table, str, str]:
    """Rows of a CSV delivery in the contract's types, its mode and its file format."""
    import pyarrow.csv

    folder = delivery_folder(landing_root, feed_id, day)
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    (file,) = manifest["files"]
    types = {column.name: ARROW_TYPES[column.type] for column in feed(feed_id).columns}
    types[IS_DELETED] = pa.bool_()
    options = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    table = pyarrow.csv.read_csv(folder / file["name"], convert_options=options)
    return table, manifest["mode"], file["name"].split(".", 1)[1]


def redeliver(
    landing_root: Path,
    feed_id: str,
    day: date,
    change: Callable[[pa.Table], pa.Table],
    *,
    sequence_no: int = 1,
) -> Path:
    """Write a delivery again with changed rows; sequence_no 1 replaces it, a higher one corrects it."""
    table, mode, file_format = read_delivery(landing_root, feed_id, day)
    return write_delivery(
        landing_root, feed(feed_id), day, change(table), mode=mode, sequence_no=sequence_no, file_format=file_format
    )


def copy_deliveries(source: Path, target: Path, keep: Callable[[date], bool] = lambda _: True) -> Path:
    """Copy the deliveries of the days that ``keep`` wants."""
    for manifest in sorted(source.glob(f"*/*/*/{MANIFEST}")):
        folder = manifest.parent
        if keep(date.fromisoformat(folder.name)):
            shutil.copytree(folder, target / folder.relative_to(source), dirs_exist_ok=True)
    return target


def add_to(table: pa.Table, column: str, amount: str, where: pa.ChunkedArray | None = None) -> pa.Table:
    """Add a decimal amount to a column of all rows, or of those in ``where``."""
    old = table.column(column)
    new = pc.add(old, pa.scalar(amount).cast(old.type)).cast(old.type)
    if where is not None:
        new = pc.if_else(where, new, old)
    return table.set_column(table.column_names.index(column), column, new)
