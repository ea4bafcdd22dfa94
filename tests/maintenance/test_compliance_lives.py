"""Cadence compliance: what each employee owed per month and kind; nothing that was owed is lost or counted twice."""

from __future__ import annotations

import random
from calendar import monthrange
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from orchestration.lib.bank_calendar import BankCalendar, working_day_rows
from orchestration.lib.planning import advance_json, plan_chunk
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.trial import Trial

Row = dict[str, Any]
ONE = timedelta(days=1)
FIRST_DATE = date(2026, 3, 1)
LAST = date(2026, 7, 8)
# Advances end on these days; what closed by then is in the warehouse.
DAYS = (date(2026, 5, 31), date(2026, 6, 3), date(2026, 7, 1), LAST)
LATE_CONTACT = 7
COUNTS = ("due_count", "done_count", "overdue_count", "pending_count", "suppressed_count")


def month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


@dataclass
class Obligation:
    """One obligation's life: who owes it, its last day, and how and on which day it closes."""

    number: int
    employee: str | None
    kind: str
    due_to: date
    fate: str
    done_on: date

    def closed_on(self) -> date:
        return self.done_on if self.fate == "done" else self.due_to + LATE_CONTACT * ONE

    def status(self, day: date) -> str:
        """As it stands at the close of a day."""
        if self.fate == "done" and self.done_on <= day:
            return "done"
        if self.fate == "suppressed":
            return "suppressed"
        return "due" if day <= self.due_to else "overdue"

    def row(self, day: date) -> Row:
        return {
            "as_of_date": day,
            "obligation_id": f"o{self.number:04}",
            "customer_id": f"c{self.number:04}",
            "employee_id": self.employee,
            "kind": self.kind,
            "due_to_date": self.due_to,
            "status": self.status(day),
            "is_closed": self.closed_on() <= day,
            "policy_version": "obligations@1",
        }


def lives() -> list[Obligation]:
    draw = random.Random(3)
    made = []
    for number in range(400):
        # Some are owed for a whole year and done long before.
        due_to = date(2026, 5, 2) + draw.randrange(0, 90) * ONE if number % 10 else date(2026, 12, 31)
        done_on = due_to - draw.randrange(-5, 20) * ONE if number % 10 else date(2026, 5, 5) + draw.randrange(60) * ONE
        made.append(
            Obligation(
                number,
                draw.choice(["e1", "e2", "e3", None]),
                draw.choice(["contact", "salon"]),
                due_to,
                draw.choice(["done", "done", "overdue", "suppressed"]),
                max(done_on, date(2026, 5, 2)),
            )
        )
    return made


# Planned for, made at, done at (bank's time), made in time, done in time.
PLANS = [
    (date(2026, 5, 18), "2026-05-15 23:59", "2026-05-18 17:30", True, True),
    # Sunday is no working day: the last one before Monday is Friday
    (date(2026, 5, 18), "2026-05-17 09:00", "2026-05-18 23:59", False, True),
    (date(2026, 5, 19), "2026-05-18 18:00", "2026-05-20 00:01", True, False),
    (date(2026, 5, 19), "2026-05-19 00:30", None, False, False),
    # after 端午
    (date(2026, 6, 22), "2026-06-18 17:00", "2026-06-22 12:00", True, True),
    (date(2026, 7, 7), "2026-07-06 17:00", None, True, False),
]


def moment(text: str | None) -> datetime | None:
    """A time of the bank as the warehouse keeps it, in UTC."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=8)


def plan_rows() -> list[Row]:
    return [
        {
            "business_date": day,
            "plan_id": f"p{n}",
            "employee_id": "e1",
            "customer_id": "c",
            "planned_for": day,
            "created_at": moment(made),
            "completed_at": moment(done),
        }
        for n, (day, made, done, _, _) in enumerate(PLANS)
    ]


@pytest.fixture(scope="module")
def compliance(policies_in_force: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[date, list[Row]]:
    """The mart after each advance."""
    policies = load_policies(policies_in_force)
    calendar = BankCalendar(policies.obligations.calendar_years)
    trial = Trial(tmp_path_factory.mktemp("compliance") / "trial", first_date=FIRST_DATE)
    trial.lay_policies(policies)
    trial.put("fct_obligation", [])
    trial.put("fct_work_plan", plan_rows())
    found = {}
    before = date(2026, 5, 1)
    for day in DAYS:
        chunk = plan_chunk(before, day, day, FIRST_DATE, None, policies)
        decided = [before + n * ONE for n in range(1, (day - before).days + 1)]
        rows = [each.row(d) for d in decided for each in lives() if each.closed_on() >= d]
        with trial.connect() as con:
            con.execute("create schema if not exists build")
            working_days = pa.Table.from_pylist(working_day_rows(calendar, [before + ONE], day))
            con.register("laid", working_days)
            con.execute("create or replace table build.working_day as select * from laid")
            con.unregister("laid")
            # Nothing of days before is asked for again.
            con.execute("delete from core.fct_obligation")
        trial.put("fct_obligation", rows)
        plan = advance_json(chunk, first_date=FIRST_DATE, opening_date=None, is_merging=True)
        trial.run(["fct_cadence_month", "mart_maintenance__cadence_compliance"], [plan])
        with trial.connect() as con:
            found[day] = con.execute("select * from maintenance.cadence_compliance").to_arrow_table().to_pylist()
        before = day
    return found


def expected(day: date) -> dict[tuple[str, date, str], dict[str, int]]:
    """Counts per employee, month and kind of all obligations that ever were, by their lives."""
    counts: dict[tuple[str, date, str], Counter[str]] = {}
    for each in lives():
        key = (each.employee or "queue", month_end(each.due_to), each.kind)
        counts.setdefault(key, Counter())[each.status(day)] += 1
    return {
        key: {
            "due_count": c["done"] + c["overdue"] + c["due"],
            "done_count": c["done"],
            "overdue_count": c["overdue"],
            "pending_count": c["due"],
            "suppressed_count": c["suppressed"],
        }
        for key, c in counts.items()
    }


@pytest.mark.rule("E6-10", "A8-08")
@pytest.mark.parametrize("day", DAYS)
def test_each_obligation_counts_once_for_who_owed_it_in_the_month_of_its_last_day(
    compliance: dict[date, list[Row]], day: date
) -> None:
    given = {
        (row["employee_id"], row["month_end_date"], row["kind"]): {name: row[name] for name in COUNTS}
        for row in compliance[day]
        if not row["kind"].startswith("work_plan")
    }
    assert given == expected(day)


def test_what_was_owed_is_done_overdue_pending_or_suppressed(compliance: dict[date, list[Row]]) -> None:
    for rows in compliance.values():
        obligations = [row for row in rows if not row["kind"].startswith("work_plan")]
        assert sum(row["due_count"] + row["suppressed_count"] for row in obligations) == len(lives())
        for row in rows:
            assert row["due_count"] == row["done_count"] + row["overdue_count"] + row["pending_count"]


def test_a_month_stays_as_it_is_once_no_late_contact_may_come(compliance: dict[date, list[Row]]) -> None:
    may = date(2026, 5, 31)
    settled = {day: [row for row in rows if row["month_end_date"] == may] for day, rows in compliance.items()}
    assert not any(row["is_final"] for day in DAYS[:2] for row in settled[day])
    assert all(row["is_final"] for row in settled[DAYS[2]])
    assert {row["as_of_date"] for row in settled[LAST]} == {may + LATE_CONTACT * ONE}
    key = "employee_id", "kind"
    assert sorted(settled[LAST], key=lambda r: [r[k] for k in key]) == sorted(
        settled[DAYS[2]], key=lambda r: [r[k] for k in key]
    )


@pytest.mark.rule("D1-05")
def test_a_plan_is_made_by_the_working_day_before_and_done_by_the_close_of_its_own(
    compliance: dict[date, list[Row]],
) -> None:
    given = {
        (row["month_end_date"], row["kind"]): (row["due_count"], row["done_count"], row["overdue_count"])
        for row in compliance[LAST]
        if row["kind"].startswith("work_plan")
    }
    wanted: dict[tuple[date, str], tuple[int, int, int]] = {}
    for planned_for, _, _, is_made, is_done in PLANS:
        for kind, is_met in (("work_plan_made", is_made), ("work_plan_done", is_done)):
            due, done, overdue = wanted.get((month_end(planned_for), kind), (0, 0, 0))
            wanted[month_end(planned_for), kind] = (due + 1, done + is_met, overdue + (not is_met))
    assert given == wanted
