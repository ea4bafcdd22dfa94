"""Who may see whom follows the books from day to day, and the dated grants say so for every day."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib.dbt_manifest import environment
from orchestration.lib.home import DBT_PROJECT_DIR
from orchestration.lib.planning import advance_json, plan_chunk
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.trial import Trial

LIVE = date(2026, 5, 1)
EVE = LIVE - timedelta(days=1)
DAYS = [LIVE + timedelta(days=n) for n in range(4)]
CUSTOMERS = [f"c{n:02}" for n in range(40)]
MODELS = ("fct_access_grant_change", "mart_crm__access_grant")
# employee -> unit, role. Outlets o1 and o2 stand under the city; compliance sits there.
STAFF = {
    "t1": ("o1", "teller"),
    "t2": ("o2", "teller"),
    "h1": ("o1", "head"),
    "h2": ("o2", "head"),
    "k1": ("city", "compliance"),
    "k2": ("city", "compliance"),
    "p1": ("city", "head"),
}
UNITS = {"o1": ("o1", "city"), "o2": ("o2", "city")}
Row = dict[str, Any]
Grant = tuple[str, str, str]


def employees(draw: random.Random) -> list[Row]:
    """Staff of every day: some on leave, one without the agreement, one who leaves on the third day."""
    rows = []
    for number, day in enumerate(DAYS):
        for employee_id, (unit, role) in STAFF.items():
            status = draw.choice(["active", "active", "active", "on_leave"])
            if employee_id == "t2" and number >= 2:
                status = "left"
            rows.append(
                {
                    "business_date": day,
                    "employee_id": employee_id,
                    "branch_id": unit,
                    "unit_id": unit,
                    "role_code": role,
                    "status": status,
                    "is_eligible": status == "active" and employee_id != "k2",
                }
            )
    return rows


def entries(draw: random.Random) -> list[Row]:
    """Books of every day, in which a fifth of the customers changes hands from one day to the next."""
    rows = []
    books: dict[str, list[Row]] = {}
    for day in DAYS:
        for customer_id in CUSTOMERS:
            if customer_id not in books or draw.random() < 0.2:
                books[customer_id] = customer_entries(draw, customer_id)
            rows += [{**row, "as_of_date": day} for row in books[customer_id]]
    return rows


def customer_entries(draw: random.Random, customer_id: str) -> list[Row]:
    common: Row = {"customer_id": customer_id, "policy_version": "books@1", "is_acting": False, "slot_no": 1}
    kind = draw.choice(["held", "held", "queue", "out"])
    if kind == "out":
        return []
    if kind == "queue":
        role = draw.choice(["head", "compliance"])
        branch = draw.choice(list(UNITS))
        return [{**common, "slot": "queue", "branch_id": branch, "role_code": role, "reason_code": "risk_veto"}]
    lead, backup, *team = draw.sample(list(STAFF), draw.choice([2, 2, 3, 4]))
    held = [
        {**common, "slot": "a", "employee_id": lead, "reason_code": "allocation"},
        {**common, "slot": "b", "employee_id": backup, "reason_code": "backup", "is_acting": draw.random() < 0.5},
    ]
    for number, employee_id in enumerate(team, start=1):
        held.append({**common, "slot": "specialist", "slot_no": number, "employee_id": employee_id})
    return held


def expected(books: Sequence[Row], staff: Sequence[Row], day: date) -> set[Grant]:
    """Grants that the books of a day give, read row by row."""
    known = {row["employee_id"]: row for row in staff if row["business_date"] == day}
    grants = set()
    for row in books:
        if row["as_of_date"] != day:
            continue
        if row["slot"] == "queue":
            grants |= {
                (employee_id, row["customer_id"], "queue")
                for employee_id, employee in known.items()
                if employee["is_eligible"]
                and employee["role_code"] == row["role_code"]
                and employee["unit_id"] in UNITS[row["branch_id"]]
            }
        elif known[row["employee_id"]]["status"] != "left" and (row["slot"] != "b" or row["is_acting"]):
            purpose = {"a": "maintenance", "b": "acting_backup", "specialist": "specialist"}[row["slot"]]
            grants.add((row["employee_id"], row["customer_id"], purpose))
    return grants


def plan(base: date, decided_from: date, dates: Sequence[date]) -> str:
    """An advance from ``base`` that decides on these dates, or on none."""
    end = max([base, *dates])
    chunk = plan_chunk(end - timedelta(days=1), end, end, EVE, None, load_policies())
    books = {
        "base_date": base.isoformat(),
        "seed_date": LIVE.isoformat(),
        "is_live": True,
        "decided_from": decided_from.isoformat(),
        "decision_dates": [day.isoformat() for day in dates],
        "book_policy_version": "books@1",
    }
    return json.dumps({**json.loads(advance_json(chunk, first_date=EVE, opening_date=None, is_merging=False)), **books})


class Grants:
    """The log of grants and its mart in a scratch warehouse that holds the books and the staff of all days."""

    def __init__(self, folder: Path, books: list[Row], staff: list[Row]) -> None:
        self.trial = Trial(folder, first_date=LIVE)
        self.trial.put("fct_book_entry", books)
        self.trial.put("int_books__employee_day", staff)
        units = [{"branch_id": b, "level_no": n, "unit_id": u} for b, us in UNITS.items() for n, u in enumerate(us)]
        self.trial.put("int_books__branch_unit", units)
        self.trial.put("fct_access_grant_change", [])

    def run(self, plans: Sequence[str]) -> list[tuple[Any, ...]]:
        """Run the models as a build does, which reads their configuration anew for every advance."""
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager
        from dbt.cli.main import dbtRunner

        folder = self.trial.folder
        settings = {
            "TIERHOUSE_WAREHOUSE": str(self.trial.warehouse),
            "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
            "DBT_LOG_PATH": str(folder / "logs"),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }
        arguments = ["run", "--select", *MODELS, "--project-dir", str(DBT_PROJECT_DIR), "--quiet"]
        try:
            for each in plans:
                with environment({**settings, "TIERHOUSE_PLAN": each}):
                    result = dbtRunner().invoke([*arguments, "--target-path", str(folder / "target")])
                assert result.success, result.exception or result.result
        finally:
            DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
        with self.trial.connect() as con:
            return con.execute("select * from core.fct_access_grant_change order by all").fetchall()

    def in_force(self, day: date) -> set[Grant]:
        with self.trial.connect() as con:
            rows = con.execute(
                "select employee_id, customer_id, purpose from crm.access_grant "
                "where valid_from <= $1 and (valid_to is null or valid_to > $1)",
                [day],
            ).fetchall()
        assert len(rows) == len(set(rows)), "a grant is in force twice"
        return set(rows)


@pytest.mark.rule("A9-18", "A9-20", "G21")
def test_grants_of_every_day_are_those_that_its_books_give(tmp_path: Path) -> None:
    draw = random.Random(4)
    books, staff = entries(draw), employees(draw)
    grants = Grants(tmp_path / "daily", books, staff)
    day_by_day = [plan(day - timedelta(days=1), day, [day]) for day in DAYS]
    log = grants.run(day_by_day)
    wanted = {day: expected(books, staff, day) for day in DAYS}
    assert {purpose for day in DAYS for _, _, purpose in wanted[day]} == {
        "maintenance",
        "acting_backup",
        "specialist",
        "queue",
    }
    assert {day: grants.in_force(day) for day in DAYS} == wanted
    assert grants.in_force(EVE) == set()
    assert not [grant for grant in wanted[DAYS[-1]] if grant[0] == "t2"]

    # Deciding a day again, or a build that decides nothing, writes no change and takes none away.
    assert grants.run(day_by_day[-1:]) == log
    assert grants.run([plan(LIVE, DAYS[-1] + timedelta(days=1), [])]) == log
    # The days of a catching-up build are one after the other as well.
    assert Grants(tmp_path / "at_once", books, staff).run([plan(EVE, LIVE, DAYS)]) == log
