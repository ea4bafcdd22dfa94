"""The working file: what a build reads (views over immutable Parquet) and how old state is dropped.

Schemas ``raw`` (batches of the build, one view per feed), ``build`` (its calendar and inputs) and
``policy`` (compiled rules) are dbt's sources; they are laid anew for every advance.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from orchestration.lib import fault
from orchestration.lib.appraisal.record import CLOSED_TABLES, RECORD_TABLES, closed_files, record_tables
from orchestration.lib.bank_calendar import BankCalendar, occasion_rows, period_rows, working_day_rows
from orchestration.lib.books.propose import MOVE_SCHEMA, PROPOSAL_SCHEMA
from orchestration.lib.books.results import book_moves, last_proposal
from orchestration.lib.contracts import Feed
from orchestration.lib.home import Home
from orchestration.lib.planning import (
    ACTION_DAYS_KEPT,
    DAY,
    EMPLOYEE_DAYS_KEPT,
    HISTORY_DAYS_KEPT,
    YEAR_DAYS_KEPT,
    BuildPlan,
    Chunk,
    batch_days,
    batches_of_chunk,
    kept_account_dates,
    kept_customer_dates,
    kept_evaluation_dates,
    kept_measure_dates,
)
from orchestration.lib.policies.obligations import Obligations
from orchestration.lib.staging import raw_columns

# State tables with the dates they keep: like accounts, like customer totals, or the card-spend year.
ACCOUNT_STATE = (
    "fct_account_balance",
    "fct_customer_product_balance",
    "fct_card_spend",
    "fct_open_door",
    "fct_instrument_price",
    "fct_priced_value",
    "fct_near_threshold",
    "fct_book_entry",
)
BEFORE_INPUTS = fault.declare("warehouse.before_inputs", "before one of a build's own tables is written")
BEFORE_SOURCES = fault.declare("warehouse.before_sources", "before the views that models read are laid anew")
BEFORE_COMMIT = fault.declare("warehouse.before_commit", "published rows copied for the restatement, not committed")
BEFORE_RETENTION = fault.declare("warehouse.before_retention", "published, all old state is there")
BEFORE_DROP = fault.declare("warehouse.before_drop", "old state deleted, not committed")

_DATE = pa.date32()
_BUILD_TABLES = {
    "calendar_day": pa.schema(
        [
            ("business_date", _DATE),
            ("account_segment_date", _DATE),
            ("customer_segment_date", _DATE),
        ]
    ),
    "batch_day": pa.schema([("feed_id", pa.string()), ("business_date", _DATE), ("batch_id", pa.string())]),
    "restating_batch": pa.schema([("business_date", _DATE), ("batch_id", pa.string())]),
    "feed_limit": pa.schema(
        [
            ("feed_id", pa.string()),
            ("limit_code", pa.string()),
            ("limit_rate", pa.decimal128(18, 8)),
        ]
    ),
    "explained_difference": pa.schema(
        [
            ("business_date", _DATE),
            ("branch_id", pa.string()),
            ("product_family", pa.string()),
            ("currency", pa.string()),
            ("difference", pa.decimal128(18, 2)),
            ("reason", pa.string()),
            ("approved_by", pa.string()),
        ]
    ),
    "book_move": MOVE_SCHEMA,
    "rebalance_proposal": PROPOSAL_SCHEMA,
    **RECORD_TABLES,
    "working_day": pa.schema(
        [
            ("business_date", _DATE),
            ("is_working_day", pa.bool_()),
            ("previous_working_date", _DATE),
            ("next_working_date", _DATE),
        ]
    ),
    "period": pa.schema(
        [
            ("business_date", _DATE),
            ("period_code", pa.string()),
            ("period_key", pa.string()),
            ("start_date", _DATE),
            ("end_date", _DATE),
            ("day_count", pa.int64()),
        ]
    ),
    "occasion": pa.schema(
        [
            ("occasion_code", pa.string()),
            ("occasion_key", pa.string()),
            ("occasion_date", _DATE),
            ("label_zh", pa.string()),
        ]
    ),
}


# Published rows that a restating build replaces: columns, where they are, their date.
_PUBLISHED_ROWS = {
    "published_customer_balance": (
        "as_of_date date, customer_id varchar, aum_cny decimal(18,2)",
        "core.fct_customer_balance",
        "as_of_date",
    ),
    "published_customer_month": (
        "month_end_date date, customer_id varchar, aum_month_avg_cny decimal(18,2)",
        "assets.customer_assets_monthly",
        "month_end_date",
    ),
    "published_tier_evaluation": (
        (
            "evaluation_date date, scheme_code varchar, customer_id varchar, measure_value decimal(18,2), "
            "tier_code varchar"
        ),
        "core.fct_tier_evaluation",
        "evaluation_date",
    ),
}


def build_table_names() -> list[str]:
    """Names of what the planner lays for dbt: its source ``build``."""
    return [*_BUILD_TABLES, *_PUBLISHED_ROWS, *CLOSED_TABLES]


def published_copies() -> dict[str, str]:
    """Table of source ``build`` -> the relation of which it holds published rows."""
    copies = {name: relation for name, (_, relation, _) in _PUBLISHED_ROWS.items()}
    copies["told_restatement"] = "appraisal.restatement"
    return copies | {name: mart.relation for name, mart in CLOSED_TABLES.items()}


class ExplainedDifferencesError(ValueError):
    """The file of explained ledger differences cannot be used."""


@contextmanager
def connect(path: Path, *, read_only: bool = False, memory_limit: str = "3GB") -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a DuckDB file that is closed at the end, with the settings dbt uses."""
    con = duckdb.connect(str(path), read_only=read_only)
    try:
        con.execute(f"set memory_limit = '{memory_limit}'")
        con.execute("set threads = 2")
        con.execute("set TimeZone = 'UTC'")
        con.execute("set preserve_insertion_order = false")
        yield con
    finally:
        con.close()


def table_exists(con: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    found = con.execute(
        "select count(*) from information_schema.tables where table_schema = ? and table_name = ?",
        [schema, table],
    ).fetchone()
    return bool(found and found[0])


def kept_dates(home: Home) -> set[date]:
    """Dates of account state in the warehouse; empty when there is none."""
    if not home.warehouse.exists():
        return set()
    with connect(home.warehouse, read_only=True) as con:
        if not table_exists(con, "core", "fct_account_balance"):
            return set()
        rows = con.execute("select distinct as_of_date from core.fct_account_balance").fetchall()
    return {row[0] for row in rows}


def _quoted_list(paths: list[Path]) -> str:
    return "[" + ", ".join("'" + str(p).replace("'", "''") + "'" for p in paths) + "]"


def _create_raw_views(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    plan: BuildPlan,
    chunk: Chunk,
    contracts: dict[str, Feed],
) -> None:
    chosen = batches_of_chunk(plan, chunk, contracts)
    con.execute("create schema if not exists raw")
    for feed_id, feed in contracts.items():
        columns = raw_columns(feed)
        files = [home.lake / batch.path / "part.parquet" for batch in chosen.get(feed_id, [])]
        if files:
            names = ", ".join(name for name, _ in columns)
            body = f"select {names} from read_parquet({_quoted_list(files)}, hive_partitioning = false)"
        else:
            # A bank may have no such feed: its relation is there, typed and empty.
            typed = ", ".join(f"cast(null as {sql_type}) as {name}" for name, sql_type in columns)
            body = f"select {typed} where false"
        con.execute(f"create or replace view raw.{feed.raw_table} as {body}")


def _create_closed_views(con: duckdb.DuckDBPyConnection, home: Home, inputs: Path) -> None:
    """Rows of closed quarters as they were frozen; none before the first close."""
    for name, files in closed_files(home).items():
        schema = CLOSED_TABLES[name].schema
        # A file without rows gives the columns and types of today to quarters that were frozen with fewer.
        shape = inputs / f"{name}.parquet"
        fault.point(BEFORE_INPUTS)
        pq.write_table(schema.empty_table(), shape)
        con.execute(
            f"create or replace view build.{name} as select {', '.join(schema.names)} "
            f"from read_parquet({_quoted_list([shape, *files])}, union_by_name = true)"
        )


def _segments(days: list[date], emitted: list[date]) -> dict[date, date]:
    """Day -> the emitted date its segment ends on."""
    ends: dict[date, date] = {}
    index = 0
    for day in days:
        while emitted[index] < day:
            index += 1
        ends[day] = emitted[index]
    return ends


def read_explained_differences(home: Home) -> list[dict[str, Any]]:
    """``<home>/explained_differences.yml``: ledger differences that someone has explained and approved."""
    path = home.root / "explained_differences.yml"
    if not path.exists():
        return []
    rows = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    wanted = set(_BUILD_TABLES["explained_difference"].names)
    for number, row in enumerate(rows, start=1):
        if set(row) != wanted or not str(row["approved_by"]).strip() or not str(row["reason"]).strip():
            raise ExplainedDifferencesError(
                f"{path.name} entry {number}: expected exactly {sorted(wanted)} with a reason and an approver, "
                f"found {sorted(row)}; complete the entry"
            )
    return list(rows)


def _build_rows(
    home: Home, plan: BuildPlan, chunk: Chunk, contracts: dict[str, Feed]
) -> dict[str, list[dict[str, Any]]]:
    after = chunk.base_date or plan.first_date - DAY
    days = [after + n * DAY for n in range(1, (chunk.as_of_date - after).days + 1)]
    account_ends = _segments(days, chunk.account_dates)
    customer_ends = _segments(days, chunk.customer_dates)
    limits = []
    for feed in contracts.values():
        rates = {"orphan_rate": feed.orphan_limit_rate, **feed.drift_limits}
        limits += [{"feed_id": feed.feed_id, "limit_code": k, "limit_rate": f"{v:.8f}"} for k, v in rates.items()]
    return {
        "calendar_day": [
            {
                "business_date": d,
                "account_segment_date": account_ends[d],
                "customer_segment_date": customer_ends[d],
            }
            for d in days
        ],
        "batch_day": [
            {"feed_id": feed_id, "business_date": day, "batch_id": batch_id}
            for feed_id, day, batch_id in batch_days(plan, chunk, contracts)
        ],
        "restating_batch": [{"business_date": b.business_date, "batch_id": b.batch_id} for b in plan.restating_batches],
        "feed_limit": limits,
        "explained_difference": read_explained_differences(home),
    }


def calendar_rows(chunk: Chunk, obligations: Obligations) -> dict[str, list[dict[str, Any]]]:
    """The calendar of what is decided from day to day; empty before books go live, whose years need no calendar."""
    if not chunk.books.is_live:
        return {"working_day": [], "period": [], "occasion": []}
    decided = chunk.books.decision_dates
    # An advance that decides nothing still shows what is due on its last day.
    days = decided or [chunk.as_of_date]
    calendar = BankCalendar(obligations.calendar_years)
    return {
        "working_day": working_day_rows(calendar, days, chunk.as_of_date),
        "period": period_rows(decided),
        "occasion": occasion_rows(obligations.versions, days, chunk.as_of_date),
    }


def _typed(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    arrays = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if pa.types.is_decimal(field.type):
            arrays.append(pa.array([str(v) for v in values], pa.string()).cast(field.type))
        else:
            arrays.append(pa.array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _keep_published_rows(con: duckdb.DuckDBPyConnection, plan: BuildPlan, base: date) -> None:
    """Copy the published rows that a restating build is about to replace, for its restatement diff.

    A build that failed before has already replaced some of them: what was copied for the same published
    version stays, and only dates before it are added.
    """
    con.execute("create schema if not exists build")
    con.execute("create table if not exists build.published_state (version bigint, copied_after date)")
    for name, (shape, _, _) in _PUBLISHED_ROWS.items():
        con.execute(f"create table if not exists build.{name} ({shape})")
    known = con.execute(
        "select copied_after from build.published_state where version = ?", [plan.published_version]
    ).fetchone()
    if known is None:
        for name in ("published_state", *_PUBLISHED_ROWS):
            con.execute(f"delete from build.{name}")
        copied_after = plan.published_as_of
        con.execute("insert into build.published_state values (?, ?)", [plan.published_version, copied_after])
    else:
        copied_after = known[0]
    if copied_after is None or base >= copied_after:
        return
    for name, (shape, relation, day) in _PUBLISHED_ROWS.items():
        if not table_exists(con, *relation.split(".")):
            # A working file that was lost: readers have the old rows, the diff cannot name them.
            continue
        columns = ", ".join(column.split()[0] for column in shape.split(", "))
        con.execute(
            f"insert into build.{name} select {columns} from {relation} where {day} > ? and {day} <= ?",
            [base, copied_after],
        )
    con.execute("update build.published_state set copied_after = ?", [base])


# What was decided, as the published marts hold it: columns of the state that they name otherwise or leave out.
_DECISIONS = {
    "fct_book_entry": (
        "select as_of_date, customer_id, slot, slot_no, employee_id, branch_id, role_code, tier_code, tier_rank, "
        "reason_code, rule_id, initial_employee_id, initial_lost_date, initial_lost_reason_code, is_acting, "
        "valid_from, choice_due_date, reassignment_due_date, policy_version from published.crm.assignment "
        "union all select as_of_date, customer_id, 'queue', 1, null, branch_id, owner_role_code, tier_code, tier_rank, "
        "reason_code, rule_id, initial_employee_id, initial_lost_date, initial_lost_reason_code, false, since_date, "
        "null, due_date, policy_version from published.crm.exception_queue"
    ),
    "fct_assignment_change": (
        "select change_id, business_date, customer_id, slot, slot_no, from_employee_id, to_employee_id, reason_code, "
        "branch_id, role_code, initial_employee_id, initial_lost_date, initial_lost_reason_code, policy_version "
        "from published.crm.assignment_change"
    ),
    "fct_cohort": "select * from published.appraisal.cohort",
    "fct_archive_month": (
        "select through_date as month_end_date, employee_id, archive_rate from published.appraisal.scorecard_total "
        "where archive_rate is not null"
    ),
    "fct_action": "select * exclude (as_of_date) from published.maintenance.action_list",
    "fct_action_branch_day": "select * exclude (as_of_date) from published.maintenance.action_supervision",
    "fct_cadence_month": "select * from published.maintenance.cadence_compliance",
    "fct_customer_event": (
        "select event_id, business_date, customer_id, event_kind, amount_cny, account_id, event_date, detail_code, "
        "scheme_code, rule_id, policy_version from published.maintenance.event"
    ),
    "fct_churn_warning": (
        "select as_of_date, customer_id, level, score, indicators, reason_zh, since_date, policy_version "
        "from published.maintenance.churn_warning"
    ),
    "fct_obligation": "select * from published.maintenance.obligation",
    "fct_access_grant_change": (
        "select valid_from as business_date, employee_id, customer_id, purpose, basis, true as is_granted, "
        "policy_version from published.crm.access_grant union all select valid_to, employee_id, customer_id, purpose, "
        "null, false, policy_version from published.crm.access_grant where valid_to is not null"
    ),
}


def _restore_decisions(con: duckdb.DuckDBPyConnection, home: Home, plan: BuildPlan) -> None:
    """Take books from the published version when the working file is new: decisions are not computed again."""
    if plan.published_as_of is None or not home.current.exists() or table_exists(con, "core", "fct_book_entry"):
        return
    file = str(home.last_built / "marts.duckdb").replace("'", "''")
    con.execute(f"attach '{file}' as published (read_only)")
    con.execute("create schema if not exists core")
    for table, rows in _DECISIONS.items():
        con.execute(f"create table core.{table} as {rows}")
    con.execute("detach published")


def prepare(
    home: Home,
    plan: BuildPlan,
    chunk: Chunk,
    contracts: dict[str, Feed],
    policy_files: dict[str, Path],
    obligations: Obligations,
) -> None:
    """Lay the sources of one advance into the warehouse."""
    home.root.mkdir(parents=True, exist_ok=True)
    inputs = home.builds / plan.build_id / "inputs" / f"{chunk.as_of_date}"
    inputs.mkdir(parents=True, exist_ok=True)
    with connect(home.warehouse) as con:
        fault.point(BEFORE_SOURCES)
        con.execute("create schema if not exists build")
        con.execute("create schema if not exists policy")
        _restore_decisions(con, home, plan)
        _create_raw_views(con, home, plan, chunk, contracts)
        rows = {**_build_rows(home, plan, chunk, contracts), **calendar_rows(chunk, obligations)}
        tables = {n: _typed(r, _BUILD_TABLES[n]) for n, r in rows.items()}
        tables |= record_tables(home)
        tables["book_move"] = book_moves(home, chunk.books.decision_dates)
        tables["rebalance_proposal"] = last_proposal(home, chunk.as_of_date)
        for name, table in tables.items():
            file = inputs / f"{name}.parquet"
            fault.point(BEFORE_INPUTS)
            pq.write_table(table.select(_BUILD_TABLES[name].names).cast(_BUILD_TABLES[name]), file)
            con.execute(f"create or replace view build.{name} as select * from read_parquet({_quoted_list([file])})")
        _create_closed_views(con, home, inputs)
        for name, file in policy_files.items():
            con.execute(f"create or replace view policy.{name} as select * from read_parquet({_quoted_list([file])})")
        con.execute("begin")
        _keep_published_rows(con, plan, chunk.base_date or plan.first_date - DAY)
        fault.point(BEFORE_COMMIT)
        con.execute("commit")


def forget_obligations(con: duckdb.DuckDBPyConnection, as_of: date) -> None:
    """Keep the obligations that are open as they stand, and closed ones by whole months of the ends of their windows.

    What was done early in a year is known until the year is over: it would be asked for again else.
    """
    con.execute(
        "delete from core.fct_obligation where as_of_date < ? and not is_closed or due_to_date < ? and is_closed",
        [as_of, (as_of - HISTORY_DAYS_KEPT * DAY).replace(day=1)],
    )


def apply_retention(home: Home, as_of: date, first_date: date) -> None:
    """Drop state dates that no open window needs, all or none. Run after publish: a failed build keeps every base."""
    account = ", ".join(f"date '{d}'" for d in sorted(kept_account_dates(as_of, first_date)))
    customer = ", ".join(f"date '{d}'" for d in sorted(kept_customer_dates(as_of)))
    with connect(home.warehouse) as con:
        fault.point(BEFORE_RETENTION)
        con.execute("begin")
        for table in ACCOUNT_STATE:
            con.execute(f"delete from core.{table} where as_of_date not in ({account})")
        for table in ("fct_customer_balance", "fct_customer_price_effect"):
            con.execute(
                f"delete from core.{table} where as_of_date not in ({customer}) and as_of_date != last_day(as_of_date)"
            )
        evaluated = ", ".join(f"date '{d}'" for d in sorted(kept_evaluation_dates(as_of, first_date)))
        measured = ", ".join(f"date '{d}'" for d in sorted(kept_measure_dates(as_of)))
        # All evaluations of the primary scheme are kept: a late correction says which of its tiers it changed.
        con.execute(
            f"delete from core.fct_tier_evaluation where evaluation_date not in ({evaluated}) "
            "and scheme_code not in (select scheme_code from policy.scheme where is_primary)"
        )
        for table in ("fct_month_measure", "fct_customer_factor", "fct_quarter_customer"):
            con.execute(f"delete from core.{table} where evaluation_date not in ({measured})")
        # Month ends of which it is, or will be, known who left; and what warnings of today were judged by.
        con.execute(
            f"delete from core.fct_churn_indicator where as_of_date not in ({measured}) and as_of_date != ?", [as_of]
        )
        con.execute(f"delete from core.fct_churn_outcome where outcome_date not in ({measured})")
        con.execute("delete from core.fct_churn_warning where as_of_date <= ?", [as_of - HISTORY_DAYS_KEPT * DAY])
        for table in ("fct_tier_explanation", "fct_tier_explanation_context"):
            con.execute(
                f"delete from core.{table} where evaluation_date not in "
                f"(select distinct evaluation_date from core.{table} order by evaluation_date desc limit 2)"
            )
        con.execute("delete from core.fct_employee_day where business_date <= ?", [as_of - EMPLOYEE_DAYS_KEPT * DAY])
        # Of a quarter the newest evaluation counts; all are made anew from a base before it.
        for table in ("fct_score_evidence", "fct_score_employee", "fct_score_branch"):
            con.execute(
                f"delete from core.{table} where evaluation_date not in ({measured}) or (period_code, evaluation_date) "
                "not in (select (period_code, evaluation_date) from intermediate.int_appraisal__newest_evaluation)"
            )
        con.execute(f"delete from core.fct_archive_month where month_end_date not in ({measured})")
        # Flows and flags of quarters that are over stay as they were told last.
        for table in ("fct_book_flow", "fct_integrity_flag"):
            con.execute(f"delete from core.{table} where evaluation_date not in ({measured}) and not is_final")
        month_kept = (as_of - HISTORY_DAYS_KEPT * DAY).replace(day=1)
        con.execute("delete from core.fct_customer_event where business_date < ?", [month_kept])
        forget_obligations(con, as_of)
        for table in ("fct_action", "fct_action_branch_day"):
            con.execute(f"delete from core.{table} where business_date <= ?", [as_of - ACTION_DAYS_KEPT * DAY])
        # Months that are counted no more stay.
        con.execute("delete from core.fct_cadence_month where as_of_date < ? and not is_final", [as_of])
        for table in (
            "fct_card_spend_day",
            "fct_contact",
            "fct_life_event",
            "fct_maturity_day",
            "fct_revenue_credit",
            "fct_revenue_day",
            "fct_salary_day",
            "fct_sale",
            "fct_survey",
            "fct_work_plan",
        ):
            con.execute(f"delete from core.{table} where business_date <= ?", [as_of - YEAR_DAYS_KEPT * DAY])
        fault.point(BEFORE_DROP)
        con.execute("commit")
