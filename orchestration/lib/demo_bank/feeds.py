"""A day's money and master-data deliveries as Arrow tables in the contract's columns."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from orchestration.lib.demo_bank import market, portfolio
from orchestration.lib.demo_bank import reference as ref
from orchestration.lib.demo_bank.columns import (
    NEVER,
    Bools,
    Ints,
    as_date,
    coded,
    dates,
    day,
    decimals,
    money,
    numbered,
    random_stream,
    stamps,
    sums_by,
)
from orchestration.lib.demo_bank.people import BRANCH_LEVELS, Maintenance
from orchestration.lib.demo_bank.portfolio import CLOSING, LIVE, product
from orchestration.lib.demo_bank.simulate import CARD_KINDS, DEPOSIT_KINDS, TRANSFER, Bank

FAMILIES = (
    "deposit",
    "wealth",
    "fund",
    "insurance",
    "bond",
    "precious_metal",
    "brokerage",
    "card",
    "loan",
)
_FAMILY_OF_PRODUCT = np.array([FAMILIES.index(p.family) if p.family in FAMILIES else -1 for p in ref.PRODUCTS])
_SEXES = ("m", "f", "u")
_APPETITES = ("c1", "c2", "c3", "c4", "c5")
_OPEN_CLOSED = ("open", "closed")
_LOAN_CLASSES = ("pass", "special_mention", "substandard", "doubtful", "loss")
_LOAN_CLASS_FROM_DAYS = (31, 91, 181, 361)


def _present(life: Ints) -> npt.NDArray[np.intp]:
    return np.flatnonzero((life == LIVE) | (life == CLOSING))


def _is_closing(life: Ints) -> Ints:
    return (life == CLOSING).astype(np.int64)


# -- core banking ------------------------------------------------------------------------------


def customer_rows(bank: Bank, today: int, *, changed_only: bool) -> npt.NDArray[np.intp]:
    customers = bank.customers
    if not changed_only:
        return np.flatnonzero(customers.present(today))
    touched = (customers.joined == today) | (customers.closed == today)
    touched |= (customers.deceased == today) | (customers.changed == today)
    return np.flatnonzero(touched & customers.present(today))


def customers(bank: Bank, today: int, rows: npt.NDArray[np.intp]) -> pa.Table:
    c = bank.customers
    take = pa.array(rows)
    moved = pa.array(c.changed[rows] <= today)
    return pa.table(
        {
            "customer_id": c.ids.take(take),
            "customer_name": c.name.take(take),
            "sex": coded(c.sex[rows], _SEXES),
            "birth_date": dates(c.born[rows]),
            "id_number": c.id_number.take(take),
            "mobile": pa.compute.if_else(moved, c.moved_mobile.take(take), c.mobile.take(take)),
            "address": c.address.take(take),
            "occupation": coded(c.occupation[rows], ref.OCCUPATIONS),
            "education": coded(c.education[rows], ref.EDUCATIONS),
            "annual_income": pa.compute.if_else(pa.array(c.income_fen[rows] < 0), None, money(c.income_fen[rows])),
            "interests": coded(c.interests[rows], ref.INTERESTS),
            "risk_appetite": coded(c.appetite[rows], _APPETITES),
            "home_branch_id": bank.branches.ids.take(pa.array(c.branch[rows])),
            "opened_date": dates(c.opened[rows]),
            "closed_date": dates(np.where(c.closed[rows] <= today, c.closed[rows], NEVER)),
            "deceased_date": dates(np.where(c.deceased[rows] <= today, c.deceased[rows], NEVER)),
            "is_employee": pa.array(c.is_employee[rows]),
        }
    )


def deposit_accounts(bank: Bank) -> pa.Table:
    d = bank.deposits
    rows = _present(d.life)
    return pa.table(
        {
            "account_id": d.ids.take(pa.array(rows)),
            "customer_id": bank.customers.ids.take(pa.array(d.owner[rows])),
            "product_code": coded(d.product[rows], ref.PRODUCT_CODES),
            "branch_id": bank.branches.ids.take(pa.array(d.branch[rows])),
            "currency": coded(d.currency[rows], ref.CURRENCIES),
            "balance": money(d.balance[rows]),
            "term_months": pa.array(d.term[rows], pa.int64()),
            "opened_date": dates(d.opened[rows]),
            "maturity_date": dates(d.maturity[rows]),
            "status": coded(d.status[rows], portfolio.ACCOUNT_STATUS),
        }
    )


def deposit_transactions(bank: Bank, today: int) -> pa.Table:
    rows, amounts, kinds = bank.booked.collected()
    rng = random_stream(bank.seed, "deposit_transactions", today)
    size = len(rows)
    bank_code = np.where((kinds == TRANSFER) & (rng.random(size) < 0.6), rng.integers(0, len(ref.BANKS), size), -1)
    return pa.table(
        {
            "transaction_id": numbered(f"t{as_date(today):%y%m%d}", np.arange(size), 6),
            "account_id": bank.deposits.ids.take(pa.array(rows)),
            "posted_date": dates(np.full(size, today)),
            "posted_at": stamps(np.full(size, today), rng.integers(6 * 3600, 22 * 3600, size)),
            "amount": money(amounts),
            "currency": coded(bank.deposits.currency[rows], ref.CURRENCIES),
            "transaction_kind": coded(kinds, DEPOSIT_KINDS),
            "counterparty_bank": coded(bank_code, ref.BANKS),
        }
    )


def account_owners(bank: Bank, today: int) -> pa.Table:
    o = bank.owners
    live = bank.deposits.life[o.account]
    rows = np.flatnonzero((o.valid_from <= today) & (today < o.valid_to) & ((live == LIVE) | (live == CLOSING)))
    return pa.table(
        {
            "account_id": bank.deposits.ids.take(pa.array(o.account[rows])),
            "customer_id": bank.customers.ids.take(pa.array(o.customer[rows])),
            "owner_role": coded(np.where(o.is_primary[rows], 0, 1), ("primary", "joint")),
            "share": decimals(o.share_e8[rows], 8),
        }
    )


def customer_merges(bank: Bank, today: int) -> pa.Table:
    old = np.flatnonzero(bank.customers.merged_on == today)
    return pa.table(
        {
            "merge_id": numbered(f"m{as_date(today):%y%m%d}", np.arange(len(old)), 3),
            "old_customer_id": bank.customers.ids.take(pa.array(old)),
            "new_customer_id": bank.customers.ids.take(pa.array(bank.customers.twin_of[old])),
            "merged_date": dates(np.full(len(old), today)),
        }
    )


def opening_balance_days(bank: Bank) -> pa.Table:
    """What the bank knows of the year before the first day, from the state before any posting.

    CNY balance-days from 1 January of the day before ``start`` through that day: deposits,
    holdings (under holding_id) and brokerage, margin and securities together (under
    custody_account_id). Joint accounts: one row per owner, cent remainders with the primary.
    """
    as_of = bank.start - 1
    first = day(date(as_date(as_of).year, 1, 1))
    bank.rates, bank.prices = bank.market.rates_e8[0], bank.market.prices_e4[0]
    rng = random_stream(bank.seed, "opening")
    d, h, s = bank.deposits, bank.holdings, bank.custody
    ids, owners, amounts = [], [], []

    def add(account_ids: pa.Array, owner: Ints, fen: Ints, opened: Ints, steady: Bools) -> None:
        """Constant for planted balances; others drifted to what they are now."""
        days = as_of - np.maximum(opened, first) + 1
        days = np.maximum(days, 0)
        drift = np.where(steady, 10_000, rng.integers(8_500, 10_500, len(fen)))
        keep = days > 0
        ids.append(account_ids.filter(pa.array(keep)))
        owners.append(owner[keep])
        amounts.append((fen * drift // 10_000 * days)[keep])

    rows = np.flatnonzero((d.life == LIVE) & ~d.joint)
    value = bank.to_cny(d.balance[rows], d.currency[rows])
    steady = d.is_fixed[rows] | (d.term[rows] > 0)
    add(d.ids.take(pa.array(rows)), d.owner[rows], value, d.opened[rows], steady)
    o = bank.owners
    initial = np.flatnonzero(o.valid_from == bank.start)
    account = o.account[initial]
    value = bank.to_cny(d.balance[account], d.currency[account])
    part = value * o.share_e8[initial] // 10**8
    rest = value[o.is_primary[initial]] - sums_by(account, part, len(d.owner))[account[o.is_primary[initial]]]
    part[o.is_primary[initial]] += rest
    add(
        d.ids.take(pa.array(account)),
        o.customer[initial],
        part,
        d.opened[account],
        np.ones(len(account), np.bool_),
    )
    rows = np.flatnonzero(h.life == LIVE)
    value = bank.to_cny(bank.holding_values(rows), h.currency[rows])
    add(h.ids.take(pa.array(rows)), h.owner[rows], value, h.opened[rows], h.instrument[rows] < 0)
    rows = np.flatnonzero(s.life == LIVE)
    worth = portfolio.value_of(s.quantity * 100, bank.prices[s.instrument])
    worth = bank.to_cny(worth, portfolio.INSTRUMENT_CURRENCY[s.instrument])
    value = s.margin[rows] + sums_by(s.account, worth, len(s.owner))[rows]
    never = np.zeros(len(rows), np.bool_)
    add(s.ids.take(pa.array(rows)), s.owner[rows], value, s.linked[rows], never)
    size = sum(len(part) for part in amounts)
    return pa.table(
        {
            "account_id": pa.chunked_array(ids),
            "customer_id": bank.customers.ids.take(pa.array(np.concatenate(owners))),
            "as_of_date": dates(np.full(size, as_of)),
            "balance_days": money(np.concatenate(amounts)),
        }
    )


# -- cards, loans, brokerage, wealth -----------------------------------------------------------


def card_accounts(bank: Bank) -> pa.Table:
    k = bank.cards
    rows = _present(k.life)
    codes = np.where(k.is_credit[rows], product("c_credit"), product("c_debit"))
    return pa.table(
        {
            "card_id": k.ids.take(pa.array(rows)),
            "customer_id": bank.customers.ids.take(pa.array(k.owner[rows])),
            "product_code": coded(codes, ref.PRODUCT_CODES),
            "branch_id": bank.branches.ids.take(pa.array(k.branch[rows])),
            "card_kind": coded(k.is_credit[rows].astype(np.int64), ("debit", "credit")),
            "card_grade": coded(k.grade[rows], portfolio.CARD_GRADES),
            "currency": coded(np.zeros(len(rows), np.int64), ref.CURRENCIES),
            "outstanding_balance": money(k.outstanding[rows]),
            "credit_limit": pa.compute.if_else(pa.array(k.is_credit[rows]), money(k.limit[rows]), None),
            "opened_date": dates(k.opened[rows]),
            "status": coded(_is_closing(k.life[rows]), _OPEN_CLOSED),
        }
    )


def card_transactions(bank: Bank, today: int) -> pa.Table:
    rows, amounts, kinds = bank.card_booked.collected()
    rng = random_stream(bank.seed, "card_transactions", today)
    size = len(rows)
    merchant = np.where(kinds <= 2, rng.integers(0, len(ref.MERCHANTS), size), -1)
    return pa.table(
        {
            "transaction_id": numbered(f"c{as_date(today):%y%m%d}", np.arange(size), 6),
            "card_id": bank.cards.ids.take(pa.array(rows)),
            "posted_date": dates(np.full(size, today)),
            "amount": money(amounts),
            "currency": coded(np.zeros(size, np.int64), ref.CURRENCIES),
            "transaction_kind": coded(kinds, CARD_KINDS),
            "merchant_category": coded(merchant, ref.MERCHANTS),
        }
    )


def loans(bank: Bank) -> pa.Table:
    n = bank.loans
    rows = _present(n.life)
    overdue = np.maximum(n.overdue[rows], 0)
    return pa.table(
        {
            "loan_id": n.ids.take(pa.array(rows)),
            "customer_id": bank.customers.ids.take(pa.array(n.owner[rows])),
            "product_code": coded(n.product[rows], ref.PRODUCT_CODES),
            "branch_id": bank.branches.ids.take(pa.array(n.branch[rows])),
            "currency": coded(np.zeros(len(rows), np.int64), ref.CURRENCIES),
            "principal": money(n.principal[rows]),
            "outstanding_balance": money(n.outstanding[rows]),
            "interest_rate": decimals(n.rate_e8[rows], 8),
            "opened_date": dates(n.opened[rows]),
            "maturity_date": dates(n.maturity[rows]),
            "days_past_due": pa.array(overdue, pa.int64()),
            "loan_class": coded(np.digitize(overdue, _LOAN_CLASS_FROM_DAYS), _LOAN_CLASSES),
            "status": coded(_is_closing(n.life[rows]), _OPEN_CLOSED),
        }
    )


def custody_accounts(bank: Bank) -> pa.Table:
    s = bank.custody
    rows = _present(s.life)
    return pa.table(
        {
            "custody_account_id": s.ids.take(pa.array(rows)),
            "customer_id": bank.customers.ids.take(pa.array(s.owner[rows])),
            "broker_code": numbered("br", s.broker[rows] + 1, 2),
            "branch_id": bank.branches.ids.take(pa.array(s.branch[rows])),
            "currency": coded(np.zeros(len(rows), np.int64), ref.CURRENCIES),
            "margin_balance": money(s.margin[rows]),
            "linked_date": dates(s.linked[rows]),
            "status": coded(_is_closing(s.life[rows]), _OPEN_CLOSED),
        }
    )


def security_positions(bank: Bank) -> pa.Table:
    s = bank.custody
    rows = np.flatnonzero((s.quantity > 0) & (s.life[s.account] == LIVE))
    names = [item.instrument_id for item in ref.INSTRUMENTS]
    return pa.table(
        {
            "custody_account_id": s.ids.take(pa.array(s.account[rows])),
            "instrument_id": coded(s.instrument[rows], names),
            "quantity": decimals(s.quantity[rows] * 10**6, 6),
        }
    )


def wealth_holdings(bank: Bank) -> pa.Table:
    h = bank.holdings
    rows = _present(h.life)
    return pa.table(
        {
            "holding_id": h.ids.take(pa.array(rows)),
            "customer_id": bank.customers.ids.take(pa.array(h.owner[rows])),
            "product_code": coded(h.product[rows], ref.PRODUCT_CODES),
            "branch_id": bank.branches.ids.take(pa.array(h.branch[rows])),
            "instrument_id": coded(h.instrument[rows], [item.instrument_id for item in ref.INSTRUMENTS]),
            "currency": coded(h.currency[rows], ref.CURRENCIES),
            "units": decimals(h.units[rows] * 10**4, 6),
            "cost_amount": money(h.cost[rows]),
            "opened_date": dates(h.opened[rows]),
            "maturity_date": dates(h.maturity[rows]),
            "status": coded(_is_closing(h.life[rows]), _OPEN_CLOSED),
        }
    )


def gl_balances(bank: Bank) -> pa.Table:
    """Per branch, family and currency the exact sum of what customers hold at the day's close."""
    parts: list[tuple[Ints, Ints, Ints, Ints]] = []

    def add(branch: Ints, family: Ints | int, currency: Ints | int, fen: Ints) -> None:
        parts.append(
            (
                branch,
                np.broadcast_to(family, branch.shape),
                np.broadcast_to(currency, branch.shape),
                fen,
            )
        )

    d, k, n, s, h = bank.deposits, bank.cards, bank.loans, bank.custody, bank.holdings
    rows = _present(d.life)
    add(d.branch[rows], FAMILIES.index("deposit"), d.currency[rows], d.balance[rows])
    rows = _present(k.life)
    add(k.branch[rows], FAMILIES.index("card"), 0, k.outstanding[rows])
    rows = _present(n.life)
    add(n.branch[rows], FAMILIES.index("loan"), 0, n.outstanding[rows])
    rows = _present(s.life)
    add(s.branch[rows], FAMILIES.index("brokerage"), 0, s.margin[rows])
    rows = _present(h.life)
    family = _FAMILY_OF_PRODUCT[h.product[rows]]
    add(h.branch[rows], family, h.currency[rows], bank.holding_values(rows))

    branch, family, currency, fen = (np.concatenate(column) for column in zip(*parts, strict=True))
    cell = (branch * len(FAMILIES) + family) * len(ref.CURRENCIES) + currency
    cells = len(bank.branches.level) * len(FAMILIES) * len(ref.CURRENCIES)
    sums = sums_by(cell, fen, cells)
    used = np.flatnonzero(np.bincount(cell, minlength=cells))
    currency = used % len(ref.CURRENCIES)
    family = used // len(ref.CURRENCIES) % len(FAMILIES)
    branch = used // len(ref.CURRENCIES) // len(FAMILIES)
    return pa.table(
        {
            "branch_id": bank.branches.ids.take(pa.array(branch)),
            "product_family": coded(family, FAMILIES),
            "currency": coded(currency, ref.CURRENCIES),
            "balance": money(sums[used]),
        }
    )


# -- reference, people -------------------------------------------------------------------------


def products() -> pa.Table:
    return pa.table(
        {
            "product_code": list(ref.PRODUCT_CODES),
            "product_name": [p.name for p in ref.PRODUCTS],
            "product_family": [p.family for p in ref.PRODUCTS],
            "product_grade": [p.grade for p in ref.PRODUCTS],
            "risk_level": pa.array([p.risk_level for p in ref.PRODUCTS], pa.string()),
            "is_agency_sale": [p.is_agency_sale for p in ref.PRODUCTS],
        }
    )


def branches(bank: Bank, today: int) -> pa.Table:
    b = bank.branches
    closed = b.closed <= today
    return pa.table(
        {
            "branch_id": b.ids,
            "branch_name": b.names,
            "branch_level": coded(b.level, BRANCH_LEVELS),
            "parent_branch_id": coded(b.parent, b.ids),
            "successor_branch_id": coded(np.where(closed, b.successor, -1), b.ids),
            "opened_date": dates(b.opened),
            "closed_date": dates(np.where(closed, b.closed, NEVER)),
        }
    )


def employees(bank: Bank, today: int) -> pa.Table:
    e = bank.employees
    rows = np.flatnonzero(e.hired <= today)
    left = e.left[rows] <= today
    on_leave = (e.leave_from[rows] <= today) & (today < e.leave_to[rows])
    status = np.where(left, 2, np.where(on_leave, 1, 0))
    nda = e.nda[rows]
    return pa.table(
        {
            "employee_id": e.ids.take(pa.array(rows)),
            "employee_name": e.name.take(pa.array(rows)),
            "branch_id": bank.branches.ids.take(pa.array(e.branch_on(today)[rows])),
            "role_code": coded(e.role[rows], ref.ROLES),
            "status": coded(status, ("active", "on_leave", "left")),
            "hired_date": dates(e.hired[rows]),
            "left_date": dates(np.where(left, e.left[rows], NEVER)),
            "nda_signed_date": dates(np.where(nda <= today, nda, NEVER)),
            "capacity": pa.array(e.capacity[rows], pa.int64(), mask=e.capacity[rows] < 0),
        }
    )


def households(bank: Bank, today: int) -> pa.Table:
    h = bank.households
    rows = np.flatnonzero(h.valid_from <= today)
    consent = h.consent[rows]
    return pa.table(
        {
            "household_id": numbered("hh", h.household[rows] + 1, 6),
            "customer_id": bank.customers.ids.take(pa.array(h.customer[rows])),
            "member_role": coded(np.where(h.is_head[rows], 0, 1), ("head", "member")),
            "consent_date": dates(np.where(consent <= today, consent, NEVER)),
            "valid_from": dates(h.valid_from[rows]),
            "valid_to": dates(np.where(h.valid_to[rows] <= today, h.valid_to[rows], NEVER)),
        }
    )


def maintainers(bank: Bank, maintenance: Maintenance) -> pa.Table:
    """Slots a and b of every maintained customer; a specialist above 5,000,000 CNY."""
    m = maintenance
    kept = np.flatnonzero(m.a >= 0)
    backed = kept[(m.b[kept] >= 0) & (m.b[kept] != m.a[kept])]
    e = bank.employees
    specialists = np.flatnonzero((e.role == ref.ROLES.index(ref.PRODUCT_MANAGER)) & (e.hired <= bank.start))
    rich = kept[bank.customers.wealth[kept] > 5_000_000]
    who = np.concatenate([kept, backed, rich])
    slot = np.repeat([0, 1, 2], [len(kept), len(backed), len(rich)])
    employee = np.concatenate([m.a[kept], m.b[backed], specialists[rich % len(specialists)]])
    return pa.table(
        {
            "customer_id": bank.customers.ids.take(pa.array(who)),
            "slot": coded(slot, ("a", "b", "specialist")),
            "slot_no": pa.array(np.ones(len(who), np.int64)),
            "employee_id": e.ids.take(pa.array(employee)),
            "valid_from": dates(m.since[who]),
            "is_initial": pa.array((slot == 0) & (employee == m.initial[who])),
        }
    )


fx_rates = market.fx_table
instrument_prices = market.price_table
