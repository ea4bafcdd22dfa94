"""The demo bank hangs together: money adds up, references hold, what is planted is there."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pandas as pd
import pytest

from orchestration.lib.demo_bank.columns import NEVER, day
from orchestration.lib.demo_bank.simulate import Bank
from tests.demo_bank.conftest import START, THROUGH, DeliveredBank

FIRST, LAST = START.isoformat(), THROUGH.isoformat()
CENT = Decimal("0.01")


def customer_balances(bank: DeliveredBank, business_date: str) -> pd.Series:
    """Branch, family, currency -> sum of what customers hold, from the other feeds alone."""
    families = bank.newest("reference.products", business_date).set_index("product_code")["product_family"]
    deposits = bank.table("core_banking.deposit_accounts", business_date).assign(
        family="deposit", amount=lambda t: t["balance"].map(Decimal)
    )
    cards = bank.table("card.card_accounts", business_date).assign(
        family="card", amount=lambda t: t["outstanding_balance"].map(Decimal)
    )
    loans = bank.table("loan.loans", business_date).assign(
        family="loan", amount=lambda t: t["outstanding_balance"].map(Decimal)
    )
    custody = bank.newest("brokerage.custody_accounts", business_date).assign(
        family="brokerage", amount=lambda t: t["margin_balance"].map(Decimal)
    )
    prices = bank.newest("market.instrument_prices", business_date).set_index("instrument_id")
    holdings = bank.newest("wealth.wealth_holdings", business_date)
    values = []
    for row in holdings.itertuples():
        value = Decimal(str(row.units))
        if row.instrument_id:
            assert prices.loc[row.instrument_id, "currency"] == row.currency
            value *= Decimal(str(prices.loc[row.instrument_id, "price"]))
        values.append(value.quantize(CENT, ROUND_HALF_UP))
    holdings = holdings.assign(family=holdings["product_code"].map(families), amount=values)
    held = pd.concat([deposits, cards, loans, custody, holdings])
    return held.groupby(["branch_id", "family", "currency"])["amount"].sum()


@pytest.mark.parametrize("business_date", [FIRST, "2026-04-05", "2026-04-30", "2026-05-03", LAST])
def test_the_general_ledger_equals_customer_balances_to_the_fen(bank: DeliveredBank, business_date: str) -> None:
    ledger = bank.table("finance.gl_balances", business_date)
    ledger["balance"] = ledger["balance"].map(Decimal)
    ledger = ledger.set_index(["branch_id", "product_family", "currency"])["balance"]
    assert ledger.to_dict() == customer_balances(bank, business_date).to_dict()
    assert set(ledger.index.get_level_values(1)) >= {"deposit", "card", "loan", "brokerage", "fund"}


def test_deposit_transactions_explain_every_change_of_balance(bank: DeliveredBank) -> None:
    days = bank.days("core_banking.deposit_accounts")
    moved = bank.events("core_banking.deposit_transactions")
    moved["amount"] = moved["amount"].map(Decimal)
    booked = moved.groupby(["day", "account_id"])["amount"].sum()
    before = None
    for today in days:
        accounts = bank.table("core_banking.deposit_accounts", today)
        now = accounts.set_index("account_id")["balance"].map(Decimal)
        if before is not None:
            both = pd.concat([before, now], axis=1, keys=["before", "now"])
            both = both.map(lambda value: Decimal(0) if value != value else value)
            changed = both["now"] - both["before"]
            expected = booked.get(today, pd.Series(dtype=object))
            assert changed[changed != 0].to_dict() == expected[expected != 0].to_dict()
        before = now


def test_card_transactions_explain_every_change_of_what_is_owed(bank: DeliveredBank) -> None:
    spent = bank.events("card.card_transactions")
    spent = spent[spent["day"] > FIRST]
    booked = spent["amount"].map(Decimal).groupby(spent["card_id"]).sum()
    first = bank.table("card.card_accounts", FIRST).set_index("card_id")
    last = bank.table("card.card_accounts", LAST).set_index("card_id")
    change = (
        last["outstanding_balance"].map(Decimal).sub(first["outstanding_balance"].map(Decimal), fill_value=Decimal(0))
    )
    assert change[change != 0].to_dict() == booked[booked != 0].to_dict()
    assert (booked > 0).any()


def test_references_between_feeds_hold(bank: DeliveredBank) -> None:
    def ids(feed_id: str, column: str) -> set[str]:
        return set(bank.events(feed_id)[column]) - {""}

    customers = ids("core_banking.customers", "customer_id")
    branches = ids("reference.branches", "branch_id")
    products = ids("reference.products", "product_code")
    employees = ids("hr.employees", "employee_id")
    accounts = ids("core_banking.deposit_accounts", "account_id")
    instruments = ids("market.instrument_prices", "instrument_id")
    cards = ids("card.card_accounts", "card_id")
    custody = ids("brokerage.custody_accounts", "custody_account_id")
    holdings = ids("wealth.wealth_holdings", "holding_id")
    known = {
        "customer_id": customers,
        "old_customer_id": customers,
        "new_customer_id": customers,
        "branch_id": branches,
        "home_branch_id": branches,
        "parent_branch_id": branches,
        "successor_branch_id": branches,
        "product_code": products,
        "employee_id": employees,
        "from_employee_id": employees,
        "to_employee_id": employees,
        "seller_employee_id": employees,
        "responsible_employee_id": employees,
        "account_id": accounts,
        "instrument_id": instruments,
        "card_id": cards,
        "custody_account_id": custody,
    }
    checked = 0
    for path in sorted(bank.landing.glob("*/*")):
        feed_id = f"{path.parent.name}.{path.name}"
        if feed_id == "core_banking.opening_balance_days":
            continue
        rows = bank.events(feed_id)
        for column in set(rows.columns) & set(known):
            missing = set(rows[column]) - {""} - known[column]
            assert not missing, (feed_id, column, sorted(missing)[:3])
            checked += 1
    assert checked > 50
    opening = bank.table("core_banking.opening_balance_days", FIRST)
    assert set(opening["account_id"]) <= accounts | holdings | custody
    assert set(opening["customer_id"]) <= customers


def test_an_account_s_customer_is_known_when_the_account_first_comes(bank: DeliveredBank) -> None:
    known: set[str] = set()
    for today in bank.days("core_banking.deposit_accounts"):
        known |= set(bank.table("core_banking.customers", today)["customer_id"])
        assert set(bank.table("core_banking.deposit_accounts", today)["customer_id"]) <= known


def test_shares_of_a_joint_account_sum_to_one(bank: DeliveredBank) -> None:
    for today in (FIRST, LAST):
        owners = bank.newest("core_banking.account_owners", today)
        owners["share"] = owners["share"].map(Decimal)
        assert set(owners.groupby("account_id")["share"].sum()) == {Decimal(1)}
        assert (owners.groupby("account_id").size() >= 2).all()
        primary = owners[owners["owner_role"] == "primary"].set_index("account_id")["customer_id"]
        assert primary.index.is_unique
        accounts = bank.newest("core_banking.deposit_accounts", today).set_index("account_id")
        assert (accounts.loc[primary.index, "customer_id"] == primary).all()
    total = len(bank.table("core_banking.deposit_accounts", FIRST))
    joint = bank.newest("core_banking.account_owners", FIRST)["account_id"].nunique()
    assert 0.06 < joint / total < 0.1


def test_a_planted_change_of_shares_happens_on_its_day(bank: DeliveredBank) -> None:
    changes = bank.truth("share_changes")
    assert len(changes) > 0
    for change in changes.itertuples():
        days = bank.days("core_banking.account_owners")
        moment = change.changed_date.isoformat()
        after = min(d for d in days if d >= moment)
        before = max(d for d in days if d < moment)
        old, new = (
            owners.loc[owners["account_id"] == change.account_id, "share"].tolist()
            for owners in (
                bank.table("core_banking.account_owners", before),
                bank.table("core_banking.account_owners", after),
            )
        )
        assert old != new
        assert sum(map(Decimal, new)) == 1


def test_customers_on_the_cuts_hold_exactly_that_and_nothing_else(bank: DeliveredBank) -> None:
    planted = bank.truth("customers_on_cuts").set_index("customer_id")
    assert set(planted["cut_cny"]) == {Decimal(c) for c in (50_000, 100_000, 200_000, 2_000_000)}
    assert set(planted["cut_cny"] - planted["balance"]) == {Decimal(0), CENT}
    for today in bank.days("core_banking.deposit_accounts"):
        accounts = bank.table("core_banking.deposit_accounts", today)
        theirs = accounts[accounts["customer_id"].isin(planted.index)]
        assert set(theirs["currency"]) == {"CNY"}
        held = theirs.set_index("customer_id")["balance"].map(Decimal)
        assert held.to_dict() == planted["balance"].to_dict()
    for feed_id in ("wealth.wealth_holdings", "brokerage.custody_accounts"):
        assert not set(bank.events(feed_id)["customer_id"]) & set(planted.index)
    joint = set(bank.events("core_banking.account_owners")["customer_id"])
    assert not joint & set(planted.index)
    opening = bank.table("core_banking.opening_balance_days", FIRST).set_index("customer_id")
    days_of_year = (START - date(2026, 1, 1)).days
    stated = opening.loc[planted.index, "balance_days"].map(Decimal)
    assert stated.to_dict() == (planted["balance"] * days_of_year).to_dict()


def test_opening_balance_days_give_joint_owners_a_row_each(bank: DeliveredBank) -> None:
    opening = bank.table("core_banking.opening_balance_days", FIRST)
    assert set(opening["as_of_date"]) == {"2026-03-31"}
    owners = bank.table("core_banking.account_owners", FIRST)
    joint = opening[opening["account_id"].isin(owners["account_id"])]
    pairs = set(map(tuple, owners[["account_id", "customer_id"]].to_numpy()))
    assert set(map(tuple, joint[["account_id", "customer_id"]].to_numpy())) <= pairs
    assert len(joint) > 0.9 * len(pairs)


def test_after_a_merge_everything_belongs_to_the_new_customer(bank: DeliveredBank) -> None:
    merges = bank.events("core_banking.customer_merges")
    assert len(merges) > 0
    for merge in merges.itertuples():
        for feed_id in ("core_banking.deposit_accounts", "card.card_accounts", "loan.loans"):
            after = bank.table(feed_id, LAST)
            assert merge.old_customer_id not in set(after["customer_id"])
        before = bank.table("core_banking.deposit_accounts", FIRST)
        moved = before[before["customer_id"] == merge.old_customer_id]["account_id"]
        assert len(moved) > 0
        after = bank.table("core_banking.deposit_accounts", str(merge.merged_date))
        now = after.set_index("account_id")["customer_id"]
        assert (now[now.index.isin(moved)] == merge.new_customer_id).all()
        delta = bank.table("core_banking.customers", str(merge.merged_date))
        closed = delta.set_index("customer_id")["closed_date"]
        assert closed[merge.old_customer_id] == merge.merged_date


def test_an_outlet_closes_and_names_its_successor(bank: DeliveredBank) -> None:
    (closed,) = bank.truth("closed_outlets").itertuples()
    assert START < closed.closed_date <= THROUGH
    before = bank.table("reference.branches", FIRST).set_index("branch_id")
    after = bank.newest("reference.branches", LAST).set_index("branch_id")
    assert before.loc[closed.branch_id, "closed_date"] == ""
    assert after.loc[closed.branch_id, "closed_date"] == closed.closed_date.isoformat()
    assert after.loc[closed.branch_id, "successor_branch_id"] == closed.successor_branch_id
    assert set(before["branch_level"]) == {
        "head_office",
        "province",
        "city",
        "sub_branch",
        "outlet",
        "wealth_centre",
    }


def test_staff_who_left_or_moved_are_reported_so(bank: DeliveredBank) -> None:
    staff = bank.newest("hr.employees", LAST).set_index("employee_id")
    leavers = bank.truth("leavers")
    movers = bank.truth("movers")
    assert len(leavers) > 0
    assert len(movers) > 0
    assert (staff.loc[leavers["employee_id"], "status"] == "left").all()
    now = staff.loc[movers["employee_id"], "branch_id"]
    assert (now.to_numpy() == movers["to_branch_id"].to_numpy()).all()


def test_nobody_contacts_a_customer_before_hiring_or_after_leaving(bank: DeliveredBank) -> None:
    contacts = bank.events("crm.contacts")
    staff = bank.newest("hr.employees", LAST).set_index("employee_id")
    who = staff.loc[contacts["employee_id"]].reset_index()
    assert (who["hired_date"] <= contacts["day"]).all()
    assert ((who["left_date"] == "") | (who["left_date"] > contacts["day"])).all()


@pytest.fixture(scope="module")
def state() -> Bank:
    """A bank of 5,000 customers in memory, moved on by 70 days."""
    bank = Bank(3, 5_000, day(START), 71)
    for today in range(bank.start, bank.start + 70):
        bank.advance(today)
    return bank


def test_wealth_is_heavy_tailed(state: Bank) -> None:
    wealth = np.sort(state.customers.wealth[: state.count])[::-1]
    assert 0.20 < (wealth >= 50_000).mean() < 0.25
    assert wealth[: len(wealth) // 50].sum() / wealth.sum() > 0.5


def test_accounts_cards_and_loans_are_as_many_as_a_retail_bank_has(state: Bank) -> None:
    live = state.deposits.life == 1
    assert 2.3 < live.sum() / state.count < 2.8
    assert set(state.cards.grade) == {0, 1, 2, 3}
    assert (state.loans.outstanding >= 30_000_000).sum() > 20
    assert ((state.deposits.balance < 0) & live).sum() > 0


def test_money_tides_at_month_ends_and_paydays() -> None:
    bank = Bank(5, 3_000, day(START), 32)
    by_day = {}
    for today in range(bank.start, bank.start + 32):
        bank.advance(today)
        cny = (bank.deposits.currency == 0) & (bank.deposits.term == 0)
        by_day[today - bank.start + 1] = int(bank.deposits.balance[cny].sum())
        kinds = bank.booked.collected()[2]
        paid = int((kinds == 0).sum())
        assert (paid > 0) == (today - bank.start + 1 in (3, 10, 15, 24)), today
    assert by_day[30] > by_day[20]
    assert by_day[30] > by_day[32]


def test_churners_lose_most_of_their_deposits(state: Bank) -> None:
    customers = state.customers
    gone = customers.churn_from < state.start + 25
    assert gone.sum() > 0
    fen = state.to_cny(state.deposits.balance, state.deposits.currency)
    held = np.bincount(state.deposits.owner, weights=fen / 100, minlength=customers.size)
    assert held[gone].sum() < 0.4 * customers.wealth[gone].sum()
    stays = customers.wealth[: state.count] > 60_000
    stays &= (customers.churn_from[: state.count] == NEVER) & (customers.cut[: state.count] < 0)
    stayers = np.flatnonzero(stays)
    assert held[stayers].sum() > 0.55 * customers.wealth[stayers].sum()


def test_no_planted_customer_is_planted_twice(state: Bank) -> None:
    c = state.customers
    stops = c.salary_stops != NEVER
    wakes = np.isin(np.arange(c.size), state.deposits.owner[state.deposits.wakes != NEVER])
    assert stops.sum() == wakes.sum() == 10
    marks = np.vstack(
        [c.cut >= 0, c.churn_from != NEVER, c.rise_on != NEVER, c.is_parker, c.twin_of >= 0, stops, wakes]
    )
    assert marks.sum(axis=0).max() == 1
