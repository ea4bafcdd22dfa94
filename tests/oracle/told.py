"""What the oracle of assignment is told of a day: deliveries as a person reads them, and what was decided before."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tests.books import support
from tests.oracle import assignment

Row = dict[str, Any]


@dataclass(frozen=True)
class DecidedBank:
    """``entries`` of the books are of every live day in ``days``, ``tiers`` the history of the primary scheme, ``log``
    all changes of books, ``moves`` those of the allocation and of accepted proposals (MOVE_SCHEMA).
    """

    landing: Path
    policies: Path
    go_live: date
    world: support.World
    days: list[date]
    entries: list[Row]
    log: list[Row]
    tiers: list[Row]
    moves: list[Row]

    def books(self, slot: str) -> dict[date, dict[str, Row]]:
        """Day -> customer -> entry of a slot that a customer has once."""
        books: dict[date, dict[str, Row]] = defaultdict(dict)
        for row in self.entries:
            if row["slot"] == slot:
                books[row["as_of_date"]][row["customer_id"]] = row
        return books

    def tiers_on(self, day: date) -> dict[str, Row]:
        """The last change of each customer in scope."""
        known = {row["customer_id"]: row for row in self.tiers if row["valid_from"] <= day}
        return {customer_id: row for customer_id, row in known.items() if row["tier_rank"] > 0}

    def policy(self, name: str) -> Row:
        content: Row = yaml.safe_load((self.policies / f"{name}.yml").read_text("utf-8"))
        return content


def staff(bank: DecidedBank, day: date) -> dict[str, assignment.Employee]:
    acting = bank.world.acting_branches(day)
    roles = bank.policy("roles")["roles"]
    people = {}
    for row in bank.world.snapshot("hr.employees", day):
        role = roles.get(row["role_code"], {})
        capacity = row["capacity"] if row["capacity"] is not None else role.get("default_capacity", 0)
        signed = row["nda_signed_date"]
        branch = acting[row["branch_id"]]
        has_left = row["status"] == "left" or (row["left_date"] is not None and row["left_date"] <= day)
        people[row["employee_id"]] = assignment.Employee(
            employee_id=row["employee_id"],
            branch_id=branch,
            unit=bank.world.unit(branch, day),
            role=row["role_code"],
            status="left" if has_left else row["status"],
            has_nda=(signed is not None and signed <= day) or not role.get("needs_nda", True),
            capacity=capacity,
        )
    return people


def tier_owners(bank: DecidedBank) -> dict[str, Row]:
    *_, version = bank.policy(support.PRIMARY)["versions"]
    return {tier["tier_code"]: tier["owner"] for tier in [*version["tiers"], version["door_tier"]]}


def role_of(bank: DecidedBank, tier_code: str) -> str:
    return str(tier_owners(bank)[tier_code]["primary_role"])


def completed_years(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def customers(bank: DecidedBank, day: date) -> dict[str, assignment.Customer]:
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
        found[customer_id] = assignment.Customer(
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


def queue_roles(bank: DecidedBank) -> dict[str, str | None]:
    (version,) = bank.policy("books")["versions"]
    return {code: reason.get("owner_role") for code, reason in version["reasons"].items()}


def wishes(bank: DecidedBank, day: date, feed_id: str, to: str, on: str, id_: str) -> list[assignment.Choice]:
    return [
        assignment.Choice(row["customer_id"], row[to], (row[on], row[id_]), is_new=row["known"] == day)
        for row in bank.world.events(feed_id, day)
        if row[on] <= day
    ]


def rules_of(bank: DecidedBank) -> assignment.Rules:
    (version,) = bank.policy("books")["versions"]
    return assignment.Rules(
        go_live=bank.go_live,
        choice_days=int(version["choice"].split()[0]),
        reassignment_days=int(version["reassignment"].split()[0]),
        leave_days=int(version["leave"].split()[0]),
        backup_preference={role: n for n, role in enumerate(version["backup_roles"])},
        queue_roles=queue_roles(bank),
    )


def day_of(bank: DecidedBank, day: date) -> assignment.Day:
    return assignment.Day(
        day=day,
        customers=customers(bank, day),
        employees=staff(bank, day),
        acting_branches=bank.world.acting_branches(day),
        successors=bank.world.successors(day),
        choices=wishes(bank, day, "crm.customer_choices", "employee_id", "chosen_date", "choice_id"),
        referrals=wishes(bank, day, "crm.referrals", "to_employee_id", "referred_date", "referral_id"),
        moves=[
            assignment.Move(row["customer_id"], row["from_employee_id"], row["employee_id"], row["reason_code"])
            for row in bank.moves
            if row["effective_date"] == day
        ],
    )


def old_books(bank: DecidedBank, today: assignment.Day) -> assignment.Books:
    """What the old CRM says on the day of go-live (A9-09)."""
    books = assignment.Books()
    rows = bank.world.snapshot("crm.maintainers", bank.go_live)
    initial = {row["customer_id"]: row["employee_id"] for row in rows if row["is_initial"]}
    for row in rows:
        customer = today.customers.get(row["customer_id"])
        if customer is None:
            continue
        employee_id, since = row["employee_id"], row["valid_from"]
        branch = today.employees[employee_id].branch_id
        if row["slot"] == "a":
            first = assignment.First(initial.get(row["customer_id"], employee_id))
            if first.employee_id != employee_id:
                first = first.after(since, employee_id, "old_crm")
            books.owners[row["customer_id"]] = assignment.Owned(
                employee_id, branch, "old_crm", since, first, customer.tier_rank
            )
        elif row["slot"] == "b":
            books.backups[row["customer_id"]] = assignment.Backed(employee_id, branch, "old_crm", since)
    return books


def first_of(row: Row) -> assignment.First:
    return assignment.First(row["initial_employee_id"], row["initial_lost_date"], row["initial_lost_reason_code"])


def owned(row: Row) -> assignment.Owned:
    return assignment.Owned(
        employee_id=row["employee_id"],
        branch_id=row["branch_id"],
        reason=row["reason_code"],
        since=row["valid_from"],
        first=first_of(row),
        tier_rank=row["tier_rank"],
        choice_due=row["choice_due_date"],
        reassignment_due=row["reassignment_due_date"],
    )


def books_of(rows: list[Row]) -> assignment.Books:
    books = assignment.Books()
    for row in rows:
        customer_id = row["customer_id"]
        if row["slot"] == "a":
            books.owners[customer_id] = owned(row)
        elif row["slot"] == "b":
            books.backups[customer_id] = assignment.Backed(
                row["employee_id"], row["branch_id"], row["reason_code"], row["valid_from"], row["is_acting"]
            )
        elif row["slot"] == "queue":
            books.queue[customer_id] = assignment.Queued(
                row["reason_code"], row["role_code"], row["valid_from"], first_of(row), row["reassignment_due_date"]
            )
    return books


def differences(today: Any, expected: Any) -> dict[str, tuple[Any, Any]]:
    """Customer -> what was decided, what the rules say."""
    ids = sorted(today.keys() | expected.keys())
    return {c: (today.get(c), expected.get(c)) for c in ids if today.get(c) != expected.get(c)}


def decisions_that_differ(bank: DecidedBank) -> dict[tuple[date, str], dict[str, tuple[Any, Any]]]:
    """(Day, slot) -> customer -> what was decided and what the rules say, where they differ. Each day is decided on
    the books that the bank had the day before.
    """
    rules, found_before = rules_of(bank), assignment.Books()
    entries: dict[date, list[Row]] = defaultdict(list)
    for row in bank.entries:
        entries[row["as_of_date"]].append(row)
    wrong = {}
    for day in bank.days:
        today, found = day_of(bank, day), books_of(entries[day])
        before = old_books(bank, today) if day == bank.go_live else found_before
        expected = assignment.decide(today, before, rules)
        for slot in ("owners", "queue", "backups"):
            if differing := differences(getattr(found, slot), getattr(expected, slot)):
                wrong[day, slot] = differing
        found_before = found
    return wrong
