"""The published relations: which there are, their keys and their content hashes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import duckdb

from orchestration.lib.content_hash import content_hash


@dataclass(frozen=True)
class Mart:
    """A published relation: its key orders the export, ``partition`` makes month files of a history."""

    schema: str
    name: str
    key: tuple[str, ...]
    partition: str | None = None
    is_fact: bool = True

    @property
    def relation(self) -> str:
        return f"{self.schema}.{self.name}"


MARTS = (
    Mart("assets", "customer_assets", ("customer_id",)),
    Mart(
        "assets",
        "customer_assets_monthly",
        ("month_end_date", "customer_id"),
        partition="month_end_date",
    ),
    Mart(
        "assets",
        "branch_assets_daily",
        ("business_date", "branch_id", "product_family", "currency"),
        partition="business_date",
    ),
    Mart("assets", "restatement", ("as_of_date", "restatement_id"), is_fact=False),
    Mart("tiering", "customer_tier", ("customer_id", "scheme_code")),
)


def fact_marts() -> tuple[Mart, ...]:
    """Marts that depend on the deliveries alone, not on the order in which they came."""
    return tuple(m for m in MARTS if m.is_fact)


def mart_hashes(con: duckdb.DuckDBPyConnection, catalog: str = "") -> dict[str, str]:
    """Content hash of every published relation, in a warehouse or a published file."""
    prefix = f"{catalog}." if catalog else ""
    return {m.relation: content_hash(con, prefix + m.relation) for m in MARTS}


def outputs_hash(hashes: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
