"""The columns of every mart, in order: as dbt's contracts say, and of quality.*, which no model makes, as said here."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from orchestration.lib.contracts import C1, C2
from orchestration.lib.home import DBT_PROJECT_DIR
from orchestration.lib.marts import MARTS

QUALITY_SCHEMAS = {
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
            ("version", pa.int64()),
            ("ready_at", pa.timestamp("us", "UTC")),
            ("due_at", pa.timestamp("us", "UTC")),
            ("minutes_late", pa.int64()),
            ("is_met", pa.bool_()),
            ("is_right_day", pa.bool_()),
            ("shown_as_of_date", pa.date32()),
            ("last_feed", pa.string()),
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

# Columns of quality.* that tell of money, or repeat what was found.
_QUALITY_C2 = {
    "batch": ("reason",),
    "check_result": ("detail",),
    "reconciliation": ("ledger_balance", "customer_balance", "difference"),
}


@dataclass(frozen=True)
class MartColumn:
    """``sql_type``: as DuckDB and PostgreSQL write it."""

    name: str
    sql_type: str
    classification: str


def models(directory: Path = DBT_PROJECT_DIR / "models") -> dict[str, dict[str, Any]]:
    """Model -> what dbt's files say of it."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(directory.rglob("*.yml")):
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or {}
        found.update({model["name"]: model for model in document.get("models", [])})
    return found


def sql_type(name: str) -> str:
    """A contract's type as SQL."""
    return "varchar" if name == "string" else name


def quality_columns(name: str) -> tuple[MartColumn, ...]:
    """Columns of a mart of quality.*."""
    c2 = _QUALITY_C2.get(name, ())
    return tuple(
        MartColumn(field.name, _arrow_sql_type(field.type), C2 if field.name in c2 else C1)
        for field in QUALITY_SCHEMAS[name]
    )


@functools.cache
def mart_contracts() -> Mapping[str, tuple[MartColumn, ...]]:
    """Relation -> its columns, of every mart that a version holds."""
    described = models()
    found = {
        mart.relation: tuple(
            MartColumn(column["name"], sql_type(column["data_type"]), column["config"]["meta"]["classification"])
            for column in described[mart.model]["columns"]
        )
        for mart in MARTS
    }
    return {**found, **{f"quality.{name}": quality_columns(name) for name in QUALITY_SCHEMAS}}


def _arrow_sql_type(arrow_type: pa.DataType) -> str:
    if pa.types.is_decimal(arrow_type):
        return f"decimal({arrow_type.precision},{arrow_type.scale})"
    names = {
        pa.string(): "varchar",
        pa.int64(): "bigint",
        pa.bool_(): "boolean",
        pa.date32(): "date",
        pa.timestamp("us", "UTC"): "timestamp with time zone",
    }
    return names[arrow_type]
