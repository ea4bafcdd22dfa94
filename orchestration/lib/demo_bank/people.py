"""Branches, customers, employees, households and who maintains whom, drawn once for a year ahead.

Everything carries the days on which it holds, so that a day's delivery is a filter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from orchestration.lib.demo_bank import reference as ref
from orchestration.lib.demo_bank.columns import (
    NEVER,
    Bools,
    Floats,
    Ints,
    coded,
    joined,
    numbered,
    random_stream,
)

CUTS_CNY = (50_000, 100_000, 200_000, 2_000_000)
CUSTOMERS_PER_OUTLET = 700
HEAD_OFFICE, PROVINCE, CITY, SUB_BRANCH, OUTLET, WEALTH_CENTRE = range(6)
BRANCH_LEVELS = ("head_office", "province", "city", "sub_branch", "outlet", "wealth_centre")


@dataclass
class Branches:
    ids: pa.Array
    names: pa.Array
    level: Ints
    parent: Ints  # row of the parent, -1 for the head office
    opened: Ints
    closed: Ints
    successor: Ints  # row, -1 for none; holds from ``closed`` on
    outlets: Ints  # rows of the outlets
    city_of: Ints  # per branch: row of its city (head office and province: the first city)
    centre_of_city: dict[int, int]


def draw_branches(seed: int, customers: int, start: int) -> Branches:
    """Head office > province > cities > sub-branches > outlets, a wealth centre per city.

    One outlet closes 26 days after ``start``; its neighbour under the same sub-branch follows it.
    """
    rng = random_stream(seed, "branches")
    outlet_count = max(4, round(customers / CUSTOMERS_PER_OUTLET))
    sub_count = max(2, round(outlet_count / 5))
    city_count = max(1, round(sub_count / 3))
    level: list[int] = [HEAD_OFFICE, PROVINCE]
    parent: list[int] = [-1, 0]
    city_of: list[int] = [2, 2]
    cities = [2 + n for n in range(city_count)]
    level += [CITY] * city_count
    parent += [1] * city_count
    city_of += cities
    centre_of_city = {}
    for city in cities:
        centre_of_city[city] = len(level)
        level.append(WEALTH_CENTRE)
        parent.append(city)
        city_of.append(city)
    subs = []
    for n in range(sub_count):
        subs.append(len(level))
        level.append(SUB_BRANCH)
        parent.append(cities[n % city_count])
        city_of.append(cities[n % city_count])
    outlets = []
    for n in range(outlet_count):
        outlets.append(len(level))
        level.append(OUTLET)
        parent.append(subs[n % sub_count])
        city_of.append(city_of[subs[n % sub_count]])
    size = len(level)
    first, second = rng.integers(0, len(ref.PLACES), (2, size))
    suffix = ("总行", "省分行", "市分行", "支行", "分理处", "财富中心")
    names = joined(coded(first, ref.PLACES), coded(second, ref.PLACES), coded(np.array(level), suffix))
    opened = start - rng.integers(3_000, 12_000, size)
    closed = np.full(size, NEVER)
    successor = np.full(size, -1)
    leaving = outlets[-1]
    siblings = [row for row in outlets[:-1] if parent[row] == parent[leaving]]
    closed[leaving] = start + 26
    successor[leaving] = siblings[0] if siblings else outlets[0]
    return Branches(
        ids=numbered("", np.arange(size) + 1, 4),
        names=names,
        level=np.array(level),
        parent=np.array(parent),
        opened=opened,
        closed=closed,
        successor=successor,
        outlets=np.array(outlets),
        city_of=np.array(city_of),
        centre_of_city=centre_of_city,
    )


@dataclass
class Customers:
    """One entry per customer; ``joined`` is the first day on which the bank delivers it."""

    size: int
    ids: pa.Array
    name: pa.Array
    sex: Ints
    born: Ints
    id_number: pa.Array
    mobile: pa.Array
    moved_mobile: pa.Array
    address: pa.Array
    occupation: Ints
    education: Ints
    income_fen: Ints
    interests: Ints
    appetite: Ints
    branch: Ints
    opened: Ints
    joined: Ints
    closed: Ints
    deceased: Ints
    changed: Ints  # day on which the mobile number changes
    is_employee: Bools
    wealth: Floats  # CNY that the customer tends to hold
    cut: Ints  # planted on a cut: index into CUTS_CNY, else -1
    under_cut: Bools  # one fen below that cut
    salary_fen: Ints
    payday: Ints
    salary_stops: Ints  # first day without a salary
    churn_from: Ints
    rise_on: Ints
    is_parker: Bools  # brings money in over month ends
    twin_of: Ints  # duplicate registration of another customer, -1
    merged_on: Ints  # NEVER unless merged into twin_of
    is_planted: Bools

    def present(self, day: int) -> Bools:
        return self.joined <= day


def draw_customers(seed: int, count: int, branches: Branches, start: int, horizon: int) -> Customers:
    """``count`` customers at ``start`` and those that join in the ``horizon`` days after it."""
    rng = random_stream(seed, "customers")
    arriving = round(count * 0.0002 * horizon)
    size = count + arriving
    # Lognormal with 22 % above 50,000 CNY; the richest 2 % then hold about 60 % of the money.
    wealth = np.minimum(7_800.0 * np.exp(2.4 * rng.standard_normal(size)), 3e8)
    age_years = np.clip(rng.normal(46, 16, size), 18, 94)
    born = (start - age_years * 365.25 - rng.integers(0, 300, size)).astype(np.int32)
    joined_on = np.full(size, start, np.int32)
    joined_on[count:] = np.sort(start + 1 + rng.integers(0, horizon, arriving))
    opened = joined_on.copy()
    adult_days = np.maximum(joined_on - born - 16 * 365, 200)
    opened[:count] = start - 100 - (rng.random(count) ** 1.5 * adult_days[:count] * 0.9)
    outlet_weight = rng.lognormal(0, 0.35, len(branches.outlets))
    outlet_weight[-1] *= 0.5  # the outlet that closes is a small one
    branch = branches.outlets[rng.choice(len(branches.outlets), size, p=outlet_weight / outlet_weight.sum())]
    closing = branches.closed[branch]
    branch = np.where(closing <= joined_on, branches.successor[branch], branch)
    has_salary = (rng.random(size) < 0.45) & (age_years < 60)
    salary = np.where(has_salary, 100 * rng.lognormal(8.7, 0.5, size) * (wealth / 8_500) ** 0.08, 0).astype(np.int64)
    income = np.where(rng.random(size) < 0.2, -1, np.round(rng.lognormal(11.3, 0.6, size), -2) * 100)

    closed = np.full(size, NEVER)
    leaving = rng.random(size) < 0.02
    closed[leaving] = joined_on[leaving] + 5 + rng.integers(0, horizon, leaving.sum())
    deceased = np.full(size, NEVER)
    dying = (rng.random(size) < np.where(age_years > 70, 0.03, 0.003)) & ~leaving
    deceased[dying] = joined_on[dying] + 5 + rng.integers(0, horizon, dying.sum())
    changed = np.full(size, NEVER)
    moving = rng.random(size) < 0.06
    changed[moving] = joined_on[moving] + 1 + rng.integers(0, horizon, moving.sum())

    sex = rng.choice(3, size, p=[0.49, 0.505, 0.005])
    surname = rng.integers(0, len(ref.SURNAMES), size)
    given = [rng.integers(0, len(ref.GIVEN), size) for _ in range(2)]
    given[1][rng.random(size) < 0.25] = -1
    name = joined(
        coded(surname, ref.SURNAMES),
        coded(given[0], ref.GIVEN),
        coded(given[1], ref.GIVEN).fill_null(""),
    )
    birth_text = pa.array(born, pa.int32()).cast(pa.date32()).cast(pa.string())
    birth_digits = pa.compute.replace_substring(birth_text, "-", "")
    # Area 9901 and prefix 100 are not given out: no number can be a living person's.
    id_number = joined(
        "9901",
        numbered("", rng.integers(0, 100, size), 2),
        birth_digits,
        numbered("", rng.integers(0, 10_000, size), 4),
    )
    mobile = numbered("100", rng.integers(0, 10**8, size), 8)
    moved_mobile = numbered("100", rng.integers(0, 10**8, size), 8)
    unreachable = rng.random(size)
    mobile = pa.compute.if_else(pa.array(unreachable < 0.03), None, mobile)
    address = joined(
        coded(rng.integers(0, len(ref.PLACES), size), ref.PLACES),
        coded(rng.integers(0, len(ref.PLACES), size), ref.PLACES),
        "路",
        pa.array(rng.integers(1, 900, size)).cast(pa.string()),
        "号",
    )
    # Half of those without a number have no address either: nobody can write to them.
    address = pa.compute.if_else(pa.array((rng.random(size) < 0.08) | (unreachable < 0.015)), None, address)

    customers = Customers(
        size=size,
        ids=numbered("", np.arange(size) + 1, 7),
        name=name,
        sex=sex,
        born=np.where(rng.random(size) < 0.01, NEVER, born),
        id_number=id_number,
        mobile=mobile,
        moved_mobile=moved_mobile,
        address=address,
        occupation=_with_gaps(rng, len(ref.OCCUPATIONS), size, 0.12),
        education=_with_gaps(rng, len(ref.EDUCATIONS), size, 0.2),
        income_fen=income.astype(np.int64),
        interests=_with_gaps(rng, len(ref.INTERESTS), size, 0.55),
        appetite=_with_gaps(rng, 5, size, 0.3),
        branch=branch,
        opened=opened,
        joined=joined_on,
        closed=closed,
        deceased=deceased,
        changed=changed,
        is_employee=rng.random(size) < 0.003,
        wealth=wealth,
        cut=np.full(size, -1),
        under_cut=np.zeros(size, np.bool_),
        salary_fen=salary,
        payday=rng.choice([5, 10, 15, 25], size),
        salary_stops=np.full(size, NEVER),
        churn_from=np.full(size, NEVER),
        rise_on=np.full(size, NEVER),
        is_parker=np.zeros(size, np.bool_),
        twin_of=np.full(size, -1),
        merged_on=np.full(size, NEVER),
        is_planted=np.zeros(size, np.bool_),
    )
    _plant(seed, customers, count, start, horizon)
    return customers


def _with_gaps(rng: np.random.Generator, values: int, size: int, empty_rate: float) -> Ints:
    return np.where(rng.random(size) < empty_rate, -1, rng.integers(0, values, size))


def _plant(seed: int, customers: Customers, count: int, start: int, horizon: int) -> None:
    """Plant what the truth folder tells of; each customer is planted for one thing at most."""
    rng = random_stream(seed, "planted")
    old = customers.opened[:count] < start - 500
    order = rng.permutation(np.flatnonzero(old))
    free = order[(customers.closed[order] == NEVER) & (customers.deceased[order] == NEVER)]

    def take(candidates: Ints, wanted: int) -> Ints:
        chosen = candidates[~customers.is_planted[candidates]][:wanted]
        customers.is_planted[chosen] = True
        return chosen

    per_cut = max(1, round(count * 0.0005))
    for cut in range(len(CUTS_CNY)):
        for under in (False, True):
            chosen = take(free, per_cut)
            customers.cut[chosen] = cut
            customers.under_cut[chosen] = under
            customers.wealth[chosen] = CUTS_CNY[cut]
    wealthy = free[customers.wealth[free] > 60_000]
    chosen = take(wealthy, max(2, round(count * 0.003)))
    customers.churn_from[chosen] = start + 10 + _spread(len(chosen), horizon - 60)
    middling = free[(customers.wealth[free] > 20_000) & (customers.wealth[free] < 200_000)]
    chosen = take(middling, max(2, round(count * 0.002)))
    customers.rise_on[chosen] = start + 12 + _spread(len(chosen), horizon - 60)
    chosen = take(free[customers.wealth[free] > 15_000], max(2, round(count * 0.004)))
    customers.is_parker[chosen] = True

    twins = max(4, round(count * 0.001) * 2)
    chosen = take(free, 2 * twins)
    kept, again = chosen[: len(chosen) // 2], chosen[len(chosen) // 2 :]
    customers.twin_of[again] = kept
    for field in ("name", "id_number", "mobile"):
        values = getattr(customers, field)
        source = np.arange(customers.size)
        source[again] = kept
        setattr(customers, field, values.take(pa.array(source)))
    for values in (customers.born, customers.sex, customers.branch):
        values[again] = values[kept]
    merging = again[: max(2, len(again) // 2)]
    customers.merged_on[merging] = start + 9 + 13 * np.arange(len(merging)) % (horizon - 20)
    customers.closed[merging] = customers.merged_on[merging]

    earning = free[(customers.salary_fen[free] > 0) & (customers.wealth[free] > 50_000)]
    # A risk flag may come on top of this: it says nothing of the money.
    chosen = earning[~customers.is_planted[earning]][: max(2, round(count * 0.002))]
    customers.salary_stops[chosen] = start + 32 + np.arange(len(chosen)) * (horizon - 60) // max(len(chosen), 1)


def _spread(number: int, days: int) -> Ints:
    """Day offsets from 0 on, denser early: short periods see some of what is planted too."""
    return (days * (np.arange(number) / max(number, 1)) ** 1.5).astype(np.int64)


@dataclass
class Employees:
    ids: pa.Array
    name: pa.Array
    role: Ints
    branch: Ints
    moved_branch: Ints
    moved_on: Ints
    hired: Ints
    left: Ints
    leave_from: Ints
    leave_to: Ints
    nda: Ints
    capacity: Ints

    def branch_on(self, day: int) -> Ints:
        return np.where(self.moved_on <= day, self.moved_branch, self.branch)

    def working(self, day: int) -> Bools:
        """Hired, not gone and not on leave."""
        on_leave = (self.leave_from <= day) & (day < self.leave_to)
        return (self.hired <= day) & (day < self.left) & ~on_leave


_OUTLET_STAFF = [ref.OUTLET_HEAD] + [ref.LOBBY_MANAGER] + [ref.WEALTH_MANAGER] * 2 + [ref.TELLER] * 4


def draw_employees(seed: int, branches: Branches, start: int, horizon: int) -> Employees:
    """Staff of every outlet, wealth centre and city, with the year's joins, leaves and moves."""
    rng = random_stream(seed, "employees")
    roles: list[str] = []
    places: list[int] = []
    for row, level in enumerate(branches.level):
        staff: list[str] = []
        if level == OUTLET:
            staff = _OUTLET_STAFF
        elif level == WEALTH_CENTRE:
            staff = [ref.PRIVATE_WEALTH_MANAGER] * 4 + [ref.WEALTH_MANAGER] * 2
        elif level == CITY:
            staff = [ref.BRANCH_PRESIDENT, ref.PRODUCT_MANAGER, ref.PRODUCT_MANAGER]
        roles += staff
        places += [row] * len(staff)
    base = len(roles)
    joiners = max(2, round(base * 0.08))
    copied = rng.integers(0, base, joiners)
    role = np.array([ref.ROLES.index(name) for name in roles])
    role = np.concatenate([role, role[copied]])
    branch = np.array(places)
    branch = np.concatenate([branch, branch[copied]])
    size = base + joiners
    hired = start - rng.integers(200, 9_000, size)
    hired[base:] = start + 3 + rng.integers(0, horizon, joiners)
    branch = np.where(branches.closed[branch] <= hired, branches.successor[branch], branch)
    left = np.full(size, NEVER)
    is_clerk = np.isin(role, [ref.ROLES.index(name) for name in (ref.TELLER, ref.WEALTH_MANAGER)])
    leavers = rng.permutation(np.flatnonzero(is_clerk[:base]))
    share = max(2, round(base * 0.08))
    left[leavers[:share]] = start + 12 + np.sort(rng.integers(0, horizon, share))
    left[leavers[0]] = start + 20
    movers = leavers[share : 2 * share]
    moved_on = np.full(size, NEVER)
    moved_branch = branch.copy()
    moved_on[movers] = start + 12 + rng.integers(0, horizon, len(movers))
    moved_on[movers[0]] = start + 24
    moved_branch[movers] = rng.choice(branches.outlets[:-1], len(movers))
    # Staff of the closed outlet go to its successor that day.
    closing = (branches.closed[branch] != NEVER) & (left == NEVER) & (moved_on == NEVER)
    moved_on[closing] = branches.closed[branch[closing]]
    moved_branch[closing] = branches.successor[branch[closing]]
    leave_from = np.full(size, NEVER)
    leave_to = np.full(size, NEVER)
    resting = leavers[2 * share : 2 * share + max(1, share // 2)]
    leave_from[resting] = start + 5 + rng.integers(0, horizon - 60, len(resting))
    leave_to[resting] = leave_from[resting] + 45
    nda = hired + rng.integers(0, 40, size)
    nda[rng.random(size) < 0.03] = NEVER
    capacity = np.where(rng.random(size) < 0.1, rng.integers(8, 50, size) * 10, -1)
    surname, first = (rng.integers(0, len(ref.SURNAMES), size) for _ in range(2))
    return Employees(
        ids=numbered("e", np.arange(size) + 1, 6),
        name=joined(coded(surname, ref.SURNAMES), coded(first, ref.GIVEN)),
        role=role,
        branch=branch,
        moved_branch=moved_branch,
        moved_on=moved_on,
        hired=hired,
        left=left,
        leave_from=leave_from,
        leave_to=leave_to,
        nda=nda,
        capacity=capacity,
    )


class Households(NamedTuple):
    household: Ints
    customer: Ints
    is_head: Bools
    consent: Ints
    valid_from: Ints
    valid_to: Ints


def draw_households(seed: int, customers: Customers, count: int, start: int, horizon: int) -> Households:
    """A quarter of the customers live in households of 2 to 4; a few join or part in the year."""
    rng = random_stream(seed, "households")
    usable = (customers.twin_of[:count] < 0) & (customers.cut[:count] < 0)
    members = rng.permutation(np.flatnonzero(usable))[: count // 4]
    # People of one outlet live together: sort by outlet, keep the shuffled order within it.
    members = members[np.argsort(customers.branch[members], kind="stable")]
    starts_new = np.zeros(len(members), np.bool_)
    sizes = rng.choice([2, 3, 4], len(members), p=[0.55, 0.33, 0.12])
    heads = np.cumsum(sizes)
    starts_new[0] = True
    starts_new[heads[heads < len(members)]] = True
    household = np.cumsum(starts_new) - 1
    homes = int(household[-1]) + 1
    formed = start - rng.integers(60, 3_000, homes)
    late = rng.random(homes) < 0.04
    formed[late] = start + 5 + rng.integers(0, horizon, late.sum())
    consent = formed[household] + rng.integers(0, 30, len(members))
    consent[rng.random(len(members)) < 0.12] = NEVER
    parted = np.full(len(members), NEVER)
    parting = (rng.random(len(members)) < 0.02) & ~starts_new
    parted[parting] = np.maximum(formed[household][parting], start) + 20 + rng.integers(0, horizon, parting.sum())
    return Households(household, members, starts_new, consent, formed[household], parted)


@dataclass
class Maintenance:
    """Who maintains whom in the old CRM: rows of Employees per customer, -1 for nobody."""

    a: Ints
    b: Ints
    initial: Ints
    since: Ints


def band_role(wealth: Floats) -> Ints:
    """The role that maintains a customer of this wealth (index into ROLES), -1 below 50,000."""
    role = np.full(len(wealth), -1)
    for floor, name in (
        (50_000, ref.TELLER),
        (100_000, ref.LOBBY_MANAGER),
        (200_000, ref.WEALTH_MANAGER),
        (2_000_000, ref.PRIVATE_WEALTH_MANAGER),
    ):
        role[wealth >= floor] = ref.ROLES.index(name)
    return role


def assign(
    rng: np.random.Generator,
    customers: Ints,
    roles: Ints,
    home: Ints,
    employees: Employees,
    branches: Branches,
    day: int,
) -> Ints:
    """Pick for each customer a working employee of its role at its outlet (or city's centre).

    Falls back to any working employee of the outlet, then of the bank.
    """
    picked = np.full(len(customers), -1)
    working = employees.working(day)
    place = employees.branch_on(day)
    private = ref.ROLES.index(ref.PRIVATE_WEALTH_MANAGER)
    centre = np.array([branches.centre_of_city.get(int(city), -1) for city in branches.city_of], np.int64)
    wanted_place = np.where(roles == private, centre[home], home)
    size = len(branches.level)
    keys = (
        (place * len(ref.ROLES) + employees.role, wanted_place * len(ref.ROLES) + roles),
        (place, wanted_place),
        (place, home),
        (np.zeros_like(place), np.zeros_like(home)),
    )
    for have, want in keys:
        pool = np.flatnonzero(working)
        pool = pool[np.argsort(have[pool], kind="stable")]
        groups = size * len(ref.ROLES)
        counts = np.bincount(have[pool], minlength=groups)
        first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        open_rows = np.flatnonzero((picked < 0) & (counts[np.minimum(want, groups - 1)] > 0))
        group = want[open_rows]
        offset = (rng.random(len(open_rows)) * counts[group]).astype(np.int64)
        picked[open_rows] = pool[first[group] + offset]
    return picked


def draw_maintenance(
    seed: int, customers: Customers, employees: Employees, branches: Branches, start: int
) -> Maintenance:
    rng = random_stream(seed, "maintenance")
    roles = band_role(customers.wealth)
    chosen = np.flatnonzero((roles >= 0) & customers.present(start))
    a = np.full(customers.size, -1)
    b = np.full(customers.size, -1)
    home = customers.branch[chosen]
    a[chosen] = assign(rng, chosen, roles[chosen], home, employees, branches, start)
    head = np.full(len(chosen), ref.ROLES.index(ref.OUTLET_HEAD))
    b[chosen] = assign(rng, chosen, head, home, employees, branches, start)
    since = np.full(customers.size, NEVER)
    since[chosen] = np.maximum(customers.opened[chosen] + 30, start - rng.integers(30, 900, len(chosen)))
    since[chosen] = np.minimum(since[chosen], start - 1)
    return Maintenance(a=a, b=b, initial=a.copy(), since=since)
