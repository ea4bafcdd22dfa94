"""Random small banks: what Hypothesis draws of one, and the deliveries of many that share nothing but the market.

Ids of a bank begin with its number, so banks lie side by side in one landing folder and one build serves them all. A
bank is a tree of tuples; any element of any of them may be left out and what remains is a bank, so that a failing one
is cut down piece by piece.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from orchestration.lib.demo_bank.reference import PRODUCTS
from tests.books.support import write_rows
from tests.policies.support import PRIMARY, copy_policies, edit

Row = dict[str, Any]
DAY = timedelta(days=1)
CURRENCIES = ("CNY", "USD", "EUR", "JPY")
ROLES = ("teller", "lobby_manager", "outlet_head", "wealth_manager", "private_wealth_manager", "outlet_supervisor")
FLAGS = ("none", "fraud", "court_freeze", "loan_default")
# Cuts of the rule books in yuan, of which a fen decides.
CUTS = tuple(map(Decimal, (1_000, 50_000, 80_000, 100_000, 200_000, 300_000, 500_000, 1_000_000, 2_000_000, 5_000_000)))
FEN = Decimal("0.01")
# Tier of the primary scheme -> lower bound in 万 that a second version of its rules may have.
LATER_CUTS = {"lobby_adopted": ("9万", "10万", "12万"), "wealth_manager": ("18万", "20万", "25万")}


@dataclass(frozen=True)
class Span:
    """Days of a build. Books are decided from ``go_live`` on. What is delivered after ``seen``, and corrections of the
    days before, come with a second run.
    """

    first: date
    go_live: date
    last: date
    seen: date | None = None

    @property
    def runs(self) -> list[date]:
        """Last day of each run."""
        return [day for day in (self.seen, self.last) if day is not None]

    @property
    def days(self) -> list[date]:
        return [self.first + n * DAY for n in range((self.last - self.first).days + 1)]


# --- what a bank is made of ------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """A value from a day on, counted from the first."""

    day: int
    value: Decimal


@dataclass(frozen=True)
class Account:
    """``partner``: customer who owns ``share`` of it from ``joint_from`` on. ``gone``: it is no longer delivered."""

    key: str
    currency: str
    steps: tuple[Step, ...]
    outlet: int
    opening: Decimal
    partner: str | None = None
    share: Decimal = Decimal("0.5")
    joint_from: int = 0
    gone: int | None = None
    is_closed: bool = False
    corrections: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Other:
    """Loan, card, custody account, position or holding; ``kind`` says which."""

    key: str
    kind: str
    currency: str
    steps: tuple[Step, ...]
    grade: str = "standard"
    closed: int | None = None
    spent: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Customer:
    key: str
    outlet: int
    born: date | None
    accounts: tuple[Account, ...]
    others: tuple[Other, ...]
    since: int = 0
    deceased: int | None = None
    closed: int | None = None
    is_employee: bool = False
    flags: tuple[tuple[int, str], ...] = ()
    owner: str | None = None
    backup: str | None = None
    is_initial: bool = True


@dataclass(frozen=True)
class Employee:
    """``changes``: live day, counted from 0, and what is delivered of him from then on."""

    key: str
    role: str
    outlet: int
    capacity: int | None
    has_nda: bool
    changes: tuple[tuple[int, tuple[tuple[str, Any], ...]], ...] = ()


@dataclass(frozen=True)
class Wish:
    """A choice of the customer or, ``sender`` given, a referral, on a live day."""

    key: str
    day: int
    customer: str
    employee: str
    sender: str | None = None


@dataclass(frozen=True)
class Household:
    key: str
    since: int
    members: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Bank:
    """``merges``: old customer, new one, day. ``outlet_closes``: live day on which the second outlet's customers go to
    the first.
    """

    number: int
    customers: tuple[Customer, ...]
    employees: tuple[Employee, ...]
    wishes: tuple[Wish, ...] = ()
    merges: tuple[tuple[str, str, int], ...] = ()
    households: tuple[Household, ...] = ()
    outlet_closes: int | None = None

    @property
    def prefix(self) -> str:
        return f"{self.number:05}"


@dataclass(frozen=True)
class Market:
    """Rates and prices of the days on which they are delivered, counted from the first, which has all of them."""

    rates: Mapping[int, Mapping[str, Decimal]]
    prices: Mapping[int, Mapping[str, tuple[str, Decimal]]]


# --- what is drawn ---------------------------------------------------------------------------------


def amounts() -> st.SearchStrategy[Decimal]:
    """Money of one day: none, an overdraft, a cut to the fen, or anything."""
    near = st.builds(
        lambda cut, off, share: (cut + off) * share,
        st.sampled_from(CUTS),
        st.sampled_from((-FEN, Decimal(0), FEN)),
        st.sampled_from((1, 1, 1, 2)),
    )
    anything = st.integers(-5_000_000, 300_000_000).map(lambda fen: Decimal(fen) / 100)
    return st.one_of(st.sampled_from((Decimal(0), FEN, -FEN)), near, near, anything)


@st.composite
def paths(draw: st.DrawFn, length: int, *, is_positive: bool = False) -> tuple[Step, ...]:
    """Balance by day: constant, stepping, or such that the average of the first month is on a cut to the fen."""
    kind = draw(st.sampled_from(("constant", "steps", "average")))
    if kind == "average":
        cut, off = draw(st.sampled_from(CUTS)), Decimal(draw(st.integers(0, 4_000_000))) / 100
        fen = Decimal(draw(st.sampled_from((-15, -14, 0, 14, 15)))) / 100
        steps = [(0, cut - off), (15, cut + off), (29, cut + off + fen)]
    else:
        count = 1 if kind == "constant" else draw(st.integers(2, 4))
        days = sorted({0, *(draw(st.integers(1, length - 1)) for _ in range(count - 1))})
        steps = [(day, draw(amounts())) for day in days]
    return tuple(Step(day, abs(value) if is_positive else value) for day, value in steps)


@st.composite
def accounts(draw: st.DrawFn, key: str, others: Sequence[str], length: int) -> Account:
    partner = draw(st.sampled_from((None, None, *others))) if others else None
    corrected = draw(st.lists(st.tuples(st.integers(0, length - 2), amounts()), max_size=1))
    return Account(
        key=key,
        currency=draw(st.sampled_from(("CNY", "CNY", "CNY", *CURRENCIES))),
        steps=draw(paths(length)),
        outlet=draw(st.integers(0, 1)),
        opening=Decimal(draw(st.integers(0, 90_000_000))) / 100,
        partner=partner,
        share=draw(st.sampled_from(tuple(map(Decimal, ("0.5", "0.33333333", "0.01", "0.9"))))),
        joint_from=draw(st.sampled_from((0, 0, 7, 40))),
        gone=draw(st.sampled_from((None, None, None, 10, 45))),
        is_closed=draw(st.booleans()),
        corrections=tuple(Step(*each) for each in corrected),
    )


@st.composite
def other_accounts(draw: st.DrawFn, key: str, length: int) -> Other:
    kind = draw(st.sampled_from(("loan", "card", "custody", "units", "amount")))
    spent = draw(
        st.lists(
            st.tuples(st.integers(0, length - 1), st.sampled_from(("49999.99", "50000.00", "-1.00", "120.50"))),
            max_size=2,
        )
    )
    steps = draw(paths(length, is_positive=True))
    if kind == "custody":
        steps = tuple(
            Step(s.day, draw(st.sampled_from(tuple(map(Decimal, ("0", "9999.99", "10000.00", "1500.33"))))))
            for s in steps
        )
    return Other(
        key=key,
        kind=kind,
        currency=draw(st.sampled_from(("CNY", "CNY", "USD"))),
        steps=steps,
        grade=draw(st.sampled_from(("standard", "standard", "gold", "platinum"))),
        closed=draw(st.sampled_from((None, None, 20, 50))),
        spent=tuple(Step(day, Decimal(amount)) for day, amount in spent) if kind == "card" else (),
    )


@st.composite
def banks(draw: st.DrawFn, number: int, span: Span) -> Bank:
    """A bank of one to four customers of two outlets and up to six employees."""
    length, live = len(span.days), (span.last - span.go_live).days
    keys = [f"c{n}" for n in range(draw(st.integers(1, 4)))]
    staff = [f"e{n}" for n in range(draw(st.integers(0, 6)))]
    somebody = st.sampled_from((None, *staff))
    change = st.sampled_from(
        (
            (("status", "left"),),
            (("status", "on_leave"),),
            (("nda_signed_date", None),),
            (("capacity", 0),),
            (("outlet", 1),),
            (("status", "active"), ("outlet", 0)),
        )
    )
    employees = tuple(
        Employee(
            key=key,
            role=draw(st.sampled_from(ROLES)),
            outlet=draw(st.sampled_from((0, 0, 1, 2))),
            capacity=draw(st.sampled_from((None, 0, 1, 2, 5))),
            has_nda=draw(st.sampled_from((True, True, True, False))),
            changes=tuple(
                sorted(draw(st.lists(st.tuples(st.integers(0, live), change), max_size=2, unique_by=lambda c: c[0])))
            ),
        )
        for key in staff
    )
    ages = st.one_of(
        st.none(),
        st.sampled_from((date(1965, 5, 31), date(1965, 6, 1), date(1965, 4, 30), date(1965, 5, 1))),
        st.dates(date(1930, 1, 1), date(2008, 1, 1)),
    )
    flag_days = st.tuples(st.sampled_from((0, 16, length - 2)), st.sampled_from(FLAGS))
    flags = tuple(draw(st.lists(flag_days, max_size=2, unique_by=lambda flag: flag[0])))
    customers = tuple(
        Customer(
            key=key,
            outlet=draw(st.integers(0, 1)),
            born=draw(ages),
            accounts=tuple(
                draw(accounts(f"{key}a{n}", [k for k in keys if k != key], length))
                for n in range(draw(st.integers(1, 3)))
            ),
            others=tuple(draw(other_accounts(f"{key}o{n}", length)) for n in range(draw(st.integers(0, 2)))),
            since=draw(st.sampled_from((0, 0, 0, 12, 35))) if key != "c0" else 0,
            deceased=draw(st.sampled_from((None, None, None, 20, length - 2))),
            closed=draw(st.sampled_from((None, None, None, 33))),
            is_employee=draw(st.sampled_from((False, False, False, False, True))),
            flags=draw(st.sampled_from(((), (), flags))),
            owner=draw(somebody),
            backup=draw(somebody),
            is_initial=draw(st.booleans()),
        )
        for key in keys
    )
    merges = []
    for old in keys[1:]:
        new = draw(st.sampled_from((None, None, None, *keys[: keys.index(old)])))
        if new is not None:
            merges.append((old, new, draw(st.sampled_from((20, 29, 30, length - 2)))))
    wishes = tuple(
        Wish(
            f"w{n}",
            draw(st.integers(0, live)),
            draw(st.sampled_from(keys)),
            draw(st.sampled_from(staff)),
            draw(somebody),
        )
        for n in range(draw(st.integers(0, 2)) if staff else 0)
    )
    households = ()
    if len(keys) > 1 and draw(st.booleans()):
        members = draw(st.lists(st.sampled_from(keys), min_size=2, unique=True))
        consents = [draw(st.sampled_from((True, True, False))) for _ in members]
        households = (Household("h0", draw(st.sampled_from((0, 14))), tuple(zip(members, consents, strict=True))),)
    return Bank(
        number,
        customers,
        employees,
        wishes,
        tuple(merges),
        households,
        draw(st.sampled_from((None, None, None, *range(live + 1)))),
    )


@st.composite
def markets(draw: st.DrawFn, span: Span) -> Market:
    """Rates and prices that are delivered on some days and carried on the others."""
    rates: dict[int, dict[str, Decimal]] = {}
    prices: dict[int, dict[str, tuple[str, Decimal]]] = {}
    for day in range(len(span.days)):
        if day == 0 or draw(st.integers(0, 9)) < 6:
            rates[day] = {c: Decimal(draw(st.integers(4_000_000, 900_000_000))) / 10**8 for c in CURRENCIES[1:]}
            prices[day] = {
                "i_cny": ("CNY", Decimal(draw(st.integers(50_000_000, 3_000_000_000))) / 10**8),
                "i_usd": ("USD", Decimal(draw(st.integers(50_000_000, 3_000_000_000))) / 10**8),
            }
    return Market(rates, prices)


def draw_banks(count: int, seed_: int, span: Span) -> tuple[list[Bank], Market, dict[str, str]]:
    """So many different banks, a market and cuts of a second version of the rules, the same for the same seed."""
    found: list[Bank] = []
    seen: set[Bank] = set()
    market: list[tuple[Market, dict[str, str]]] = []
    checks = list(HealthCheck)

    @seed(seed_)
    @settings(
        max_examples=count * 3, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=checks
    )
    @given(banks(0, span))
    def one(bank: Bank) -> None:
        if len(found) < count and bank not in seen:
            seen.add(bank)
            found.append(replace(bank, number=len(found) + 1))

    cuts = st.fixed_dictionaries({tier: st.sampled_from(values) for tier, values in LATER_CUTS.items()})

    @seed(seed_)
    @settings(max_examples=3, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=checks)
    @given(markets(span), cuts)
    def world(drawn: Market, later: dict[str, str]) -> None:
        market.append((drawn, later))

    one()
    world()
    assert len(found) == count, f"{len(found)} banks were drawn, not {count}"
    return found, *market[-1]


def smaller(part: Any) -> Iterator[Any]:
    """The bank, or part of one, with one element left out."""
    for each in fields(part):
        value = getattr(part, each.name)
        if not isinstance(value, tuple) or each.name == "steps":
            continue
        for n, element in enumerate(value):
            if not (each.name == "customers" and len(value) == 1):
                yield replace(part, **{each.name: value[:n] + value[n + 1 :]})
            if hasattr(element, "__dataclass_fields__") and not isinstance(element, Step):
                for less in smaller(element):
                    yield replace(part, **{each.name: (*value[:n], less, *value[n + 1 :])})


# --- deliveries ------------------------------------------------------------------------------------

# Keeps every currency in the black and the feeds from being empty, whatever is drawn.
ANCHOR = Bank(
    0,
    (
        Customer(
            "c0",
            0,
            date(1980, 1, 1),
            tuple(Account(f"c0a{n}", c, (Step(0, Decimal(10**8)),), 0, Decimal(1)) for n, c in enumerate(CURRENCIES)),
            (
                Other("c0o0", "card", "CNY", (Step(0, Decimal(1)),)),
                Other("c0o1", "loan", "CNY", (Step(0, Decimal(1)),)),
                Other("c0o2", "custody", "CNY", (Step(0, Decimal(1)),)),
                Other("c0o3", "units", "CNY", (Step(0, Decimal(1)),)),
            ),
            flags=((0, "none"),),
            owner="e0",
        ),
    ),
    (Employee("e0", "teller", 0, None, has_nda=True),),
)
OPENED = date(2020, 1, 1)


def at(steps: Sequence[Step], day: int) -> Decimal | None:
    known = [step.value for step in steps if step.day <= day]
    return known[-1] if known else None


@dataclass
class Delivered:
    """Rows of many banks by feed and day."""

    span: Span
    rows: dict[tuple[str, date], list[Row]] = field(default_factory=lambda: defaultdict(list))
    corrected: dict[date, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(dict))

    def day(self, number: int) -> date:
        return self.span.first + number * DAY

    def add(self, bank: Bank) -> None:
        keys = {c.key for c in bank.customers}
        for number, day in enumerate(self.span.days):
            self._money(bank, keys, number, day)
            self._people(bank, number, day)
        self._events(bank, keys)

    def outlet(self, bank: Bank, number: int) -> str:
        return f"{bank.prefix}{('o1', 'o2', 'sb')[number]}"

    def _money(self, bank: Bank, keys: set[str], number: int, day: date) -> None:
        rows, p = self.rows, bank.prefix
        for customer in bank.customers:
            if customer.since > number:
                continue
            who = p + customer.key
            for account in customer.accounts:
                balance, is_gone = at(account.steps, number), account.gone is not None and number >= account.gone
                if is_gone and not account.is_closed:
                    continue
                row = {
                    "account_id": p + account.key,
                    "customer_id": who,
                    "product_code": "d_dem" if account.currency == "CNY" else "d_fx",
                    "branch_id": self.outlet(bank, account.outlet),
                    "currency": account.currency,
                    "balance": Decimal(0) if is_gone else balance,
                    "term_months": 0,
                    "opened_date": OPENED,
                    "status": "closed" if is_gone else "open",
                }
                rows["core_banking.deposit_accounts", day].append(row)
                for correction in account.corrections:
                    if correction.day == number and not is_gone:
                        self.corrected[day][row["account_id"]] = correction.value
                partner = next((c for c in bank.customers if c.key == account.partner), None)
                if partner is not None and account.joint_from <= number and partner.since <= number:
                    for owner, role, share in (
                        (who, "primary", 1 - account.share),
                        (p + partner.key, "joint", account.share),
                    ):
                        owned = {"account_id": row["account_id"], "customer_id": owner, "owner_role": role}
                        rows["core_banking.account_owners", day].append({**owned, "share": share})
                if number == 0:
                    opened = {"account_id": row["account_id"], "customer_id": who, "as_of_date": day - DAY}
                    rows["core_banking.opening_balance_days", day].append({**opened, "balance_days": account.opening})
            for other in customer.others:
                self._other(bank, who, other, number, day)
            flag = [f for start, f in sorted(customer.flags) if start <= number]
            if flag:
                risk = {"customer_id": who, "risk_result": "good", "special_flag": flag[-1]}
                rows["risk.customer_risk", day].append(risk)

    def _other(self, bank: Bank, who: str, other: Other, number: int, day: date) -> None:
        rows, key, value = self.rows, bank.prefix + other.key, at(other.steps, number)
        branch, is_closed = self.outlet(bank, 0), other.closed is not None and number >= other.closed
        held = {"customer_id": who, "branch_id": branch, "currency": other.currency, "opened_date": OPENED}
        state = {"status": "closed" if is_closed else "open"}
        value = Decimal(0) if is_closed else value
        if other.kind == "loan":
            named = {
                "loan_id": key,
                "product_code": "l_auto",
                "principal": Decimal(10**6),
                "outstanding_balance": value,
            }
            graded = {"days_past_due": 0, "loan_class": "pass"}
            rows["loan.loans", day].append({**held, **named, **graded, **state})
        elif other.kind == "card":
            named = {"card_id": key, "product_code": "c_credit", "card_kind": "credit", "card_grade": other.grade}
            rows["card.card_accounts", day].append({**held, **named, "outstanding_balance": Decimal(0), **state})
            for n, spent in enumerate(other.spent):
                if spent.day == number:
                    paid = {"transaction_id": f"{key}t{n}", "card_id": key, "posted_date": day, "amount": spent.value}
                    kind = "refund" if spent.value < 0 else "purchase"
                    row = {**paid, "currency": other.currency, "transaction_kind": kind}
                    rows["card.card_transactions", day].append(row)
        elif other.kind == "custody":
            linked = {"custody_account_id": key, "broker_code": "br01", "linked_date": OPENED, "margin_balance": value}
            rows["brokerage.custody_accounts", day].append({**held, **linked, **state})
            if not is_closed:
                position = {"custody_account_id": key, "instrument_id": "i_cny", "quantity": Decimal("120.5")}
                rows["brokerage.security_positions", day].append(position)
        elif not is_closed:
            is_fund = other.kind == "units"
            named = {
                "holding_id": key,
                "product_code": "f_equity" if is_fund else "w_fix06",
                "instrument_id": ("i_usd" if other.currency == "USD" else "i_cny") if is_fund else None,
                "units": value / 1000 if is_fund else value,
                "cost_amount": Decimal(0),
            }
            rows["wealth.wealth_holdings", day].append({**held, **named, **state})

    def _people(self, bank: Bank, number: int, day: date) -> None:
        p, rows = bank.prefix, self.rows
        live = (day - self.span.go_live).days
        closes = bank.outlet_closes is not None and live >= bank.outlet_closes
        branches = [("sb", "sub_branch", "hq", None), ("o1", "outlet", f"{p}sb", None)]
        branches.append(("o2", "outlet", f"{p}sb", f"{p}o1" if closes else None))
        for key, level, parent, successor in branches:
            row = {"branch_id": p + key, "branch_name": p + key, "branch_level": level, "parent_branch_id": parent}
            closed = {"closed_date": self.span.go_live + (bank.outlet_closes or 0) * DAY} if successor else {}
            row |= {"successor_branch_id": successor, "opened_date": OPENED, **closed}
            rows["reference.branches", day].append(row)
        for employee in bank.employees:
            said: Row = {"outlet": employee.outlet, "status": "active", "capacity": employee.capacity}
            said["nda_signed_date"] = OPENED if employee.has_nda else None
            for start, change in employee.changes:
                if start <= live:
                    said |= dict(change)
                    if dict(change).get("status") == "left":
                        said["left_date"] = self.span.go_live + start * DAY
            row = {"employee_id": p + employee.key, "employee_name": "x", "role_code": employee.role}
            row |= {"branch_id": self.outlet(bank, said.pop("outlet")), "hired_date": OPENED, **said}
            if row["status"] != "left":
                row.pop("left_date", None)
            rows["hr.employees", day].append(row)
        for customer in bank.customers:
            if customer.since > number:
                continue
            row = {"customer_id": p + customer.key, "customer_name": "x", "sex": "u", "birth_date": customer.born}
            row |= {"home_branch_id": self.outlet(bank, customer.outlet), "opened_date": OPENED}
            row |= {"is_employee": customer.is_employee, "deceased_date": None, "closed_date": None}
            for name, since in (("deceased_date", customer.deceased), ("closed_date", customer.closed)):
                if since is not None and since <= number:
                    row[name] = self.day(since)
            rows["core_banking.customers", day].append(row)
        for household in bank.households:
            if household.since <= number:
                self._household(bank, household, day)

    def _household(self, bank: Bank, household: Household, day: date) -> None:
        there = {c.key for c in bank.customers if c.since <= (day - self.span.first).days}
        members = [member for member in household.members if member[0] in there]
        for n, (key, consents) in enumerate(members):
            since = self.day(household.since)
            named = {"household_id": bank.prefix + household.key, "customer_id": bank.prefix + key}
            consent = {"member_role": "member" if n else "head", "consent_date": since if consents else None}
            self.rows["crm.households", day].append({**named, **consent, "valid_from": since})

    def _events(self, bank: Bank, keys: set[str]) -> None:
        p, staff = bank.prefix, {e.key for e in bank.employees}
        for customer in bank.customers:
            for slot, employee in (("a", customer.owner), ("b", customer.backup)):
                if employee in staff and not (slot == "b" and employee == customer.owner):
                    told = {"customer_id": p + customer.key, "slot": slot, "slot_no": 1, "employee_id": p + employee}
                    told |= {"valid_from": OPENED, "is_initial": slot == "a" and customer.is_initial}
                    self.rows["crm.maintainers", self.day(customer.since)].append(told)
        for n, (old, new, number) in enumerate(bank.merges):
            born = {c.key: c.since for c in bank.customers}
            if {old, new} <= keys and max(born[old], born[new]) <= number:
                merge = {"merge_id": f"{p}m{n}", "old_customer_id": p + old, "new_customer_id": p + new}
                self.rows["core_banking.customer_merges", self.day(number)].append(
                    {**merge, "merged_date": self.day(number)}
                )
        for wish in bank.wishes:
            day = self.span.go_live + wish.day * DAY
            if wish.customer not in keys or wish.employee not in staff or wish.sender not in (None, *staff):
                continue
            if wish.sender is None:
                said = {"choice_id": p + wish.key, "employee_id": p + wish.employee, "evidence_ref": "form"}
                row = {**said, "customer_id": p + wish.customer, "chosen_date": day}
                self.rows["crm.customer_choices", day].append(row)
            else:
                said = {"referral_id": p + wish.key, "from_employee_id": p + wish.sender}
                row = {**said, "to_employee_id": p + wish.employee, "customer_id": p + wish.customer}
                self.rows["crm.referrals", day].append({**row, "referred_date": day})


# Events of a day, delivered when there are any; other feeds are delivered when they change.
EVENTS = (
    "core_banking.customer_merges",
    "core_banking.opening_balance_days",
    "card.card_transactions",
    "crm.customer_choices",
    "crm.referrals",
)
SNAPSHOTS = (
    "core_banking.account_owners",
    "loan.loans",
    "card.card_accounts",
    "brokerage.custody_accounts",
    "brokerage.security_positions",
    "wealth.wealth_holdings",
    "risk.customer_risk",
    "reference.branches",
    "hr.employees",
    "crm.households",
)
HEAD_OFFICE = {"branch_id": "hq", "branch_name": "hq", "branch_level": "province", "opened_date": OPENED}


def deliver(root: Path, chosen: Sequence[Bank], market: Market, span: Span) -> Delivered:
    """Write the deliveries of all banks below a landing root, without the corrections of days up to ``span.seen``."""
    told = Delivered(span)
    for bank in (ANCHOR, *chosen):
        told.add(bank)
    before: dict[str, list[Row]] = {}
    known: dict[str, Row] = {}
    owners: list[Row] = []
    for number, day in enumerate(span.days):
        told.rows["reference.branches", day].append(HEAD_OFFICE)
        accounts_ = told.rows["core_banking.deposit_accounts", day]
        write_rows(root, "core_banking.deposit_accounts", day, accounts_)
        people = told.rows["core_banking.customers", day]
        changed = [row for row in people if known.get(row["customer_id"]) != row]
        known |= {row["customer_id"]: row for row in changed}
        write_rows(root, "core_banking.customers", day, changed, mode="delta" if number else "full")
        for feed in SNAPSHOTS:
            rows = told.rows.get((feed, day), [])
            if rows != before.get(feed, []):
                write_rows(root, feed, day, rows)
                before[feed] = rows
        for feed in EVENTS:
            if rows := told.rows.get((feed, day)):
                write_rows(root, feed, day, rows)
        if added := told.rows.get(("crm.maintainers", day)):
            owners = [*owners, *added]
            write_rows(root, "crm.maintainers", day, owners)
        if number in market.rates:
            rates = [{"currency": c, "rate_cny": rate} for c, rate in market.rates[number].items()]
            write_rows(root, "market.fx_rates", day, [{"currency": "CNY", "rate_cny": Decimal(1)}, *rates])
            quotes = [{"instrument_id": i, "currency": c, "price": p} for i, (c, p) in market.prices[number].items()]
            write_rows(root, "market.instrument_prices", day, quotes)
    products = [
        {
            "product_code": p.code,
            "product_name": p.name,
            "product_family": p.family,
            "product_grade": p.grade,
            "risk_level": p.risk_level,
            "is_agency_sale": p.is_agency_sale,
        }
        for p in PRODUCTS
    ]
    write_rows(root, "reference.products", span.first, products)
    correct(root, told, lambda day: span.seen is None or day > span.seen)
    return told


def correct(root: Path, told: Delivered, when: Any) -> int:
    """Deliver the corrections of the days that ``when`` wants; returns their number of accounts."""
    count = 0
    for day, balances in sorted(told.corrected.items()):
        if when(day):
            rows = [
                {**row, "balance": balances.get(row["account_id"], row["balance"])}
                for row in told.rows["core_banking.deposit_accounts", day]
            ]
            write_rows(root, "core_banking.deposit_accounts", day, rows, sequence_no=2)
            count += len(balances)
    return count


def write_policies(folder: Path, span: Span, later: Mapping[str, str], *, since: date | None, months: int) -> Path:
    """The shipped policies with the span's go-live day; tiers are lost after so many months below, and from ``since``
    on the primary scheme has other cuts.
    """
    directory = copy_policies(folder)

    def change(content: Row) -> None:
        (first,) = content["versions"]
        for tier in first["tiers"]:
            tier["downgrade_after_months"] = months
        if since is None:
            return
        tiers = [{**tier} for tier in first["tiers"]]
        for lower, upper in itertools.pairwise(tiers):
            if cut := later.get(upper["tier_code"]):
                upper["lower"] = {**upper["lower"], "value": cut}
                lower["upper"] = {**lower["upper"], "value": cut}
        content["versions"].append({**first, "version": "2", "effective_from": since, "tiers": tiers})
        first["effective_to"] = since

    edit(directory, "books", lambda content: content["versions"][0].update(go_live_date=span.go_live))
    edit(directory, PRIMARY, change)
    return directory
