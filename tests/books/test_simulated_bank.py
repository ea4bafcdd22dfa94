"""Forty live days of a bank over a month end: books hold every customer once, and each decision is the rules' own.

Staff leave, move, rest and lose the agreement, an outlet closes; customers choose, rise, fall, come, close, die, merge
and are vetoed. Ninety days in the full suite.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from typing import Any

import pytest

from tests.books import oracle, support
from tests.books.conftest import SimulatedBank, read

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
        if employee is None or oracle.lost_reason(owned(before), employee, day):
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


def staff(bank: SimulatedBank, day: date) -> dict[str, oracle.Employee]:
    acting = bank.world.acting_branches(day)
    roles = bank.policy("roles")["roles"]
    people = {}
    for row in bank.world.snapshot("hr.employees", day):
        role = roles.get(row["role_code"], {})
        capacity = row["capacity"] if row["capacity"] is not None else role.get("default_capacity", 0)
        signed = row["nda_signed_date"]
        branch = acting[row["branch_id"]]
        has_left = row["status"] == "left" or (row["left_date"] is not None and row["left_date"] <= day)
        people[row["employee_id"]] = oracle.Employee(
            employee_id=row["employee_id"],
            branch_id=branch,
            unit=bank.world.unit(branch, day),
            role=row["role_code"],
            status="left" if has_left else row["status"],
            has_nda=(signed is not None and signed <= day) or not role.get("needs_nda", True),
            capacity=capacity,
        )
    return people


def tier_owners(bank: SimulatedBank) -> dict[str, Row]:
    (version,) = bank.policy(support.PRIMARY)["versions"]
    return {tier["tier_code"]: tier["owner"] for tier in [*version["tiers"], version["door_tier"]]}


def role_of(bank: SimulatedBank, tier_code: str) -> str:
    return str(tier_owners(bank)[tier_code]["primary_role"])


def completed_years(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def customers(bank: SimulatedBank, day: date) -> dict[str, oracle.Customer]:
    """Who is in scope, and what the rules ask of each. The age is that of the last evaluation."""
    owners, levels_up = tier_owners(bank), bank.policy("books")["versions"][0]["levels_up"]
    known, homes, vetoed = bank.world.customers(day), bank.world.households(day), bank.world.vetoed(day)
    acting = bank.world.acting_branches(day)
    staff_homes = {homes[c] for c, row in known.items() if row["is_employee"] and c in homes}
    evaluated = day.replace(day=1) - support.DAY
    found = {}
    for customer_id, tier in bank.tiers_on(day).items():
        row, owner = known[customer_id], owners[tier["tier_code"]]
        limit = int(str(owner["age_max"]).split()[0]) if "age_max" in owner else None
        born = row["birth_date"]
        is_above = limit is not None and born is not None and completed_years(born, evaluated) > limit
        exclusion = None
        if customer_id in vetoed:
            exclusion = "risk_veto"
        elif row["deceased_date"] is not None and row["deceased_date"] <= day:
            exclusion = "deceased"
        elif row["is_employee"] or homes.get(customer_id) in staff_homes:
            exclusion = "staff_conflict"
        branch = acting[row["home_branch_id"]]
        found[customer_id] = oracle.Customer(
            customer_id=customer_id,
            tier_rank=tier["tier_rank"],
            branch_id=branch,
            units=tuple(bank.world.units(branch, day, levels_up)),
            role=owner["fallback_role"] if is_above else owner["primary_role"],
            is_queue_role=owner.get("fallback_as" if is_above else "primary_as", "employee") == "queue",
            is_above_age=is_above,
            exclusion=exclusion,
        )
    return found


def queue_roles(bank: SimulatedBank) -> dict[str, str | None]:
    (version,) = bank.policy("books")["versions"]
    return {code: reason.get("owner_role") for code, reason in version["reasons"].items()}


def wishes(bank: SimulatedBank, day: date, feed_id: str, to: str, on: str, id_: str) -> list[oracle.Choice]:
    return [
        oracle.Choice(row["customer_id"], row[to], (row[on], row[id_]), is_new=row["known"] == day)
        for row in bank.world.events(feed_id, day)
        if row[on] <= day
    ]


def rules_of(bank: SimulatedBank) -> oracle.Rules:
    (version,) = bank.policy("books")["versions"]
    return oracle.Rules(
        go_live=support.GO_LIVE,
        choice_days=int(version["choice"].split()[0]),
        reassignment_days=int(version["reassignment"].split()[0]),
        leave_days=int(version["leave"].split()[0]),
        backup_preference={role: n for n, role in enumerate(version["backup_roles"])},
        queue_roles=queue_roles(bank),
    )


def day_of(bank: SimulatedBank, day: date) -> oracle.Day:
    return oracle.Day(
        day=day,
        customers=customers(bank, day),
        employees=staff(bank, day),
        acting_branches=bank.world.acting_branches(day),
        successors=bank.world.successors(day),
        choices=wishes(bank, day, "crm.customer_choices", "employee_id", "chosen_date", "choice_id"),
        referrals=wishes(bank, day, "crm.referrals", "to_employee_id", "referred_date", "referral_id"),
    )


def old_books(bank: SimulatedBank, today: oracle.Day) -> oracle.Books:
    """What the old CRM says on the day of go-live (A9-09)."""
    books = oracle.Books()
    rows = bank.world.snapshot("crm.maintainers", support.GO_LIVE)
    initial = {row["customer_id"]: row["employee_id"] for row in rows if row["is_initial"]}
    for row in rows:
        customer = today.customers.get(row["customer_id"])
        if customer is None:
            continue
        employee_id, since = row["employee_id"], row["valid_from"]
        branch = today.employees[employee_id].branch_id
        if row["slot"] == "a":
            first = oracle.First(initial.get(row["customer_id"], employee_id))
            if first.employee_id != employee_id:
                first = first.after(since, employee_id, "old_crm")
            books.owners[row["customer_id"]] = oracle.Owned(
                employee_id, branch, "old_crm", since, first, customer.tier_rank
            )
        elif row["slot"] == "b":
            books.backups[row["customer_id"]] = oracle.Backed(employee_id, branch, "old_crm", since)
    return books


def first_of(row: Row) -> oracle.First:
    return oracle.First(row["initial_employee_id"], row["initial_lost_date"], row["initial_lost_reason_code"])


def owned(row: Row) -> oracle.Owned:
    return oracle.Owned(
        employee_id=row["employee_id"],
        branch_id=row["branch_id"],
        reason=row["reason_code"],
        since=row["valid_from"],
        first=first_of(row),
        tier_rank=row["tier_rank"],
        choice_due=row["choice_due_date"],
        reassignment_due=row["reassignment_due_date"],
    )


def books_of(rows: list[Row]) -> oracle.Books:
    books = oracle.Books()
    for row in rows:
        customer_id = row["customer_id"]
        if row["slot"] == "a":
            books.owners[customer_id] = owned(row)
        elif row["slot"] == "b":
            books.backups[customer_id] = oracle.Backed(
                row["employee_id"], row["branch_id"], row["reason_code"], row["valid_from"], row["is_acting"]
            )
        elif row["slot"] == "queue":
            books.queue[customer_id] = oracle.Queued(
                row["reason_code"], row["role_code"], row["valid_from"], first_of(row), row["reassignment_due_date"]
            )
    return books


def differences(today: Any, expected: Any) -> dict[str, tuple[Any, Any]]:
    """Customer -> what was decided, what the rules say."""
    ids = sorted(today.keys() | expected.keys())
    return {c: (today.get(c), expected.get(c)) for c in ids if today.get(c) != expected.get(c)}


@pytest.mark.rule("A9-03", "A9-04", "A9-05", "A9-06", "A9-07", "A9-08", "A9-09", "A9-10", "A9-11", "A9-18", "A9-19")
@pytest.mark.rule("A9-20", "G3", "G7", "G11", "G12", "G13", "G14", "G23", "G24", "G35")
def test_every_decision_is_the_one_that_the_rules_give_in_plain_python(bank: SimulatedBank):
    """Owner, B and queue of every customer on every day, with reason, dates, first maintainer and role."""
    rules = rules_of(bank)
    entries: dict[date, list[Row]] = defaultdict(list)
    for row in bank.entries:
        entries[row["as_of_date"]].append(row)
    for day in bank.days:
        today = day_of(bank, day)
        before = old_books(bank, today) if day == support.GO_LIVE else books_of(entries[day - support.DAY])
        expected, found = oracle.decide(today, before, rules), books_of(entries[day])
        assert differences(found.owners, expected.owners) == {}, day
        assert differences(found.queue, expected.queue) == {}, day
        assert differences(found.backups, expected.backups) == {}, day
