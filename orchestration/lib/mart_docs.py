"""docs/marts.md: every published mart, out of dbt's own descriptions and the schemas of the quality marts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.lib.confidentiality import Content
from orchestration.lib.home import DBT_PROJECT_DIR
from orchestration.lib.mart_contracts import QUALITY_SCHEMAS, models, quality_columns, sql_type
from orchestration.lib.marts import MARTS
from orchestration.lib.quality import HISTORY_DAYS

INTRODUCTION = """\
# Marts

Generated from `dbt_project/models/marts/` and the schemas of the quality marts by `tierhouse docs`; change
those, not this page.

A version holds all of these tables as of one business date: as tables of `published/current/marts.duckdb`
and as Parquet below `published/current/parquet/<schema>/<mart>/`. Columns in bold are the grain: no two rows
agree in all of them. Ids are the source's own text. Amounts are CNY unless a column `currency` says otherwise.
Averages run from the first day of the month, quarter or year through the as-of date, over all its calendar
days, and are rounded half up to the fen once, at the end.

A column has the highest class of the delivered columns that it is made of ([confidentiality](confidentiality.md)).
"""


@dataclass(frozen=True)
class _QualityMart:
    key: tuple[str, ...]
    grain: str
    columns: dict[str, str]


_AS_OF = "Business date that the version describes."
_QUALITY = {
    "batch": _QualityMart(
        ("batch_id",),
        "One row per delivery that was ever judged, accepted or rejected.",
        {
            "batch_id": "system.entity.business_date.sequence_no.",
            "as_of_date": _AS_OF,
            "system": "System that delivered.",
            "entity": "Entity; system.entity is the feed.",
            "business_date": "Business date of the delivery.",
            "sequence_no": "1, then 2, 3, ... for corrections.",
            "status": "accepted or rejected.",
            "row_count": "Rows delivered.",
            "quarantined_count": "Rows set aside with their reason.",
            "reason": "Why it was rejected; empty when accepted.",
        },
    ),
    "check_result": _QualityMart(
        ("build_id", "check_name"),
        f"One row per published build and check, of the last {HISTORY_DAYS} days.",
        {
            "build_id": "The build.",
            "as_of_date": "Business date of the build.",
            "check_name": "dbt., gx., drift., conservation. or arrival. and what is checked.",
            "severity": "block or warn.",
            "status": "pass, fail, warn or overridden.",
            "failed_count": "Rows or cells that failed.",
            "owner": "Who settles a failure.",
            "rule_id": "Policy rule behind the check, if any.",
            "detail": "What was found.",
        },
    ),
    "reconciliation": _QualityMart(
        ("business_date", "branch_id", "product_family", "currency"),
        f"One row per business date, branch, product family and currency, of the last {HISTORY_DAYS} days.",
        {
            "business_date": "Business date.",
            "as_of_date": _AS_OF,
            "branch_id": "Branch that keeps the accounts.",
            "product_family": "Product family as the ledger has it.",
            "currency": "ISO 4217 currency.",
            "ledger_balance": "General-ledger control balance in the currency; empty without one.",
            "customer_balance": "Sum of customer balances in the currency; empty without one.",
            "difference": "Ledger less customers.",
            "status": "agreed, explained or no_ledger; a break stops the build.",
        },
    ),
    "sla": _QualityMart(
        ("business_date",),
        f"One row per business date that was published, of the last {HISTORY_DAYS} days.",
        {
            "business_date": "Business date.",
            "as_of_date": "Business date that the version describes: a later one when days were built together.",
            "version": "First version that holds the day.",
            "ready_at": "When that version was published.",
            "due_at": "When it was due: the next day, 07:00 in Shanghai.",
            "minutes_late": "Minutes from due_at to ready_at, begun ones counted; 0 in time.",
            "is_met": "Whether readers saw a version of this day at due_at.",
            "is_right_day": "Whether the version describes this day: false when it came with later ones.",
            "shown_as_of_date": "Business date of what readers saw at due_at; empty when they saw nothing.",
            "last_feed": "Feed of that date whose first delivery was read last, until the version was ready.",
            "late_feed": "The same when the service level was missed and it was read after 06:00; else empty.",
        },
    ),
    "publish_log": _QualityMart(
        ("version",),
        "One row per version ever published; each names the hash of the one before it.",
        {
            "version": "Number of the version.",
            "build_id": "The build that it is.",
            "as_of_date": "Business date that it describes.",
            "published_at": "When it was published.",
            "policy_version": "Hash of the policies it was computed with.",
            "inputs_hash": "Hash of the deliveries and policies it was made of.",
            "outputs_hash": "Hash of the content of all its marts but quality.",
            "previous_hash": "Hash of the log entry before; empty for the first.",
        },
    ),
}


def _unique_key(model: dict[str, Any]) -> list[str]:
    return [
        column
        for test in model.get("data_tests", [])
        if isinstance(test, dict) and "unique_combination" in test
        for column in test["unique_combination"]["arguments"]["columns"]
    ]


def _section(name: str, description: str, key: list[str], columns: list[tuple[str, str, str, str]]) -> str:
    rows = "".join(
        f"| {f'**{column}**' if column in key else column} | {sql_type} | {classification} "
        f"| {meaning.replace('|', chr(92) + '|')} |\n"
        for column, sql_type, classification, meaning in columns
    )
    return f"\n## {name}\n\n{description}\n\n| column | type | class | meaning |\n|---|---|---|---|\n{rows}"


def render_marts(contents: Mapping[str, Mapping[str, Content]], models_dir: Path = DBT_PROJECT_DIR / "models") -> str:
    """The page as text. Raises KeyError for a mart, a column or a grain that nobody has described.

    ``contents``: model -> column -> what it holds.
    """
    described_models = models(models_dir)
    parts = [INTRODUCTION]
    for mart in MARTS:
        model = described_models[mart.model]
        classes = {name: content.classification for name, content in contents[mart.model].items()}
        columns = [
            (c["name"], sql_type(c["data_type"]), classes[c["name"]], c["description"]) for c in model["columns"]
        ]
        keyed = described_models[mart.rows_of.split(".")[1]] if mart.rows_of else model
        parts.append(_section(mart.relation, model["description"], _unique_key(keyed), columns))
    for name in QUALITY_SCHEMAS:
        described = _QUALITY[name]
        columns = [
            (column.name, column.sql_type, column.classification, described.columns[column.name])
            for column in quality_columns(name)
        ]
        parts.append(_section(f"quality.{name}", described.grain, list(described.key), columns))
    return "".join(parts)
