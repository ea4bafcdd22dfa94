"""Cases out of the warehouse, and what their solutions come to: moves at go-live, a proposal each quarter.

A customer's pool is the first unit up his tree that has an eligible employee of the role he needs. What a day is
decided on is the state of the day before: ``int_books__*``, balances and books as of ``state_date``.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.lib.books.case import Case, Customer, Employee, Limits, Solution, savings
from orchestration.lib.books.optimise import optimise

ALLOCATION, REBALANCING = "allocation", "rebalancing"
# Owners whom customers chose, or were asked about, are not taken from them (A9-06, G11).
KEPT_REASONS = ("customer_choice", "continuity_upgrade")
# Queues that more room would empty; the others wait for somebody's decision.
SERVED_QUEUES = ("no_capacity", "no_eligible_employee")

MOVE_SCHEMA = pa.schema(
    [
        ("effective_date", pa.date32()),
        ("customer_id", pa.string()),
        # whom the move takes the customer from, None when nobody had him
        ("from_employee_id", pa.string()),
        ("employee_id", pa.string()),
        ("reason_code", pa.string()),
        ("proposal_id", pa.string()),
    ]
)
PROPOSAL_SCHEMA = pa.schema(
    [
        ("proposal_id", pa.string()),
        ("proposed_date", pa.date32()),
        ("branch_id", pa.string()),
        ("customer_id", pa.string()),
        ("from_employee_id", pa.string()),
        ("to_employee_id", pa.string()),
        ("reason_code", pa.string()),
        ("role_code", pa.string()),
        ("saving", pa.decimal128(18, 2)),
        ("shadow_price", pa.decimal128(18, 2)),
        ("method", pa.string()),
        ("gap", pa.decimal128(18, 8)),
    ]
)
_OWNERS = """
    select customer_id, employee_id, valid_from, reason_code, choice_due_date
    from core.fct_book_entry
    where as_of_date = $day and slot = 'a'
"""
_QUEUE = "select customer_id, reason_code from core.fct_book_entry where as_of_date = $day and slot = 'queue'"
_CUSTOMERS = """
    with days as (
        select * from intermediate.int_books__customer_day where business_date = $day
    ),
    staff as (
        select * from intermediate.int_books__employee_day where business_date = $day and is_eligible
    ),
    pools as (
        select wanted.branch_id, wanted.role_code, arg_min(units.unit_id, units.level_no) as unit_id
        from (select distinct branch_id, required_role_code as role_code from days) as wanted
        inner join intermediate.int_books__branch_unit as units on wanted.branch_id = units.branch_id
        inner join (select distinct unit_id, role_code from staff) as offered
            on units.unit_id = offered.unit_id and wanted.role_code = offered.role_code
        group by all
    )
    select
        days.customer_id,
        days.required_role_code,
        days.tier_rank,
        days.exclusion_code is null and not days.is_queue_role as is_served,
        pools.unit_id,
        cast(greatest(coalesce(balances.aum_cny, 0), 0) * 100 as bigint) as aum,
        staff.employee_id,
        staff.unit_id as owner_unit_id,
        staff.role_code as owner_role_code,
        owners.customer_id is not null as has_owner,
        owners.valid_from,
        owners.reason_code,
        owners.choice_due_date,
        queued.reason_code as queue_reason_code
    from days
    left join pools on days.branch_id = pools.branch_id and days.required_role_code = pools.role_code
    left join core.fct_customer_balance as balances
        on days.customer_id = balances.customer_id and balances.as_of_date = $day
    left join book_owners as owners on days.customer_id = owners.customer_id
    left join staff on owners.employee_id = staff.employee_id
    left join book_queue as queued on days.customer_id = queued.customer_id
    order by days.customer_id
"""
_STAFF = """
    select staff.employee_id, staff.role_code, staff.unit_id, staff.capacity, roles.default_capacity
    from intermediate.int_books__employee_day as staff
    left join policy.role as roles on staff.role_code = roles.role_code
    where staff.business_date = $day and staff.is_eligible
    order by staff.employee_id
"""


@dataclass(frozen=True)
class Pool:
    """A unit's case, and the capacity of one more employee of each role that its customers need."""

    unit_id: str
    case: Case
    new_capacities: dict[str, int]


class NoState(RuntimeError):
    """The warehouse has no books to decide on."""


def solve_go_live(
    con: duckdb.DuckDBPyConnection, state_date: date, effective_date: date, owners: pa.Table | None = None
) -> pa.Table:
    """Moves (MOVE_SCHEMA) of ``effective_date``: every served customer without an eligible owner is given one (A9-11).

    ``owners``: customer_id, employee_id, valid_from; by default slot a of the books as of ``state_date``. Customers for
    whom there is no room have no row. Raises NoState.
    """
    rows = []
    for pool in go_live_pools(con, state_date, owners):
        solution = optimise(pool.case)
        for customer_id, to in sorted(solution.assignment.items()):
            if to is not None:
                rows.append(
                    {
                        "effective_date": effective_date,
                        "customer_id": customer_id,
                        "employee_id": to,
                        "reason_code": ALLOCATION,
                        "proposal_id": _proposal_id(effective_date, customer_id, None, to),
                    }
                )
    return pa.Table.from_pylist(sorted(rows, key=lambda row: str(row["customer_id"])), schema=MOVE_SCHEMA)


def propose_rebalancing(con: duckdb.DuckDBPyConnection, state_date: date, proposed_date: date) -> pa.Table:
    """Proposal (PROPOSAL_SCHEMA): who would move, what it saves in points, what one more employee would save (G12).

    Customers move whose owner's role no longer fits or whose books are uneven or too full, and those whom only want of
    room keeps in a queue; never those who chose their owner or are being asked. Raises NoState.
    """
    rows = []
    for pool in rebalancing_pools(con, state_date):
        solution = optimise(pool.case, new_capacities=pool.new_capacities)
        rows += _proposal_rows(pool, solution, proposed_date)
    return pa.Table.from_pylist(sorted(rows, key=lambda row: str(row["customer_id"])), schema=PROPOSAL_SCHEMA)


def _proposal_rows(pool: Pool, solution: Solution, proposed_date: date) -> list[dict[str, Any]]:
    saved = savings(pool.case, solution)
    roles = {e.employee_id: e.role_code for e in pool.case.employees}
    rows = []
    for customer in pool.case.customers:
        to = solution.assignment[customer.customer_id]
        if to is None or to == customer.owner_id:
            continue
        price = solution.shadow_prices.get(roles[to])
        rows.append(
            {
                "proposal_id": _proposal_id(proposed_date, customer.customer_id, customer.owner_id, to),
                "proposed_date": proposed_date,
                "branch_id": pool.unit_id,
                "customer_id": customer.customer_id,
                "from_employee_id": customer.owner_id,
                "to_employee_id": to,
                "reason_code": REBALANCING,
                "role_code": roles[to],
                "saving": _decimal(saved[customer.customer_id], 2),
                "shadow_price": None if price is None else _decimal(price, 2),
                "method": solution.method,
                "gap": None if solution.gap is None else _decimal(Fraction(solution.gap), 8),
            }
        )
    return rows


def go_live_pools(con: duckdb.DuckDBPyConnection, state_date: date, owners: pa.Table | None = None) -> list[Pool]:
    """Cases of go-live: owners stay, so only their loads count. Raises NoState."""
    customers, staff, limits = _read(con, state_date, owners)
    waiting: dict[str, list[Customer]] = defaultdict(list)
    held: dict[str, list[int]] = defaultdict(list)
    for row in customers:
        if row["employee_id"] is not None:
            held[row["employee_id"]].append(row["aum"])
        elif row["is_served"] and row["unit_id"] is not None:
            waiting[row["unit_id"]].append(_customer(row, None, state_date))
    return _pools(waiting, staff, held, limits)


def rebalancing_pools(con: duckdb.DuckDBPyConnection, state_date: date) -> list[Pool]:
    """Cases of the quarterly proposal. Raises NoState."""
    customers, staff, limits = _read(con, state_date, None)
    movable: dict[str, list[Customer]] = defaultdict(list)
    held: dict[str, list[int]] = defaultdict(list)
    for row in customers:
        owner, unit = row["employee_id"], row["unit_id"]
        if owner is None:
            is_waiting = not row["has_owner"] and row["queue_reason_code"] in SERVED_QUEUES
            if is_waiting and row["is_served"] and unit is not None:
                movable[unit].append(_customer(row, None, state_date))
            continue
        is_kept = row["reason_code"] in KEPT_REASONS or (
            row["choice_due_date"] is not None and row["choice_due_date"] > state_date
        )
        fits = row["owner_role_code"] == row["required_role_code"]
        is_away = row["owner_unit_id"] != unit
        if is_kept or not row["is_served"] or unit is None or (is_away and fits):
            held[owner].append(row["aum"])
            continue
        if is_away:
            held[owner].append(row["aum"])
        movable[unit].append(_customer(row, owner, state_date))
    return _pools(movable, staff, held, limits)


def _customer(row: dict[str, Any], owner: str | None, state_date: date) -> Customer:
    return Customer(
        customer_id=row["customer_id"],
        role_codes=frozenset({row["required_role_code"]}),
        aum=row["aum"],
        tier_rank=row["tier_rank"],
        owner_id=owner,
        tenure_days=max(0, (state_date - row["valid_from"]).days) if owner else 0,
    )


def _pools(
    customers: dict[str, list[Customer]], staff: list[dict[str, Any]], held: dict[str, list[int]], limits: Limits
) -> list[Pool]:
    by_unit: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in staff:
        by_unit[row["unit_id"]].append(row)
    pools = []
    for unit, people in sorted(customers.items()):
        owners = {c.owner_id for c in people}
        needed = {role for c in people for role in c.role_codes}
        there = [row for row in by_unit[unit] if row["role_code"] in needed or row["employee_id"] in owners]
        employees = tuple(
            Employee(
                row["employee_id"],
                row["role_code"],
                row["capacity"],
                len(held[row["employee_id"]]),
                sum(held[row["employee_id"]]),
            )
            for row in there
        )
        # A role without a number of its own: as the smallest of the pool.
        capacities = {
            role: min(row["default_capacity"] or row["capacity"] for row in there if row["role_code"] == role)
            for role in sorted(needed & {row["role_code"] for row in there})
        }
        pools.append(Pool(unit, Case(tuple(people), employees, limits), capacities))
    return pools


def _read(
    con: duckdb.DuckDBPyConnection, state_date: date, owners: pa.Table | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Limits]:
    day = {"day": state_date}
    limits = _rows(con, "select * from policy.book where effective_from <= $day and effective_to > $day", day)
    if not limits:
        raise NoState(f"no version of the books policy is in force on {state_date}; add one to policies/books.yml")
    if owners is None:
        owners = con.execute(_OWNERS, day).to_arrow_table()
        queue = con.execute(_QUEUE, day).to_arrow_table()
    else:
        missing = [name for name in ("reason_code", "choice_due_date") if name not in owners.column_names]
        for name in missing:
            kind = pa.date32() if name == "choice_due_date" else pa.string()
            owners = owners.append_column(name, pa.nulls(len(owners), kind))
        queue = pa.table({"customer_id": pa.array([], pa.string()), "reason_code": pa.array([], pa.string())})
    con.register("book_owners", owners)
    con.register("book_queue", queue)
    try:
        customers = _rows(con, _CUSTOMERS, day)
    finally:
        con.unregister("book_owners")
        con.unregister("book_queue")
    if not customers:
        raise NoState(f"intermediate.int_books__customer_day has no customer on {state_date}; build that day first")
    return customers, _rows(con, _STAFF, day), Limits.of(limits[0])


def _rows(con: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = con.execute(sql, parameters).to_arrow_table().to_pylist()
    return found


def _proposal_id(day: date, customer_id: str, from_id: str | None, to_id: str) -> str:
    return hashlib.sha256(f"{day}|{customer_id}|{from_id or ''}|{to_id}".encode()).hexdigest()


def _decimal(value: Fraction, digits: int) -> Decimal:
    return Decimal(round(value * 10**digits)).scaleb(-digits)
