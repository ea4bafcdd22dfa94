"""Compliance with cadences: months count each obligation once, under who owed it."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any

import duckdb

from tests.conftest import AS_OF_DATE, GO_LIVE_DATE, BuiltHome

Key = tuple[date, str, str]
PLAN_KINDS = ("work_plan_made", "work_plan_done")


def month_end(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)


def published(built_home: BuiltHome) -> dict[Key, dict[str, Any]]:
    with duckdb.connect(str(built_home.home.current / "marts.duckdb"), read_only=True) as con:
        cursor = con.execute("select * from maintenance.cadence_compliance")
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    found = {(row["month_end_date"], row["employee_id"], row["kind"]): row for row in rows}
    assert len(found) == len(rows) > 0
    return found


def test_months_count_every_obligation_once(built_home: BuiltHome) -> None:
    with duckdb.connect(str(built_home.home.warehouse), read_only=True) as con:
        # All that ever closed and all that stands today: nothing is old enough to have been dropped.
        obligations = con.execute(
            "select due_to_date, employee_id, kind, status from core.fct_obligation where is_closed or as_of_date = ?",
            [AS_OF_DATE],
        ).fetchall()
    counts: dict[Key, Counter[str]] = defaultdict(Counter)
    for due_to, employee, kind, status in obligations:
        counts[month_end(due_to), employee or "queue", kind][status] += 1
    rows = {key: row for key, row in published(built_home).items() if row["kind"] not in PLAN_KINDS}
    assert rows.keys() == counts.keys()
    assert sum(row["due_count"] + row["suppressed_count"] for row in rows.values()) == len(obligations)
    for key, row in rows.items():
        said = counts[key]
        assert row["done_count"] == said["done"], key
        assert row["overdue_count"] == said["overdue"], key
        assert row["suppressed_count"] == said["suppressed"], key
        assert row["pending_count"] == said["open"] + said["due"], key
        assert row["due_count"] == row["done_count"] + row["overdue_count"] + row["pending_count"], key


def test_months_before_go_live_have_no_rows(built_home: BuiltHome) -> None:
    assert min(month for month, _, _ in published(built_home)) >= month_end(GO_LIVE_DATE)
