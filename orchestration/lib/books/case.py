"""A case of the optimiser: the customers and employees of one pool, and what an assignment of them costs.

Costs are points: what a move costs by the policy is the unit, evenness is priced in it. They are exact fractions, so
that two ways to the same assignment never differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal

NO_ELIGIBLE_EMPLOYEE = "no_eligible_employee"
NO_CAPACITY = "no_capacity"

# Load against capacity is priced by its square, straight between about fifty steps up to a full book: books within two
# hundredths of each other count as even. Steps of a book are whole customers, so that whole books lose nothing by it.
STEPS_PER_BOOK = 50
# A book may hold more than its share of assets; from about three times a full one on their price rises no faster.
STEEPEST_LOAD = 3

Status = Literal["optimal", "within_gap", "beyond_gap", "sql_rule"]


@dataclass(frozen=True)
class Customer:
    """``aum``: fen. ``owner_id``: None, one of the case's employees, or somebody outside it, who is no longer of a role
    that fits. ``tenure_days``: how long the owner has had him, 0 without one. ``must_stay``: he is not to be moved.
    """

    customer_id: str
    role_codes: frozenset[str]
    aum: int
    tier_rank: int = 0
    owner_id: str | None = None
    tenure_days: int = 0
    must_stay: bool = False


@dataclass(frozen=True)
class Employee:
    """Eligible. ``load`` and ``aum`` (fen): of his customers outside the case, who stay with him."""

    employee_id: str
    role_code: str
    capacity: int
    load: int = 0
    aum: int = 0


@dataclass(frozen=True)
class Limits:
    """What the policy weighs and where the solver stops (``policies/books.yml``, rebalancing). Never time."""

    move_cost: Decimal
    move_cost_per_day: Decimal
    tenure_cap_days: int
    customer_evenness_weight: Decimal
    asset_evenness_weight: Decimal
    gap_rate: Decimal
    node_limit: int
    iteration_limit: int
    largest_pool: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Limits:
        """From a row of ``policy.book``."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    def cost_of_move(self, tenure_days: int) -> Fraction:
        """Points: a base and a part for each day of tenure, which a cap makes bend. A new link has no tenure."""
        return Fraction(self.move_cost) + Fraction(self.move_cost_per_day) * min(tenure_days, self.tenure_cap_days)

    @property
    def dearest_move(self) -> Fraction:
        return self.cost_of_move(self.tenure_cap_days)

    @property
    def price_of_want(self) -> Fraction:
        """What a customer in the queue, with the wrong role or beyond a capacity counts in a shadow price: the dearest
        move and the place of an average customer in a full book.
        """
        return self.dearest_move + 2 * Fraction(self.customer_evenness_weight + self.asset_evenness_weight)


@dataclass(frozen=True)
class Case:
    """One pool. Rows are put in the order of their ids: the order they come in means nothing.

    Raises ValueError when an id comes twice, a capacity is not positive, or a customer without owner has tenure or has
    to stay.
    """

    customers: tuple[Customer, ...]
    employees: tuple[Employee, ...]
    limits: Limits

    def __post_init__(self) -> None:
        object.__setattr__(self, "customers", tuple(sorted(self.customers, key=lambda c: c.customer_id)))
        object.__setattr__(self, "employees", tuple(sorted(self.employees, key=lambda e: e.employee_id)))
        for what, ids in (
            ("customer_id", [c.customer_id for c in self.customers]),
            ("employee_id", [e.employee_id for e in self.employees]),
        ):
            twice = sorted({i for i in ids if ids.count(i) > 1}) if len(set(ids)) < len(ids) else []
            if twice:
                raise ValueError(f"{what}: expected each once in a case, found {twice[0]} more than once")
        for e in self.employees:
            if e.capacity <= 0:
                raise ValueError(f"employee {e.employee_id}: expected a positive capacity, found {e.capacity}")
        for c in self.customers:
            if c.owner_id is None and c.tenure_days:
                raise ValueError(f"customer {c.customer_id}: no owner, but {c.tenure_days} days of tenure")
            if c.must_stay and c.owner_id not in self.index:
                raise ValueError(f"customer {c.customer_id}: must stay, but {c.owner_id} is not among the employees")

    @cached_property
    def index(self) -> dict[str, int]:
        """Place of each employee."""
        return {e.employee_id: i for i, e in enumerate(self.employees)}

    @cached_property
    def average_aum(self) -> dict[str, Fraction]:
        """Role -> fen per customer, of those who may be given to the role and those its people already have."""
        totals = {e.role_code: [0, 0] for e in self.employees}
        for e in self.employees:
            totals[e.role_code][0] += e.aum
            totals[e.role_code][1] += e.load
        for c in self.customers:
            for role in c.role_codes:
                if role in totals:
                    totals[role][0] += c.aum
                    totals[role][1] += 1
        return {role: Fraction(aum, count) if count else Fraction(0) for role, (aum, count) in totals.items()}

    def fits(self, customer: Customer, place: int) -> bool:
        return self.employees[place].role_code in customer.role_codes


@dataclass(frozen=True)
class Cost:
    """What an assignment costs. ``unassigned`` counts first, then ``wants`` (standing links with a wrong role or beyond
    a capacity), then ``points``. ``floor``: what perfectly even books of the same totals would cost, without a move and
    priced by the square itself.
    """

    unassigned: int
    wants: int
    moves: Fraction
    customer_evenness: Fraction
    asset_evenness: Fraction
    floor: Fraction

    @property
    def points(self) -> Fraction:
        return self.moves + self.customer_evenness + self.asset_evenness


@dataclass(frozen=True)
class Evenness:
    """How far books are from the average of their role, per seat, as a share of it: the farthest and the mean."""

    customers_largest: float
    customers_mean: float
    assets_largest: float
    assets_mean: float


@dataclass(frozen=True)
class Solution:
    """``assignment``: customer -> employee, or None; ``reasons``: why not. ``gap``: proven, as a share of the points
    above the floor; None for the SQL rule. ``shadow_prices``: role -> points that one more employee of it would save.
    """

    assignment: dict[str, str | None]
    reasons: dict[str, str]
    cost: Cost
    evenness: Evenness
    moves: int
    status: Status
    gap: float | None
    shadow_prices: dict[str, Fraction]

    @property
    def method(self) -> str:
        return "sql_rule" if self.status == "sql_rule" else "optimiser"


def step_of(capacity: int) -> int:
    """Customers between two bends of the price of a book."""
    return max(1, capacity // STEPS_PER_BOOK)


def last_step(capacity: int) -> int:
    """Number of the step whose slope holds for all that lies beyond it."""
    return STEEPEST_LOAD * capacity // step_of(capacity)


def price_of_book(load: Fraction | int, capacity: int) -> Fraction:
    """Capacity times the square of load against capacity, straight between the steps and beyond the last.

    ``load``: customers, or assets in units of the role's average customer.
    """
    width = step_of(capacity)
    step = min(int(load // width), last_step(capacity))
    low, high = step * width, (step + 1) * width
    return Fraction(low * low + (load - low) * (low + high)) / capacity


def _totals(case: Case, places: Sequence[int | None]) -> tuple[list[int], list[int]]:
    """Customers and fen of each employee."""
    loads, assets = [e.load for e in case.employees], [e.aum for e in case.employees]
    for customer, place in zip(case.customers, places, strict=True):
        if place is not None and place >= 0:
            loads[place] += 1
            assets[place] += customer.aum
    return loads, assets


OUTSIDE = -1


def cost_of(case: Case, places: Sequence[int | None]) -> Cost:
    """Cost of an assignment: place of the employee of each customer, OUTSIDE for an owner outside the case."""
    limits = case.limits
    loads, assets = _totals(case, places)
    moves = Fraction(0)
    unassigned = wants = 0
    for customer, place in zip(case.customers, places, strict=True):
        if place is None:
            unassigned += 1
            continue
        owner = case.index.get(customer.owner_id, OUTSIDE) if customer.owner_id is not None else None
        if place == OUTSIDE or (not customer.must_stay and not case.fits(customer, place)):
            wants += 1
        if place != owner:
            moves += limits.cost_of_move(customer.tenure_days)
    weights = Fraction(limits.customer_evenness_weight), Fraction(limits.asset_evenness_weight)
    parts = [Fraction(0), Fraction(0)]
    floor = Fraction(0)
    by_role: dict[str, list[Fraction]] = {}
    for e, load, aum in zip(case.employees, loads, assets, strict=True):
        average = case.average_aum[e.role_code]
        against = Fraction(load), (aum / average if average else Fraction(0))
        wants += max(0, load - max(e.capacity, e.load))
        totals = by_role.setdefault(e.role_code, [Fraction(0)] * 3)
        totals[0] += e.capacity
        for i in (0, 1):
            parts[i] += weights[i] * price_of_book(against[i], e.capacity)
            totals[i + 1] += against[i]
    for capacity, *against_total in by_role.values():
        floor += sum(w * a * a / capacity for w, a in zip(weights, against_total, strict=True))
    return Cost(unassigned, wants, moves, parts[0], parts[1], floor)


def evenness_of(case: Case, places: Sequence[int | None]) -> Evenness:
    """Of roles with more than one employee."""
    loads, assets = _totals(case, places)
    figures: list[tuple[float, float]] = []
    for amounts in (loads, assets):
        deviations = []
        for role in sorted(case.average_aum):
            own = [i for i, e in enumerate(case.employees) if e.role_code == role]
            mean = Fraction(sum(amounts[i] for i in own), sum(case.employees[i].capacity for i in own))
            if len(own) > 1 and mean:
                deviations += [abs(Fraction(amounts[i], case.employees[i].capacity) / mean - 1) for i in own]
        figures.append((float(max(deviations)), float(sum(deviations) / len(deviations))) if deviations else (0.0, 0.0))
    return Evenness(*figures[0], *figures[1])


def solution_of(
    case: Case,
    places: Sequence[int | None],
    status: Status,
    gap: float | None,
    shadow_prices: dict[str, Fraction] | None = None,
) -> Solution:
    """An assignment by place as an assignment by id, with all that is to be said of it."""
    roles = {e.role_code for e in case.employees}
    assignment: dict[str, str | None] = {}
    reasons: dict[str, str] = {}
    moves = 0
    for customer, place in zip(case.customers, places, strict=True):
        if place is None:
            assignment[customer.customer_id] = None
            has_role = bool(customer.role_codes & roles)
            reasons[customer.customer_id] = NO_CAPACITY if has_role else NO_ELIGIBLE_EMPLOYEE
            continue
        to = customer.owner_id if place == OUTSIDE else case.employees[place].employee_id
        assignment[customer.customer_id] = to
        moves += customer.owner_id is not None and to != customer.owner_id
    return Solution(
        assignment,
        reasons,
        cost_of(case, places),
        evenness_of(case, places),
        moves,
        status,
        gap,
        shadow_prices or {},
    )


def savings(case: Case, solution: Solution) -> dict[str, Fraction]:
    """Customer who moves -> points that it would cost more if he alone stayed where he was, all else as solved.

    A customer who waits without owner, stays with one whose role does not fit, or beyond a capacity counts
    ``price_of_want`` then.
    """
    chosen = (solution.assignment[c.customer_id] for c in case.customers)
    places = [None if to is None else case.index.get(to, OUTSIDE) for to in chosen]
    loads, assets = _totals(case, places)
    limits = case.limits

    def price(place: int, load: int, aum: int) -> Fraction:
        e = case.employees[place]
        average = case.average_aum[e.role_code]
        weight = Fraction(limits.customer_evenness_weight), Fraction(limits.asset_evenness_weight)
        against = Fraction(load), (aum / average if average else Fraction(0))
        beyond = max(0, load - max(e.capacity, e.load))
        priced = sum(w * price_of_book(a, e.capacity) for w, a in zip(weight, against, strict=True))
        return beyond * limits.price_of_want + priced

    saved: dict[str, Fraction] = {}
    for c, to in zip(case.customers, places, strict=True):
        if to is None or to == OUTSIDE or case.employees[to].employee_id == c.owner_id:
            continue
        there = price(to, loads[to] - 1, assets[to] - c.aum) - price(to, loads[to], assets[to])
        if c.owner_id is None:
            saved[c.customer_id] = limits.price_of_want - limits.cost_of_move(c.tenure_days) + there
            continue
        stay = there - limits.cost_of_move(c.tenure_days)
        home = case.index.get(c.owner_id, OUTSIDE)
        if home == OUTSIDE or not case.fits(c, home):
            stay += limits.price_of_want
        if home != OUTSIDE:
            stay += price(home, loads[home] + 1, assets[home] + c.aum) - price(home, loads[home], assets[home])
        saved[c.customer_id] = stay
    return saved
