"""Landing contracts: one ODCS v3.1 file per feed is the only place where a feed's columns live."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from orchestration.lib.home import CONTRACTS_DIR

# Landing type (physicalType in the contract) -> SQL type of the raw Parquet column.
SQL_TYPES = {
    "str": "varchar",
    "date": "date",
    "ts": "timestamp with time zone",
    "int": "bigint",
    "money": "decimal(18,2)",
    "qty": "decimal(18,6)",
    "price": "decimal(18,8)",
    "rate": "decimal(18,8)",
    "bool": "boolean",
}
# Classes of JR/T 0171-2020: C3 is what proves who someone is and stays in the lake, no model reads it.
C1, C2, C3 = "C1", "C2", "C3"


@dataclass(frozen=True)
class Column:
    """One column of a feed. ``type`` is a key of SQL_TYPES; ``values`` its domain, if any.

    ``is_identity``: kept apart from the raw table. ``is_personal``: names a person or tells how to reach him, as
    every identity column does.
    """

    name: str
    type: str
    required: bool
    key_position: int | None
    values: tuple[str, ...]
    classification: str
    is_identity: bool
    is_personal: bool
    description: str
    label_zh: str

    @property
    def sql_type(self) -> str:
        return SQL_TYPES[self.type]


@dataclass(frozen=True)
class ControlTotal:
    """A compulsory control total: the sum of ``column`` per value of ``by`` ('*' = over all rows)."""

    column: str
    by: str


@dataclass(frozen=True)
class CsvFormat:
    delimiter: str
    encoding: str
    header: bool


@dataclass(frozen=True)
class Feed:
    """One feed of the landing contract.

    semantics: snapshot (absence of a row means it is gone), upsert (absence carries the last
    value) or events. expected: daily, business_days or on_change. compulsory: daily, first_run
    or no. restates: a late delivery changes facts of past days (else it acts from arrival).
    """

    system: str
    entity: str
    version: str
    owner: str
    description: str
    grain: str
    columns: tuple[Column, ...]
    modes: tuple[str, ...]
    semantics: str
    expected: str
    compulsory: str
    restates: bool
    csv: CsvFormat
    control_totals: tuple[ControlTotal, ...]
    quarantine_limit_rate: float
    orphan_limit_rate: float
    drift_limits: dict[str, float]

    @property
    def feed_id(self) -> str:
        return f"{self.system}.{self.entity}"

    @property
    def raw_table(self) -> str:
        """Name of the raw relation that dbt reads: <system>__<entity>."""
        return f"{self.system}__{self.entity}"

    @property
    def key(self) -> tuple[str, ...]:
        keyed = [c for c in self.columns if c.key_position is not None]
        return tuple(c.name for c in sorted(keyed, key=lambda c: c.key_position or 0))

    @property
    def raw_columns(self) -> tuple[Column, ...]:
        """Columns of the raw table: all but the identity columns, of each of which it has whether it is known."""
        return (*(c for c in self.columns if not c.is_identity), *self.presence_columns)

    @property
    def staged_columns(self) -> tuple[Column, ...]:
        """Columns that models may read: those of the raw table but the C3 ones."""
        return tuple(c for c in self.raw_columns if c.classification != C3)

    @property
    def identity_columns(self) -> tuple[Column, ...]:
        return tuple(c for c in self.columns if c.is_identity)

    @property
    def presence_columns(self) -> tuple[Column, ...]:
        """``has_<column>`` for every identity column: whether the source knows a value, not which."""
        return tuple(_presence(c) for c in self.identity_columns)

    @property
    def has_delta(self) -> bool:
        return "delta" in self.modes


def _presence(column: Column) -> Column:
    return Column(
        name=f"has_{column.name}",
        type="bool",
        required=True,
        key_position=None,
        values=(),
        classification=C1,
        is_identity=False,
        is_personal=False,
        description=f"Whether the source knows {column.name}; made at landing.",
        label_zh=f"是否已知{column.label_zh}",
    )


def batch_id(feed_id: str, business_date: str, sequence_no: int) -> str:
    """Id of a delivery, made by its source: <system>.<entity>.<business_date>.<sequence_no>."""
    return f"{feed_id}.{business_date}.{sequence_no}"


def _properties(node: dict[str, Any]) -> dict[str, Any]:
    return {p["property"]: p["value"] for p in node.get("customProperties", [])}


def _column(node: dict[str, Any]) -> Column:
    extra = _properties(node)
    values: list[str] = []
    for rule in node.get("quality", []):
        if rule.get("metric") == "invalidValues":
            values = [str(v) for v in rule["arguments"]["validValues"]]
    is_identity = bool(extra.get("identity", False))
    return Column(
        name=node["name"],
        type=node["physicalType"],
        required=bool(node["required"]),
        key_position=node.get("primaryKeyPosition"),
        values=tuple(values),
        classification=node["classification"],
        is_identity=is_identity,
        is_personal=is_identity or bool(extra.get("personal", False)),
        description=node["description"],
        label_zh=extra["label_zh"],
    )


def load_contract(path: Path) -> Feed:
    """Read one ODCS file into a Feed."""
    doc = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    table = doc["schema"][0]
    extra = _properties(doc)
    csv = extra["csv"]
    return Feed(
        system=doc["domain"],
        entity=doc["name"],
        version=doc["version"],
        owner=doc["team"]["name"],
        description=doc["description"]["purpose"],
        grain=table["dataGranularityDescription"],
        columns=tuple(_column(p) for p in table["properties"]),
        modes=tuple(extra["modes"]),
        semantics=extra["semantics"],
        expected=extra["expected"],
        compulsory=extra["compulsory"],
        restates=bool(extra["restates"]),
        csv=CsvFormat(csv["delimiter"], csv["encoding"], bool(csv["header"])),
        control_totals=tuple(ControlTotal(t["column"], t["by"]) for t in extra["controlTotals"]),
        quarantine_limit_rate=float(extra["quarantineLimitRate"]),
        orphan_limit_rate=float(extra["orphanLimitRate"]),
        drift_limits={k: float(v) for k, v in extra.get("driftLimits", {}).items()},
    )


@cache
def load_contracts(directory: Path = CONTRACTS_DIR) -> dict[str, Feed]:
    """All feeds by feed id (``<system>.<entity>``), in file order."""
    feeds = [load_contract(path) for path in sorted(directory.glob("*/*.yaml"))]
    return {feed.feed_id: feed for feed in feeds}


def contact_values(column: str) -> tuple[str, ...]:
    """What the contract of ``crm.contacts`` lets ``column`` say."""
    return next(c.values for c in load_contracts()["crm.contacts"].columns if c.name == column)
