"""Staff who dress up a quarter's end: what is done, when, and that it is in the books."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pytest

from orchestration.lib.demo_bank.columns import day
from orchestration.lib.demo_bank.gaming import Gaming
from orchestration.lib.demo_bank.simulate import Bank

START, PLANNED, QUARTER_END, LAST = (
    day(date(2026, month, number)) for month, number in ((4, 1), (6, 1), (6, 30), (7, 12))
)


@dataclass
class Quarter:
    """The second quarter of 2026 in a bank of 1,000 customers, with what they had at the close of its last days."""

    bank: Bank
    gaming: Gaming
    main: dict[int, np.ndarray] = field(default_factory=dict)
    assets: dict[int, np.ndarray] = field(default_factory=dict)
    unexplained: int = 0
    planned_before: int = 0


@pytest.fixture(scope="module")
def quarter() -> Quarter:
    bank = Bank(11, 1_000, START, LAST - START + 1)
    told = Quarter(bank, Gaming(bank, date(2026, 4, 1)))
    size = bank.customers.size
    for today in range(START, LAST + 1):
        before = bank.deposits.balance.copy()
        bank.advance(today)
        told.gaming.advance(today)
        rows, amounts, _ = bank.booked.collected()
        booked = np.zeros_like(before)
        np.add.at(booked, rows, amounts)
        told.unexplained += int(np.abs(bank.deposits.balance - before - booked).sum())
        if today == PLANNED - 1:
            told.planned_before = sum(len(rows) for rows in vars(told.gaming.done).values())
        if today >= PLANNED - 1:
            told.main[today] = bank.deposits.balance[:size].copy()
            told.assets[today] = told.gaming._assets()
    return told


def test_every_kind_is_planted_once_the_last_month_begins(quarter: Quarter) -> None:
    assert quarter.planned_before == 0
    assert all(len(rows) > 0 for rows in vars(quarter.gaming.done).values())


def test_all_money_that_moves_is_booked(quarter: Quarter) -> None:
    assert quarter.unexplained == 0


def test_parked_money_comes_on_the_last_day_and_is_gone_within_five(quarter: Quarter) -> None:
    for customer, _, brought, taken, fen in quarter.gaming.done.parked:
        assert brought == QUARTER_END
        assert QUARTER_END < taken <= QUARTER_END + 5
        came = quarter.main[brought][customer] - quarter.main[brought - 1][customer]
        went = quarter.main[taken][customer] - quarter.main[taken - 1][customer]
        # The customer's own dealings of the day are beside it.
        own = fen * 3 // 10 + quarter.main[brought - 1][customer]
        assert abs(came - fen) < own
        assert abs(went + fen) < own
    assert min(row[4] for row in quarter.gaming.done.parked) == 10_000_000


def test_most_kept_customers_are_just_above_their_cut_every_day_of_the_month(quarter: Quarter) -> None:
    """Not all: what matures elsewhere can be more than the main account can make up for."""
    kept = quarter.gaming.done.kept
    assert len(kept) >= 4
    assert {(begin, through) for _, _, _, begin, through in kept} == {(PLANNED, QUARTER_END)}
    always = [
        all(cut * 100 < quarter.assets[today][customer] <= cut * 103 for today in range(begin, through + 1))
        for customer, _, cut, begin, through in kept
    ]
    assert 3 * sum(always) >= 2 * len(kept)


def test_a_household_is_not_richer_for_what_it_shifts(quarter: Quarter) -> None:
    homes = quarter.bank.households
    for receiver, giver, _, moved, returned, fen in quarter.gaming.done.shifted:
        assert moved < QUARTER_END < returned
        assert homes.household[homes.customer == receiver] == homes.household[homes.customer == giver]
        assert fen >= 6_000_000
        assert quarter.main[moved][giver] < quarter.main[moved - 1][giver]
        assert quarter.main[moved][receiver] > quarter.main[moved - 1][receiver]


def test_unused_accounts_are_delivered_empty(quarter: Quarter) -> None:
    accounts = quarter.gaming.deposit_accounts()
    assert accounts is not None
    assert accounts.num_rows == len(quarter.gaming.done.unused)
    assert {float(value) for value in accounts.column("balance").to_pylist()} == {0.0}
    assert len(set(accounts.column("account_id").to_pylist())) == accounts.num_rows


def test_handed_customers_choose_another_employee_of_the_outlet_in_the_last_days(quarter: Quarter) -> None:
    places = quarter.bank.employees.branch_on(QUARTER_END)
    for _, giver, taker, chosen in quarter.gaming.done.handed:
        assert giver != taker
        assert places[giver] == places[taker]
        assert QUARTER_END - 5 < chosen < QUARTER_END


def test_calls_are_logged_within_minutes(quarter: Quarter) -> None:
    days = Counter((employee, logged) for _, employee, logged, _ in quarter.gaming.done.logged)
    for (employee, logged), count in days.items():
        seconds = [row[3] for row in quarter.gaming.done.logged if row[1:3] == (employee, logged)]
        assert count >= 7
        assert max(seconds) - min(seconds) < 300


def test_a_customer_is_planted_for_one_thing_at_most(quarter: Quarter) -> None:
    done = quarter.gaming.done
    rows = [row[0] for row in [*done.parked, *done.kept, *done.handed, *done.logged, *done.shifted]]
    rows += [row[1] for row in done.unused]
    assert len(rows) == len(set(rows))
    assert not quarter.bank.customers.is_planted[rows].any()


def test_a_bank_whose_books_go_live_within_the_quarter_is_left_alone() -> None:
    bank = Bank(11, 300, PLANNED - 1, 40)
    gaming = Gaming(bank, date(2026, 4, 2))
    for today in range(PLANNED - 1, QUARTER_END + 2):
        bank.advance(today)
        gaming.advance(today)
    assert all(rows == [] for rows in vars(gaming.done).values())
    assert gaming.deposit_accounts() is None
