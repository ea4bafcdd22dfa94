"""The best assignment of one pool, with a proof: HiGHS solves the linear relaxation, few customers are left to round.

Hard: a new link fits the role, nobody who is full is given anyone, customers who must stay do. Who is left without a
place when capacity is short is settled first, by tier and id. A standing link that breaks a rule is mended before any
point is saved. The relaxation gives the bound that the stated gap is proven by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array

from orchestration.lib.books.case import (
    OUTSIDE,
    STEEPEST_LOAD,
    Case,
    Employee,
    Solution,
    Status,
    cost_of,
    last_step,
    solution_of,
    step_of,
)
from orchestration.lib.books.improve import Search, price_of_books
from orchestration.lib.books.sql_rule import deal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# A search of more links than this takes minutes and seldom finds anything: the gap is stated as it is.
MOST_SEARCHED = 20_000
# Below this a solver's number is a whole number that it did not quite meet.
TOLERANCE = 1e-6


class Unsolved(RuntimeError):
    """The solver reached no solution within the policy's limits."""


def optimise(case: Case, *, new_capacities: dict[str, int] | None = None) -> Solution:
    """Solve a case; one with more customers than ``largest_pool`` is dealt by the SQL rule, and says so.

    ``new_capacities``: role -> capacity of one more employee of it, whose shadow price is wanted: points by which the
    relaxed cost would fall, solved again with that employee, each customer in want counting ``price_of_want``.
    """
    if len(case.customers) > case.limits.largest_pool:
        return deal(case)
    model = _Model(case, _left_out(case))
    relaxed = model.relax()
    places, bound = _round(model, relaxed)
    cost = cost_of(case, places)
    points = model.objective_of(cost.wants, cost.points)
    slack = max(0.0, points - bound)
    if slack <= TOLERANCE * max(1.0, abs(points)):
        status: Status = "optimal"
        gap = 0.0
    else:
        gap = slack / max(float(cost.points - cost.floor), TOLERANCE)
        status = "within_gap" if gap <= case.limits.gap_rate else "beyond_gap"
    prices = {
        role: _shadow_price(case, model, relaxed, role, capacity)
        for role, capacity in sorted((new_capacities or {}).items())
    }
    return solution_of(case, places, status, gap, prices)


def _shadow_price(case: Case, model: _Model, relaxed: _Relaxed, role: str, capacity: int) -> Fraction:
    # Greater than any id of the case: the others keep their order.
    newcomer = Employee(max((e.employee_id for e in case.employees), default="") + "+", role, capacity)
    larger_case = replace(case, employees=(*case.employees, newcomer))
    larger = _Model(larger_case, _left_out(larger_case))
    there = larger.relax()
    wants = len(model.left_out) - len(larger.left_out) + relaxed.wants - there.wants
    saved = float(case.limits.price_of_want) * wants + relaxed.points - there.points
    return max(Fraction(0), Fraction(round(saved, 6)))


def _room(case: Case) -> list[int]:
    """Seats of each employee that are open while everybody stays; negative beyond the capacity."""
    room = [e.capacity - e.load for e in case.employees]
    for c in case.customers:
        if c.owner_id in case.index:
            room[case.index[c.owner_id]] -= 1
    return room


def _left_out(case: Case) -> frozenset[int]:
    """Customers without owner for whom there is no place: as few as can be, the highest tiers served first, then ids.

    Seats of a role are alike, so classes of customers flow to roles; whoever may have another role can leave his seat.
    """
    open_seats: Counter[str] = Counter()
    room = _room(case)
    for e, seats in zip(case.employees, room, strict=True):
        open_seats[e.role_code] += max(0, seats)
    waiting: dict[tuple[int, tuple[str, ...]], list[int]] = {}
    leaving: Counter[tuple[str, tuple[str, ...]]] = Counter()
    roles = sorted(open_seats)
    for n, c in enumerate(case.customers):
        allowed = tuple(sorted(c.role_codes & open_seats.keys()))
        if c.owner_id is None:
            waiting.setdefault((-c.tier_rank, allowed), []).append(n)
        elif c.owner_id in case.index and not c.must_stay:
            place = case.index[c.owner_id]
            if room[place] >= 0:
                leaving[case.employees[place].role_code, allowed] += 1
    if all(
        len(allowed) == 1 and sum(len(v) for k, v in waiting.items() if k[1] == allowed) <= open_seats[allowed[0]]
        for _, allowed in waiting
    ):
        return frozenset()
    columns: list[tuple[int, int, int | None, float]] = []
    classes: list[tuple[int, list[int]]] = []
    sizes: list[int] = []
    for (rank, allowed), members in sorted(waiting.items()):
        classes.append((len(sizes), members))
        columns += [(len(sizes), roles.index(role), None, float(rank - 1)) for role in allowed]
        sizes.append(len(members))
    for (home, allowed), size in sorted(leaving.items()):
        columns += [(len(sizes), roles.index(role), roles.index(home), 0.0) for role in allowed if role != home]
        sizes.append(size)
    taken = np.zeros(len(sizes), dtype=np.int64)
    if columns:
        flow = np.zeros((len(sizes) + len(roles), len(columns)))
        for column, (group, to, home_place, _) in enumerate(columns):
            flow[group, column] = 1
            flow[len(sizes) + to, column] += 1
            if home_place is not None:
                flow[len(sizes) + home_place, column] -= 1
        limits = np.array([*sizes, *(open_seats[role] for role in roles)], dtype=np.float64)
        solved = linprog(np.array([c[3] for c in columns]), A_ub=flow, b_ub=limits, method="highs-ds")
        if solved.x is None:
            raise Unsolved(f"places of a pool could not be shared out: {solved.message}")
        # A network's corner is whole.
        for column, (group, *_) in enumerate(columns):
            taken[group] += round(solved.x[column])
    return frozenset(n for group, members in classes for n in members[taken[group] :])


@dataclass(frozen=True)
class _Relaxed:
    """A solution of the relaxation: shares of each arc, their reduced costs, and its value taken apart."""

    shares: Floats
    reduced_costs: Floats
    bound: float
    wants: float
    points: float


class _Model:
    """Columns: arcs customer -> place, then the steps that price each employee's customers and assets."""

    def __init__(self, case: Case, left_out: frozenset[int]) -> None:
        self.case, self.left_out = case, left_out
        limits, count = case.limits, len(case.employees)
        weights = float(limits.customer_evenness_weight), float(limits.asset_evenness_weight)
        averages = [float(case.average_aum[e.role_code]) for e in case.employees]
        # One customer's assets in units of the role's average customer.
        dearest = max(
            (c.aum / float(a) for c in case.customers for r in c.role_codes if (a := case.average_aum.get(r))),
            default=0.0,
        )
        steepest = 2.0 * STEEPEST_LOAD + 1.0
        self.want = 1.0 + float(limits.dearest_move) + steepest * (weights[0] + weights[1] * dearest)
        room = _room(case)
        self.fixed: dict[int, int | None] = dict.fromkeys(left_out)
        self.loads = np.array([e.load for e in case.employees], dtype=np.float64)
        self.assets = np.array([e.aum for e in case.employees], dtype=np.float64)
        self.free: list[int] = []
        open_places = {
            role: [i for i, e in enumerate(case.employees) if e.role_code == role and room[i] >= 0]
            for role in sorted({e.role_code for e in case.employees})
        }
        rows, to, costs, arc_wants = [], [], [], []
        for n, c in enumerate(case.customers):
            if n in left_out:
                continue
            owner = case.index.get(c.owner_id, OUTSIDE) if c.owner_id is not None else None
            if c.must_stay and owner is not None:
                self._settle(n, owner)
                continue
            others = [i for role in sorted(c.role_codes) for i in open_places.get(role, ()) if i != owner]
            if owner is not None and not others:
                self._settle(n, owner)
                continue
            row = len(self.free)
            self.free.append(n)
            move = float(limits.cost_of_move(c.tenure_days))
            if owner is not None:
                rows.append(row)
                to.append(owner)
                costs.append(0.0)
                arc_wants.append(float(owner == OUTSIDE or not case.fits(c, owner)))
            rows += [row] * len(others)
            to += others
            costs += [move] * len(others)
            arc_wants += [0.0] * len(others)
        self.rows, self.to = np.array(rows, dtype=np.int64), np.array(to, dtype=np.int64)
        self.arc_costs, self.arc_wants = np.array(costs), np.array(arc_wants)
        aum = np.array([case.customers[n].aum for n in self.free], dtype=np.float64)
        self.units = np.zeros(len(rows))
        inside = self.to >= 0
        average = np.array(averages) if averages else np.zeros(1)
        known = inside & (average[self.to] > 0)
        self.units[known] = aum[self.rows[known]] / average[self.to[known]]
        self.base_units = np.array([a / m if m else 0.0 for a, m in zip(self.assets, averages, strict=True)])
        self.average = averages
        self._price(weights, room, count)

    def _settle(self, customer: int, place: int) -> None:
        self.fixed[customer] = place
        if place >= 0:
            self.loads[place] += 1
            self.assets[place] += self.case.customers[customer].aum

    def _price(self, weights: tuple[float, float], room: Sequence[int], count: int) -> None:
        """Steps of each employee above what is settled, and what that costs already (``constant``)."""
        steps: list[tuple[int, float, float, float]] = []
        self.constant = 0.0
        # Up to the capacity, or for one who has more, up to what he has.
        self.ends = [
            max(e.capacity, e.capacity - seats, int(load))
            for e, seats, load in zip(self.case.employees, room, self.loads, strict=True)
        ]
        for i, e in enumerate(self.case.employees):
            width, last = step_of(e.capacity), last_step(e.capacity)
            for kind, base in ((0, self.loads[i]), (1, self.base_units[i])):
                weight = weights[kind] / e.capacity
                if kind == 1 and not (weight and self.average[i]):
                    continue
                first = min(int(base // width), last)
                low = first * width
                self.constant += weight * (low * low + (base - low) * (2 * low + width))
                at = base
                for step in range(first, last + 1):
                    top = np.inf if step == last else (step + 1.0) * width
                    stops = [(top, 0.0)] if kind else [(min(top, e.capacity), 0.0), (min(top, self.ends[i]), 1.0)]
                    for stop, want in stops:
                        if stop > at:
                            steps.append((kind * count + i, weight * (2 * step + 1) * width, stop - at, want))
                            at = stop
        rows, slopes, widths, step_wants = zip(*steps, strict=True) if steps else ((), (), (), ())
        self.step_rows = np.array(rows, dtype=np.int64)
        self.slopes, self.widths, self.step_wants = np.array(slopes), np.array(widths), np.array(step_wants)

    @cached_property
    def matrix(self) -> csr_array:
        """Rows: each free customer has one place; each employee's customers, then his assets, fill his steps."""
        arcs, count, customers = len(self.to), len(self.case.employees), len(self.free)
        inside = np.flatnonzero(self.to >= 0)
        priced = inside[self.units[inside] > 0]
        priced = priced[np.isin(self.to[priced] + count, self.step_rows)]
        rows = np.concatenate(
            [self.rows, customers + self.to[inside], customers + count + self.to[priced], customers + self.step_rows]
        )
        columns = np.concatenate([np.arange(arcs), inside, priced, arcs + np.arange(len(self.step_rows))])
        values = np.concatenate(
            [np.ones(arcs), np.ones(len(inside)), self.units[priced], -np.ones(len(self.step_rows))]
        )
        shape = (customers + 2 * count, arcs + len(self.step_rows))
        return coo_array((values, (rows, columns)), shape=shape).tocsr()

    @cached_property
    def right_side(self) -> Floats:
        return np.concatenate([np.ones(len(self.free)), np.zeros(2 * len(self.case.employees))])

    @cached_property
    def wants(self) -> Floats:
        return np.concatenate([self.arc_wants, self.step_wants])

    @cached_property
    def points(self) -> Floats:
        return np.concatenate([self.arc_costs, self.slopes])

    @cached_property
    def upper(self) -> Floats:
        return np.concatenate([np.full(len(self.to), np.inf), self.widths])

    @cached_property
    def settled_wants(self) -> float:
        """Wants of settled customers: those who stay with an owner that does not fit."""
        return float(
            sum(
                place == OUTSIDE
                or (not self.case.customers[n].must_stay and not self.case.fits(self.case.customers[n], place))
                for n, place in self.fixed.items()
                if place is not None
            )
            + sum(
                max(0.0, load - max(e.capacity, e.load))
                for e, load in zip(self.case.employees, self.loads, strict=True)
            )
        )

    def objective_of(self, wants: float, points: Fraction | float) -> float:
        return self.want * wants + float(points)

    def relax(self) -> _Relaxed:
        """Raises Unsolved when the iterations do not suffice."""
        if not self.free:
            bound = self.objective_of(self.settled_wants, self.constant)
            return _Relaxed(np.zeros(0), np.zeros(0), bound, self.settled_wants, self.constant)
        solved = linprog(
            self.points + self.want * self.wants,
            A_eq=self.matrix,
            b_eq=self.right_side,
            bounds=np.column_stack([np.zeros(len(self.upper)), self.upper]),
            method="highs-ipm",
            options={"maxiter": self.case.limits.iteration_limit},
        )
        if solved.status != 0:
            raise Unsolved(
                f"a pool of {len(self.case.customers)} customers and {len(self.case.employees)} employees: "
                f"{solved.message} Raise iteration_limit in policies/books.yml, or lower largest_pool"
            )
        wants = float(self.wants @ solved.x) + self.settled_wants
        points = float(self.points @ solved.x) + self.constant
        arcs = len(self.to)
        return _Relaxed(solved.x[:arcs], solved.lower.marginals[:arcs], self.objective_of(wants, points), wants, points)

    def places(self, chosen: Iterable[int]) -> list[int | None]:
        """Place of every customer, with the arcs chosen for the free ones."""
        found = dict(self.fixed)
        for arc in chosen:
            found[self.free[self.rows[arc]]] = int(self.to[arc])
        return [found[n] for n in range(len(self.case.customers))]

    def whole(self, relaxed: _Relaxed) -> Ints:
        """One arc for each free customer: the relaxation's, and for those it splits their largest shares that fit."""
        arcs = np.flatnonzero(relaxed.shares > TOLERANCE)
        inside = self.to[arcs] >= 0
        count = len(self.case.employees)
        # A network's corner is whole: customers to places with the seats that the relaxation itself kept to.
        seats = np.zeros(count)
        np.add.at(seats, self.to[arcs[inside]], relaxed.shares[arcs[inside]])
        place = coo_array((np.ones(len(arcs)), (self.rows[arcs], np.arange(len(arcs)))), (len(self.free), len(arcs)))
        seat = coo_array(
            (np.ones(inside.sum()), (self.to[arcs[inside]], np.flatnonzero(inside))), shape=(count, len(arcs))
        )
        solved = linprog(
            -relaxed.shares[arcs],
            A_eq=place.tocsr(),
            b_eq=np.ones(len(self.free)),
            A_ub=seat.tocsr(),
            b_ub=np.ceil(seats - TOLERANCE),
            method="highs-ds",
        )
        if solved.x is None:
            raise Unsolved(f"a pool of {len(self.case.customers)} customers could not be rounded: {solved.message}")
        return arcs[solved.x > 0.5]

    def improved(self, chosen: Ints, relaxed: _Relaxed) -> Ints:
        """Arcs of a cheaper whole solution near the chosen one."""
        case, count = self.case, len(self.case.employees)
        shape = (len(self.free), count + 1)
        arc_at = np.full(shape, -1, dtype=np.int64)
        arc_at[self.rows, self.to] = np.arange(len(self.to))
        known = arc_at >= 0
        costs, distances, units = np.full(shape, np.inf), np.full(shape, np.inf), np.zeros(shape)
        costs[known] = (self.arc_costs + self.want * self.arc_wants)[arc_at[known]]
        distances[known] = relaxed.reduced_costs[arc_at[known]]
        units[known] = self.units[arc_at[known]]
        # The price of having so many customers; an owner outside has any number.
        most = max(len(self.free) + int(max(self.loads, default=0)), 1) + 2
        prices = np.zeros((count + 1, most))
        for i, e in enumerate(case.employees):
            numbers = np.arange(most, dtype=np.float64)
            weight = float(case.limits.customer_evenness_weight)
            prices[i] = weight * price_of_books(numbers, np.full(most, float(e.capacity)))
            prices[i] += self.want * np.maximum(0.0, numbers - max(e.capacity, e.load))
            prices[i, int(self.ends[i]) + 1 :] = np.inf
        places = np.empty(len(self.free), dtype=np.int64)
        places[self.rows[chosen]] = self.to[chosen]
        places[places < 0] = count
        loads = np.append(self.loads, 0).astype(np.int64) + np.bincount(places, minlength=count + 1)
        filled = np.append(self.base_units, 0.0)
        np.add.at(filled, places, units[np.arange(len(places)), places])
        search = Search(
            costs,
            units,
            prices,
            np.array([*(e.capacity for e in case.employees), 1], dtype=np.float64),
            float(case.limits.asset_evenness_weight),
            distances,
        )
        return arc_at[np.arange(len(places)), search.improve(places, loads, filled, case.limits.iteration_limit)]

    def solve_whole(self, kept: NDArray[np.bool_], gap: float) -> tuple[list[int], float]:
        """Whole solution over the kept arcs: the arcs chosen, and the bound proven. No arcs when there is none."""
        columns = np.concatenate([np.flatnonzero(kept), len(self.to) + np.arange(len(self.step_rows))])
        matrix = self.matrix[:, columns]
        arcs = int(kept.sum())
        solved = milp(
            (self.points + self.want * self.wants)[columns],
            integrality=np.concatenate([np.ones(arcs), np.zeros(len(self.step_rows))]),
            bounds=Bounds(0, np.concatenate([np.ones(arcs), self.widths])),
            constraints=LinearConstraint(matrix, self.right_side, self.right_side),
            options={"node_limit": self.case.limits.node_limit, "mip_rel_gap": gap},
        )
        offset = self.objective_of(self.settled_wants, self.constant)
        bound = -np.inf if solved.mip_dual_bound is None else float(solved.mip_dual_bound) + offset
        if solved.x is None:
            return [], bound
        return [int(columns[i]) for i in np.flatnonzero(solved.x[:arcs] > 0.5)], bound


def _round(model: _Model, relaxed: _Relaxed) -> tuple[list[int | None], float]:
    """Whole places and the bound that holds for them.

    Customers whom the relaxation splits get a place each, then single changes and swaps mend what that cost. When it
    is not close enough, arcs whose reduced cost exceeds the distance to the bound cannot be in a better solution; the
    rest is searched whole.
    """
    case = model.case
    if not model.free:
        return model.places([]), relaxed.bound

    def value(places: list[int | None]) -> tuple[float, float]:
        cost = cost_of(case, places)
        return model.objective_of(cost.wants, cost.points), float(cost.points - cost.floor)

    bound = relaxed.bound
    places = model.places(model.improved(model.whole(relaxed), relaxed))
    worst, excess = value(places)
    accuracy = TOLERANCE * max(1.0, abs(bound))
    asked = float(case.limits.gap_rate) * excess
    if worst - bound > max(accuracy, asked):
        close = relaxed.reduced_costs <= worst - bound + accuracy
        if close.sum() <= MOST_SEARCHED:
            chosen, proven = model.solve_whole(close, max(asked, accuracy) / max(1.0, abs(worst)))
            if chosen and value(model.places(chosen))[0] < worst:
                places = model.places(chosen)
                worst, _ = value(places)
            bound = max(bound, min(proven, worst))
    return places, bound
