"""What employees do for their customers, and what happens to customers that somebody should notice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from orchestration.lib.demo_bank.columns import NEVER, as_date, day
from orchestration.lib.demo_bank.relations import Relations
from orchestration.lib.demo_bank.simulate import Bank
from tests.demo_bank.conftest import START, DeliveredBank

OCTOBER = [day(date(2026, 10, 1)) + n for n in range(31)]


@dataclass(frozen=True)
class Month:
    """October 2026 in a bank of 4,000 customers, where every fifth employee is lax."""

    bank: Bank
    relations: Relations
    contacts: pd.DataFrame
    plans: pd.DataFrame

    def row_of(self, ids: pd.Series) -> np.ndarray:
        return ids.astype(int).to_numpy() - 1


@pytest.fixture(scope="module")
def month() -> Month:
    bank = Bank(11, 4_000, OCTOBER[0], len(OCTOBER))
    relations = Relations(bank, date(2026, 10, 1))
    relations.lax[::5] = True
    relations.diligence[relations.lax] = 0.1
    contacts, plans = [], []
    for today in OCTOBER:
        bank.advance(today)
        relations.advance(today)
        made, planned = relations.contacts_and_plans(today, relations.life_events(today)[1])
        contacts.append(made.to_pandas().assign(day=as_date(today)))
        plans.append(planned.to_pandas())
    return Month(bank, relations, pd.concat(contacts), pd.concat(plans))


def test_some_customers_have_neither_number_nor_address(month: Month) -> None:
    customers = month.bank.customers
    has_mobile, has_address = (column.is_valid().to_numpy(False) for column in (customers.mobile, customers.address))
    assert 0.01 < (~has_mobile & ~has_address).mean() < 0.025
    assert 0.02 < (~has_mobile).mean() < 0.04
    assert 0.06 < (~has_address).mean() < 0.12


def test_a_salary_is_paid_until_the_day_from_which_it_stops(bank: DeliveredBank) -> None:
    stoppers = bank.truth("salary_stoppers")
    assert len(stoppers) > 0
    owner = bank.events("core_banking.deposit_accounts").groupby("account_id")["customer_id"].last()
    moved = bank.events("core_banking.deposit_transactions")
    salaries = moved[moved["transaction_kind"] == "salary"]
    salaries = salaries.assign(customer_id=salaries["account_id"].map(owner))
    for stopper in stoppers.itertuples():
        paid = salaries.loc[salaries["customer_id"] == stopper.customer_id, "day"]
        assert len(paid) > 0
        assert max(paid) < stopper.stopped_date.isoformat()
    others = salaries[~salaries["customer_id"].isin(stoppers["customer_id"])]
    assert (others["day"] > max(stoppers["stopped_date"]).isoformat()).any()


def test_a_dormant_account_moves_only_by_interest_until_it_wakes_with_an_inflow(bank: DeliveredBank) -> None:
    woken = bank.truth("dormant_accounts")
    assert len(woken) > 0
    accounts = bank.events("core_banking.deposit_accounts")
    moved = bank.events("core_banking.deposit_transactions")
    for account in woken.itertuples():
        moment = account.woken_date.isoformat()
        states = accounts[accounts["account_id"] == account.account_id]
        assert set(states.loc[states["day"] < moment, "status"]) == {"dormant"}
        assert set(states.loc[states["day"] >= moment, "status"]) == {"open"}
        assert set(states["customer_id"]) == {account.customer_id}
        own = moved[moved["account_id"] == account.account_id]
        assert set(own.loc[own["day"] < moment, "transaction_kind"]) <= {"interest"}
        inflow = own.loc[(own["day"] == moment) & (own["transaction_kind"] == "transfer"), "amount"].map(Decimal)
        assert account.inflow_cny in set(inflow)
        assert account.inflow_cny > 10_000


def test_diligent_staff_contact_wealthy_customers_twice_a_month_and_lax_staff_do_not(month: Month) -> None:
    bank, relations = month.bank, month.relations
    c, a = bank.customers, bank.maintenance.a
    stays = (
        (c.joined <= OCTOBER[0]) & (c.closed == NEVER) & (c.deceased == NEVER) & (bank.maintenance.since < OCTOBER[0])
    )
    wealthy = np.flatnonzero(stays & (a >= 0) & (c.wealth >= 200_000))
    works = bank.employees.working(OCTOBER[0]) & bank.employees.working(OCTOBER[-1])
    wealthy = wealthy[works[a[wealthy]]]
    routine = month.contacts[month.contacts["purpose"].isin(["routine", "portfolio_review", "other"])]
    routine = routine[routine["channel"].isin(["visit", "call", "sms", "wechat", "letter", "email"])]
    number = np.bincount(month.row_of(routine["customer_id"]), minlength=c.size)
    diligent = wealthy[relations.diligence[a[wealthy]] >= 1]
    lax = wealthy[relations.lax[a[wealthy]]]
    assert len(diligent) > 50
    assert (number[diligent] >= 2).mean() > 0.85
    assert len(lax) > 5
    assert (number[lax] >= 2).mean() < 0.2
    assert 1.2 < number[wealthy].mean() < 2.2


def test_product_news_go_out_four_times_a_month_to_those_who_allow_it(month: Month) -> None:
    news = month.contacts[month.contacts["purpose"] == "product_news"]
    assert set(news["channel"]) == {"sms"}
    assert news["day"].nunique() == 4
    consents = pd.concat([month.relations.consents(today).to_pandas() for today in OCTOBER])
    allowed = set(consents.loc[(consents["channel"] == "sms") & consents["allowed"], "customer_id"])
    told = set(news["customer_id"])
    assert told <= allowed
    wealth = month.bank.customers.wealth
    reached = np.zeros(len(wealth), np.bool_)
    reached[month.row_of(news["customer_id"])] = True
    assert wealth[reached].min() >= 200_000
    assert 0.3 < reached[wealth >= 200_000].mean() < 0.8


def test_nobody_is_called_or_visited_while_the_bank_is_closed(month: Month) -> None:
    closed = month.contacts["day"].map(lambda d: d.weekday() >= 5 or d <= date(2026, 10, 7))
    assert closed.any()
    assert set(month.contacts.loc[closed, "channel"]) <= {"sms", "wechat", "gift"}
    assert set(month.contacts.loc[closed, "purpose"]) <= {"birthday", "festival"}


def test_most_customers_are_greeted_on_national_day_and_not_those_of_lax_staff(month: Month) -> None:
    greeted = month.contacts[month.contacts["purpose"] == "festival"]
    assert set(greeted["day"]) == {date(2026, 10, 1)}
    maintained = np.flatnonzero(month.bank.maintenance.a >= 0)
    is_lax = month.relations.lax[month.bank.maintenance.a[maintained]]
    is_greeted = np.isin(maintained, month.row_of(greeted["customer_id"]))
    assert is_greeted[~is_lax].mean() > 0.7
    assert is_greeted[is_lax].mean() < 0.25


def test_who_is_born_on_29_february_is_greeted_on_the_28th_of_common_years() -> None:
    relations = Relations(Bank(11, 60, day(START), 1), START)
    relations.birthday[:3] = (229, 228, 301)
    assert relations._has_birthday(date(2026, 2, 28))[:3].tolist() == [True, True, False]
    assert relations._has_birthday(date(2028, 2, 28))[:3].tolist() == [False, True, False]
    assert relations._has_birthday(date(2028, 2, 29))[:3].tolist() == [True, False, False]


def test_plans_are_made_the_working_day_before_by_all_but_the_lax(month: Month) -> None:
    plans = month.plans
    made = plans["created_at"].dt.tz_convert("Asia/Shanghai").dt.date
    is_late = made >= plans["planned_for"]
    employee = plans["employee_id"].str.removeprefix("e").astype(int).to_numpy() - 1
    is_lax = month.relations.lax[employee]
    assert 0.02 < is_late[~is_lax].mean() < 0.15
    assert is_late[is_lax].mean() > 0.35
    in_time = plans[~is_late]
    first_after_holidays = in_time["planned_for"] == date(2026, 10, 8)
    assert set(made[~is_late][first_after_holidays]) == {date(2026, 9, 30)}


def test_most_complaints_heard_in_a_survey_are_entered_that_day(month: Month) -> None:
    relations = Relations(month.bank, date(2026, 10, 1))
    surveyed = np.flatnonzero(month.bank.maintenance.a >= 0)[:200]
    entered = relations.complaints(OCTOBER[-1], surveyed).to_pandas()
    assert 0.8 < len(set(month.row_of(entered["customer_id"])) & set(surveyed.tolist())) / len(surveyed) < 1
    steps = pd.concat([relations.complaints(OCTOBER[-1] + n, surveyed[:0]).to_pandas() for n in range(1, 25)])
    days = steps.groupby("complaint_id").agg(received=("received_at", "min"), accepted=("accepted_at", "min"))
    waited = (days["accepted"].dt.date - days["received"].dt.date).map(lambda d: d.days)
    assert (waited <= 1).mean() > 0.8
    assert (waited > 1).any(), "some are accepted late"
