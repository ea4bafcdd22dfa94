"""dbt sources and staging models, generated from the landing contracts.

A feed's columns live in its contract only: ``tierhouse docs`` writes these files and a test fails when
they are stale. Staging models are the typed raw batches as delivered, one view per feed in use.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from orchestration.lib.contracts import Feed

# Feeds that a model reads. A feed that no model reads yet is landed and kept all the same.
STAGED_FEEDS = (
    "brokerage.custody_accounts",
    "brokerage.security_positions",
    "card.card_accounts",
    "card.card_transactions",
    "core_banking.account_owners",
    "core_banking.customer_merges",
    "core_banking.customers",
    "core_banking.deposit_accounts",
    "core_banking.deposit_transactions",
    "core_banking.opening_balance_days",
    "crm.complaints",
    "crm.consents",
    "crm.contacts",
    "crm.customer_choices",
    "crm.households",
    "crm.life_events",
    "crm.maintainers",
    "crm.prospects",
    "crm.referrals",
    "crm.surveys",
    "crm.work_plans",
    "enterprise.enterprises",
    "finance.gl_balances",
    "finance.revenue",
    "hr.employees",
    "loan.loans",
    "market.fx_rates",
    "market.instrument_prices",
    "reference.branches",
    "reference.products",
    "risk.customer_risk",
    "wealth.wealth_holdings",
)
_HEADER = "# Generated from contracts/ by `tierhouse docs`; edit the contract instead.\n"


def raw_columns(feed: Feed) -> list[tuple[str, str]]:
    """Name and SQL type of every column of a feed's raw relation, in order. C3 columns stay in the Parquet files."""
    columns = [(c.name, c.sql_type) for c in feed.staged_columns]
    if feed.has_delta:
        columns.append(("is_deleted", "boolean"))
    return [*columns, ("business_date", "date"), ("batch_id", "varchar")]


_ADDED_COLUMNS = {
    "is_deleted": "In a delta: the row is gone. False in a full delivery.",
    "business_date": "Business date of the delivery.",
    "batch_id": "The delivery: system.entity.business_date.sequence_no.",
}


def _column_docs(feed: Feed) -> list[dict[str, Any]]:
    contracted = {c.name: c for c in feed.staged_columns}
    docs = []
    for name, sql_type in raw_columns(feed):
        column = contracted.get(name)
        doc: dict[str, Any] = {
            "name": name,
            "description": column.description if column else _ADDED_COLUMNS[name],
            "data_type": "string" if sql_type == "varchar" else sql_type,
        }
        if column:
            meta: dict[str, Any] = {"label_zh": column.label_zh, "classification": column.classification}
            doc["config"] = {"meta": meta | ({"is_personal": True} if column.is_personal else {})}
        docs.append(doc)
    return docs


def _dump(document: dict[str, Any]) -> str:
    return _HEADER + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)


def _model_sql(feed: Feed) -> str:
    names = ",\n    ".join(name for name, _ in raw_columns(feed))
    source = f"{{{{ source('raw', '{feed.raw_table}') }}}}"
    header = f"-- Generated from contracts/{feed.system}/{feed.entity}.yaml by `tierhouse docs`."
    return f"{header}\nselect\n    {names}\nfrom {source}\n"


def render_staging(contracts: dict[str, Feed]) -> dict[Path, str]:
    """Path below the dbt project -> content, for every generated file."""
    staging = Path("models/staging")
    files: dict[Path, str] = {}
    tables = [
        {
            "name": feed.raw_table,
            "description": f"{feed.grain} {feed.description}",
            "config": {"meta": {"owner": feed.owner, "feed_id": feed.feed_id}},
            "columns": _column_docs(feed),
        }
        for feed in contracts.values()
        if feed.feed_id in STAGED_FEEDS
    ]
    files[staging / "_raw__sources.yml"] = _dump(
        {
            "version": 2,
            "sources": [
                {
                    "name": "raw",
                    "schema": "raw",
                    "description": "Accepted batches that this build reads, one view per feed over immutable Parquet.",
                    "tables": tables,
                }
            ],
        }
    )
    for system in sorted({feed_id.split(".")[0] for feed_id in STAGED_FEEDS}):
        feeds = [f for f in contracts.values() if f.system == system and f.feed_id in STAGED_FEEDS]
        models = []
        for feed in feeds:
            models.append(
                {
                    "name": f"stg_{feed.raw_table}",
                    "description": f"{feed.grain} {feed.description}",
                    "columns": _column_docs(feed),
                }
            )
            files[staging / system / f"stg_{feed.raw_table}.sql"] = _model_sql(feed)
        files[staging / system / f"_{system}__models.yml"] = _dump({"version": 2, "models": models})
    return files
