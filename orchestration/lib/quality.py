"""The quality.* marts: what arrived, what was checked, whether books agree, when versions were ready.

They tell of builds and clocks, so they are written at publish and stay outside the outputs hash.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.lib.audit import Verdict
from orchestration.lib.build_record import BuildRecord
from orchestration.lib.home import Home
from orchestration.lib.ledger import Batch, Ledger

LOCAL = timezone(timedelta(hours=8))  # Asia/Shanghai has had no daylight saving time since 1991
DUE_TIME = time(7, 0)  # T+1 07:00: branches open their lists
HISTORY_DAYS = 400  # check results and reconciliation: a year and the audit season after it

SCHEMAS = {
    "batch": pa.schema(
        [
            ("batch_id", pa.string()),
            ("as_of_date", pa.date32()),
            ("system", pa.string()),
            ("entity", pa.string()),
            ("business_date", pa.date32()),
            ("sequence_no", pa.int64()),
            ("status", pa.string()),
            ("row_count", pa.int64()),
            ("quarantined_count", pa.int64()),
            ("reason", pa.string()),
        ]
    ),
    "check_result": pa.schema(
        [
            ("build_id", pa.string()),
            ("as_of_date", pa.date32()),
            ("check_name", pa.string()),
            ("severity", pa.string()),
            ("status", pa.string()),
            ("failed_count", pa.int64()),
            ("owner", pa.string()),
            ("rule_id", pa.string()),
            ("detail", pa.string()),
        ]
    ),
    "reconciliation": pa.schema(
        [
            ("business_date", pa.date32()),
            ("as_of_date", pa.date32()),
            ("branch_id", pa.string()),
            ("product_family", pa.string()),
            ("currency", pa.string()),
            ("ledger_balance", pa.decimal128(18, 2)),
            ("customer_balance", pa.decimal128(18, 2)),
            ("difference", pa.decimal128(18, 2)),
            ("status", pa.string()),
        ]
    ),
    "sla": pa.schema(
        [
            ("business_date", pa.date32()),
            ("as_of_date", pa.date32()),
            ("ready_at", pa.timestamp("us", "UTC")),
            ("due_at", pa.timestamp("us", "UTC")),
            ("is_met", pa.bool_()),
            ("late_feed", pa.string()),
        ]
    ),
    "publish_log": pa.schema(
        [
            ("version", pa.int64()),
            ("build_id", pa.string()),
            ("as_of_date", pa.date32()),
            ("published_at", pa.timestamp("us", "UTC")),
            ("policy_version", pa.string()),
            ("inputs_hash", pa.string()),
            ("outputs_hash", pa.string()),
            ("previous_hash", pa.string()),
        ]
    ),
}


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


def due_at(business_date: date) -> datetime:
    """When the marts of a business date are due: the next day, 07:00 local time."""
    return datetime.combine(business_date + timedelta(days=1), DUE_TIME, LOCAL)


def _late_feed(ledger: list[Batch], as_of: date) -> str:
    """The feed of the as-of date that landed last, when the version came after it was due."""
    landed = [b for b in ledger if b.is_accepted and b.business_date == as_of and b.landed_at]
    return max(landed, key=lambda b: b.landed_at).feed_id if landed else ""


def quality_tables(home: Home, record: BuildRecord, verdict: Verdict, log: list[dict[str, Any]]) -> dict[str, pa.Table]:
    """The quality marts of the version that the last entry of ``log`` describes."""
    as_of = record.as_of_date
    ready = datetime.fromisoformat(log[-1]["published_at"])
    due = due_at(as_of)
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
    sla = {
        "business_date": as_of,
        "as_of_date": as_of,
        "ready_at": ready,
        "due_at": due,
        "is_met": ready <= due,
        "late_feed": "" if ready <= due else _late_feed(ledger, as_of),
    }
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
        "sla": _rows("sla", [sla]),
        "publish_log": _rows("publish_log", publishes),
        "reconciliation": _reconciliation(home, record),
    }
    for name in ("check_result", "sla"):
        before = _previous(home, name)
        if before is not None:
            since = pa.scalar(as_of - timedelta(days=HISTORY_DAYS), pa.date32())
            kept = before.filter(pc.greater(before["as_of_date"], since))
            if name == "sla":
                # The first version of a business date counts; a restatement later does not make it late.
                known = kept.filter(pc.equal(kept["business_date"], pa.scalar(as_of, pa.date32())))
                tables[name] = kept if known.num_rows else pa.concat_tables([kept, tables[name]])
            else:
                tables[name] = pa.concat_tables([kept, tables[name]])
    return tables
