"""Business dates as partitions. A range of them is one run."""

from __future__ import annotations

import os

import dagster as dg

# The first business date that the Dagster UI offers; `tierhouse` sets it from the landing folder.
FIRST_DATE_VARIABLE = "TIERHOUSE_FIRST_DATE"
DEFAULT_FIRST_DATE = "2026-01-01"

BUSINESS_DATES = dg.DailyPartitionsDefinition(
    start_date=os.environ.get(FIRST_DATE_VARIABLE, DEFAULT_FIRST_DATE), timezone="Asia/Shanghai"
)
ONE_RUN = dg.BackfillPolicy.single_run()
# One writer: everything that touches the warehouse shares a pool of one (dagster.yaml of the home).
WRITER_POOL = "warehouse_writer"
# A strict run (the default) fails when its last business date cannot be reached; otherwise it builds what it can.
STRICT_TAG = "tierhouse/strict"
