"""Run the daily job in this process: the same definitions that the Dagster UI and the schedule run."""

from __future__ import annotations

import contextlib
import sys
from datetime import date

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from orchestration.lib.dagster_home import prepare_dagster_home
from orchestration.lib.home import Home


def run_daily_build(home: Home, last: date, *, is_strict: bool) -> str:
    """Execute ``daily_build`` up to a business date; returns what failed, or nothing.

    The run carries the last date's partition alone: Dagster writes two events per asset and partition, which
    for a first build of 45 days took longer than the build (4,230 of each).

    ``DAGSTER_HOME`` and ``TIERHOUSE_*`` must be set. dbt's own output goes to <home>/logs/run.log.
    """
    from orchestration import progress
    from orchestration.definitions import defs
    from orchestration.defs.partitions import BUSINESS_DATES, STRICT_TAG

    prepare_dagster_home(home)
    if not BUSINESS_DATES.has_partition_key(last.isoformat()):
        return (
            f"{last} is not a closed business date by this machine's clock; build up to an earlier one with --through"
        )
    progress._terminal = sys.stdout
    log_file = home.root / "logs" / "run.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with (
        dg.DagsterInstance.get() as instance,
        log_file.open("a", encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
    ):
        result = defs.resolve_job_def("daily_build").execute_in_process(
            instance=instance,
            run_config={"loggers": {"progress": {}}},
            partition_key=last.isoformat(),
            tags={STRICT_TAG: "true" if is_strict else "false"},
            raise_on_error=False,
        )
    if result.success:
        return ""
    failures = [
        event.step_failure_data.error
        for event in result.all_events
        if event.event_type_value == "STEP_FAILURE" and event.step_failure_data.error
    ]
    if not failures:  # no step began: the deployment is held by another run, or cannot be used
        failures = [
            event.job_failure_data.error
            for event in result.all_events
            if event.event_type_value == "PIPELINE_FAILURE" and event.job_failure_data.error
        ]
    reasons = [_reason(error) for error in failures]
    return "; ".join(r for r in reasons if r) or f"the run failed; see {log_file}"


def _reason(error: SerializableErrorInfo) -> str:
    """What the run said on purpose (a Failure), else the first cause of it, in its own words."""
    chain = [error]
    while (cause := chain[-1].cause) is not None:
        chain.append(cause)
    said = [link for link in chain if link.cls_name == "Failure"] or chain[-1:]
    return said[0].message.strip().removeprefix("dagster._core.definitions.events.Failure: ")
