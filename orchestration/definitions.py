"""All definitions of the code location. They load without environment, deployment or network."""

from __future__ import annotations

import dagster as dg

from orchestration.defs.audit import verdict
from orchestration.defs.jobs import (
    alerts,
    compulsory_feeds_arrived,
    daily_at_six,
    daily_build,
)
from orchestration.defs.landing import land_deliveries
from orchestration.defs.publish import version
from orchestration.defs.session import BuildSession
from orchestration.defs.warehouse import build_warehouse, plan_next_build
from orchestration.progress import progress_logger

defs = dg.Definitions(
    assets=[land_deliveries, plan_next_build, build_warehouse, verdict, version],
    jobs=[daily_build],
    schedules=[daily_at_six],
    sensors=[compulsory_feeds_arrived, alerts],
    resources={"session": BuildSession()},
    loggers={"console": dg.colored_console_logger, "progress": progress_logger},
    # One process: the warehouse has one writer, and each further process would import everything again.
    executor=dg.in_process_executor,
)
