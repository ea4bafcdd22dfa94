"""Forty live days of a bank over a month end: books hold every customer once, and each decision is the rules' own.

Staff leave, move, rest and lose the agreement, an outlet closes; customers choose, rise, fall, come, close, die, merge
and are vetoed. Ninety days in the full suite.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from typing import Any

import pytest

from tests.books import support
from tests.books.conftest import SimulatedBank, read
from tests.oracle.assignment import lost_reason
from tests.oracle.told import customers, decisions_that_differ, owned, queue_roles, role_of, staff

Row = dict[str, Any]
GONE = {"owner_left", "owner_moved", "owner_on_leave", "nda_missing"}
# Nobody was given the customer: he came with his owner.
INHERITED = {"old_crm", "merged_customer"}


@pytest.fixture(scope="module", params=["simulated_bank", pytest.param("long_simulated_bank", marks=pytest.mark.full)])
def bank(request: pytest.FixtureRequest) -> SimulatedBank:
    chosen: SimulatedBank = request.getfixturevalue(request.param)
    return chosen


def test_all_that_can_happen_happens(bank: SimulatedBank):
    """The other tests say something about each of these."""
    assert {row["reason_code"] for row in bank.entries} >= {
        *("old_crm", "customer_choice", "continuity_upgrade", "continuity_downgrade", "referral", "allocation"),
        *("new_in_scope", "parent_branch", "merged_customer", "backup", "backup_replaced", "team", *GONE),
        *("risk_veto", "deceased", "staff_conflict", "age_fallback", "special_entry"),
        *("no_capacity", "no_eligible_employee"),
    }
    assert {row["reason_code"] for row in bank.log} >= {"out_of_scope"}
    assert {row["change_kind"] for row in bank.tiers if row["valid_from"] > support.GO_LIVE} >= {
        *("enter", "exit", "upgrade", "downgrade")
    }


# --- every customer once -----------------------------------------------------------------------------


@pytest.mark.rule("A9-10", "A9-11", "G14", "G24")
def test_each_customer_in_scope_has_one_owner_or_one_open_queue_row_every_day(bank: SimulatedBank):
    placed: dict[date, Counter[str]] = defaultdict(Counter)
    for row in bank.entries:
        if row["slot"] in ("a", "queue"):
            placed[row["as_of_date"]][row["customer_id"]] += 1
    for day in bank.days:
        assert placed[day] == dict.fromkeys(bank.tiers_on(day), 1), day


@pytest.mark.rule("A9-10")
def test_books_add_up_to_the_bank(bank: SimulatedBank):
    last = bank.days[-1]
    in_scope = bank.tiers_on(last)
    (books,) = read(bank.home, "select sum(customer_count) as customers, sum(aum_cny) as aum from crm.book")
    (queue,) = read(
        bank.home,
        "select count(*) as customers, sum(m.aum_cny) as aum from crm.exception_queue q "
        f"join core.fct_customer_measure m on m.customer_id = q.customer_id and m.measure_date = date '{last}'",
    )
    (whole,) = read(
        bank.home,
        f"select sum(aum_cny) as aum from core.fct_customer_measure where measure_date = date '{last}' "
        f"and customer_id in ({', '.join(repr(c) for c in in_scope)})",
    )
    assert books["customers"] + queue["customers"] == len(in_scope)
    assert books["aum"] + queue["aum"] == whole["aum"]


def test_yesterday_and_the_changes_of_the_day_are_today(bank: SimulatedBank):
    held: dict[tuple[str, str, int], str] = {}
    for day in bank.days:
        for row in bank.log:
            if row["business_date"] != day:
                continue
            slot = (row["customer_id"], row["slot"], row["slot_no"])
            assert held.pop(slot, None) == row["from_employee_id"], (day, slot)
            if row["to_employee_id"] is not None:
                held[slot] = row["to_employee_id"]
        today = {
            (r["customer_id"], r["slot"], r["slot_no"]): r["employee_id"]
            for r in bank.entries
            if r["as_of_date"] == day and r["slot"] != "queue"
        }
        assert held == today, day


def test_every_change_has_an_id_of_its_own_and_a_reason_of_the_policy(bank: SimulatedBank):
    (version,) = bank.policy("books")["versions"]
    reasons = set(version["reasons"])
    assert {row["reason_code"] for row in bank.log} - reasons == set()
    assert {row["reason_code"] for row in bank.entries} - reasons == set()
    assert len({row["change_id"] for row in bank.log}) == len(bank.log)
    assert all(row["from_employee_id"] != row["to_employee_id"] for row in bank.log)


# --- who may not ---------------------------------------------------------------------------------------


def changes_of_tier(bank: SimulatedBank, kind: str) -> list[Row]:
    """Changes of a kind on live days that have a day before."""
    live = set(bank.days[1:])
    return [row for row in bank.tiers if row["change_kind"] == kind and row["valid_from"] in live]


@pytest.mark.rule("A9-06", "G11")
def test_no_upgrade_moves_a_customer_by_force(bank: SimulatedBank):
    owners = bank.books("a")
    risen = [
        r for r in bank.tiers if r["change_kind"] == "upgrade" and support.GO_LIVE < r["valid_from"] <= bank.days[-1]
    ]
    kept = asked = 0
    for row in risen:
        customer_id, day = row["customer_id"], row["valid_from"]
        before, now = owners[day - support.DAY].get(customer_id), owners[day].get(customer_id)
        if before is None:
            continue
        employee = staff(bank, day).get(before["employee_id"])
        if employee is None or lost_reason(owned(before), employee, day):
            continue
        assert now is not None, row
        assert now["employee_id"] == before["employee_id"] or now["reason_code"] == "customer_choice", row
        if now["employee_id"] == before["employee_id"]:
            kept += 1
            has_task = now["choice_due_date"] is not None
            assert has_task == (employee.role != role_of(bank, row["tier_code"])), row
            asked += has_task
    assert kept > 1
    assert asked > 1


@pytest.mark.rule("G12")
def test_who_falls_stays_with_his_owner(bank: SimulatedBank):
    owners = bank.books("a")
    fallen = [
        (owners[r["valid_from"] - support.DAY].get(r["customer_id"]), owners[r["valid_from"]].get(r["customer_id"]))
        for r in changes_of_tier(bank, "downgrade")
    ]
    kept = [(a, b) for a, b in fallen if a and b and b["reason_code"] == "continuity_downgrade"]
    assert kept
    assert all(a["employee_id"] == b["employee_id"] and a["valid_from"] == b["valid_from"] for a, b in kept)


@pytest.mark.rule("A9-19", "A9-20", "G23")
def test_nobody_is_given_a_customer_who_may_not_have_one(bank: SimulatedBank):
    for day in bank.days:
        people = staff(bank, day)
        for row in bank.log:
            if row["business_date"] == day and row["to_employee_id"] and row["reason_code"] not in INHERITED:
                assert people[row["to_employee_id"]].may_be_given_customers, row
    backups = bank.books("b")
    for day, owners in bank.books("a").items():
        for customer_id, owner in owners.items():
            backup = backups[day].get(customer_id)
            assert backup is None or backup["employee_id"] != owner["employee_id"], (day, customer_id)


@pytest.mark.rule("A9-10")
def test_nobody_who_is_given_a_customer_has_more_than_he_can_serve(bank: SimulatedBank):
    loads = Counter((row["as_of_date"], row["employee_id"]) for row in bank.entries if row["slot"] == "a")
    for row in bank.log:
        if row["slot"] == "a" and row["to_employee_id"] and row["reason_code"] not in INHERITED:
            day, employee_id = row["business_date"], row["to_employee_id"]
            assert loads[day, employee_id] <= staff(bank, day)[employee_id].capacity, row


@pytest.mark.rule("A9-18", "G35", "G3", "G7")
def test_those_whom_nobody_may_maintain_wait_in_the_queue_of_the_role_that_works_it(bank: SimulatedBank):
    queue = bank.books("queue")
    roles = queue_roles(bank)
    for day in bank.days:
        for customer in customers(bank, day).values():
            if customer.exclusion:
                row = queue[day][customer.customer_id]
                assert (row["reason_code"], row["role_code"]) == (customer.exclusion, roles[customer.exclusion]), day
        for row in queue[day].values():
            if row["reason_code"] in ("age_fallback", "special_entry"):
                assert row["role_code"] == "lobby_manager", row


@pytest.mark.rule("G13")
def test_when_an_owner_is_gone_his_backup_acts_until_a_new_owner_is_there(bank: SimulatedBank):
    queue, backups = bank.books("queue"), bank.books("b")
    waiting = [row for day in bank.days for row in queue[day].values() if row["reassignment_due_date"]]
    assert {row["reason_code"] for row in waiting} >= GONE - {"owner_on_leave"}
    for row in waiting:
        assert backups[row["as_of_date"]][row["customer_id"]]["is_acting"], row
        assert row["as_of_date"] < row["reassignment_due_date"], row


@pytest.mark.rule("A9-02", "G24")
def test_the_team_of_a_tier_stands_beside_its_owner(bank: SimulatedBank):
    roles = {("lobby_adopted", 1): "lobby_manager", ("private_wealth", 1): "branch_president"}
    roles["private_wealth", 2] = "outlet_head"
    team = [row for row in bank.entries if row["slot"] == "specialist" and row["slot_no"] <= 9]
    assert team
    assert all(row["role_code"] == roles[row["tier_code"], row["slot_no"]] for row in team)


# --- each decision is the rules' own -------------------------------------------------------------------


@pytest.mark.rule("A9-03", "A9-04", "A9-05", "A9-06", "A9-07", "A9-08", "A9-09", "A9-10", "A9-11", "A9-18", "A9-19")
@pytest.mark.rule("A9-20", "G3", "G7", "G11", "G12", "G13", "G14", "G23", "G24", "G35")
def test_every_decision_is_the_one_that_the_rules_give_in_plain_python(bank: SimulatedBank):
    """Owner, B and queue of every customer on every day, with reason, dates, first maintainer and role."""
    assert bank.days
    assert decisions_that_differ(bank) == {}
