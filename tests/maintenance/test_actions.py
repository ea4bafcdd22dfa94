"""Action lists of a built bank are what a second reading of the rules, in plain Python, gives."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from orchestration.lib.bank_calendar import BankCalendar
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.actions import Action, ActionsVersion, DatedAction, UrgencyBin, ValueBin
from tests.conftest import AS_OF_DATE, BuiltHome

DAY = timedelta(days=1)
Row = dict[str, Any]


@dataclass
class Todo:
    """One line before it is ranked: all of a kind for one customer."""

    employee: str | None
    customer: str
    kind: str
    points: int
    due: list[date] = field(default_factory=list)
    amounts: list[tuple[bool, Decimal]] = field(default_factory=list)

    def amount(self, assets: Decimal) -> Decimal:
        of_accounts = [amount for is_of_account, amount in self.amounts if is_of_account]
        found = sum(of_accounts) if of_accounts else max((a for _, a in self.amounts), default=assets)
        return abs(Decimal(found))


def read(con: duckdb.DuckDBPyConnection, relation: str, condition: str) -> list[Row]:
    cursor = con.execute(f"select * from {relation} where {condition}")
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def points_in(bins: Sequence[UrgencyBin | ValueBin], number: Decimal | int) -> int:
    """The last bin that begins at or below the number."""
    return [b.points for b in bins if b.at_least is None or number >= b.at_least][-1]


def worth(version: ActionsVersion, action: Action) -> int:
    return action.points + (version.regulation_points if action.is_regulated else 0)


def todos(con: duckdb.DuckDBPyConnection, version: ActionsVersion, today: date) -> list[Todo]:
    """All there is to do, whoever may do it."""
    calendar = BankCalendar(load_policies().obligations.calendar_years)
    planned = calendar.next_working_day(today)
    horizon = calendar.next_working_day(planned) - DAY
    on_day = f"business_date = date '{today}'"
    owners = {r["customer_id"]: r["employee_id"] for r in read(con, "intermediate.int_maintenance__owner_day", on_day)}
    barred = {r["customer_id"] for r in read(con, "intermediate.int_maintenance__suppressed_day", on_day)}
    consents = read(con, "intermediate.int_maintenance__consent_day", on_day)
    obligations = read(con, "core.fct_obligation", f"as_of_date = date '{today}'")
    agreeing = {r["customer_id"] for r in consents if r["is_allowed"]}
    refusing = {r["customer_id"] for r in obligations if r["suppressed_reason_code"] == "no_consent"}
    present = {
        r["employee_id"] for r in read(con, "intermediate.int_books__employee_day", f"{on_day} and status != 'left'")
    }
    contacts: dict[tuple[str, str], date] = {}
    for row in read(con, "core.fct_contact", f"business_date <= date '{today}'"):
        key = row["customer_id"], row["purpose"]
        contacts[key] = max(contacts.get(key, date.min), row["business_date"])
    found: dict[tuple[str, str, str | None], Todo] = {}

    def spoken(customer: str, action: DatedAction, after: date) -> bool:
        return any(contacts.get((customer, purpose), date.min) > after for purpose in action.purposes)

    def add(employee: str | None, customer: str, kind: str, action: Action, due: date) -> Todo | None:
        if customer in barred or (action.is_marketing and (customer not in agreeing or customer in refusing)):
            return None
        employee = employee if employee in present else None
        todo = found.setdefault((customer, kind, employee), Todo(employee, customer, kind, worth(version, action)))
        todo.points = max(todo.points, worth(version, action))
        todo.due.append(due)
        return todo

    for row in obligations:
        is_shown = row["due_from_date"] <= horizon and row["due_to_date"] + version.overdue_shown * DAY >= planned
        if row["status"] not in ("done", "suppressed") and is_shown:
            kind = row["kind"]
            add(row["employee_id"], row["customer_id"], kind, version.obligations[kind], row["due_to_date"])
    owed = {(row["customer_id"], row["kind"]) for row in obligations}
    since = today - version.event_shown * DAY
    for row in read(con, "core.fct_customer_event", f"business_date > date '{since}' and business_date <= '{today}'"):
        action = version.events.get(row["event_kind"])
        customer = row["customer_id"]
        if action is None or customer not in owners or spoken(customer, action, row["business_date"]):
            continue
        if any((customer, kind) in owed for kind in action.covered_by):
            continue
        on_event = row["event_date"] or row["business_date"]
        due = on_event if action.on_event_date else row["business_date"] + action.within * DAY
        todo = add(owners[customer], customer, row["event_kind"], action, due)
        if todo and row["amount_cny"] is not None:
            todo.amounts.append((row["account_id"] is not None, row["amount_cny"]))
    for row in read(con, "core.fct_churn_warning", f"as_of_date = date '{today}'"):
        action = version.churn_warnings[row["level"]]
        customer = row["customer_id"]
        if customer in owners and not spoken(customer, action, today - version.quiet * DAY):
            due = row["since_date"] + action.within * DAY
            add(owners[customer], customer, "churn_warning", action, due)
    for row in read(con, "intermediate.int_maintenance__open_complaint", "true"):
        answerable = row["responsible_employee_id"]
        employee = answerable if answerable in present else owners.get(row["customer_id"])
        step = row["step_code"]
        add(employee, row["customer_id"], f"complaint_{step}", version.complaints[step], row["due_date"] or today)
    return list(found.values())


def ranked(
    con: duckdb.DuckDBPyConnection, version: ActionsVersion, today: date, things: Iterable[Todo]
) -> dict[str, list[tuple[Any, ...]]]:
    """Employee -> the whole list, best first: customer, kind, points, amount, last day."""
    planned = BankCalendar(load_policies().obligations.calendar_years).next_working_day(today)
    assets = {
        r["customer_id"]: r["aum_cny"] for r in read(con, "core.fct_customer_balance", f"as_of_date = date '{today}'")
    }
    lists: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for todo in things:
        if todo.employee is None:
            continue
        aum = assets.get(todo.customer, Decimal(0))
        points = todo.points + points_in(version.value, aum)
        points += points_in(version.urgency, (min(todo.due) - planned).days)
        lists[todo.employee].append((todo.customer, todo.kind, points, todo.amount(aum), min(todo.due)))
    for lines in lists.values():
        lines.sort(key=lambda line: (-line[2], -line[3], line[4], line[0], line[1]))
    return lists


@pytest.fixture(scope="module")
def version() -> ActionsVersion:
    (only,) = load_policies().actions.versions
    return only


@pytest.mark.rule("A8-10", "A8-14", "D1-04", "E12-01")
def test_lists_are_what_a_second_reading_gives(built_home: BuiltHome, version: ActionsVersion) -> None:
    with duckdb.connect(str(built_home.home.warehouse), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        on_day = f"business_date = date '{AS_OF_DATE}'"
        things = todos(con, version, AS_OF_DATE)
        expected = ranked(con, version, AS_OF_DATE, things)
        roles = {r["employee_id"]: r["role_code"] for r in read(con, "intermediate.int_books__employee_day", on_day)}
        lines = sorted(read(con, "core.fct_action", on_day), key=lambda r: (r["employee_id"], r["rank"]))
        branches = read(con, "core.fct_action_branch_day", on_day)
    told: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in lines:
        told[row["employee_id"]].append(
            (row["customer_id"], row["action_kind"], row["points"], row["amount_cny"], row["due_to_date"])
        )
    assert told.keys() == expected.keys()
    assert len({row["action_kind"] for row in lines}) > 3
    for employee, whole in expected.items():
        room = version.role_capacities.get(roles[employee], version.capacity)
        assert told[employee] == whole[:room], employee
        left_out = {row["left_out_count"] for row in lines if row["employee_id"] == employee}
        assert left_out == {max(0, len(whole) - room)}
    # What no list holds is counted: nothing is lost.
    assert sum(row["queue_count"] for row in branches) == sum(todo.employee is None for todo in things)
    assert sum(row["line_count"] + row["left_out_count"] + row["queue_count"] for row in branches) == len(things)


@pytest.mark.rule("D1-05")
def test_a_list_is_for_the_next_working_day_and_says_why_in_words(built_home: BuiltHome) -> None:
    planned = BankCalendar(load_policies().obligations.calendar_years).next_working_day(AS_OF_DATE)
    with duckdb.connect(str(built_home.home.current / "marts.duckdb"), read_only=True) as con:
        lines = read(con, "maintenance.action_list", f"business_date = date '{AS_OF_DATE}'")
    assert {row["planned_for_date"] for row in lines} == {planned}
    for row in lines:
        assert "{" not in row["reason_zh"]
        assert row["rule_id"] in row["reason_zh"]
        assert "()" not in row["reason_zh"]
    for row in lines:
        if row["source_kind"] in ("obligation", "churn_warning", "complaint"):
            due = row["due_to_date"]
            assert row["reason_zh"].endswith(f"截止{due.month}月{due.day}日"), row


def test_lists_of_earlier_days_stand_in_files_of_their_own(built_home: BuiltHome) -> None:
    folder = built_home.home.current / "parquet" / "maintenance" / "action_list"
    days = {path.name.removeprefix("business_date=") for path in folder.iterdir()}
    with duckdb.connect(str(built_home.home.current / "marts.duckdb"), read_only=True) as con:
        told = {str(d) for (d,) in con.execute("select distinct business_date from maintenance.action_list").fetchall()}
    assert days == told
    # Advances that ended on a live day, and no others.
    assert len(told) == 2
