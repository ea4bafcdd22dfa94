"""The quality.* marts: what arrived, what was checked, whether books agree, when versions were ready.

They tell of builds and clocks, so they are written at publish and stay outside the outputs hash.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.lib.audit import Verdict
from orchestration.lib.build_record import BuildRecord
from orchestration.lib.home import Home
from orchestration.lib.ledger import Ledger
from orchestration.lib.mart_contracts import QUALITY_SCHEMAS as SCHEMAS
from orchestration.lib.service_level import service_levels

HISTORY_DAYS = 400  # check results and reconciliation: a year and the audit season after it


def _previous(home: Home, name: str) -> pa.Table | None:
    """The history of a quality mart in the version that was built last."""
    file = home.last_built / "parquet" / "quality" / name / "part-0.parquet"
    if not file.exists():
        return None
    con = duckdb.connect()
    try:
        return con.execute(f"select * from read_parquet('{file.resolve()}')").to_arrow_table().cast(SCHEMAS[name])
    finally:
        con.close()


def _rows(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMAS[name])


def _reconciliation(home: Home, record: BuildRecord) -> pa.Table:
    con = duckdb.connect(str(home.warehouse), read_only=True)
    try:
        rows = con.execute(
            "select business_date, cast(? as date) as as_of_date, branch_id, product_family, currency, "
            "ledger_balance, customer_balance, difference, status from audit.recon_gl_balance "
            "where business_date > ? order by business_date, branch_id, product_family, currency",
            [record.as_of_date, record.as_of_date - timedelta(days=HISTORY_DAYS)],
        )
        return rows.to_arrow_table().cast(SCHEMAS["reconciliation"])
    finally:
        con.close()


def quality_tables(home: Home, record: BuildRecord, verdict: Verdict, log: list[dict[str, Any]]) -> dict[str, pa.Table]:
    """The quality marts of the version that the last entry of ``log`` describes."""
    as_of = record.as_of_date
    ledger = Ledger(home.ledger).batches()
    batches = [
        {
            "batch_id": b.batch_id,
            "as_of_date": as_of,
            **{
                n: getattr(b, n)
                for n in (
                    "system",
                    "entity",
                    "business_date",
                    "sequence_no",
                    "status",
                    "row_count",
                    "quarantined_count",
                    "reason",
                )
            },
        }
        for b in ledger
    ]
    checks = [
        {
            "build_id": verdict.build_id,
            "as_of_date": as_of,
            **{
                n: getattr(c, n)
                for n in (
                    "check_name",
                    "severity",
                    "status",
                    "failed_count",
                    "owner",
                    "rule_id",
                    "detail",
                )
            },
        }
        for c in verdict.checks
    ]
    publishes = [
        {
            **{
                n: e[n]
                for n in (
                    "version",
                    "build_id",
                    "policy_version",
                    "inputs_hash",
                    "outputs_hash",
                    "previous_hash",
                )
            },
            "as_of_date": date.fromisoformat(e["as_of_date"]),
            "published_at": datetime.fromisoformat(e["published_at"]),
        }
        for e in log
    ]
    tables = {
        "batch": _rows("batch", batches),
        "check_result": _rows("check_result", checks),
        "sla": _rows("sla", service_levels(log, ledger, as_of - timedelta(days=HISTORY_DAYS))),
        "publish_log": _rows("publish_log", publishes),
        "reconciliation": _reconciliation(home, record),
    }
    before = _previous(home, "check_result")
    if before is not None:
        since = pa.scalar(as_of - timedelta(days=HISTORY_DAYS), pa.date32())
        kept = before.filter(pc.greater(before["as_of_date"], since))
        tables["check_result"] = pa.concat_tables([kept, tables["check_result"]])
    return tables
