"""One day's decision on the books by plain loops, written from the rules and not from the models.

A9-06 choice and no forced move, A9-07 referral, A9-08 first maintainer, A9-10 one A by role and load, A9-18 nobody
maintains a colleague's household, A9-19 signed agreement, A9-20 and G13 B acts and a new owner is due, G3 and G7 queues
of the tier, G11 thirty days to choose, G12 owners keep who falls, G35 compliance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta


@dataclass(frozen=True)
class Rules:
    """What the policy sets. ``queue_roles``: reason -> role that works the queue, None for the tier's own."""

    go_live: date
    choice_days: int
    reassignment_days: int
    leave_days: int
    backup_preference: dict[str, int]
    queue_roles: dict[str, str | None]


@dataclass(frozen=True)
class Customer:
    """``units``: of his home outlet, nearest first. ``exclusion``: why nobody may maintain him in person."""

    customer_id: str
    tier_rank: int
    branch_id: str
    units: tuple[str, ...]
    role: str
    is_queue_role: bool
    is_above_age: bool
    exclusion: str | None


@dataclass(frozen=True)
class Employee:
    employee_id: str
    branch_id: str
    unit: str
    role: str
    status: str
    has_nda: bool
    capacity: int

    @property
    def may_be_given_customers(self) -> bool:
        return self.status == "active" and self.has_nda and self.capacity > 0


@dataclass(frozen=True)
class Choice:
    """A choice (by the customer) or a referral (by ``order``: its day and id)."""

    customer_id: str
    employee_id: str
    order: tuple[date, str]
    is_new: bool


@dataclass(frozen=True)
class Move:
    """Of the allocation or an accepted proposal, an input of record: from the owner it was made for, None for none."""

    customer_id: str
    from_employee_id: str | None
    employee_id: str
    reason: str


@dataclass(frozen=True)
class Day:
    """What is known at the close of a day. ``moves``: those that take effect on it."""

    day: date
    customers: dict[str, Customer]
    employees: dict[str, Employee]
    acting_branches: dict[str, str]
    successors: dict[str, str]
    choices: Sequence[Choice]
    referrals: Sequence[Choice]
    moves: Sequence[Move] = ()


@dataclass(frozen=True)
class First:
    """The first maintainer of this spell in scope, and when and why he lost the customer."""

    employee_id: str | None = None
    lost_date: date | None = None
    lost_reason: str | None = None

    def after(self, day: date, owner: str | None, reason: str) -> First:
        first = self if self.employee_id else First(owner)
        if first.employee_id and first.lost_date is None and first.employee_id != owner:
            return replace(first, lost_date=day, lost_reason=reason)
        return first


@dataclass(frozen=True)
class Owned:
    """Slot a."""

    employee_id: str
    branch_id: str
    reason: str
    since: date
    first: First
    tier_rank: int
    choice_due: date | None = None
    reassignment_due: date | None = None


@dataclass(frozen=True)
class Queued:
    reason: str
    role: str
    since: date
    first: First
    reassignment_due: date | None = None


@dataclass(frozen=True)
class Backed:
    """Slot b."""

    employee_id: str
    branch_id: str
    reason: str
    since: date
    is_acting: bool = False


@dataclass
class Books:
    owners: dict[str, Owned] = field(default_factory=dict)
    queue: dict[str, Queued] = field(default_factory=dict)
    backups: dict[str, Backed] = field(default_factory=dict)


def inherited(before: Books, day: Day) -> Books:
    """Yesterday's books under today's names: a merged customer's are his successor's, who prefers his own."""
    books = Books()

    def holders(customer_id: str, held: dict[str, Owned] | dict[str, Backed]) -> str | None:
        names = [c for c in held if c == customer_id or day.successors.get(c) == customer_id]
        return min(names, default=None, key=lambda c: (c != customer_id, held[c].since, held[c].employee_id))

    for customer_id in day.customers:
        owner = holders(customer_id, before.owners)
        if owner is not None:
            kept = before.owners[owner]
            reason = kept.reason if owner == customer_id else "merged_customer"
            place = day.acting_branches.get(kept.branch_id, kept.branch_id)
            books.owners[customer_id] = replace(kept, reason=reason, branch_id=place)
        backup = holders(customer_id, before.backups)
        if backup is not None:
            kept_b = before.backups[backup]
            reason = kept_b.reason if backup == customer_id else "merged_customer"
            place = day.acting_branches.get(kept_b.branch_id, kept_b.branch_id)
            books.backups[customer_id] = replace(kept_b, reason=reason, branch_id=place)
        waiting = [c for c in before.queue if c == customer_id or day.successors.get(c) == customer_id]
        if waiting:
            nearest = min(waiting, key=lambda c: (c != customer_id, before.queue[c].since, c))
            reason = before.queue[nearest].reason if nearest == customer_id else "merged_customer"
            books.queue[customer_id] = replace(before.queue[nearest], reason=reason)
    return books


def lost_reason(owned: Owned, employee: Employee | None, today: date) -> str | None:
    if employee is None or employee.status == "left":
        return "owner_left"
    if not employee.has_nda:
        return "nda_missing"
    if employee.capacity <= 0 or employee.branch_id != owned.branch_id:
        return "owner_moved"
    is_due = owned.reassignment_due is not None and owned.reassignment_due <= today
    return "owner_on_leave" if employee.status == "on_leave" and is_due else None


def decide(day: Day, before: Books, rules: Rules) -> Books:
    """Today's books."""
    today = day.day
    old = inherited(before, day)
    able = {e: who for e, who in day.employees.items() if who.may_be_given_customers}
    open_customers = {c: who for c, who in day.customers.items() if who.exclusion is None}

    lost: dict[str, str] = {}
    for customer_id in open_customers.keys() & old.owners.keys():
        owned = old.owners[customer_id]
        if reason := lost_reason(owned, day.employees.get(owned.employee_id), today):
            lost[customer_id] = reason
    standing = {c: old.owners[c] for c in open_customers if c in old.owners and c not in lost}
    acting = {
        c: b
        for c, b in old.backups.items()
        if c in open_customers and b.employee_id in able and able[b.employee_id].branch_id == b.branch_id
    }

    # Wishes: the customer's own before a move that was decided on, that before a referral; the last of each; from a
    # full book nothing is given. A move is void when its owner, its role or its unit is no longer the customer's.
    wishes: list[tuple[int, tuple[date, str], str, str, str]] = []
    for customer_id, customer in open_customers.items():
        made = [w for w in day.choices if day.successors.get(w.customer_id, w.customer_id) == customer_id]
        last = max(made, default=None, key=lambda w: w.order)
        if last is not None and any(w.is_new for w in made) and last.employee_id in able:
            wishes.append((1, last.order, customer_id, last.employee_id, "customer_choice"))
            continue
        held_by = standing[customer_id].employee_id if customer_id in standing else None
        moves = [
            move
            for move in day.moves
            if move.customer_id == customer_id
            and move.from_employee_id == held_by
            and move.employee_id in able
            and not customer.is_queue_role
            and able[move.employee_id].role == customer.role
            and able[move.employee_id].unit in customer.units
        ]
        if moves:
            wishes += [(2, (date.min, customer_id), customer_id, move.employee_id, move.reason) for move in moves]
        elif customer_id not in standing:
            sent = [
                w
                for w in day.referrals
                if w.is_new
                and w.employee_id in able
                and day.successors.get(w.customer_id, w.customer_id) == customer_id
            ]
            if sent:
                last = max(sent, key=lambda w: w.order)
                wishes.append((3, last.order, customer_id, last.employee_id, "referral"))
    moving = {customer_id for priority, _, customer_id, _, _ in wishes if priority == 2}
    load = Counter(owned.employee_id for customer_id, owned in standing.items() if customer_id not in moving)
    granted: dict[str, tuple[str, str]] = {}
    confirmed = set()
    for _, _, customer_id, employee_id, reason in sorted(wishes):
        if customer_id in standing and standing[customer_id].employee_id == employee_id:
            confirmed.add(customer_id)
        elif load[employee_id] < able[employee_id].capacity:
            load[employee_id] += 1
            granted[customer_id] = (employee_id, reason)

    books = Books()

    def give(customer_id: str, employee_id: str, reason: str) -> None:
        earlier = old.owners.get(customer_id) or old.queue.get(customer_id)
        first = (earlier.first if earlier else First()).after(today, employee_id, reason)
        branch_id = day.employees[employee_id].branch_id
        rank = day.customers[customer_id].tier_rank
        books.owners[customer_id] = Owned(employee_id, branch_id, reason, today, first, rank)

    for customer_id, owned in standing.items():
        if customer_id in granted:
            continue
        customer, employee = day.customers[customer_id], day.employees[owned.employee_id]
        reason, choice_due = owned.reason, owned.choice_due
        has_risen = customer.tier_rank > owned.tier_rank
        if customer_id in confirmed:
            reason = "customer_choice"
        elif has_risen:
            reason = "continuity_upgrade"
        elif customer.tier_rank < owned.tier_rank:
            reason = "continuity_downgrade"
        if customer_id in confirmed or employee.role == customer.role:
            choice_due = None
        elif has_risen:
            choice_due = today + timedelta(days=rules.choice_days)
        elif choice_due is not None and choice_due < today:
            choice_due = None
        leave_due = None
        if employee.status == "on_leave":
            leave_due = owned.reassignment_due or today + timedelta(days=rules.leave_days)
        first = owned.first.after(today, owned.employee_id, reason)
        books.owners[customer_id] = replace(
            owned,
            branch_id=employee.branch_id,
            reason=reason,
            first=first,
            tier_rank=customer.tier_rank,
            choice_due=choice_due,
            reassignment_due=leave_due,
        )
    for customer_id, (employee_id, reason) in granted.items():
        give(customer_id, employee_id, reason)

    # Whose owner is gone waits while B acts; without B, or after a long leave, nobody waits.
    due: dict[str, date] = {}
    why = dict(lost)
    ready = []
    for customer_id, customer in open_customers.items():
        if customer_id in books.owners:
            continue
        queued = old.queue.get(customer_id)
        if customer_id in lost:
            due[customer_id] = today + timedelta(days=rules.reassignment_days)
        elif queued is not None and queued.reassignment_due is not None:
            due[customer_id] = queued.reassignment_due
            why[customer_id] = queued.reason
        if customer.is_queue_role:
            continue
        is_waiting = customer_id in due and customer_id in acting and lost.get(customer_id) != "owner_on_leave"
        if not is_waiting or due[customer_id] <= today:
            ready.append(customer)

    # The one with most room for the next customer takes him; the home outlet's people before those above it.
    load = Counter(o.employee_id for o in books.owners.values())
    waiting = sorted(ready, key=lambda c: (-c.tier_rank, c.customer_id))
    for level in range(max((len(c.units) for c in waiting), default=0)):
        given: Counter[str] = Counter()
        for customer in waiting:
            if level >= len(customer.units):
                continue
            pool = [
                (((load[e] + given[e] + 1) * 1_000_000) // who.capacity, given[e], e)
                for e, who in able.items()
                if who.unit == customer.units[level] and who.role == customer.role and load[e] + given[e] < who.capacity
            ]
            if pool:
                chosen = min(pool)[2]
                given[chosen] += 1
                dealt = "new_in_scope" if level == 0 else "parent_branch"
                dealt = "allocation" if today == rules.go_live else dealt
                give(customer.customer_id, chosen, why.get(customer.customer_id, dealt))
        load.update(given)
        waiting = [c for c in waiting if c.customer_id not in books.owners]

    unserved = {c.customer_id for c in waiting}
    for customer_id, customer in day.customers.items():
        if customer_id in books.owners:
            continue
        worked_by: str | None = None
        until = None
        if customer.exclusion is not None:
            reason = customer.exclusion
        elif customer.is_queue_role:
            reason = "age_fallback" if customer.is_above_age else "special_entry"
        elif customer_id not in unserved:
            reason, worked_by, until = why[customer_id], rules.queue_roles["reassignment_due"], due[customer_id]
        else:
            is_role_there = any(e.unit in customer.units and e.role == customer.role for e in able.values())
            reason = "no_capacity" if is_role_there else "no_eligible_employee"
        earlier = old.queue.get(customer_id)
        owned_before = old.owners.get(customer_id)
        held_first = owned_before.first if owned_before else earlier.first if earlier else First()
        books.queue[customer_id] = Queued(
            reason=reason,
            role=worked_by or rules.queue_roles[reason] or customer.role,
            since=earlier.since if earlier and earlier.reason == reason else today,
            first=held_first.after(today, None, reason) if held_first.employee_id else held_first,
            reassignment_due=until,
        )

    set_backups(day, old, acting, books, able, rules)
    return books


def set_backups(
    day: Day, old: Books, acting: dict[str, Backed], books: Books, able: dict[str, Employee], rules: Rules
) -> None:
    """B stays; who has none gets the nearest of the role named first, those of an outlet in turn."""
    load: Counter[str] = Counter()
    bare: dict[str, list[str]] = defaultdict(list)
    for customer_id in sorted(day.customers):
        owned = books.owners.get(customer_id)
        queued = books.queue.get(customer_id)
        if owned is None and (queued is None or queued.reassignment_due is None):
            continue
        backup = acting.get(customer_id)
        if backup is not None and (owned is None or owned.employee_id != backup.employee_id):
            stands_in = owned is None or owned.reassignment_due is not None
            books.backups[customer_id] = replace(backup, is_acting=stands_in)
            load[backup.employee_id] += 1
        elif owned is not None:
            bare[day.customers[customer_id].branch_id].append(customer_id)
    for customer_ids in bare.values():
        for turn, customer_id in enumerate(customer_ids):
            customer, owned = day.customers[customer_id], books.owners[customer_id]
            ranked: dict[tuple[int, int], list[tuple[int, str]]] = defaultdict(list)
            for e, who in able.items():
                if e != owned.employee_id and who.unit in customer.units and who.role in rules.backup_preference:
                    nearness = (customer.units.index(who.unit), rules.backup_preference[who.role])
                    ranked[nearness].append((load[e], e))
            if ranked:
                nearest = sorted(ranked[min(ranked)])
                chosen = nearest[turn % len(nearest)][1]
                reason = "backup_replaced" if customer_id in old.backups else "backup"
                books.backups[customer_id] = Backed(
                    chosen, able[chosen].branch_id, reason, day.day, owned.reassignment_due is not None
                )
