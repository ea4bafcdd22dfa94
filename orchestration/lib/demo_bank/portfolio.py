"""What customers hold when the period opens, and what they will open in the year after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from orchestration.lib.demo_bank import reference as ref
from orchestration.lib.demo_bank.columns import (
    NEVER,
    Bools,
    Floats,
    Ints,
    add_months,
    numbered,
    random_stream,
)
from orchestration.lib.demo_bank.market import PRICE_UNITS, RATE_UNITS, Market
from orchestration.lib.demo_bank.people import CUTS_CNY, Branches, Customers, Households

# Life of an account, card, loan or holding.
PENDING, LIVE, CLOSING, GONE = range(4)
# Status of a live deposit account.
OPEN, DORMANT, FROZEN, CLOSED = range(4)
ACCOUNT_STATUS = ("open", "dormant", "frozen", "closed")

PRODUCT_TERMS = np.array([product.term_months for product in ref.PRODUCTS])
INSTRUMENT_CURRENCY = np.array([ref.CURRENCIES.index(item.currency) for item in ref.INSTRUMENTS])


def product(code: str) -> int:
    return ref.PRODUCT_INDEX[code]


@dataclass
class Deposits:
    """Deposit accounts; the first ``customers.size`` rows are each customer's main account."""

    ids: pa.Array
    owner: Ints
    product: Ints
    branch: Ints
    currency: Ints
    term: Ints
    opened: Ints
    maturity: Ints
    status: Ints
    life: Ints
    opens: Ints
    balance: npt.NDArray[np.int64]  # fen of the account's currency
    planned: npt.NDArray[np.int64]  # fen to open with
    target: Floats  # fen around which a demand balance moves, 0 for term deposits
    is_fixed: Bools  # planted: the balance never moves
    joint: Bools
    wakes: Ints  # planted: a dormant account is used again on this day
    wakes_with: Ints  # fen that then come in


def _account_products(rng: np.random.Generator, size: int) -> Ints:
    codes = ("d_dem", "d_ntc", "d_t03", "d_t06", "d_t12", "d_t36", "d_cd12", "d_fx", "d_fxt12")
    odds = (0.16, 0.07, 0.12, 0.13, 0.22, 0.1, 0.05, 0.1, 0.05)
    return np.array([product(code) for code in codes])[rng.choice(len(codes), size, p=odds)]


def shares_of_wealth(seed: int, customers: Customers) -> tuple[Floats, Floats, Floats]:
    """Shares of each customer's wealth held in deposits, bank products and brokerage."""
    rng = random_stream(seed, "shares")
    free = customers.cut < 0
    invests = (rng.random(customers.size) < 0.55) & (customers.wealth > 20_000) & free
    trades = (rng.random(customers.size) < 0.12) & (customers.wealth > 5_000) & free
    holding = np.where(invests, rng.beta(2, 3, customers.size), 0.0)
    broking = np.where(trades, 0.6 * rng.beta(1.5, 4, customers.size), 0.0)
    total = holding + broking
    scale = np.where(total > 0.85, 0.85 / np.maximum(total, 1e-9), 1.0)
    return 1 - total * scale, holding * scale, broking * scale


def draw_deposits(
    seed: int,
    customers: Customers,
    branches: Branches,
    deposit_share: Floats,
    market: Market,
    start: int,
    horizon: int,
) -> Deposits:
    rng = random_stream(seed, "deposits")
    people = np.arange(customers.size)
    fixed = customers.cut >= 0
    often = np.clip(1.05 * np.log10(np.maximum(customers.wealth, 1) / 300), 0.1, 6)
    extra = np.where(fixed, 0, np.minimum(rng.poisson(often), 9))
    extra_owner = np.repeat(people, extra)
    # Term deposits that customers will open later, if the main account then has the money.
    savers = people[(customers.wealth > 20_000) & ~fixed]
    later_owner = np.repeat(savers, rng.poisson(1.6 * horizon / 365, len(savers)))
    owner = np.concatenate([people, extra_owner, later_owner])
    size = len(owner)
    is_main = np.zeros(size, np.bool_)
    is_main[: customers.size] = True
    is_later = np.zeros(size, np.bool_)
    is_later[customers.size + len(extra_owner) :] = True

    codes = _account_products(rng, size)
    codes[is_main] = product("d_dem")
    terms = np.array([product(code) for code in ("d_t03", "d_t06", "d_t12")])
    codes[is_later] = rng.choice(terms, int(is_later.sum()))
    poor = (codes == product("d_cd12")) & (customers.wealth[owner] < 300_000)
    codes[poor] = product("d_t12")
    term = PRODUCT_TERMS[codes]
    is_foreign = (codes == product("d_fx")) | (codes == product("d_fxt12"))
    currency = np.where(is_foreign, rng.choice([1, 2, 3, 4, 5], size, p=[0.2, 0.4, 0.2, 0.1, 0.1]), 0)

    joined = customers.joined[owner]
    is_new = joined > start
    opens = np.where(is_new, joined + np.where(is_main, 0, rng.integers(0, 20, size)), start)
    opens[is_later] = np.maximum(joined[is_later], start) + rng.integers(1, horizon, int(is_later.sum()))
    since = customers.opened[owner]
    age = np.maximum(start - since, 1)
    opened = np.where(is_main, since, since + (rng.random(size) * age * 0.95).astype(np.int64))
    in_term = term > 0
    opened[in_term] = np.maximum(start - 1 - (rng.random(size) * term * 27).astype(np.int64), since)[in_term]
    opened = np.where(is_later | is_new, opens, opened)
    maturity = np.where(in_term, add_months(opened, term), NEVER)

    weight = rng.gamma(1.2, 1.0, size) + 0.02
    weight *= np.where(in_term, 2.0, 1.0) * np.where(is_foreign, 0.4, 1.0)
    weight[is_later] = 0
    total = np.bincount(owner, weights=weight, minlength=customers.size)
    cny = customers.wealth[owner] * deposit_share[owner] * weight / total[owner]
    rate = market.rates_e8[0][currency] / RATE_UNITS
    amount = cny / rate
    round_to = np.where(amount >= 200_000, 10_000, np.where(in_term, 1_000, 0.01))
    round_to = np.where(is_foreign & in_term, 100, round_to)
    round_to = np.where(codes == product("d_ntc"), 1_000, round_to)
    rounds = in_term | (codes == product("d_ntc"))
    rounded = np.where(rounds, np.maximum(np.rint(amount / round_to), 1) * round_to, amount)
    balance = np.rint(rounded * 100).astype(np.int64)
    balance[(currency == ref.CURRENCIES.index("JPY"))] //= 100
    balance[(currency == ref.CURRENCIES.index("JPY"))] *= 100
    cut_fen = np.array(CUTS_CNY)[customers.cut[fixed]] * 100
    balance[people[fixed]] = cut_fen - customers.under_cut[fixed]
    overdrawn = rng.permutation(people[~fixed & ~is_new[: customers.size] & (customers.salary_fen == 0)])
    overdrawn = overdrawn[: max(2, round(customers.size * 0.001))]
    balance[overdrawn] = -rng.integers(5_000, 300_000, len(overdrawn))
    planned = balance.copy()
    planned[is_later] = (rng.uniform(0.2, 0.8, size) * 100 * customers.wealth[owner]).astype(np.int64)[is_later]

    status = np.full(size, OPEN)
    idle = is_main & ~fixed[owner] & (customers.wealth[owner] < 2_500) & ~is_new
    status[idle & (rng.random(size) < 0.08)] = DORMANT
    status[is_main & ~fixed[owner] & ~is_new & (rng.random(size) < 0.002)] = FROZEN
    life = np.where(is_later | is_new, PENDING, LIVE)
    balance[life == PENDING] = 0
    branch = customers.branch[owner].copy()
    return Deposits(
        ids=numbered("", np.arange(size) + 1, 8),
        owner=owner,
        product=codes,
        branch=branch,
        currency=currency,
        term=term,
        opened=opened,
        maturity=maturity,
        status=status,
        life=life,
        opens=opens,
        balance=balance,
        planned=planned,
        target=np.where(in_term, 0.0, np.maximum(planned, 0)),
        is_fixed=fixed[owner],
        joint=np.zeros(size, np.bool_),
        wakes=np.full(size, NEVER),
        wakes_with=np.zeros(size, np.int64),
    )


def plant_dormant_accounts(
    seed: int, customers: Customers, deposits: Deposits, count: int, start: int, horizon: int
) -> None:
    """Some customers' second demand accounts sleep from the first day on and wake with an inflow."""
    rng = random_stream(seed, "dormant")
    owner = deposits.owner
    sleeps = (deposits.product == product("d_dem")) & (deposits.life == LIVE) & (deposits.status == OPEN)
    sleeps &= (np.arange(len(owner)) >= customers.size) & (deposits.balance > 0) & ~deposits.joint
    sleeps &= (customers.wealth[owner] > 50_000) & ~customers.is_planted[owner]
    sleeps &= customers.opened[owner] < start - 500
    for moment in (customers.closed, customers.deceased, customers.salary_stops):
        sleeps &= moment[owner] == NEVER
    rows = np.flatnonzero(sleeps)
    _, first = np.unique(owner[rows], return_index=True)
    rows = rng.permutation(rows[first])[: max(2, round(count * 0.002))]
    number = max(len(rows), 1)
    deposits.status[rows] = DORMANT
    deposits.opened[rows] = np.minimum(deposits.opened[rows], start - 500)
    deposits.wakes[rows] = start + 30 + np.arange(len(rows)) * (horizon - 60) // number
    share = rng.integers(20, 60, len(rows))
    deposits.wakes_with[rows] = (customers.wealth[owner[rows]]).astype(np.int64) * share // 100 * 100


@dataclass
class Owners:
    """Rows of account_owners with the days [valid_from, valid_to) on which they hold."""

    account: Ints
    customer: Ints
    is_primary: Bools
    share_e8: Ints
    valid_from: Ints
    valid_to: Ints
    changes: list[tuple[int, int]]  # (account row, day) of planted changes of share


_SHARE_PATTERNS = (
    (50_000_000, 50_000_000),
    (33_333_333, 66_666_667),
    (70_000_000, 30_000_000),
    (33_333_334, 33_333_333, 33_333_333),
)


def draw_owners(
    seed: int,
    customers: Customers,
    deposits: Deposits,
    households: Households,
    count: int,
    start: int,
    horizon: int,
) -> Owners:
    """About 8 % of the accounts are joint; some change their shares once in the year."""
    rng = random_stream(seed, "owners")
    usable = (deposits.life == LIVE) & ~deposits.is_fixed
    owner = deposits.owner
    usable &= (customers.closed[owner] == NEVER) & (customers.deceased[owner] == NEVER)
    rows = rng.permutation(np.flatnonzero(usable))[: round(0.08 * usable.sum())]
    rows = np.sort(rows)
    deposits.joint[rows] = True
    partner = _partners(rng, customers, households, count, owner[rows])
    third = _partners(rng, customers, households, count, partner)
    pattern = rng.choice(len(_SHARE_PATTERNS), len(rows), p=[0.58, 0.22, 0.15, 0.05])
    pattern[(third == owner[rows]) | (third == partner) & (pattern == 3)] = 0
    changing = rng.random(len(rows)) < 0.03
    changing[:1] = True
    changes_on = start + 8 + rng.integers(0, horizon - 10, len(rows))
    changes_on[:1] = start + 17
    parts: list[tuple[Ints, Ints, Bools, Ints, Ints, Ints]] = []
    for version in (0, 1):
        chosen = pattern if version == 0 else (pattern + 1) % 3
        live = np.ones(len(rows), np.bool_) if version == 0 else changing
        begin = np.full(len(rows), start) if version == 0 else changes_on
        end = np.where(changing, changes_on, NEVER) if version == 0 else np.full(len(rows), NEVER)
        for position in range(3):
            people = (owner[rows], partner, third)[position]
            share = np.array([(*shares, 0)[position] for shares in _SHARE_PATTERNS])[chosen]
            keep = live & (share > 0)
            parts.append(
                (
                    rows[keep],
                    people[keep],
                    np.full(int(keep.sum()), position == 0),
                    share[keep],
                    begin[keep],
                    end[keep],
                )
            )
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.lexsort((~columns[2], columns[0]))
    account, customer, is_primary, share_e8, valid_from, valid_to = (c[order] for c in columns)
    changes = [(int(rows[n]), int(changes_on[n])) for n in np.flatnonzero(changing)]
    return Owners(account, customer, is_primary, share_e8, valid_from, valid_to, changes)


def _partners(rng: np.random.Generator, customers: Customers, households: Households, count: int, of: Ints) -> Ints:
    """Another member of the household, else another customer of the bank who stays all year."""
    next_member = np.full(customers.size, -1)
    member = households.customer
    same = households.household[1:] == households.household[:-1]
    next_member[member[:-1][same]] = member[1:][same]
    next_member[member[1:][same]] = member[:-1][same]
    steady = np.flatnonzero(
        (customers.closed[:count] == NEVER)
        & (customers.deceased[:count] == NEVER)
        & (customers.cut[:count] < 0)
        & (customers.merged_on[:count] == NEVER)
    )
    other = steady[rng.integers(0, len(steady), len(of))]
    clash = other == of
    other[clash] = steady[(np.searchsorted(steady, of[clash]) + 1) % len(steady)]
    partner = np.where(next_member[of] >= 0, next_member[of], other)
    unsteady = ~np.isin(partner, steady)
    partner[unsteady] = other[unsteady]
    return partner


@dataclass
class Cards:
    ids: pa.Array
    owner: Ints
    branch: Ints
    is_credit: Bools
    grade: Ints
    limit: npt.NDArray[np.int64]
    opened: Ints
    opens: Ints
    life: Ints
    outstanding: npt.NDArray[np.int64]
    rate_per_day: Floats
    ticket: Floats  # fen per purchase
    due_day: Ints
    revolves: Bools


CARD_GRADES = ("standard", "gold", "platinum", "diamond")


def draw_cards(seed: int, customers: Customers, start: int, horizon: int) -> Cards:
    rng = random_stream(seed, "cards")
    has_credit = (
        rng.random(customers.size) < np.clip(0.12 + 0.06 * np.log10(np.maximum(customers.wealth, 1)), 0, 0.7) - 0.12
    )
    has_debit = (rng.random(customers.size) < 0.03) | (customers.wealth > 500_000)
    owner = np.concatenate([np.flatnonzero(has_credit), np.flatnonzero(has_debit)])
    size = len(owner)
    is_credit = np.arange(size) < has_credit.sum()
    wealth = customers.wealth[owner]
    standing = np.log10(np.maximum(wealth, 1)) + rng.normal(0, 0.35, size)
    grade = np.digitize(standing, [4.7, 5.4, 6.3])
    late = rng.random(size) < 0.05
    opens = np.maximum(customers.joined[owner], start)
    opens = opens + np.where(late, rng.integers(1, horizon, size), 0)
    is_later = opens > start
    age = np.maximum(start - customers.opened[owner], 1)
    opened = np.where(is_later, opens, customers.opened[owner] + (rng.random(size) * age * 0.95).astype(np.int64))
    yearly = 15_000 * (np.maximum(wealth, 500) / 8_500) ** 0.25 * np.exp(rng.normal(0, 1.1, size))
    ticket = np.clip(rng.lognormal(5.4, 0.6, size), 30, 5_000)
    limit = np.array([20_000, 50_000, 120_000, 400_000])[grade] * 100
    outstanding = np.where(is_credit, yearly / 12 * rng.uniform(0, 1, size) * 100, 0)
    outstanding = np.minimum(outstanding.astype(np.int64), limit // 2)
    outstanding[is_later] = 0
    return Cards(
        ids=numbered("k", np.arange(size) + 1, 7),
        owner=owner,
        branch=customers.branch[owner].copy(),
        is_credit=is_credit,
        grade=grade,
        limit=limit,
        opened=opened,
        opens=opens,
        life=np.where(is_later, PENDING, LIVE),
        outstanding=outstanding,
        rate_per_day=np.where(is_credit, np.minimum(yearly / ticket / 365, 4.0), 0.0),
        ticket=ticket * 100,
        due_day=rng.integers(3, 28, size),
        revolves=rng.random(size) < 0.12,
    )


@dataclass
class Loans:
    ids: pa.Array
    owner: Ints
    product: Ints
    branch: Ints
    principal: npt.NDArray[np.int64]
    outstanding: npt.NDArray[np.int64]
    instalment: npt.NDArray[np.int64]
    rate_e8: Ints
    opened: Ints
    opens: Ints
    maturity: Ints
    due_day: Ints
    overdue: Ints  # days past due at the start, -1 = pays in time
    life: Ints


def draw_loans(seed: int, customers: Customers, start: int, horizon: int) -> Loans:
    rng = random_stream(seed, "loans")
    adult = (customers.born != NEVER) & (customers.born < start - 22 * 365)
    owner = np.flatnonzero((rng.random(customers.size) < 0.13) & adult)
    size = len(owner)
    kind = rng.choice(3, size, p=[0.35, 0.45, 0.2])
    codes = np.array([product(code) for code in ("l_mortgage", "l_consumer", "l_auto")])[kind]
    typical = np.array([650_000, 60_000, 120_000])[kind]
    principal = np.maximum(np.rint(typical * rng.lognormal(0, 0.6, size) / 10_000), 1)
    principal = (principal * 10_000 * 100).astype(np.int64)
    months = np.array([300, 36, 48])[kind]
    late = rng.random(size) < 0.06
    opens = np.maximum(customers.joined[owner], start)
    opens = opens + np.where(late, rng.integers(1, horizon, size), 0)
    is_later = opens > start
    elapsed = np.where(is_later, 0, (rng.random(size) * 0.95 * months).astype(np.int64))
    opened = np.where(is_later, opens, start - elapsed * 30 - rng.integers(1, 29, size))
    instalment = principal // months
    overdue = np.where(rng.random(size) < 0.025, rng.integers(1, 400, size), -1)
    overdue[is_later] = -1
    rate = np.array([3_250_000, 5_400_000, 4_350_000])[kind]
    return Loans(
        ids=numbered("l", np.arange(size) + 1, 7),
        owner=owner,
        product=codes,
        branch=customers.branch[owner].copy(),
        principal=principal,
        outstanding=principal - instalment * elapsed,
        instalment=instalment,
        rate_e8=rate + rng.integers(-40, 41, size) * 5_000,
        opened=opened,
        opens=opens,
        maturity=add_months(opened, months),
        due_day=rng.integers(1, 29, size),
        overdue=overdue,
        life=np.where(is_later, PENDING, LIVE),
    )


@dataclass
class Custody:
    ids: pa.Array
    owner: Ints
    broker: Ints
    branch: Ints
    margin: npt.NDArray[np.int64]
    linked: Ints
    life: Ints
    opens: Ints
    # positions
    account: Ints
    instrument: Ints
    quantity: npt.NDArray[np.int64]  # whole shares


def draw_custody(seed: int, customers: Customers, broking_share: Floats, market: Market, start: int) -> Custody:
    rng = random_stream(seed, "custody")
    owner = np.flatnonzero((broking_share > 0) & (customers.merged_on == NEVER))
    size = len(owner)
    amount = customers.wealth[owner] * broking_share[owner]
    cash_share = rng.beta(1.2, 3, size)
    margin = (amount * cash_share * 100).astype(np.int64)
    is_new = customers.joined[owner] > start
    age = np.maximum(start - customers.opened[owner], 1)
    linked = customers.opened[owner] + (rng.random(size) * age * 0.9).astype(np.int64)
    listed = np.array([n for n, item in enumerate(ref.INSTRUMENTS) if item.product_code == "s_custody"])
    number = rng.integers(1, 6, size)
    account = np.repeat(np.arange(size), number)
    instrument = listed[rng.integers(0, len(listed), len(account))]
    _, first = np.unique(account * 1_000 + instrument, return_index=True)
    account, instrument = account[first], instrument[first]
    worth = (amount * (1 - cash_share) / number)[account]
    price = market.prices_e4[0][instrument] / PRICE_UNITS
    price = price * market.rates_e8[0][INSTRUMENT_CURRENCY[instrument]] / RATE_UNITS
    quantity = np.maximum(np.rint(worth / price / 100), 0).astype(np.int64) * 100
    return Custody(
        ids=numbered("s", np.arange(size) + 1, 7),
        owner=owner,
        broker=rng.integers(0, 12, size),
        branch=customers.branch[owner].copy(),
        margin=np.where(is_new, 0, margin),
        linked=np.where(is_new, customers.joined[owner], linked),
        life=np.where(is_new, PENDING, LIVE),
        opens=np.maximum(customers.joined[owner], start),
        account=account,
        instrument=instrument,
        quantity=quantity,
    )


@dataclass
class Holdings:
    """Wealth products, funds, insurance, bonds, metals. Units are integers of 0.01."""

    ids: pa.Array
    owner: Ints
    product: Ints
    branch: Ints
    instrument: Ints
    currency: Ints
    units: npt.NDArray[np.int64]
    cost: npt.NDArray[np.int64]
    opened: Ints
    maturity: Ints
    life: Ints
    opens: Ints
    planned: npt.NDArray[np.int64]  # fen CNY to buy for
    monthly: npt.NDArray[np.int64]  # fen CNY bought every month, 0 = none
    buy_day: Ints


_HOLDING_ODDS = {
    "w_fix06": 0.15,
    "w_fix12": 0.13,
    "w_nav": 0.12,
    "w_usd": 0.03,
    "f_money": 0.08,
    "f_bond": 0.09,
    "f_equity": 0.12,
    "f_qdii": 0.02,
    "i_life": 0.06,
    "i_annuity": 0.06,
    "b_sav36": 0.05,
    "b_sav60": 0.03,
    "m_gold": 0.05,
    "m_silver": 0.01,
}


def instruments_of() -> dict[int, Ints]:
    """Product row -> rows of the instruments sold under it."""
    found: dict[int, list[int]] = {}
    for row, item in enumerate(ref.INSTRUMENTS):
        found.setdefault(product(item.product_code), []).append(row)
    return {code: np.array(rows) for code, rows in found.items()}


def units_for(fen: Ints, price_e4: Ints) -> npt.NDArray[np.int64]:
    """Units (0.01) that ``fen`` of the instrument's currency buy, rounded down."""
    return np.asarray(fen, np.int64) * PRICE_UNITS // np.asarray(price_e4, np.int64)


def value_of(units: Ints, price_e4: Ints) -> npt.NDArray[np.int64]:
    """Fen of units (0.01) at a price (0.0001), rounded half up."""
    return (np.asarray(units, np.int64) * price_e4 + PRICE_UNITS // 2) // PRICE_UNITS


def draw_holdings(
    seed: int, customers: Customers, holding_share: Floats, market: Market, start: int, horizon: int
) -> Holdings:
    rng = random_stream(seed, "holdings")
    buyers = np.flatnonzero(holding_share > 0)
    number = rng.integers(1, 5, len(buyers))
    now = np.repeat(buyers, number)
    can_buy = np.flatnonzero((customers.wealth > 20_000) & (customers.cut < 0))
    later = np.repeat(can_buy, rng.poisson(0.65 * horizon / 365, len(can_buy)))
    owner = np.concatenate([now, later])
    size = len(owner)
    is_later = (np.arange(size) >= len(now)) | (customers.joined[owner] > start)
    codes = list(_HOLDING_ODDS)
    odds = np.array(list(_HOLDING_ODDS.values()))
    code = np.array([product(name) for name in codes])[rng.choice(len(codes), size, p=odds / odds.sum())]
    instrument = np.full(size, -1)
    for row, choices in instruments_of().items():
        chosen = np.flatnonzero(code == row)
        instrument[chosen] = choices[rng.integers(0, len(choices), len(chosen))]
    currency = np.where(instrument >= 0, INSTRUMENT_CURRENCY[instrument], 0)
    weight = rng.gamma(1.5, 1, size) + 0.05
    weight[is_later] = 0
    total = np.maximum(np.bincount(owner, weights=weight, minlength=customers.size), 1e-9)
    cny = customers.wealth[owner] * holding_share[owner] * weight / total[owner]
    cny = np.maximum(np.rint(cny / 1_000), 1) * 1_000
    cny[is_later] = (
        np.maximum(np.rint(customers.wealth[owner] * rng.uniform(0.05, 0.3, size) / 1_000), 1)[is_later] * 1_000
    )
    planned = (cny * 100).astype(np.int64)
    rate = market.rates_e8[0][currency]
    fen = planned * RATE_UNITS // rate
    price = np.where(instrument >= 0, market.prices_e4[0][instrument], PRICE_UNITS)
    units = np.where(instrument >= 0, units_for(fen, price), fen)
    term = PRODUCT_TERMS[code]
    opens = np.maximum(customers.joined[owner], start)
    opens = opens + np.where(is_later, rng.integers(1, horizon, size), 0)
    in_past = start - 1 - (rng.random(size) * np.where(term > 0, term * 27, 900)).astype(np.int64)
    opened = np.where(is_later, opens, np.maximum(in_past, customers.opened[owner]))
    family = np.array([item.family for item in ref.PRODUCTS])[code]
    monthly = np.where(
        (family == "fund") & (currency == 0) & (rng.random(size) < 0.2),
        rng.integers(1, 5, size) * 50_000,
        0,
    )
    return Holdings(
        ids=numbered("h", np.arange(size) + 1, 7),
        owner=owner,
        product=code,
        branch=customers.branch[owner].copy(),
        instrument=instrument,
        currency=currency,
        units=np.where(is_later, 0, units),
        cost=np.where(is_later, 0, (fen * rng.uniform(0.88, 1.05, size)).astype(np.int64)),
        opened=opened,
        maturity=np.where(term > 0, add_months(opened, term), NEVER),
        life=np.where(is_later, PENDING, LIVE),
        opens=opens,
        planned=planned,
        monthly=monthly,
        buy_day=rng.integers(1, 28, size),
    )
