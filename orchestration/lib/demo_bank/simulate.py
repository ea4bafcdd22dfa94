"""The bank's money from one day to the next: every balance moves by booked postings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from orchestration.lib.demo_bank import people, portfolio
from orchestration.lib.demo_bank import reference as ref
from orchestration.lib.demo_bank.columns import (
    NEVER,
    Bools,
    Ints,
    add_months,
    as_date,
    random_stream,
)
from orchestration.lib.demo_bank.market import PRICE_UNITS, RATE_UNITS, draw_market
from orchestration.lib.demo_bank.portfolio import (
    CLOSED,
    CLOSING,
    FROZEN,
    GONE,
    LIVE,
    OPEN,
    PENDING,
    units_for,
    value_of,
)

DEPOSIT_KINDS = (
    "salary",
    "cash",
    "transfer",
    "interest",
    "fee",
    "purchase",
    "maturity",
    "other",
)
SALARY, CASH, TRANSFER, INTEREST, FEE, PURCHASE, MATURITY, OTHER = range(8)
CARD_KINDS = (
    "purchase",
    "refund",
    "instalment",
    "cash_advance",
    "fee",
    "interest",
    "repayment",
)
(
    CARD_PURCHASE,
    CARD_REFUND,
    CARD_INSTALMENT,
    CARD_CASH,
    CARD_FEE,
    CARD_INTEREST,
    CARD_REPAYMENT,
) = range(7)
_TERM_RATE_BP = {3: 95, 6: 115, 12: 135, 36: 175}
_DEMAND_SHARE_PER_DAY = 0.055


@dataclass
class Ledgered:
    """What was booked on a day: parallel arrays of account or card row, amount in fen, kind."""

    rows: list[Ints] = field(default_factory=list)
    amounts: list[Ints] = field(default_factory=list)
    kinds: list[Ints] = field(default_factory=list)

    def add(self, rows: Ints, amounts: Ints, kind: int | Ints) -> None:
        self.rows.append(rows)
        self.amounts.append(amounts)
        self.kinds.append(np.broadcast_to(np.asarray(kind), rows.shape))

    def collected(self) -> tuple[Ints, npt.NDArray[np.int64], Ints]:
        empty = np.empty(0, np.int64)
        rows = np.concatenate([empty, *self.rows])
        amounts = np.concatenate([empty, *self.amounts])
        kinds = np.concatenate([empty, *self.kinds])
        moved = amounts != 0
        return rows[moved], amounts[moved], kinds[moved]


@dataclass
class Sale:
    """Bank products sold on a day: customer row, product row, fen CNY."""

    customer: Ints
    product: Ints
    fen: Ints


class Bank:
    """The bank's state at the close of a day; ``advance`` moves it to the next."""

    def __init__(self, seed: int, count: int, start: int, days: int) -> None:
        self.seed, self.count, self.start = seed, count, start
        self.horizon = max(366, days)
        self.market = draw_market(seed, start, days)
        self.branches = people.draw_branches(seed, count, start)
        self.customers = people.draw_customers(seed, count, self.branches, start, self.horizon)
        self.employees = people.draw_employees(seed, self.branches, start, self.horizon)
        self.households = people.draw_households(seed, self.customers, count, start, self.horizon)
        deposit_share, holding_share, broking_share = portfolio.shares_of_wealth(seed, self.customers)
        self.cards = portfolio.draw_cards(seed, self.customers, start, self.horizon)
        self.loans = portfolio.draw_loans(seed, self.customers, start, self.horizon)
        self.custody = portfolio.draw_custody(seed, self.customers, broking_share, self.market, start)
        self.holdings = portfolio.draw_holdings(seed, self.customers, holding_share, self.market, start, self.horizon)
        self._keep_customers_with_more_than_deposits()
        self.deposits = portfolio.draw_deposits(
            seed, self.customers, self.branches, deposit_share, self.market, start, self.horizon
        )
        self.owners = portfolio.draw_owners(
            seed, self.customers, self.deposits, self.households, count, start, self.horizon
        )
        portfolio.plant_dormant_accounts(seed, self.customers, self.deposits, count, start, self.horizon)
        self.maintenance = people.draw_maintenance(seed, self.customers, self.employees, self.branches, start)
        self._new_custody_accounts_start_empty()
        self.parked = np.zeros(self.customers.size, np.int64)
        self.booked = Ledgered()
        self.card_booked = Ledgered()
        self.sales: list[Sale] = []
        self.last_business = start - 1

    def _keep_customers_with_more_than_deposits(self) -> None:
        """Only customers who hold nothing but deposits close their accounts and leave."""
        customers = self.customers
        holds_more = np.zeros(customers.size, np.bool_)
        for owner in (self.cards.owner, self.loans.owner, self.custody.owner, self.holdings.owner):
            holds_more[owner] = True
        customers.closed[holds_more & (customers.merged_on == NEVER)] = NEVER

    def _new_custody_accounts_start_empty(self) -> None:
        custody = self.custody
        custody.quantity[custody.life[custody.account] == PENDING] = 0

    # -- one day ---------------------------------------------------------------------------

    def advance(self, day: int) -> None:
        """Move the state from the close of the previous day to the close of ``day``."""
        rng = random_stream(self.seed, "day", day)
        today = as_date(day)
        offset = day - self.start
        self.booked, self.card_booked, self.sales = Ledgered(), Ledgered(), []
        self.rates = self.market.rates_e8[offset]
        self.prices = self.market.prices_e4[offset]
        self._let_go(self.deposits.life)
        self._let_go(self.cards.life)
        self._let_go(self.loans.life)
        self._merge(day)
        self._die(day)
        self._open_accounts(rng, day)
        self._pay_salaries(day, today)
        self._mature_terms(rng, day)
        self._pay_interest(today)
        self._move_demand(rng, today)
        self._planted_moves(rng, day, today)
        self._leave(day)
        if self.market.is_business[offset]:
            self._let_go(self.holdings.life)
            self._buy_holdings(day)
            self._buy_monthly(day)
            self._end_holdings(rng, day)
            self._trade(rng, day)
            self.last_business = day
        self._use_cards(rng, day, today)
        self._repay_loans(rng, day, today)

    def _let_go(self, life: Ints) -> None:
        life[life == CLOSING] = GONE

    def post(self, rows: Ints, amounts: Ints, kind: int | Ints) -> None:
        """Book ``amounts`` (fen of each account's currency, credit > 0) to deposit accounts."""
        np.add.at(self.deposits.balance, rows, amounts)
        self.booked.add(rows, np.asarray(amounts, np.int64), kind)

    def _usable(self, rows: Ints) -> Bools:
        deposits = self.deposits
        return (deposits.life[rows] == LIVE) & (deposits.status[rows] == OPEN) & ~deposits.is_fixed[rows]

    def _close_deposits(self, rows: Ints, kind: int) -> None:
        balance = self.deposits.balance[rows]
        self.post(rows, -balance, kind)
        self.deposits.life[rows] = CLOSING
        self.deposits.status[rows] = CLOSED

    def _merge(self, day: int) -> None:
        customers = self.customers
        for old in np.flatnonzero(customers.merged_on == day):
            new = customers.twin_of[old]
            for holder in (self.deposits, self.cards, self.loans, self.holdings):
                holder.owner[holder.owner == old] = new
            if self.maintenance.a[new] < 0:
                self.maintenance.a[new] = self.maintenance.a[old]
                self.maintenance.b[new] = self.maintenance.b[old]
                self.maintenance.initial[new] = self.maintenance.initial[old]
                self.maintenance.since[new] = day
            self.maintenance.a[old] = self.maintenance.b[old] = -1

    def _die(self, day: int) -> None:
        dead = np.flatnonzero(self.customers.deceased == day)
        if len(dead):
            frozen = np.isin(self.deposits.owner, dead) & (self.deposits.life == LIVE)
            self.deposits.status[frozen] = FROZEN

    def _open_accounts(self, rng: np.random.Generator, day: int) -> None:
        deposits = self.deposits
        rows = np.flatnonzero((deposits.life == PENDING) & (deposits.opens == day))
        owner = deposits.owner[rows]
        gone = (self.customers.closed[owner] <= day) | (self.customers.deceased[owner] <= day)
        deposits.life[rows[gone]] = GONE
        rows, owner = rows[~gone], owner[~gone]
        is_first = deposits.opened[rows] == day
        is_saving = (deposits.term[rows] > 0) & (self.customers.joined[owner] < day)
        is_saving &= (deposits.currency[rows] == 0) & is_first
        fresh = rows[~is_saving]
        deposits.life[fresh] = LIVE
        self.post(fresh, deposits.planned[fresh], np.where(rng.random(len(fresh)) < 0.5, 1, 2))
        saving = rows[is_saving]
        _, first = np.unique(deposits.owner[saving], return_index=True)
        deposits.life[np.delete(saving, first)] = GONE
        saving = saving[first]
        main = deposits.owner[saving]
        amount = np.minimum(deposits.planned[saving], deposits.balance[main] * 8 // 10)
        amount = amount // 100_000 * 100_000
        opens = (amount >= 500_000) & self._usable(main)
        deposits.life[saving] = np.where(opens, LIVE, GONE)
        saving, main, amount = saving[opens], main[opens], amount[opens]
        self.post(main, -amount, TRANSFER)
        self.post(saving, amount, TRANSFER)

    def _pay_salaries(self, day: int, today: date) -> None:
        paid = []
        for payday in (5, 10, 15, 25):
            due = today.replace(day=payday)
            if not ref.is_business_day(due):
                due = ref.previous_business_day(due)
            if due == today:
                paid.append(payday)
        if not paid:
            return
        customers = self.customers
        earners = np.flatnonzero(np.isin(customers.payday, paid) & (customers.salary_fen > 0))
        earners = earners[self._usable(earners) & (day < customers.salary_stops[earners])]
        self.post(earners, customers.salary_fen[earners], SALARY)

    def _mature_terms(self, rng: np.random.Generator, day: int) -> None:
        deposits = self.deposits
        rows = np.flatnonzero((deposits.maturity == day) & (deposits.life == LIVE))
        if not len(rows):
            return
        term = deposits.term[rows]
        basis_points = np.zeros(len(rows), np.int64)
        for months, rate in _TERM_RATE_BP.items():
            basis_points[term == months] = rate
        interest = deposits.balance[rows] * basis_points * term // 120_000
        main = deposits.owner[rows]
        is_cny = deposits.currency[rows] == 0
        self.post(np.where(is_cny, main, rows), interest, INTEREST)
        rolls = (rng.random(len(rows)) < 0.7) | (deposits.status[rows] != OPEN) | ~is_cny
        rolls |= deposits.life[main] != LIVE
        deposits.maturity[rows[rolls]] = add_months(deposits.maturity[rows[rolls]], term[rolls])
        ended = rows[~rolls]
        self.post(deposits.owner[ended], deposits.balance[ended], MATURITY)
        self._close_deposits(ended, MATURITY)

    def _pay_interest(self, today: date) -> None:
        if today.day != 21 or today.month % 3:
            return
        deposits = self.deposits
        rows = np.flatnonzero((deposits.term == 0) & (deposits.life == LIVE) & ~deposits.is_fixed)
        interest = np.maximum(deposits.balance[rows], 0) * 5 // 40_000
        interest[deposits.currency[rows] == ref.CURRENCIES.index("JPY")] //= 100
        interest[deposits.currency[rows] == ref.CURRENCIES.index("JPY")] *= 100
        self.post(rows, interest, INTEREST)

    @staticmethod
    def season(today: date) -> float:
        """Demand balances swell towards month ends, more so at quarter ends."""
        is_late = (today + timedelta(days=4)).month != today.month
        if not is_late:
            return 0.99
        return 1.06 if today.month % 3 == 0 else 1.03

    def _move_demand(self, rng: np.random.Generator, today: date) -> None:
        deposits = self.deposits
        active = rng.random(len(deposits.owner)) < _DEMAND_SHARE_PER_DAY
        rows = np.flatnonzero(active & (deposits.target > 0))
        # Accounts that will wake draw with the others, so that waking shifts nobody's moves.
        rows = rows[self._usable(rows) | (deposits.wakes[rows] != NEVER)]
        target = deposits.target[rows] * self.season(today)
        balance = deposits.balance[rows]
        size = len(rows)
        pull = (target - balance) * rng.uniform(0.1, 0.6, size)
        delta = np.rint(pull + target * rng.normal(0, 0.05, size)).astype(np.int64)
        delta = np.maximum(delta, -np.maximum(balance, 0))
        yen = deposits.currency[rows] == ref.CURRENCIES.index("JPY")
        delta[yen] = delta[yen] // 100 * 100
        delta[(np.abs(delta) < 100) | (deposits.status[rows] != OPEN)] = 0
        coming = rng.choice([TRANSFER, CASH, OTHER], size, p=[0.75, 0.2, 0.05])
        going = rng.choice([PURCHASE, TRANSFER, CASH, FEE], size, p=[0.52, 0.33, 0.14, 0.01])
        self.post(rows, delta, np.where(delta > 0, coming, going))

    def _planted_moves(self, rng: np.random.Generator, day: int, today: date) -> None:
        customers, deposits = self.customers, self.deposits
        since = day - customers.churn_from.astype(np.int64)
        churning = np.flatnonzero((since >= 0) & (since < 40))
        if len(churning):
            rows = np.flatnonzero(np.isin(deposits.owner, churning) & (deposits.target > 0))
            rows = rows[self._usable(rows)]
            deposits.target[rows] *= 0.93
            goes = rows[rng.random(len(rows)) < 0.35]
            share = rng.integers(15, 31, len(goes))
            self.post(goes, -(np.maximum(deposits.balance[goes], 0) * share // 100), TRANSFER)
            breaking = churning[since[churning] == 12]
            terms = np.flatnonzero(
                np.isin(deposits.owner, breaking)
                & (deposits.term > 0)
                & (deposits.currency == 0)
                & (deposits.life == LIVE)
            )
            terms = terms[self._usable(deposits.owner[terms]) & self._usable(terms)]
            self.post(deposits.owner[terms], deposits.balance[terms], MATURITY)
            self._close_deposits(terms, MATURITY)
        waking = np.flatnonzero((deposits.wakes == day) & (deposits.life == LIVE))
        deposits.status[waking] = OPEN
        self.post(waking, deposits.wakes_with[waking], TRANSFER)
        deposits.target[waking] += deposits.wakes_with[waking]
        rising = np.flatnonzero(customers.rise_on == day)
        rising = rising[self._usable(rising)]
        inflow = (customers.wealth[rising] * rng.uniform(1, 3, len(rising))).astype(np.int64) * 100
        self.post(rising, inflow, TRANSFER)
        deposits.target[rising] += inflow
        if (today + timedelta(days=1)).day == 1:
            parkers = np.flatnonzero(customers.is_parker & customers.present(day))
            parkers = parkers[self._usable(parkers)]
            amount = (customers.wealth[parkers] * rng.uniform(0.4, 1.2, len(parkers))).astype(np.int64) * 100
            self.parked[parkers] = amount
            self.post(parkers, amount, TRANSFER)
        elif today.day == 2:
            parkers = np.flatnonzero(self.parked)
            parkers = parkers[self._usable(parkers)]
            amount = np.minimum(self.parked[parkers], np.maximum(deposits.balance[parkers], 0))
            self.post(parkers, -amount, TRANSFER)
            self.parked[parkers] = 0

    def _leave(self, day: int) -> None:
        leaving = np.flatnonzero((self.customers.closed == day) & (self.customers.merged_on == NEVER))
        if len(leaving):
            rows = np.flatnonzero(np.isin(self.deposits.owner, leaving) & (self.deposits.life == LIVE))
            self._close_deposits(rows, TRANSFER)

    # -- bank products ---------------------------------------------------------------------

    def price_of(self, instrument: Ints) -> Ints:
        """Price (0.0001) in force; money products are worth 1 per unit."""
        return np.where(instrument >= 0, self.prices[instrument], PRICE_UNITS)

    def holding_values(self, rows: Ints) -> npt.NDArray[np.int64]:
        """Fen of each holding's own currency."""
        return value_of(self.holdings.units[rows], self.price_of(self.holdings.instrument[rows]))

    def to_cny(self, fen: Ints, currency: Ints) -> npt.NDArray[np.int64]:
        return (np.asarray(fen, np.int64) * self.rates[currency] + RATE_UNITS // 2) // RATE_UNITS

    def _add_units(self, rows: Ints, fen: Ints) -> None:
        """Buy ``fen`` CNY worth of units for holdings ``rows``, paid from the main account."""
        holdings = self.holdings
        own = fen * RATE_UNITS // self.rates[holdings.currency[rows]]
        holdings.units[rows] += units_for(own, self.price_of(holdings.instrument[rows]))
        holdings.cost[rows] += own
        self.post(holdings.owner[rows], -fen, PURCHASE)
        self.sales.append(Sale(holdings.owner[rows], holdings.product[rows], fen))

    def _buy_holdings(self, day: int) -> None:
        holdings = self.holdings
        rows = np.flatnonzero((holdings.life == PENDING) & (holdings.opens <= day))
        _, first = np.unique(holdings.owner[rows], return_index=True)
        rows = rows[first]
        main = holdings.owner[rows]
        fen = np.minimum(holdings.planned[rows], self.deposits.balance[main] * 6 // 10)
        fen = fen // 100_000 * 100_000
        buys = (fen >= 100_000) & self._usable(main)
        holdings.life[rows] = np.where(buys, LIVE, GONE)
        rows, fen = rows[buys], fen[buys]
        holdings.opened[rows] = day
        term = portfolio.PRODUCT_TERMS[holdings.product[rows]]
        holdings.maturity[rows] = np.where(term > 0, add_months(np.full(len(rows), day), term), NEVER)
        self._add_units(rows, fen)

    def _buy_monthly(self, day: int) -> None:
        holdings = self.holdings
        due = [as_date(d).day for d in range(self.last_business + 1, day + 1)]
        rows = np.flatnonzero((holdings.life == LIVE) & (holdings.monthly > 0) & np.isin(holdings.buy_day, due))
        _, first = np.unique(holdings.owner[rows], return_index=True)
        rows = rows[first]
        main = holdings.owner[rows]
        pays = self._usable(main) & (self.deposits.balance[main] > holdings.monthly[rows])
        rows = rows[pays]
        self._add_units(rows, holdings.monthly[rows])

    def _end_holdings(self, rng: np.random.Generator, day: int) -> None:
        holdings = self.holdings
        live = holdings.life == LIVE
        matured = np.flatnonzero(live & (holdings.maturity <= day))
        rolls = matured[rng.random(len(matured)) < 0.35]
        holdings.maturity[rolls] = add_months(
            holdings.maturity[rolls], portfolio.PRODUCT_TERMS[holdings.product[rolls]]
        )
        sold = live & (holdings.maturity == NEVER) & (rng.random(len(live)) < 0.0008)
        sold |= live & (self.customers.churn_from[holdings.owner] <= day - 20)
        sold[matured] = True
        sold[rolls] = False
        rows = np.flatnonzero(sold)
        main = holdings.owner[rows]
        rows = rows[(self.deposits.life[main] == LIVE) & ~self.deposits.is_fixed[main]]
        proceeds = self.to_cny(self.holding_values(rows), holdings.currency[rows])
        self.post(holdings.owner[rows], proceeds, MATURITY)
        holdings.units[rows] = 0
        holdings.life[rows] = CLOSING

    def _trade(self, rng: np.random.Generator, day: int) -> None:
        custody, deposits = self.custody, self.deposits
        custody.life[(custody.life == PENDING) & (custody.opens <= day)] = LIVE
        live = np.flatnonzero(custody.life == LIVE)
        moving = live[rng.random(len(live)) < 0.012]
        _, first = np.unique(custody.owner[moving], return_index=True)
        moving = moving[first]
        main = custody.owner[moving]
        moving = moving[self._usable(main)]
        main = custody.owner[moving]
        inward = rng.random(len(moving)) < 0.5
        share = rng.integers(5, 35, len(moving))
        amount = np.where(
            inward,
            np.maximum(deposits.balance[main], 0) * share // 100,
            -(custody.margin[moving] * share // 100),
        )
        custody.margin[moving] += amount
        self.post(main, -amount, TRANSFER)

        held = np.flatnonzero((custody.quantity > 0) & (custody.life[custody.account] == LIVE))
        held = held[rng.random(len(held)) < 0.012]
        _, first = np.unique(custody.account[held], return_index=True)
        held = held[first]
        account, instrument = custody.account[held], custody.instrument[held]
        lots = np.rint(custody.quantity[held] * rng.uniform(-0.6, 0.4, len(held)) / 100)
        change = np.maximum(lots.astype(np.int64) * 100, -custody.quantity[held])
        currency = portfolio.INSTRUMENT_CURRENCY[instrument]
        cost = self.to_cny(change * self.prices[instrument] // 100, currency)
        affordable = cost <= custody.margin[account]
        custody.quantity[held[affordable]] += change[affordable]
        custody.margin[account[affordable]] -= cost[affordable]

    # -- cards and loans -------------------------------------------------------------------

    def _use_cards(self, rng: np.random.Generator, day: int, today: date) -> None:
        cards = self.cards
        opening = np.flatnonzero((cards.life == PENDING) & (cards.opens == day))
        owner = cards.owner[opening]
        gone = (self.customers.closed[owner] <= day) | (self.customers.deceased[owner] <= day)
        cards.life[opening] = np.where(gone, GONE, LIVE)
        usable = cards.is_credit & (cards.life == LIVE)
        usable &= self.customers.deceased[cards.owner] > day
        weekend = 1.25 if today.weekday() >= 5 else 1.0
        often = np.where(usable & (cards.outstanding < cards.limit * 9 // 10), 1.0, 0.0)
        uses = rng.poisson(cards.rate_per_day * weekend * often)
        rows = np.repeat(np.arange(len(uses)), uses)
        size = len(rows)
        amount = np.rint(cards.ticket[rows] * rng.lognormal(-0.3, 0.75, size)).astype(np.int64)
        amount = np.clip(amount, 100, np.maximum(cards.limit[rows] // 12, 100))
        kind = rng.choice(
            [CARD_PURCHASE, CARD_REFUND, CARD_INSTALMENT, CARD_CASH],
            size,
            p=[0.965, 0.012, 0.018, 0.005],
        )
        amount[kind == CARD_REFUND] = -(amount[kind == CARD_REFUND] * 7 // 10)
        amount[kind == CARD_CASH] = (amount[kind == CARD_CASH] // 10_000 + 1) * 10_000
        self._charge(rows, amount, kind)
        if today.day <= 28:
            due = np.flatnonzero(usable & (cards.due_day == today.day) & (cards.outstanding > 0))
            interest = np.where(cards.revolves[due], cards.outstanding[due] * 15 // 1000, 0)
            self._charge(due, interest, CARD_INTEREST)
            part = np.where(cards.revolves[due], 20, 100)
            self._charge(due, -(cards.outstanding[due] * part // 100), CARD_REPAYMENT)
        fee_due = usable & (cards.grade >= 2) & (cards.opened < day)
        fee_due &= (day - cards.opened) % 365 == 0
        rows = np.flatnonzero(fee_due)
        self._charge(rows, np.where(cards.grade[rows] == 3, 280_000, 60_000), CARD_FEE)

    def _charge(self, rows: Ints, amounts: Ints, kind: int | Ints) -> None:
        np.add.at(self.cards.outstanding, rows, amounts)
        self.card_booked.add(rows, np.asarray(amounts, np.int64), kind)

    def _repay_loans(self, rng: np.random.Generator, day: int, today: date) -> None:
        loans = self.loans
        opening = np.flatnonzero((loans.life == PENDING) & (loans.opens == day))
        owner = loans.owner[opening]
        gone = (self.customers.closed[owner] <= day) | (self.customers.deceased[owner] <= day)
        loans.life[opening] = np.where(gone, GONE, LIVE)
        live = loans.life == LIVE
        late = live & (loans.overdue >= 0)
        loans.overdue[late] += 1
        cured = late & (rng.random(len(live)) < 0.006)
        loans.overdue[cured] = -1
        due = np.flatnonzero(live & (loans.due_day == today.day) & (loans.opened < day))
        due = due[loans.overdue[due] < 0]
        slips = rng.random(len(due)) < 0.002
        loans.overdue[due[slips]] = 1
        due = due[~slips]
        paid = np.where(
            loans.outstanding[due] < loans.instalment[due] * 3 // 2,
            loans.outstanding[due],
            loans.instalment[due],
        )
        loans.outstanding[due] -= paid
        loans.life[due[loans.outstanding[due] == 0]] = CLOSING
        main = loans.owner[due]
        _, first = np.unique(main, return_index=True)
        main, paid = main[first], paid[first]
        pays_here = self._usable(main) & (self.deposits.balance[main] >= paid)
        self.post(main[pays_here], -paid[pays_here], OTHER)
