"""Staff who dress up the end of a quarter: what integrity flags are there to show, each planted with its truth.

It begins with the last month of the first quarter whose first day is no earlier than the books' going live; a bank
that ends before is the same without it. Every draw is from a stream of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pyarrow as pa

from orchestration.lib.demo_bank import reference as ref
from orchestration.lib.demo_bank.columns import (
    NEVER,
    Bools,
    Ints,
    as_date,
    coded,
    dates,
    day,
    money,
    numbered,
    random_stream,
    stamps,
    sums_by,
)
from orchestration.lib.demo_bank.people import CUTS_CNY
from orchestration.lib.demo_bank.portfolio import LIVE, product
from orchestration.lib.demo_bank.simulate import TRANSFER, Bank

_STAFF_PER_CUSTOMER = 1 / 4_000
_LEAST_STAFF = 2
_PARKED_EACH, _KEPT_EACH, _UNUSED_EACH, _HANDED_EACH, _LOGGED_EACH = 6, 12, 5, 5, 15
_FAMILIES_PER_CUSTOMER = 0.003
_PARKED_FEN = 10_000_000
_LEAST_SHIFTED_FEN = 6_000_000
_SHIFTED_BEFORE, _RETURNED_AFTER = 3, 9


@dataclass
class Truth:
    """What was done: rows of customers, employees and days; amounts in fen."""

    parked: list[tuple[int, int, int, int, int]] = field(default_factory=list)  # customer, employee, in, out, fen
    kept: list[tuple[int, int, int, int, int]] = field(default_factory=list)  # customer, employee, cut, from, through
    unused: list[tuple[int, int, int, int]] = field(default_factory=list)  # number, customer, employee, opened
    shifted: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)  # to, from, employee, 2 days, fen
    handed: list[tuple[int, int, int, int]] = field(default_factory=list)  # customer, from, to, day
    logged: list[tuple[int, int, int, int]] = field(default_factory=list)  # customer, employee, day, second


class Gaming:
    """Moves money after the day's own postings, and adds rows to deliveries."""

    def __init__(self, bank: Bank, go_live: date) -> None:
        self.bank, self.go_live = bank, day(go_live)
        self.done = Truth()
        self._due = Truth()
        self._goals: list[tuple[int, int, int]] = []  # customer, fen, last day

    # -- one day ---------------------------------------------------------------------------

    def advance(self, today: int) -> None:
        """Plan on the first day of a quarter's last month; do what is due today."""
        calendar_day = as_date(today)
        if calendar_day.day == 1 and calendar_day.month % 3 == 0:
            start = calendar_day.replace(month=calendar_day.month - 2)
            if day(start) >= self.go_live:
                self._plan(today)
        self._park(today)
        self._keep_above_cuts(today)
        self._shift(today)
        self.done.unused += [row for row in self._due.unused if row[3] == today]
        self.done.handed += [row for row in self._due.handed if row[3] == today]
        self.done.logged += [row for row in self._due.logged if row[2] == today]

    def _park(self, today: int) -> None:
        for row in self._due.parked:
            customer, _, brought, taken, fen = row
            if brought == today and self._is_usable(customer):
                self._post(customer, fen)
                self.done.parked.append(row)
            elif taken == today and row in self.done.parked:
                self._post(customer, -min(fen, max(int(self.bank.deposits.balance[customer]), 0)))

    def _keep_above_cuts(self, today: int) -> None:
        goals = [goal for goal in self._goals if today <= goal[2] and self._is_usable(goal[0])]
        if goals:
            assets = self._assets()
            for customer, fen, _ in goals:
                balance = int(self.bank.deposits.balance[customer])
                self._post(customer, max(fen - int(assets[customer]), -balance))

    def _shift(self, today: int) -> None:
        for to, giver, employee, moved, returned, _ in self._due.shifted:
            if moved == today and self._is_usable(to) and self._is_usable(giver):
                fen = int(self.bank.deposits.balance[giver]) * 8 // 10 // 100_000 * 100_000
                if fen >= _LEAST_SHIFTED_FEN:
                    self._post(giver, -fen)
                    self._post(to, fen)
                    self.done.shifted.append((to, giver, employee, moved, returned, fen))
        for to, giver, _, _, returned, fen in self.done.shifted:
            if returned == today:
                back = min(fen, max(int(self.bank.deposits.balance[to]), 0))
                self._post(to, -back)
                self._post(giver, back)

    def _assets(self) -> Ints:
        """Fen of each customer's own deposits and bank products."""
        deposits, holdings, size = self.bank.deposits, self.bank.holdings, self.bank.customers.size
        money_in = sums_by(deposits.owner, self.bank.to_cny(deposits.balance, deposits.currency), size)
        rows = np.flatnonzero(holdings.life == LIVE)
        worth = self.bank.to_cny(self.bank.holding_values(rows), holdings.currency[rows])
        return money_in + sums_by(holdings.owner[rows], worth, size)

    def _post(self, account: int, fen: int) -> None:
        self.bank.post(np.array([account]), np.array([fen], np.int64), TRANSFER)

    def _is_usable(self, account: int) -> bool:
        return bool(self._usable()[account])

    def _usable(self) -> Bools:
        """Per customer: the main account can be paid into and out of."""
        size = self.bank.customers.size
        return self.bank._usable(np.arange(size)) & ~self.bank.deposits.joint[:size]

    # -- once a quarter --------------------------------------------------------------------

    def _plan(self, today: int) -> None:
        bank, customers = self.bank, self.bank.customers
        rng = random_stream(bank.seed, "gaming", today)
        months_on = as_date(today + 31)
        last = day(months_on.replace(day=1)) - 1
        stays = (customers.joined <= today) & (customers.closed > last + 31) & (customers.deceased > last + 31)
        working = bank.employees.working(last)
        holder = np.where(bank.maintenance.a >= 0, bank.maintenance.a, 0)
        free = stays & ~customers.is_planted & (bank.maintenance.a >= 0) & working[holder]
        free &= self._usable() & (customers.wealth >= CUTS_CNY[0]) & (customers.churn_from > last + 31)
        taken = np.zeros(customers.size, np.bool_)
        numbers = max(_LEAST_STAFF, round(bank.count * _STAFF_PER_CUSTOMER))

        def cheats(candidates: Bools, each: int) -> list[tuple[int, Ints]]:
            """So many employees with most candidates, and some of the candidates of each."""
            rows = rng.permutation(np.flatnonzero(candidates & ~taken))
            counts = np.bincount(bank.maintenance.a[rows], minlength=len(working))
            able = rng.permutation(np.flatnonzero(counts >= max(each // 2, 4)))
            chosen = []
            for employee in able[:numbers]:
                mine = rows[bank.maintenance.a[rows] == employee][:each]
                taken[mine] = True
                chosen.append((int(employee), mine))
            return chosen

        for employee, cut, mine in self._bunchers(rng, free, numbers, taken):
            for customer in mine:
                fen = cut * 100 + int(rng.integers(5, 31)) * cut // 10
                self._goals.append((int(customer), fen, last))
                self.done.kept.append((int(customer), employee, cut, today, last))
        for employee, mine in cheats(free, _PARKED_EACH):
            for place, customer in enumerate(mine):
                fen = _PARKED_FEN + (int(rng.integers(0, 11)) * 1_000_000 if place else 0)
                self._due.parked.append((int(customer), employee, last, last + 1 + int(rng.integers(0, 5)), fen))
        for employee, mine in cheats(free, _UNUSED_EACH):
            for customer in mine:
                number = len(self._due.unused)
                self._due.unused.append((number, int(customer), employee, today + int(rng.integers(0, 20))))
        for employee, mine in cheats(free, _HANDED_EACH):
            branch = bank.employees.branch_on(last)
            is_near = working & (branch == branch[employee])
            is_near &= np.isin(np.arange(len(working)), np.unique(bank.maintenance.a[free]))
            is_near[employee] = False
            near = np.flatnonzero(is_near)
            if len(near):
                taker = int(rng.choice(near))
                for customer in mine:
                    self._due.handed.append((int(customer), employee, taker, last - int(rng.integers(1, 5))))
        for employee, mine in cheats(free, _LOGGED_EACH):
            logged = today + int(rng.integers(3, 25))
            begin = int(rng.integers(16 * 3600, 18 * 3600))
            self._due.logged += [
                (int(customer), employee, logged, begin + 12 * place) for place, customer in enumerate(mine)
            ]
        self._plan_families(rng, free & ~taken, last)

    def _bunchers(
        self, rng: np.random.Generator, free: Bools, numbers: int, taken: Bools
    ) -> list[tuple[int, int, Ints]]:
        """Employees with most customers whose main account alone can take them down to the cut below, and that cut."""
        bank = self.bank
        size = bank.customers.size
        mixed = np.zeros(size, np.bool_)
        mixed[bank.owners.customer] = True
        mixed[bank.custody.owner] = True
        assets = self._assets()
        band = np.searchsorted(np.array(CUTS_CNY) * 100, assets, side="right") - 1
        cut = np.array(CUTS_CNY)[np.maximum(band, 0)] * 100
        reachable = (band >= 0) & (assets - bank.deposits.balance[:size] < cut) & (assets < 3 * cut)
        simple = free & ~mixed & reachable
        group = np.where(simple, bank.maintenance.a * len(CUTS_CNY) + band, -1)
        groups, counts = np.unique(group[simple], return_counts=True)
        chosen = []
        for code in groups[np.argsort(-counts, kind="stable")][:numbers]:
            mine = rng.permutation(np.flatnonzero(group == code))[:_KEPT_EACH]
            taken[mine] = True
            chosen.append((int(code) // len(CUTS_CNY), CUTS_CNY[int(code) % len(CUTS_CNY)], mine))
        return chosen

    def _plan_families(self, rng: np.random.Generator, receives: Bools, last: int) -> None:
        bank, homes = self.bank, self.bank.households
        usable = self._usable() & ~bank.customers.is_planted
        here = (homes.valid_from <= last - 40) & (homes.valid_to > last + 40)
        rows = rng.permutation(np.flatnonzero(here))
        wanted = max(3, round(bank.count * _FAMILIES_PER_CUSTOMER))
        seen: set[int] = set()
        for row in rows:
            home, giver = int(homes.household[row]), int(homes.customer[row])
            rich = bank.deposits.balance[giver] * 8 // 10 >= _LEAST_SHIFTED_FEN * 12 // 10
            if home in seen or not usable[giver] or not rich:
                continue
            others = homes.customer[here & (homes.household == home)]
            others = others[(others != giver) & receives[others]]
            if len(others) and len(seen) < wanted:
                seen.add(home)
                to = int(others[0])
                employee = int(bank.maintenance.a[to])
                self._due.shifted.append((to, giver, employee, last - _SHIFTED_BEFORE, last + _RETURNED_AFTER, 0))

    # -- deliveries ------------------------------------------------------------------------

    def deposit_accounts(self) -> pa.Table | None:
        """Accounts that were opened and never used, to be delivered each day beside the others."""
        if not self.done.unused:
            return None
        number, customer, _, opened = np.array(self.done.unused, np.int64).T
        size = len(number)
        return pa.table(
            {
                "account_id": numbered("u", number + 1, 6),
                "customer_id": self._customer_ids(customer),
                "product_code": coded(np.full(size, product("d_dem")), ref.PRODUCT_CODES),
                "branch_id": self.bank.branches.ids.take(pa.array(self.bank.deposits.branch[customer])),
                "currency": coded(np.zeros(size, np.int64), ref.CURRENCIES),
                "balance": money(np.zeros(size, np.int64)),
                "term_months": pa.array(np.zeros(size, np.int64)),
                "opened_date": dates(opened),
                "maturity_date": dates(np.full(size, NEVER)),
                "status": coded(np.zeros(size, np.int64), ("open",)),
            }
        )

    def contacts(self, today: int) -> pa.Table | None:
        """Calls that were typed in at one sitting."""
        rows = [row for row in self._due.logged if row[2] == today]
        if not rows:
            return None
        customer, employee, logged, second = np.array(rows, np.int64).T
        none = np.zeros(len(rows), np.int64)
        return pa.table(
            {
                "contact_id": numbered(f"k{as_date(today):%y%m%d}", np.arange(len(rows)), 6),
                "customer_id": self._customer_ids(customer),
                "employee_id": self._employee_ids(employee),
                "contacted_at": stamps(logged, second),
                "channel": coded(none, ("call",)),
                "purpose": coded(none, ("routine",)),
                "outcome": coded(none, ("reached",)),
            }
        )

    def customer_choices(self, today: int) -> pa.Table | None:
        """Forms by which customers change hands shortly before the quarter ends."""
        rows = [row for row in self._due.handed if row[3] == today]
        if not rows:
            return None
        customer, _, taker, chosen = np.array(rows, np.int64).T
        return pa.table(
            {
                "choice_id": numbered(f"h{as_date(today):%y%m%d}", np.arange(len(rows)), 6),
                "customer_id": self._customer_ids(customer),
                "employee_id": self._employee_ids(taker),
                "chosen_date": dates(chosen),
                "evidence_ref": numbered("form-", customer, 7),
            }
        )

    # -- truth -----------------------------------------------------------------------------

    def truth(self) -> dict[str, tuple[str, pa.Table]]:
        """File name -> what it tells, and its rows."""

        def columns(rows: list[tuple[int, ...]], width: int) -> list[Ints]:
            return list(np.array(rows, np.int64).reshape(len(rows), width).T)

        parked = columns(list(self.done.parked), 5)
        kept = columns(list(self.done.kept), 5)
        unused = columns(list(self.done.unused), 4)
        shifted = columns(list(self.done.shifted), 6)
        handed = columns(list(self.done.handed), 4)
        logged = columns(list(self.done.logged), 4)
        unused_ids = numbered("u", unused[0] + 1, 6)
        return {
            "parked_at_quarter_ends": (
                "Money that staff bring in on the last day of a quarter and that is out again within five days.",
                self._table(
                    parked[0],
                    parked[1],
                    parked_date=dates(parked[2]),
                    withdrawn_date=dates(parked[3]),
                    amount_cny=money(parked[4]),
                ),
            ),
            "kept_above_cuts": (
                "Customers whose assets are kept just above a cut through the last month of a quarter.",
                self._table(
                    kept[0],
                    kept[1],
                    cut_cny=money(kept[2] * 100),
                    from_date=dates(kept[3]),
                    through_date=dates(kept[4]),
                ),
            ),
            "unused_accounts": (
                "Accounts opened in the last month of a quarter and never used.",
                self._table(unused[1], unused[2], account_id=unused_ids, opened_date=dates(unused[3])),
            ),
            "shifted_in_families": (
                "Money lent to a member of the household over the end of a quarter.",
                self._table(
                    shifted[0],
                    shifted[2],
                    from_customer_id=self._customer_ids(shifted[1]),
                    shifted_date=dates(shifted[3]),
                    returned_date=dates(shifted[4]),
                    amount_cny=money(shifted[5]),
                ),
            ),
            "late_handovers": (
                "Customers who choose another maintainer in the last days of a quarter; employee_id takes them.",
                self._table(
                    handed[0], handed[2], from_employee_id=self._employee_ids(handed[1]), chosen_date=dates(handed[3])
                ),
            ),
            "bulk_contacts": (
                "Calls that an employee typed in within minutes.",
                self._table(logged[0], logged[1], contact_date=dates(logged[2])),
            ),
        }

    def _table(self, customers: Ints, employees: Ints, **columns: pa.Array) -> pa.Table:
        return pa.table(
            {"customer_id": self._customer_ids(customers), "employee_id": self._employee_ids(employees), **columns}
        )

    def _customer_ids(self, rows: Ints) -> pa.Array:
        return self.bank.customers.ids.take(pa.array(rows, pa.int64()))

    def _employee_ids(self, rows: Ints) -> pa.Array:
        return self.bank.employees.ids.take(pa.array(rows, pa.int64()))
