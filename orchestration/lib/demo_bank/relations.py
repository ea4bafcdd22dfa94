"""The bank's dealings with its customers: CRM, risk and revenue feeds."""

from __future__ import annotations

from calendar import isleap
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from orchestration.lib.demo_bank import people
from orchestration.lib.demo_bank import reference as ref
from orchestration.lib.demo_bank.columns import (
    NEVER,
    Bools,
    Floats,
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
from orchestration.lib.demo_bank.portfolio import LIVE, product
from orchestration.lib.demo_bank.simulate import MATURITY, Bank

CHANNELS = (
    "visit",
    "call",
    "sms",
    "wechat",
    "letter",
    "email",
    "gift",
    "salon",
    "head_visit",
)
VISIT, CALL, SMS, WECHAT, LETTER, EMAIL, GIFT, SALON, HEAD_VISIT = range(9)
PURPOSES = (
    "routine",
    "birthday",
    "festival",
    "maturity",
    "large_movement",
    "life_event",
    "near_threshold",
    "churn_warning",
    "complaint",
    "product_news",
    "portfolio_review",
    "survey",
    "other",
)
_PURPOSE = {name: index for index, name in enumerate(PURPOSES)}
_OUTCOMES = ("reached", "no_answer", "interested", "declined", "follow_up")
_RISK_RESULTS = ("excellent", "good", "fair", "poor", "bad")
_FLAGS = ("none", "loan_default", "suspected_money_laundering", "fraud", "court_freeze")
_LIFE_EVENTS = (
    "marriage",
    "childbirth",
    "new_home",
    "child_to_university",
    "promotion",
    "retirement",
)
_PLACES_MET = ("fair", "online", "street_stand", "company_visit", "outlet")
_ACTIONS = ("call_customer", "visit_customer", "prepare_portfolio_review", "send_product_news")
_CONSENT_CHANNELS = ("call", "sms", "wechat", "email")
_COMMENTS = ("等候时间较长", "服务热情", "希望多介绍理财产品", "手机银行不好用")
_LARGE_MOVEMENT_FEN = 10_000_000
_WEALTHY_CNY = 200_000  # from here on two contacts a month are due (E6-10)
_NEWS_PER_MONTH = 4
_FORUM_MONTH = 11  # the salon of this month asks for opinions (A5-06)
_GIFT_MONTHS = (9, 1)  # before mid-autumn from 100万, before the spring festival again from 500万 (E6-11, E6-12)
# Commission or fee in basis points of the amount sold.
_SALE_MARGIN_BP = {"wealth": 50, "fund": 120, "insurance": 300, "bond": 30, "precious_metal": 100}
_MARGIN_PER_MONTH = (15, 12_000)  # 1.5 % a year on deposits
_MARGIN_FROM_FEN = 1_000_000


@dataclass
class Complaint:
    """One complaint's steps as (day, second) pairs; None for a step that never comes."""

    number: int
    customer: int
    employee: int
    severity: int
    responsible: int
    steps: tuple[tuple[int, int] | None, ...]


class Relations:
    """Who maintains whom, and what happened between the bank and its customers."""

    def __init__(self, bank: Bank, go_live: date) -> None:
        self.bank = bank
        self.go_live = day(go_live)
        rng = random_stream(bank.seed, "relations")
        size = bank.customers.size
        # Staff differ in diligence; the lax ones are truth for later questions.
        self.diligence = np.clip(rng.lognormal(0, 0.35, len(bank.employees.hired)), 0.3, 2.0)
        self.lax = rng.random(len(self.diligence)) < 0.06
        self.diligence[self.lax] = 0.1
        born = bank.customers.born
        known = np.where(born == NEVER, 0, born).astype(np.int64).astype("datetime64[D]")
        months = known.astype("datetime64[M]")
        month = months.astype(np.int64) % 12 + 1
        self.birthday = month * 100 + (known - months.astype("datetime64[D]")).astype(np.int64) + 1
        self.birthday[born == NEVER] = 0
        self.rhythm = random_stream(bank.seed, "rhythm").random(size)  # where in a period a customer's turn comes
        self._draw_consents(rng, size)
        self._ask_wealthy_for_consent(size)
        self._draw_risk(rng, size)
        self._draw_prospects(rng)
        self._draw_enterprises(rng)
        self.complaints_open: list[Complaint] = []
        self.complaint_count = 0

    # -- once ------------------------------------------------------------------------------

    def _draw_consents(self, rng: np.random.Generator, size: int) -> None:
        spoken = np.flatnonzero(rng.random(size) < 0.35)
        number = rng.integers(1, 3, len(spoken))
        self.consent_customer = np.repeat(spoken, number)
        channel = rng.integers(0, len(_CONSENT_CHANNELS), len(spoken))
        second = (channel + rng.integers(1, len(_CONSENT_CHANNELS), len(spoken))) % len(_CONSENT_CHANNELS)
        is_second = np.zeros(len(self.consent_customer), np.bool_)
        is_second[1:] = self.consent_customer[1:] == self.consent_customer[:-1]
        self.consent_channel = np.where(is_second, np.repeat(second, number), np.repeat(channel, number))
        rows = len(self.consent_customer)
        self.consent_allowed = rng.random(rows) < 0.82
        joined = self.bank.customers.joined[self.consent_customer]
        opened = self.bank.customers.opened[self.consent_customer]
        is_new = joined > self.bank.start
        age = np.maximum(self.bank.start - opened, 1)
        self.consent_since = np.where(is_new, joined, opened + (rng.random(rows) * age).astype(np.int64))
        self.consent_flips = np.full(rows, NEVER)
        flipping = rng.random(rows) < 0.05
        self.consent_flips[flipping] = joined[flipping] + 2 + rng.integers(0, self.bank.horizon, flipping.sum())

    def _ask_wealthy_for_consent(self, size: int) -> None:
        """Most of those who are sent product news were asked for it; some said no."""
        rng = random_stream(self.bank.seed, "asked")
        sms = _CONSENT_CHANNELS.index("sms")
        has_answered = np.zeros(size, np.bool_)
        has_answered[self.consent_customer[self.consent_channel == sms]] = True
        asked = (self.bank.customers.wealth >= _WEALTHY_CNY) & ~has_answered & (rng.random(size) < 0.6)
        customer = np.flatnonzero(asked)
        number = len(customer)
        customers = self.bank.customers
        since = np.where(
            customers.joined[customer] > self.bank.start,
            customers.joined[customer],
            np.maximum(self.bank.start - rng.integers(1, 700, number), customers.opened[customer]),
        )
        self.consent_customer = np.concatenate([self.consent_customer, customer])
        self.consent_channel = np.concatenate([self.consent_channel, np.full(number, sms)])
        self.consent_allowed = np.concatenate([self.consent_allowed, rng.random(number) < 0.88])
        self.consent_since = np.concatenate([self.consent_since, since])
        self.consent_flips = np.concatenate([self.consent_flips, np.full(number, NEVER)])

    def _draw_risk(self, rng: np.random.Generator, size: int) -> None:
        self.risk_result = rng.choice(5, size, p=[0.15, 0.5, 0.28, 0.05, 0.02])
        self.risk_flag = np.zeros(size, np.int64)
        plain = rng.permutation(np.flatnonzero(~self.bank.customers.is_planted[: self.bank.count]))
        each = max(1, round(self.bank.count * 0.0004))
        for flag in (2, 3, 4):
            self.risk_flag[plain[(flag - 2) * each : (flag - 1) * each]] = flag
        loans = self.bank.loans
        self.risk_flag[loans.owner[(loans.overdue > 90) & (loans.life == LIVE)]] = 1
        self.aml_class = rng.choice([0, 1, 2, -1], size, p=[0.885, 0.085, 0.015, 0.015])
        self.aml_rated = self.bank.start - rng.integers(1, 360, size)
        is_new = self.bank.customers.joined > self.bank.start
        self.aml_rated[is_new] = self.bank.customers.joined[is_new]
        self.scores = rng.integers(40, 101, (2, size))
        self.scores[:, rng.random(size) < 0.05] = -1

    def _draw_prospects(self, rng: np.random.Generator) -> None:
        number = max(5, round(self.bank.count * 0.01))
        span = self.bank.horizon + 90
        self.prospect_met = np.sort(self.bank.start - 90 + rng.integers(0, span, number))
        self.prospect_met[0] = self.bank.start - 90
        self.prospect_place = rng.integers(0, len(_PLACES_MET), number)
        self.prospect_branch = rng.choice(self.bank.branches.outlets[:-1], number)

    def _draw_enterprises(self, rng: np.random.Generator) -> None:
        number = max(8, round(self.bank.count * 0.002))
        cuts = np.array([1_000_000, 10_000_000, 50_000_000, 100_000_000])
        revenue = np.rint(rng.lognormal(15.5, 2, number) / 1_000) * 1_000
        revenue[:4] = cuts
        self.enterprise_fen = revenue.astype(np.int64) * 100
        self.enterprise_fen[4:8] = cuts * 100 - 1
        self.enterprise_branch = rng.choice(self.bank.branches.outlets[:-1], number)
        self.enterprise_name = rng.integers(0, len(ref.PLACES), (2, number))

    # -- one day ---------------------------------------------------------------------------

    def advance(self, today: int) -> None:
        """Hand on the customers of staff who leave or move; place new ones on month starts."""
        bank = self.bank
        maintenance, employees = bank.maintenance, bank.employees
        rng = random_stream(bank.seed, "maintaining", today)
        leaving = np.flatnonzero((employees.left == today) | (employees.moved_on == today))
        if len(leaving):
            gone = bank.maintenance.b >= 0
            gone &= np.isin(maintenance.b, leaving)
            self._place(rng, np.flatnonzero(gone), today, slot_b=True)
            self._place(rng, np.flatnonzero(np.isin(maintenance.a, leaving)), today)
        if as_date(today).day == 1:
            roles = people.band_role(bank.customers.wealth)
            fresh = (maintenance.a < 0) & (roles >= 0) & self._active(today)
            rows = np.flatnonzero(fresh)
            self._place(rng, rows, today)
            self._place(rng, rows, today, slot_b=True)
            maintenance.initial[rows] = maintenance.a[rows]
            rerated = np.flatnonzero(rng.random(bank.customers.size) < 0.05)
            self.aml_rated[rerated] = np.maximum(self.aml_rated[rerated], today - 1)
            self.risk_result[rerated] = np.clip(self.risk_result[rerated] + rng.integers(-1, 2, len(rerated)), 0, 4)

    def _active(self, today: int) -> Bools:
        customers = self.bank.customers
        return customers.present(today) & (customers.closed > today) & (customers.deceased > today)

    def _place(self, rng: np.random.Generator, rows: Ints, today: int, *, slot_b: bool = False) -> None:
        bank = self.bank
        home = bank.customers.branch[rows]
        home = np.where(bank.branches.closed[home] <= today, bank.branches.successor[home], home)
        if slot_b:
            roles = np.full(len(rows), ref.ROLES.index(ref.OUTLET_HEAD))
        else:
            roles = np.maximum(people.band_role(bank.customers.wealth[rows]), 0)
        chosen = people.assign(rng, rows, roles, home, bank.employees, bank.branches, today)
        if slot_b:
            bank.maintenance.b[rows] = chosen
        else:
            bank.maintenance.a[rows] = chosen
            bank.maintenance.since[rows] = today

    def _keeper(self, customers: Ints, today: int) -> Ints:
        """The working maintainer of each customer (a, else b), -1 when neither is there."""
        maintenance = self.bank.maintenance
        working = np.append(self.bank.employees.working(today), False)
        a, b = maintenance.a[customers], maintenance.b[customers]
        return np.where(working[a], a, np.where(working[b], b, -1))

    def life_events(self, today: int) -> tuple[pa.Table, Ints]:
        rng = random_stream(self.bank.seed, "life_events", today)
        chosen = self._draw_some(rng, today, 0.0002, 0.3)
        table = pa.table(
            {
                "event_id": self._ids("v", today, len(chosen)),
                "customer_id": self._customer_ids(chosen),
                "event_date": dates(np.full(len(chosen), today)),
                "event_kind": coded(rng.integers(0, len(_LIFE_EVENTS), len(chosen)), _LIFE_EVENTS),
            }
        )
        return table, chosen

    def contacts_and_plans(self, today: int, life_event_customers: Ints) -> tuple[pa.Table, pa.Table]:
        """Contacts of the day, and the plans made for the day with what became of them."""
        bank = self.bank
        rng = random_stream(bank.seed, "contacts", today)
        calendar_day = as_date(today)
        is_open = ref.is_business_day(calendar_day)
        active = self._active(today) & (bank.maintenance.a >= 0)
        wealth = bank.customers.wealth
        diligence = np.minimum(self.diligence[bank.maintenance.a], 1.0)
        who: list[Ints] = []
        channels: list[Ints] = []
        purposes: list[Ints] = []

        def add(customers: Ints, channel: Ints | int, purpose: Ints | str) -> None:
            code = _PURPOSE[purpose] if isinstance(purpose, str) else purpose
            who.append(customers)
            channels.append(np.broadcast_to(channel, customers.shape))
            purposes.append(np.broadcast_to(code, customers.shape))

        def some(mask: Bools, rate: float | Floats) -> Ints:
            return np.flatnonzero(mask & (rng.random(len(mask)) < rate))

        greeted = some(active & self._has_birthday(calendar_day), 0.95 * diligence)
        channel = rng.choice([CALL, SMS, WECHAT], len(greeted), p=[0.4, 0.4, 0.2])
        add(greeted, np.where(is_open | (channel != CALL), channel, SMS), "birthday")
        add(greeted[wealth[greeted] >= 1_000_000], GIFT, "birthday")
        if calendar_day in ref.FESTIVALS:
            greeted = some(active, 0.95 * diligence)
            add(greeted, rng.choice([SMS, WECHAT], len(greeted)), "festival")
        if is_open:
            days = ref.business_days_of_month(calendar_day)
            ordinal = days.index(calendar_day)
            is_wealthy = wealth >= _WEALTHY_CNY
            turn = is_wealthy & self._has_turn(ordinal, len(days), 2)
            rate = np.where(turn, 0.97 * diligence, np.where(is_wealthy, 0.1, 0.35) / 21 * diligence)
            met = some(active, rate)
            purpose = rng.choice(
                [_PURPOSE[p] for p in ("routine", "portfolio_review", "other")],
                len(met),
                p=[0.74, 0.2, 0.06],
            )
            add(
                met,
                rng.choice(
                    [VISIT, CALL, SMS, WECHAT, LETTER, EMAIL],
                    len(met),
                    p=[0.1, 0.5, 0.16, 0.2, 0.01, 0.03],
                ),
                purpose,
            )
            self._add_prompted(rng, today, active, life_event_customers, add)
            if ordinal in [(2 * n + 1) * len(days) // (2 * _NEWS_PER_MONTH) for n in range(_NEWS_PER_MONTH)]:
                add(some(active & is_wealthy & self._takes_news(today), 0.96), SMS, "product_news")
            if calendar_day.weekday() == 2 and 15 <= calendar_day.day <= 21:
                is_forum = calendar_day.month == _FORUM_MONTH
                add(some(active & is_wealthy, 0.4 if is_forum else 0.2), SALON, "survey" if is_forum else "other")
            if calendar_day.month in _GIFT_MONTHS:
                floor = 1_000_000 if calendar_day.month == _GIFT_MONTHS[0] else 5_000_000
                turn = (wealth >= floor) & self._has_turn(ordinal, len(days), 1)
                add(some(active & turn, 0.95 * diligence), GIFT, "other")
            add(some(active & (wealth >= 5_000_000), 0.009), HEAD_VISIT, "routine")
        customers = np.concatenate([np.empty(0, np.int64), *who])
        channel = np.concatenate([np.empty(0, np.int64), *channels])
        purpose = np.concatenate([np.empty(0, np.int64), *purposes])
        keeper = self._keeper(customers, today)
        kept = keeper >= 0
        customers, channel, purpose, keeper = (column[kept] for column in (customers, channel, purpose, keeper))
        size = len(customers)
        second = rng.integers(8 * 3600 + 1800, 18 * 3600, size)
        outcome = np.where(rng.random(size) < 0.15, -1, rng.integers(0, len(_OUTCOMES), size))
        contacts = pa.table(
            {
                "contact_id": self._ids("n", today, size),
                "customer_id": self._customer_ids(customers),
                "employee_id": self._employee_ids(keeper),
                "contacted_at": stamps(np.full(size, today), second),
                "channel": coded(channel, CHANNELS),
                "purpose": coded(purpose, PURPOSES),
                "outcome": coded(outcome, _OUTCOMES),
            }
        )
        if not is_open:
            return contacts, self._plans(rng, today, *(np.empty(0, np.int64) for _ in range(3)))
        is_planned = (rng.random(size) < 0.55) & (channel <= WECHAT) & (purpose != _PURPOSE["product_news"])
        planned = np.flatnonzero(is_planned)
        forgotten = self._draw_some(rng, today, 0.0008, 0.1)
        forgotten = forgotten[self._keeper(forgotten, today) >= 0]
        plans = self._plans(
            rng,
            today,
            np.concatenate([customers[planned], forgotten]),
            np.concatenate([keeper[planned], self._keeper(forgotten, today)]),
            np.concatenate([second[planned], np.full(len(forgotten), -1)]),
        )
        return contacts, plans

    def _has_birthday(self, today: date) -> Bools:
        """Those born on 29 February are greeted on the 28th of common years."""
        born_today = self.birthday == today.month * 100 + today.day
        if (today.month, today.day) == (2, 28) and not isleap(today.year):
            born_today |= self.birthday == 229
        return born_today

    def _has_turn(self, ordinal: int, days: int, times: int) -> Bools:
        """Whose turn is on this day of ``days``: ``times`` a month for everyone, evenly apart."""
        turn = np.floor((self.rhythm[:, None] + np.arange(times)) * days / times).astype(np.int64)
        return np.asarray((turn == ordinal).any(axis=1))

    def _takes_news(self, today: int) -> Bools:
        """Customers who allow product news by SMS; without an answer it is not sent."""
        said = (self.consent_channel == _CONSENT_CHANNELS.index("sms")) & (self.consent_since <= today)
        said &= self.consent_allowed ^ (self.consent_flips <= today)
        takes = np.zeros(self.bank.customers.size, np.bool_)
        takes[self.consent_customer[said]] = True
        return takes

    def _add_prompted(
        self,
        rng: np.random.Generator,
        today: int,
        active: Bools,
        life_event_customers: Ints,
        add: Callable[[Ints, int, str], None],
    ) -> None:
        """Contacts that an event of the day calls for."""
        bank = self.bank
        rows, amounts, kinds = bank.booked.collected()
        owner = bank.deposits.owner[rows]
        cny = np.abs(bank.to_cny(amounts, bank.deposits.currency[rows]))
        for is_due, purpose, rate in (
            ((kinds == MATURITY) & (amounts > 0), "maturity", 0.5),
            ((kinds != MATURITY) & (cny >= _LARGE_MOVEMENT_FEN), "large_movement", 0.4),
        ):
            owners = np.unique(owner[is_due])
            owners = owners[active[owners] & (rng.random(len(owners)) < rate)]
            add(owners, CALL, purpose)
        since = today - bank.customers.churn_from.astype(np.int64)
        warned = np.flatnonzero(active & (since >= 5) & (since < 60))
        add(warned[rng.random(len(warned)) < 0.04], VISIT, "churn_warning")
        congratulated = life_event_customers[active[life_event_customers]]
        add(congratulated[rng.random(len(congratulated)) < 0.6], GIFT, "life_event")

    def _plans(self, rng: np.random.Generator, today: int, customers: Ints, keeper: Ints, done: Ints) -> pa.Table:
        """One row per plan for ``today``: made the business day before, a few late."""
        size = len(customers)
        before = day(ref.previous_business_day(as_date(today)))
        is_late = rng.random(size) < np.where(self.lax[keeper], 0.6, 0.08)
        made_on = np.where(is_late, today, before)
        made_at = np.where(
            is_late,
            rng.integers(8 * 3600, 8 * 3600 + 1500, size),
            rng.integers(16 * 3600, 18 * 3600, size),
        )
        return pa.table(
            {
                "plan_id": self._ids("p", today, size),
                "employee_id": self._employee_ids(keeper),
                "customer_id": self._customer_ids(customers),
                "planned_for": dates(np.full(size, today)),
                "created_at": stamps(made_on, made_at),
                "action": coded(rng.integers(0, len(_ACTIONS), size), _ACTIONS),
                "completed_at": stamps(np.full(size, today), done + 300, done < 0),
            }
        )

    def surveys(self, today: int) -> tuple[pa.Table, Ints]:
        """Surveys of the day, and the customers who complained in one."""
        rng = random_stream(self.bank.seed, "surveys", today)
        chosen = self._draw_some(rng, today, 0.00025, 0.3)
        size = len(chosen)
        keeper = self._keeper(chosen, today)
        rated = np.where(rng.random(size) < 0.6, rng.integers(2, 6, size), -1)
        comment = np.where(rng.random(size) < 0.2, rng.integers(0, len(_COMMENTS), size), -1)
        by_phone = self.bank.customers.wealth[chosen] >= 1_000_000
        method = np.where(by_phone, rng.choice(3, size, p=[0.85, 0.05, 0.1]), rng.choice(3, size, p=[0.1, 0.7, 0.2]))
        if not ref.is_business_day(as_date(today)):
            method = np.full(size, 2)
        complains = rng.random(size) < 0.08
        table = pa.table(
            {
                "survey_id": self._ids("y", today, size),
                "customer_id": self._customer_ids(chosen),
                "employee_id": coded(keeper, self.bank.employees.ids),
                "surveyed_date": dates(np.full(size, today)),
                "method": coded(method, ("phone", "visit", "online")),
                "score": rng.choice([1, 2, 3, 4, 5], size, p=[0.02, 0.05, 0.18, 0.4, 0.35]),
                "manager_score": pa.array(rated, pa.int64(), mask=rated < 0),
                "comment": coded(comment, _COMMENTS),
                "has_complaint": complains,
            }
        )
        return table, chosen[complains]

    def complaints(self, today: int, surveyed: Ints) -> pa.Table:
        """New complaints and those that moved on today, each with its steps up to today.

        Most of the complaints heard in a survey (customers ``surveyed``) are entered that day.
        """
        bank = self.bank
        rng = random_stream(bank.seed, "complaints", today)
        called = self._draw_some(rng, today, 0.00008, 0.12)
        for customer in np.concatenate([called, surveyed[rng.random(len(surveyed)) < 0.9]]):
            self.complaint_count += 1
            keeper = int(self._keeper(np.array([customer]), today)[0])
            received = (today, int(rng.integers(8 * 3600, 20 * 3600)))
            accepted = (
                today + int(rng.choice([0, 1, 3], p=[0.68, 0.26, 0.06])),
                20 * 3600 + int(rng.integers(0, 3600)),
            )
            resolved = (accepted[0] + int(rng.integers(1, 12)), int(rng.integers(32400, 64800)))
            fed_back = (resolved[0] + int(rng.integers(0, 3)), int(rng.integers(64800, 68400)))
            solved = rng.random() < 0.93
            self.complaints_open.append(
                Complaint(
                    self.complaint_count,
                    int(customer),
                    keeper,
                    int(rng.choice(3, p=[0.6, 0.32, 0.08])),
                    keeper if rng.random() < 0.7 else -1,
                    (received, accepted, *((resolved, fed_back) if solved else (None, None))),
                )
            )
        due = [c for c in self.complaints_open if any(s and s[0] == today for s in c.steps)]
        self.complaints_open = [c for c in self.complaints_open if any(s and s[0] > today for s in c.steps)]
        columns: dict[str, pa.Array] = {
            "complaint_id": numbered("q", np.array([c.number for c in due], np.int64), 7),
            "customer_id": self._customer_ids(np.array([c.customer for c in due], np.int64)),
            "employee_id": coded(np.array([c.employee for c in due], np.int64), bank.employees.ids),
        }
        names = ("received_at", "accepted_at", "resolved_at", "fed_back_at")
        for position, name in enumerate(names):
            steps = [c.steps[position] for c in due]
            reached = [s if s and s[0] <= today else None for s in steps]
            columns[name] = stamps(
                np.array([s[0] if s else 0 for s in reached], np.int64),
                np.array([s[1] if s else 0 for s in reached], np.int64),
                np.array([s is None for s in reached], np.bool_),
            )
        columns["severity"] = coded(np.array([c.severity for c in due], np.int64), ("low", "medium", "high"))
        columns["responsible_employee_id"] = coded(np.array([c.responsible for c in due], np.int64), bank.employees.ids)
        return pa.table(columns)

    def customer_choices(self, today: int) -> pa.Table:
        """Customers naming their maintainer, with the signed form's reference."""
        bank = self.bank
        rng = random_stream(bank.seed, "choices", today)
        chosen = self._draw_some(rng, today, 0.0004, 0.6)
        chosen = chosen[self._keeper(chosen, today) >= 0]
        size = len(chosen)
        other = people.assign(
            rng,
            chosen,
            np.full(size, ref.ROLES.index(ref.WEALTH_MANAGER)),
            bank.customers.branch[chosen],
            bank.employees,
            bank.branches,
            today,
        )
        employee = np.where(rng.random(size) < 0.65, self._keeper(chosen, today), other)
        return pa.table(
            {
                "choice_id": self._ids("o", today, size),
                "customer_id": self._customer_ids(chosen),
                "employee_id": self._employee_ids(employee),
                "chosen_date": dates(np.full(size, today)),
                "evidence_ref": numbered("form-", rng.integers(0, 10**7, size), 7),
            }
        )

    def referrals(self, today: int) -> pa.Table:
        """A maintainer hands a customer on to a wealth manager for specialist advice."""
        bank = self.bank
        rng = random_stream(bank.seed, "referrals", today)
        chosen = self._draw_some(rng, today, 0.0003, 0.6)
        keeper = self._keeper(chosen, today)
        role = np.where(
            bank.customers.wealth[chosen] >= 500_000,
            ref.ROLES.index(ref.PRIVATE_WEALTH_MANAGER),
            ref.ROLES.index(ref.WEALTH_MANAGER),
        )
        to = people.assign(rng, chosen, role, bank.customers.branch[chosen], bank.employees, bank.branches, today)
        kept = (keeper >= 0) & (to != keeper)
        chosen, keeper, to = chosen[kept], keeper[kept], to[kept]
        return pa.table(
            {
                "referral_id": self._ids("r", today, len(chosen)),
                "customer_id": self._customer_ids(chosen),
                "from_employee_id": self._employee_ids(keeper),
                "to_employee_id": self._employee_ids(to),
                "referred_date": dates(np.full(len(chosen), today)),
            }
        )

    def revenue(self, today: int) -> pa.Table:
        """Fees and commissions of the day's sales; the month's interest margin on its last day."""
        bank = self.bank
        empty = np.empty(0, np.int64)
        customers = np.concatenate([empty, *(sale.customer for sale in bank.sales)])
        products = np.concatenate([empty, *(sale.product for sale in bank.sales)])
        fen = np.concatenate([empty, *(sale.fen for sale in bank.sales)])
        points = np.array([_SALE_MARGIN_BP.get(p.family, 0) for p in ref.PRODUCTS])
        amount = fen * points[products] // 10_000
        kind = np.where(np.array([p.is_agency_sale for p in ref.PRODUCTS])[products], 2, 1)
        seller = self._keeper(customers, today)
        if as_date(today + 1).day == 1:
            d = bank.deposits
            rows = np.flatnonzero((d.life == LIVE) & (d.currency == 0) & (d.balance > 0))
            held = sums_by(d.owner[rows], d.balance[rows], bank.customers.size)
            earning = np.flatnonzero(held >= _MARGIN_FROM_FEN)
            rate, divisor = _MARGIN_PER_MONTH
            customers = np.concatenate([customers, earning])
            amount = np.concatenate([amount, held[earning] * rate // divisor])
            products = np.concatenate([products, np.full(len(earning), product("d_dem"))])
            kind = np.concatenate([kind, np.zeros(len(earning), np.int64)])
            seller = np.concatenate([seller, np.full(len(earning), -1)])
        size = len(customers)
        return pa.table(
            {
                "revenue_id": self._ids("g", today, size),
                "customer_id": self._customer_ids(customers),
                "product_code": coded(products, ref.PRODUCT_CODES),
                "seller_employee_id": coded(seller, bank.employees.ids),
                "posted_date": dates(np.full(size, today)),
                "amount_cny": money(amount),
                "revenue_kind": coded(kind, ("interest_margin", "fee", "commission")),
            }
        )

    # -- states ----------------------------------------------------------------------------

    def consents(self, today: int) -> pa.Table:
        customers = self.bank.customers
        rows = np.flatnonzero((customers.joined[self.consent_customer] <= today) & (self.consent_since <= today))
        flipped = self.consent_flips[rows] <= today
        since = np.where(flipped, self.consent_flips[rows], self.consent_since[rows])
        return pa.table(
            {
                "customer_id": self._customer_ids(self.consent_customer[rows]),
                "channel": coded(self.consent_channel[rows], _CONSENT_CHANNELS),
                "allowed": self.consent_allowed[rows] ^ flipped,
                "since": dates(since),
            }
        )

    def customer_risk(self, today: int) -> pa.Table:
        rows = np.flatnonzero(self.bank.customers.present(today))
        rated = self.aml_class[rows] >= 0
        scores = self.scores[:, rows]
        return pa.table(
            {
                "customer_id": self._customer_ids(rows),
                "risk_result": coded(self.risk_result[rows], _RISK_RESULTS),
                "special_flag": coded(self.risk_flag[rows], _FLAGS),
                "aml_class": coded(self.aml_class[rows], ("low", "medium", "high")),
                "aml_rated_date": dates(np.where(rated, self.aml_rated[rows], NEVER)),
                "funds_source_score": pa.array(scores[0], pa.int64(), mask=scores[0] < 0),
                "behaviour_score": pa.array(scores[1], pa.int64(), mask=scores[1] < 0),
            }
        )

    def prospects(self, today: int) -> pa.Table:
        rows = np.flatnonzero(self.prospect_met <= today)
        return pa.table(
            {
                "prospect_id": numbered("x", rows + 1, 6),
                "met_date": dates(self.prospect_met[rows]),
                "met_where": coded(self.prospect_place[rows], _PLACES_MET),
                "branch_id": self.bank.branches.ids.take(pa.array(self.prospect_branch[rows])),
            }
        )

    def enterprises(self) -> pa.Table:
        size = len(self.enterprise_fen)
        first, second = (coded(codes, ref.PLACES) for codes in self.enterprise_name)
        return pa.table(
            {
                "enterprise_id": numbered("z", np.arange(size) + 1, 6),
                "enterprise_name": pa.compute.binary_join_element_wise(first, second, "有限公司", ""),
                "branch_id": self.bank.branches.ids.take(pa.array(self.enterprise_branch)),
                "fiscal_year": np.full(size, as_date(self.bank.start).year - 1),
                "annual_revenue_cny": money(self.enterprise_fen),
            }
        )

    # -- helpers ---------------------------------------------------------------------------

    def _draw_some(self, rng: np.random.Generator, today: int, share: float, at_least: float) -> Ints:
        """Random active customers, maintained ones preferred; on the first day at least one."""
        mean = max(self.bank.count * share, at_least)
        number = max(int(rng.poisson(mean)), 1 if today in (self.bank.start, self.go_live) else 0)
        maintained = np.flatnonzero(self._active(today) & (self.bank.maintenance.a >= 0))
        return np.sort(rng.choice(maintained, min(number, len(maintained)), replace=False))

    def _ids(self, prefix: str, today: int, size: int) -> pa.Array:
        return numbered(f"{prefix}{as_date(today):%y%m%d}", np.arange(size), 6)

    def _customer_ids(self, rows: Ints) -> pa.Array:
        return self.bank.customers.ids.take(pa.array(rows, pa.int64()))

    def _employee_ids(self, rows: Ints) -> pa.Array:
        return self.bank.employees.ids.take(pa.array(rows, pa.int64()))
