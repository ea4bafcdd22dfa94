"""The published relations: which there are, their keys, their files and their content hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration.lib.content_hash import columns, content_hash, content_hashes


@dataclass(frozen=True)
class Mart:
    """A published relation: its key orders the export.

    ``file_partition``: SQL of the folder (``name=value``) that a row's Parquet file lies in; ``partition_column``:
    the column whose values the folders are, which the engine finds without reading the rest; neither for one file.
    ``date_column``: the date of rows of which a build writes only those after its base date; None where it
    may write any. ``reads``: relations that rows of every date are joined with. ``rows_of``: table of which the
    mart is a view, row by row; it has the key, the date and the partition and is far cheaper to count.
    ``is_archived``: the warehouse lets old partitions go, each whole and once it is published, and their files stay as
    they were (not that of the partition ``none``).
    """

    schema: str
    name: str
    key: tuple[str, ...]
    file_partition: str | None = None
    partition_column: str | None = None
    date_column: str | None = None
    reads: tuple[str, ...] = ()
    rows_of: str | None = None
    is_fact: bool = True
    is_archived: bool = False

    @property
    def relation(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def model(self) -> str:
        """Name of the dbt model that makes it."""
        return f"mart_{self.schema}__{self.name}"

    @property
    def is_partitioned(self) -> bool:
        return bool(self.file_partition or self.partition_column)

    @property
    def label(self) -> str:
        """SQL of a row's partition: its folder, empty where there is one file."""
        if self.partition_column:
            return f"'{self.partition_column}=' || {self.partition_column}"
        return self.file_partition or "''"

    def rows(self, labels: Iterable[str]) -> str:
        """SQL condition on the rows of some partitions."""
        if self.partition_column:
            values = (label.removeprefix(f"{self.partition_column}=") for label in labels)
            return f"{self.partition_column} in ({text_list(values)})"
        return f"{self.label} in ({text_list(labels)})"

    def partition(self, label: str) -> str:
        """Name of a partition, as manifest and verdict have it."""
        return f"{self.relation}/{label}" if label else self.relation

    def labels(self, partitions: Iterable[str]) -> set[str]:
        """Labels of the mart's own among the names of partitions."""
        names = (name.split("/", 1) for name in partitions)
        return {label[0] if label else "" for relation, *label in names if relation == self.relation}

    def file(self, label: str) -> Path:
        """Parquet file of a partition below a version's folder."""
        return Path("parquet", self.schema, self.name, label, "part-0.parquet")


MARTS = (
    Mart("assets", "customer_assets", ("customer_id",)),
    Mart(
        "assets",
        "customer_assets_monthly",
        ("month_end_date", "customer_id"),
        file_partition="strftime(month_end_date, 'month=%Y-%m')",
        date_column="month_end_date",
    ),
    Mart(
        "assets",
        "branch_assets_daily",
        ("business_date", "branch_id", "product_family", "currency"),
        file_partition="strftime(business_date, 'month=%Y-%m')",
        date_column="business_date",
        reads=("core.dim_branch",),
    ),
    Mart("assets", "restatement", ("as_of_date", "restatement_id"), date_column="as_of_date", is_fact=False),
    Mart(
        "tiering",
        "customer_tier",
        ("scheme_code", "customer_id"),
        partition_column="scheme_code",
        date_column="as_of_date",
    ),
    Mart(
        "tiering",
        "customer_tier_history",
        ("scheme_code", "customer_id", "valid_from"),
        partition_column="scheme_code",
        date_column="valid_from",
        rows_of="core.fct_tier_change",
    ),
    Mart(
        "tiering",
        "tier_transition",
        ("month_end_date", "scheme_code", "from_tier_code", "to_tier_code"),
        date_column="month_end_date",
    ),
    Mart(
        "tiering",
        "scheme_crosswalk",
        ("month_end_date", "scheme_code", "tier_code", "other_scheme_code", "other_tier_code"),
        file_partition="strftime(month_end_date, 'month=%Y-%m')",
        date_column="month_end_date",
    ),
    Mart(
        "tiering",
        "tier_explanation",
        ("scheme_code", "customer_id", "component_no"),
        # Rows of the day are written anew each day; those of an evaluation stay until the next.
        file_partition=(
            "case when evaluation_date = as_of_date then strftime(evaluation_date, 'evaluation=%Y-%m-%d') "
            "else 'evaluation=none' end"
        ),
        date_column="as_of_date",
    ),
    Mart("tiering", "near_threshold", ("scheme_code", "customer_id", "direction")),
    Mart("tiering", "enterprise_tier", ("enterprise_id", "scheme_code")),
    Mart("tiering", "prospect", ("prospect_id",)),
    # Decisions depend on what was known when they were taken, so on the order of deliveries.
    Mart("crm", "assignment", ("customer_id", "slot", "slot_no"), is_fact=False),
    Mart(
        "crm",
        "assignment_change",
        ("business_date", "customer_id", "slot", "slot_no"),
        file_partition="strftime(business_date, 'month=%Y-%m')",
        date_column="business_date",
        is_fact=False,
    ),
    Mart("crm", "book", ("employee_id",), is_fact=False),
    Mart("crm", "exception_queue", ("customer_id", "rule_id"), is_fact=False),
    Mart("crm", "rebalance_proposal", ("proposal_id",), is_fact=False),
    Mart(
        "crm",
        "access_grant",
        ("employee_id", "customer_id", "purpose", "valid_from"),
        date_column="as_of_date",
        is_fact=False,
    ),
    Mart("maintenance", "churn_warning", ("customer_id",), is_fact=False),
    # Logs of contacts and complaints say what was known when a month end was reached.
    Mart(
        "maintenance",
        "churn_backtest",
        ("month_end_date", "segment_code", "indicator_code", "level"),
        date_column="outcome_date",
        is_fact=False,
    ),
    Mart(
        "maintenance",
        "obligation",
        ("due_to_date", "customer_id", "kind", "occasion_key", "occurrence_no"),
        # Open ones change every day; what has closed stays as it is, in the month in which its window ends: so it is
        # known until then, and goes with the whole file.
        file_partition="case when is_closed then strftime(due_to_date, 'closed=%Y-%m') else 'closed=none' end",
        date_column="case when is_closed then due_to_date else as_of_date end",
        is_fact=False,
        is_archived=True,
    ),
    Mart(
        "maintenance",
        "action_list",
        ("business_date", "employee_id", "rank"),
        file_partition="strftime(business_date, 'business_date=%Y-%m-%d')",
        date_column="business_date",
        is_fact=False,
        is_archived=True,
    ),
    Mart(
        "maintenance",
        "action_supervision",
        ("business_date", "branch_id"),
        date_column="business_date",
        is_fact=False,
    ),
    Mart("maintenance", "cadence_compliance", ("employee_id", "month_end_date", "kind"), is_fact=False),
    Mart("maintenance", "complaint", ("complaint_id",), is_fact=False),
    Mart("maintenance", "product_offer", ("customer_id", "product_family"), is_fact=False),
    Mart("maintenance", "survey_summary", ("month_end_date", "subject_kind", "subject_id"), is_fact=False),
    Mart("maintenance", "archive_completeness", ("customer_id",), is_fact=False),
    Mart(
        "maintenance",
        "event",
        ("business_date", "customer_id", "event_kind", "event_id"),
        file_partition="strftime(business_date, 'month=%Y-%m')",
        date_column="business_date",
        is_fact=False,
        is_archived=True,
    ),
    Mart("appraisal", "scorecard", ("period_code", "employee_id", "measure_code"), is_fact=False),
    Mart("appraisal", "scorecard_total", ("period_code", "employee_id"), is_fact=False),
    Mart("appraisal", "branch_scorecard", ("period_code", "branch_id", "measure_code"), is_fact=False),
    # A quarter is written at month ends until it is final, then when an objection is filed or it is closed.
    Mart(
        "appraisal",
        "scorecard_evidence",
        ("period_code", "employee_id", "measure_code", "customer_id"),
        partition_column="period_code",
        date_column="evaluation_date",
        reads=("build.objection", "build.closed_quarter"),
        is_fact=False,
        is_archived=True,
    ),
    Mart(
        "appraisal",
        "attribution",
        ("business_date", "revenue_id", "recipient_id", "credit_kind"),
        file_partition="strftime(business_date, 'month=%Y-%m')",
        date_column="business_date",
        is_fact=False,
    ),
    Mart("appraisal", "restatement", ("as_of_date", "restatement_id"), date_column="as_of_date", is_fact=False),
    Mart(
        "appraisal",
        "cohort",
        ("period_code", "customer_id"),
        partition_column="period_code",
        date_column="cohort_date",
        rows_of="core.fct_cohort",
        is_fact=False,
    ),
    # A quarter ends with the books, which are decided.
    Mart("appraisal", "integrity_flag", ("period_code", "flag_id"), is_fact=False),
    Mart("appraisal", "book_flow", ("period_code", "subject_kind", "subject_id"), is_fact=False),
)


@dataclass(frozen=True)
class PartitionHashes:
    """Content hashes of every mart's partitions, and which of them are the published version's own.

    ``hashes``: partition -> hash. ``bases``: mart -> hash of what its old rows depend on beside their date.
    ``kept``: mart -> labels of the partitions that the build did not write; their hash is the published one.
    ``archived``: partition -> hash of the published file, of those that the warehouse has let go.
    """

    hashes: dict[str, str]
    bases: dict[str, str]
    kept: dict[str, list[str]]
    archived: dict[str, str] = field(default_factory=dict)


def fact_marts() -> tuple[Mart, ...]:
    """Marts that depend on the deliveries alone, not on the order in which they came."""
    return tuple(m for m in MARTS if m.is_fact)


def text_list(texts: Iterable[str]) -> str:
    """SQL list of texts; one that no row has when there is none."""
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts) or "null"


def written_rows(mart: Mart, kept: Iterable[str]) -> str:
    """Condition on the rows that are not of the partitions ``kept`` (labels)."""
    labels = sorted(kept)
    return f"not ({mart.rows(labels)})" if labels else "true"


def hash_rows(
    con: duckdb.DuckDBPyConnection, mart: Mart, catalog: str, labels: Iterable[str] | None = None
) -> dict[str, str]:
    """Content hash by label of a mart's partitions: of all that are there, or of those with the ``labels``."""
    relation = catalog + mart.relation
    if not mart.is_partitioned:
        return {"": content_hash(con, relation)} if labels is None or "" in labels else {}
    return content_hashes(con, relation, mart.label, "true" if labels is None else mart.rows(labels))


def hash_marts(con: duckdb.DuckDBPyConnection, published: Path | None, base: date | None) -> PartitionHashes:
    """Hash the marts of a warehouse: every partition that the build wrote.

    ``published``: folder of the version that the build stands on, ``base`` its base date; without either
    everything is hashed. A partition is taken over with its published hash when no row of it is after the base,
    it has as many rows of each date as were published, and nothing else that its rows depend on has changed.
    """
    before: dict[str, Any] = {}
    if published is not None:
        before = json.loads((published / "manifest.json").read_text(encoding="utf-8"))
    if published is not None and base is not None:
        file = str(published / "marts.duckdb").replace("'", "''")
        con.execute(f"attach '{file}' as published (read_only)")
    hashes: dict[str, str] = {}
    bases: dict[str, str] = {}
    kept: dict[str, list[str]] = {}
    archived: dict[str, str] = {}
    for mart in MARTS:
        bases[mart.relation] = _basis(con, mart)
        untouched: set[str] = set()
        written: set[str] | None = None
        if base is not None and before.get("mart_bases", {}).get(mart.relation) == bases[mart.relation]:
            untouched, written = _untouched(con, mart, base)
        kept[mart.relation] = sorted(untouched)
        hashes |= {name: before["partition_hashes"][name] for name in map(mart.partition, untouched)}
        hashes |= {mart.partition(label): h for label, h in hash_rows(con, mart, "", written).items()}
        if mart.is_archived:
            archived |= _archived(mart, before, hashes)
    if published is not None and base is not None:
        con.execute("detach published")
    return PartitionHashes(dict(sorted(hashes.items())), bases, kept, dict(sorted(archived.items())))


def _basis(con: duckdb.DuckDBPyConnection, mart: Mart) -> str:
    """Hash of a mart's columns, of its definition if it is a view, and of the relations that it reads."""
    view = con.execute(
        "select sql from duckdb_views() where schema_name = ? and view_name = ? and database_name = current_database()",
        [mart.schema, mart.name],
    ).fetchall()
    basis = [columns(con, mart.relation), view, [content_hash(con, relation) for relation in mart.reads]]
    return hashlib.sha256(repr(basis).encode()).hexdigest()


def _untouched(con: duckdb.DuckDBPyConnection, mart: Mart, base: date) -> tuple[set[str], set[str] | None]:
    """Labels of the partitions that end by the base and have the published number of rows on every date.

    With those of all others; None for these where nothing is kept, so that all there is is taken.
    """
    if mart.date_column is None:
        return set(), None
    now = _rows_by_date(con, mart, mart.rows_of or mart.relation)
    before = _rows_by_date(con, mart, f"published.{mart.relation}")
    untouched = {label for label, days in now.items() if max(days) <= base and before.get(label) == days}
    return untouched, now.keys() - untouched if untouched else None


def _archived(mart: Mart, before: dict[str, Any], hashes: dict[str, str]) -> dict[str, str]:
    """Published hash by partition of those that were archived before, and of those of which no row is left.

    ``before``: manifest of the version below; ``hashes``: partitions of the build. The partition ``none`` is no
    history: its rows change from day to day.
    """
    known = before.get("archived_hashes", {})
    left = {n: h for n, h in before.get("partition_hashes", {}).items() if n not in hashes and not n.endswith("=none")}
    return {name: h for name, h in {**left, **known}.items() if mart.labels([name])}


def _rows_by_date(con: duckdb.DuckDBPyConnection, mart: Mart, relation: str) -> dict[str, dict[date, int]]:
    found: dict[str, dict[date, int]] = {}
    for label, day, count in con.execute(
        f"select {mart.label}, {mart.date_column}, count(*) from {relation} group by all"
    ).fetchall():
        found.setdefault(label, {})[day] = count
    return found


def mart_hashes(partition_hashes: dict[str, str]) -> dict[str, str]:
    """Hash of every mart: that of its partitions' names and hashes."""
    return {
        mart.relation: _hash_of({n: h for n, h in partition_hashes.items() if n.split("/")[0] == mart.relation})
        for mart in MARTS
    }


def outputs_hash(hashes: dict[str, str]) -> str:
    return _hash_of(hashes)


def _hash_of(hashes: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
