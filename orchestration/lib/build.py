"""One build: the lock, the plan, the journal's begin, and dbt over the planned advances."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from orchestration.lib import fault, warehouse
from orchestration.lib.books.results import ensure_results
from orchestration.lib.build_record import BuildRecord
from orchestration.lib.contracts import Feed
from orchestration.lib.dbt_manifest import environment, read_manifest
from orchestration.lib.home import DBT_PROJECT_DIR, Home
from orchestration.lib.journal import Journal
from orchestration.lib.ledger import Ledger
from orchestration.lib.planning import BuildPlan, Chunk, chunk_json, plan_build
from orchestration.lib.policies import PolicyError, PolicySet, compile_policies
from orchestration.lib.policies.lint import frozen_changes
from orchestration.lib.publish import recover

LOCKED = fault.declare("build.locked", "the lock is held, nobody is told by whom")
BEFORE_RELEASE = fault.declare("build.before_release", "all is done, the lock is still held")
BEFORE_RECORD = fault.declare("build.before_record", "planned, nothing written")
BEFORE_BEGIN = fault.declare("build.before_begin", "planned, journal says nothing yet")
AFTER_BEGIN = fault.declare("build.after_begin", "journal says begin, warehouse untouched")
AFTER_PREPARE = fault.declare("build.after_prepare", "sources laid, no model built")
BEFORE_DBT = fault.declare("build.before_dbt", "the results of the last call of dbt are still there")
BEFORE_MODEL = fault.declare("build.before_model", "before one node is built: those before it are of this build")
AFTER_MODELS = fault.declare("build.after_models", "models built and tested, no verdict")


class BuildLocked(RuntimeError):
    """Another build holds the deployment."""


class DbtFailed(RuntimeError):
    """dbt could not run the models of an advance."""


@contextmanager
def build_lock(home: Home, wait_seconds: float = 0) -> Iterator[None]:
    """Hold the deployment's only write lock. Raises BuildLocked naming the holder."""
    home.root.mkdir(parents=True, exist_ok=True)
    holder = home.lock.with_suffix(".holder")
    lock = FileLock(home.lock)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout as error:
        who = holder.read_text(encoding="utf-8") if holder.exists() else "an unknown process"
        raise BuildLocked(
            f"{home.root}: another build is running ({who}); wait for it, or give --wait SECONDS"
        ) from error
    try:
        fault.point(LOCKED)
        started = datetime.now(UTC).isoformat(timespec="seconds")
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()} since {started}", encoding="utf-8")
        yield
        fault.point(BEFORE_RELEASE)
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def start_build(
    home: Home,
    contracts: dict[str, Feed],
    policies: PolicySet,
    through: date | None = None,
    *,
    is_strict: bool = False,
) -> BuildPlan | None:
    """Plan the next build and write its begin to the journal; None when nothing is new.

    Must run under ``build_lock``. Raises MissingFeed, and PolicyError when a version changed that a closed quarter
    was judged by.
    """
    recover(home)
    journal = Journal(home.journal)
    state = journal.read()
    if state.last_published is not None:
        changes = frozen_changes(policies, state.last_published["policy_versions"], state.frozen_through)
        if changes:
            raise PolicyError("\n".join(str(change) for change in changes))
    plan = plan_build(
        Ledger(home.ledger).batches(),
        contracts,
        state,
        policies,
        warehouse.kept_dates(home),
        through,
        is_strict=is_strict,
    )
    if plan is None:
        return None
    fault.point(BEFORE_RECORD)
    BuildRecord.of(plan).write(home)
    fault.point(BEFORE_BEGIN)
    journal.append(
        {
            "event": "begin",
            "build_id": plan.build_id,
            "as_of_date": plan.as_of_date.isoformat(),
            "base_date": plan.base_date.isoformat() if plan.base_date else None,
            "dirty_from": plan.dirty_from.isoformat(),
            "first_date": plan.first_date.isoformat(),
            "new_batches": plan.new_batches,
            "policy_hash": plan.policy_hash,
            "policy_versions": plan.policy_versions,
        }
    )
    fault.point(AFTER_BEGIN)
    return plan


def prepare_chunk(home: Home, plan: BuildPlan, chunk: Chunk, contracts: dict[str, Feed], policies: PolicySet) -> None:
    """Lay the sources of one advance into the warehouse, with what the optimiser made of the one before."""
    books = chunk.books
    if books.is_live and books.decision_dates and chunk.base_date is not None:
        with warehouse.connect(home.warehouse, read_only=True) as con:
            ensure_results(home, con, chunk.base_date, books.decision_dates, books.seed_date)
    compiled = compile_policies(policies, home.policy)
    warehouse.prepare(home, plan, chunk, contracts, compiled, policies.obligations)
    fault.point(AFTER_PREPARE)


def dbt_environment(home: Home, plan: BuildPlan, chunk: Chunk) -> dict[str, str]:
    """Environment variables that dbt reads in an advance."""
    return {
        "TIERHOUSE_PLAN": chunk_json(plan, chunk),
        "TIERHOUSE_WAREHOUSE": str(home.warehouse),
        "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
        "DBT_LOG_PATH": str(home.root / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def forget_results(target: Path) -> None:
    """Remove the results of the last dbt call: the audit must not take them for those of the next."""
    fault.point(BEFORE_DBT)
    (target / "run_results.json").unlink(missing_ok=True)


def has_results(target: Path) -> bool:
    """Whether dbt got as far as running nodes; it has no results when the project does not compile."""
    return (target / "run_results.json").exists()


def _before_model(event: Any) -> None:
    """Called by dbt with every event of its log, in the process that runs it."""
    if event.info.name == "NodeStart":
        fault.point(BEFORE_MODEL)


def run_dbt(
    home: Home, plan: BuildPlan, chunk: Chunk, arguments: list[str], *, listener: Callable[[Any], None] | None = None
) -> Path:
    """Run dbt in this process (no CLI start-up); returns the folder of its run_results.json.

    ``listener`` is given every event of dbt's log, in whatever thread it happens. Raises DbtFailed with the names of
    the nodes that failed.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    target = home.root / "dbt_target"
    callbacks = [_before_model, *([listener] if listener else [])]
    forget_results(target)
    with environment(dbt_environment(home, plan, chunk)):
        try:
            result = dbtRunner(read_manifest(), callbacks=callbacks).invoke(
                [
                    *arguments,
                    "--project-dir",
                    str(DBT_PROJECT_DIR),
                    "--target-path",
                    str(target),
                    # dbt writes each event's line before it asks whether anyone wants it. What failed is in the
                    # results, and the SQL as it ran lies in the target folder.
                    "--log-level",
                    "none",
                    "--log-level-file",
                    "none",
                ]
            )
        finally:
            # dbt keeps its connection for the life of the process; the audit opens the file read-only.
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
    if not result.success:
        if result.exception is not None:
            raise DbtFailed(str(result.exception)) from result.exception
        nodes = getattr(result.result, "results", [])
        failed = [f"{r.node.name}: {r.message}" for r in nodes if r.status in ("error", "fail")]
        raise DbtFailed(f"dbt {arguments[0]} failed: " + "; ".join(failed))
    return target
