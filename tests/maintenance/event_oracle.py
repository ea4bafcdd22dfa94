"""Events as somebody would find them who reads the deliveries day by day, with nothing but Python.

Who is in the books, what an account is worth, month averages and who is near a cut are taken from the warehouse: other
tests answer for these.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import duckdb

from orchestration.lib.home import Home
from orchestration.lib.policies.events import EventRules
from tests import support

DAY = timedelta(days=1)
CUSTOMERS = "core_banking.customers"
DEPOSITS = "core_banking.deposit_accounts"
HOLDINGS = "wealth.wealth_holdings"
SALARIES = "core_banking.deposit_transactions"
LIFE_EVENTS = "crm.life_events"
MERGES = "core_banking.customer_merges"
RISK = "risk.customer_risk"
Row = dict[str, Any]


@dataclass(frozen=True, order=True)
class Event:
    """What an event says; amounts in CNY."""

    business_date: date
    customer_id: str
    event_kind: str
    account_id: str
    event_date: date
    detail_code: str
    scheme_code: str
    amount_cny: Decimal | None = field(compare=False)


@dataclass(frozen=True)
class Advance:
    """A run: the days that it decided, the rules in force, and days whose life events came late with it."""

    days: Sequence[date]
    rules: EventRules
    late_days: Sequence[date] = ()

    @property
    def as_of(self) -> date:
        return self.days[-1]


def told(home: Home) -> dict[Event, Decimal | None]:
    """What the published events say, with their amounts."""
    rows = support.query(
        home,
        "select business_date, customer_id, event_kind, coalesce(account_id, ''), event_date, "
        "coalesce(detail_code, ''), coalesce(scheme_code, ''), amount_cny from maintenance.event",
    )
    events = [Event(*row) for row in rows]
    assert len(set(events)) == len(events)
    return {event: event.amount_cny for event in events}


class Oracle:
    """Reads a landing folder and the kept state of a home; ``told`` grows by one advance after another."""

    def __init__(self, home: Home, landing: Path) -> None:
        self.landing = landing
        self.told: list[Event] = []
        self._rows: dict[tuple[str, date], list[Row]] = {}
        with duckdb.connect(str(home.warehouse), read_only=True) as con:
            self.books: dict[date, set[str]] = defaultdict(set)
            self.vetoed: dict[date, set[str]] = defaultdict(set)
            for day, customer, reason in con.execute(
                "select as_of_date, customer_id, reason_code from core.fct_book_entry where slot in ('a', 'queue')"
            ).fetchall():
                self.books[day].add(customer)
                if reason == "risk_veto":
                    self.vetoed[day].add(customer)
            self.worth = {
                row[:3]: row[3]
                for row in con.execute(
                    "select as_of_date, account_id, customer_id, value_cny from core.fct_account_balance "
                    "where account_kind in ('deposit', 'holding')"
                ).fetchall()
            }
            self.assets = {
                row[:2]: row[2]
                for row in con.execute(
                    "select as_of_date, customer_id, aum_cny from core.fct_customer_balance"
                ).fetchall()
            }
            self.near: dict[date, dict[tuple[str, ...], Decimal]] = defaultdict(dict)
            for day, *key, gap in con.execute(
                "select as_of_date, customer_id, direction, target_tier_code, scheme_code, gap_cny "
                "from core.fct_near_threshold"
            ).fetchall():
                self.near[day][tuple(key)] = gap
        averages = support.query(
            home, "select month_end_date, customer_id, aum_month_avg_cny from assets.customer_assets_monthly"
        )
        self.averages = {row[:2]: row[2] for row in averages}

    # --- deliveries ------------------------------------------------------------------------------------

    def rows(self, feed_id: str, day: date) -> list[Row]:
        if (feed_id, day) not in self._rows:
            self._rows[feed_id, day] = support.read_delivery(self.landing, feed_id, day)[0].to_pylist()
        return self._rows[feed_id, day]

    def days_of(self, feed_id: str) -> list[date]:
        folder = self.landing.joinpath(*feed_id.split("."))
        return sorted(date.fromisoformat(path.name) for path in folder.iterdir()) if folder.is_dir() else []

    def in_force(self, feed_id: str, day: date) -> list[Row]:
        known = [d for d in self.days_of(feed_id) if d <= day]
        return self.rows(feed_id, known[-1]) if known else []

    def customers(self, day: date) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for delivered in (d for d in self.days_of(CUSTOMERS) if d <= day):
            for row in self.rows(CUSTOMERS, delivered):
                if row.get("is_deleted"):
                    found.pop(row["customer_id"], None)
                else:
                    found[row["customer_id"]] = row
        return found

    def now(self, customer_id: str, day: date) -> str:
        """The customer that one was merged into by a day."""
        heirs = {
            row["old_customer_id"]: row["new_customer_id"]
            for delivered in self.days_of(MERGES)
            if delivered <= day
            for row in self.rows(MERGES, delivered)
        }
        while customer_id in heirs:
            customer_id = heirs[customer_id]
        return customer_id

    def suppressed(self, day: date) -> set[str]:
        gone = {
            c
            for c, row in self.customers(day).items()
            if any(row[name] is not None and row[name] <= day for name in ("deceased_date", "closed_date"))
        }
        frozen = {r["customer_id"] for r in self.in_force(RISK, day) if r["special_flag"] == "court_freeze"}
        return gone | frozen | self.vetoed[day]

    # --- events ----------------------------------------------------------------------------------------

    def tell(self, advance: Advance) -> None:
        found = []
        for day in advance.days:
            found += self._maturities(day, advance)
            found += self._woken(day, advance)
            found += self._flows(day, advance)
            found += self._life_events(day, advance)
            found += self._salaries(day, advance)
            found += self._occasions(day, advance)
        states = [*self._near(advance), *self._unreachable(advance)]
        self.told += [e for e in found if e.customer_id in self.books[e.business_date]]
        self.told += [e for e in states if e.customer_id in self.books[advance.as_of] - self.suppressed(advance.as_of)]

    def _of_account(
        self, day: date, account_id: str, kind: str, about: date, detail: str, floor: Decimal
    ) -> list[Event]:
        shares: dict[str, Decimal] = defaultdict(Decimal)
        for (worth_day, account, customer), value in self.worth.items():
            if worth_day == day and account == account_id:
                shares[self.now(customer, day)] += value
        return [Event(day, c, kind, account_id, about, detail, "", v) for c, v in shares.items() if v >= floor]

    def _maturities(self, day: date, advance: Advance) -> list[Event]:
        rule = advance.rules.maturity
        assert rule is not None
        found = []
        for feed_id, key, detail in ((DEPOSITS, "account_id", "deposit"), (HOLDINGS, "holding_id", "holding")):
            for row in self.in_force(feed_id, day):
                due = row["maturity_date"]
                left = (due - day).days if due else None
                is_news = row["opened_date"] == day and left is not None and 0 < left < rule.lead
                if left == rule.lead or is_news:
                    found += self._of_account(day, row[key], "maturity", due, detail, rule.min_amount)
        return found

    def _woken(self, day: date, advance: Advance) -> list[Event]:
        rule = advance.rules.dormant_woken
        delivered = self.days_of(DEPOSITS)
        if rule is None or day not in delivered or day == delivered[0]:
            return []
        before = {r["account_id"]: r["status"] for r in self.in_force(DEPOSITS, day - DAY)}
        found = []
        for row in self.rows(DEPOSITS, day):
            if row["status"] == "open" and before.get(row["account_id"]) == "dormant":
                found += self._of_account(day, row["account_id"], "dormant_woken", day, "deposit", rule.min_amount)
        return found

    def _average(self, customer_id: str, month_end: date, day: date) -> Decimal | None:
        values = [v for (end, c), v in self.averages.items() if end == month_end and self.now(c, day) == customer_id]
        return sum(values, Decimal(0)) if values else None

    def _flows(self, day: date, advance: Advance) -> list[Event]:
        found = []
        total: dict[tuple[date, str], Decimal] = defaultdict(Decimal)
        for (of_day, customer), value in self.assets.items():
            if of_day in (day, day - DAY):
                total[of_day, self.now(customer, day)] += value
        for customer in self.books[day]:
            average = self._average(customer, day.replace(day=1) - DAY, day)
            change = total[day, customer] - total[day - DAY, customer]
            kind = "large_inflow" if change > 0 else "large_outflow"
            rule = getattr(advance.rules, kind)
            if average is None or average < rule.min_month_average:
                continue
            share = (average * rule.min_rate).quantize(Decimal("0.01"), ROUND_HALF_UP)
            if abs(change) >= rule.min_amount and abs(change) >= share:
                found.append(Event(day, customer, kind, "", day, "", "", abs(change)))
        return found

    def _life_events(self, day: date, advance: Advance) -> list[Event]:
        days = [day, *(advance.late_days if day == advance.days[0] else ())]
        rows = [row for each in days if each in self.days_of(LIFE_EVENTS) for row in self.rows(LIFE_EVENTS, each)]
        return [
            Event(day, self.now(r["customer_id"], day), "life_event", "", r["event_date"], r["event_kind"], "", None)
            for r in rows
        ]

    def _salaries(self, day: date, advance: Advance) -> list[Event]:
        rule = advance.rules.salary_stopped
        assert rule is not None
        paid: dict[str, dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for delivered in (d for d in self.days_of(SALARIES) if d <= day):
            holders = {r["account_id"]: r["customer_id"] for r in self.in_force(DEPOSITS, delivered)}
            for row in self.rows(SALARIES, delivered):
                if row["transaction_kind"] == "salary" and row["amount"] > 0 and row["account_id"] in holders:
                    assert row["currency"] == "CNY"
                    paid[self.now(holders[row["account_id"]], day)][delivered] += row["amount"]
        found = []
        for customer, amounts in paid.items():
            last = max(amounts)
            months = {d.year * 12 + d.month for d in amounts}
            wanted = {last.year * 12 + last.month - n for n in range(rule.months)}
            if (day - last).days == rule.quiet and wanted <= months:
                found.append(Event(day, customer, "salary_stopped", "", last, "", "", amounts[last]))
        return found

    def _occasions(self, day: date, advance: Advance) -> list[Event]:
        rules = advance.rules
        assert rules.birthday is not None
        assert rules.festival is not None
        open_to = self.books[day] - self.suppressed(day)
        kept = day + rules.birthday.lead * DAY
        is_common = kept.year % 4 != 0
        found = []
        people = self.customers(advance.as_of)
        for customer in open_to:
            born = people.get(customer, {}).get("birth_date")
            falls_on = (born.month, born.day) if born else None
            if falls_on == (2, 29) and is_common:
                falls_on = (2, 28)
            if falls_on == (kept.month, kept.day):
                found.append(Event(day, customer, "birthday", "", kept, "", "", None))
        feast = day + rules.festival.lead * DAY
        # 2026: of the festivals near the bank's days only the dragon boat festival.
        if feast == date(2026, 6, 19):
            for customer in open_to:
                average = self._average(customer, day.replace(day=1) - DAY, day)
                if average is not None and average >= rules.festival.min_month_average:
                    found.append(Event(day, customer, "festival", "", feast, "dragon_boat", "", None))
        return found

    def _is_told(self, day: date, repeat: int, *what: str) -> bool:
        return any(
            (e.customer_id, e.event_kind, e.detail_code, e.scheme_code) == what
            and (day - e.business_date).days < repeat
            for e in self.told
        )

    def _near(self, advance: Advance) -> list[Event]:
        day = advance.as_of
        earlier = self.near[max(d for d in self.near if d < day)]
        found = []
        for key, gap in self.near[day].items():
            customer, direction, tier, scheme = key
            kind = f"near_threshold_{direction}"
            repeat = getattr(advance.rules, kind).repeat
            if key not in earlier and not self._is_told(day, repeat, customer, kind, tier, scheme):
                found.append(Event(day, customer, kind, "", day, tier, scheme, gap))
        return found

    def _unreachable(self, advance: Advance) -> list[Event]:
        day, kind = advance.as_of, "missing_contact_data"
        rule = advance.rules.missing_contact_data
        assert rule is not None
        found = []
        for customer, row in self.customers(day).items():
            is_missing = row["mobile"] is None and row["address"] is None
            if is_missing and not self._is_told(day, rule.repeat, customer, kind, "", ""):
                found.append(Event(day, customer, kind, "", day, "", "", None))
        return found
