"""Events: what is published is what somebody finds who reads the deliveries; each is told once and never changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from orchestration.lib.dbt_manifest import environment
from orchestration.lib.delivery import ARROW_TYPES, write_delivery
from orchestration.lib.home import Home
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.events import EventRules
from orchestration.lib.policies.load import POLICIES_VARIABLE
from tests import support
from tests.conftest import AS_OF_DATE, FIRST_AS_OF_DATE, GO_LIVE_DATE, LAST_DELIVERED_DATE, BuiltHome
from tests.maintenance.event_oracle import CUSTOMERS, DAY, DEPOSITS, LIFE_EVENTS, Advance, Event, Oracle, Row, told
from tests.policies.support import copy_policies, edit, first

NEXT_DAY = AS_OF_DATE + DAY


def days_between(start: date, end: date) -> list[date]:
    return [start + n * DAY for n in range((end - start).days + 1)]


def rules_of(directory: Path | None = None) -> EventRules:
    return load_policies(*([directory] if directory else [])).events.versions[0].events


def as_told(events: list[Event]) -> dict[Event, Decimal | None]:
    assert len(set(events)) == len(events)
    return {event: event.amount_cny for event in events}


@pytest.mark.rule("A8-09", "A8-10", "A5-04")
def test_the_first_live_days_tell_what_a_reader_of_the_deliveries_finds(built_home: BuiltHome) -> None:
    oracle = Oracle(built_home.home, built_home.landing)
    for days in (days_between(GO_LIVE_DATE, FIRST_AS_OF_DATE), [AS_OF_DATE]):
        oracle.tell(Advance(days, rules_of()))
    assert told(built_home.home) == as_told(oracle.told)


# --- a week in which much happens ------------------------------------------------------------------------


@dataclass(frozen=True)
class Eventful:
    """The bank after a week in which much happened: what was told before it, after one day of it and at its end."""

    home: Home
    before: dict[Event, Decimal | None]
    after_a_day: dict[Event, Decimal | None]
    oracle: Oracle
    script: Script


def lower_thresholds(content: Row) -> None:
    events = first(content)["events"]
    for kind in ("large_inflow", "large_outflow"):
        events[kind].update(min_month_average="5万", min_amount="1万", min_rate="5%")
    events["dormant_woken"].update(min_amount=100)
    # Pay days of April come true twenty-one days before the week; the dragon boat festival forty-five days after.
    events["salary_stopped"].update(months=2, quiet=21)
    events["festival"].update(lead=45, min_month_average="10万")
    events["missing_contact_data"].update(repeat="3 days")


class Script:
    """Alters deliveries of a landing folder from ``NEXT_DAY`` on; customers are drawn from the books in order."""

    def __init__(self, home: Home, landing: Path) -> None:
        self.landing = landing
        self.oracle = Oracle(home, landing)
        self.days = days_between(NEXT_DAY, LAST_DELIVERED_DATE)
        suppressed = self.oracle.suppressed(AS_OF_DATE)
        self.customers = sorted(self.oracle.books[AS_OF_DATE] - suppressed)
        self.accounts = sorted(
            (
                row
                for row in self.oracle.in_force(DEPOSITS, AS_OF_DATE)
                if row["customer_id"] in self.customers and row["currency"] == "CNY" and row["status"] == "open"
            ),
            key=lambda row: (-row["balance"], row["account_id"]),
        )

    def write(self) -> None:
        # Money goes from the richest account to another one of its kind, so that the ledger still agrees; and between
        # two accounts of one customer, which is no event.
        rich = self.accounts[0]
        poor = next(a for a in self.accounts[1:] if self._is_like(a, rich) and a["customer_id"] != rich["customer_id"])
        own = next(
            (a, b)
            for a in self.accounts[1:]
            for b in self.accounts[1:]
            if a["customer_id"] == b["customer_id"] not in (rich["customer_id"], poor["customer_id"])
            and a["account_id"] != b["account_id"]
            and self._is_like(a, b)
        )
        moves = {
            rich["account_id"]: -rich["balance"] / 2,
            poor["account_id"]: rich["balance"] / 2,
            own[0]["account_id"]: -own[0]["balance"] / 2,
            own[1]["account_id"]: own[0]["balance"] / 2,
        }
        self.mover, self.receiver = rich["customer_id"], poor["customer_id"]
        self.shuffler = own[0]["customer_id"]
        woken = [a["account_id"] for a in self.accounts if a["account_id"] not in moves][:3]
        for day in self.days:
            support.redeliver(self.landing, DEPOSITS, day, lambda t, d=day: self._deposits(t, d, moves, woken))
        self._customers(NEXT_DAY, self.customers[:3], {"mobile": None, "address": None})
        self._customers(NEXT_DAY + DAY, self.customers[2:3], {"mobile": "13900000000"})
        born = [date(1980, each.month, each.day) for each in (NEXT_DAY + n * DAY for n in (3, 4, 5))]
        for customer, day in zip(self.customers[3:6], born, strict=True):
            self._customers(NEXT_DAY, [customer], {"birth_date": day})

    def _is_like(self, one: Row, other: Row) -> bool:
        return all(one[name] == other[name] for name in ("branch_id", "product_code", "currency"))

    def _deposits(self, table: pa.Table, day: date, moves: dict[str, Decimal], woken: list[str]) -> pa.Table:
        rows = table.to_pylist()
        for row in rows:
            row["balance"] += moves.get(row["account_id"], Decimal(0)).quantize(Decimal("0.01"))
            # Dormant for a day and for two.
            if row["account_id"] in woken and day <= NEXT_DAY + woken.index(row["account_id"]) * DAY:
                row["status"] = "dormant"
        return pa.Table.from_pylist(rows, table.schema)

    def _customers(self, day: date, customers: list[str], change: Row) -> None:
        known = self.oracle.customers(AS_OF_DATE)
        table, mode, _ = support.read_delivery(self.landing, CUSTOMERS, day)
        assert mode == "delta"
        rows: dict[str, Row] = {row["customer_id"]: row for row in table.to_pylist()}
        for customer in customers:
            rows[customer] = {**known[customer], **rows.get(customer, {}), "is_deleted": False, **change}
        fields = [(c.name, ARROW_TYPES[c.type]) for c in support.feed(CUSTOMERS).columns]
        schema = pa.schema([*fields, ("is_deleted", pa.bool_())])
        new = pa.Table.from_pylist(list(rows.values()), schema)
        write_delivery(self.landing, support.feed(CUSTOMERS), day, new, mode="delta")

    def write_late(self, day: date) -> None:
        """A life event of a day that is decided already."""
        feed = support.feed(LIFE_EVENTS)
        columns: dict[str, Any] = {
            "event_id": "late", "customer_id": self.customers[6], "event_date": day, "event_kind": "marriage",
        }  # fmt: skip
        schema = pa.schema([(c.name, ARROW_TYPES[c.type]) for c in feed.columns])
        assert not support.delivery_folder(self.landing, LIFE_EVENTS, day).exists()
        write_delivery(self.landing, feed, day, pa.Table.from_pylist([columns], schema))


@pytest.fixture(scope="module")
def eventful(built_home: BuiltHome, tmp_path_factory: pytest.TempPathFactory) -> Eventful:
    folder = tmp_path_factory.mktemp("eventful")
    landing = support.copy_deliveries(built_home.landing, folder / "landing")
    home = support.copy_home(built_home.home, folder / "home")
    before = told(home)
    script = Script(home, landing)
    script.write()
    policies = copy_policies(folder)
    edit(policies, "books", lambda content: first(content).update(go_live_date=GO_LIVE_DATE))
    edit(policies, "events", lower_thresholds)
    with environment({POLICIES_VARIABLE: str(policies)}):
        support.published(support.advance(home, landing, NEXT_DAY))
        after_a_day = told(home)
        late_day = GO_LIVE_DATE + DAY
        script.write_late(late_day)
        support.published(support.advance(home, landing, LAST_DELIVERED_DATE))
    oracle = Oracle(home, landing)
    oracle.told = [*before]
    oracle.tell(Advance([NEXT_DAY], rules_of(policies)))
    oracle.tell(Advance(days_between(NEXT_DAY + DAY, LAST_DELIVERED_DATE), rules_of(policies), [late_day]))
    return Eventful(home, before, after_a_day, oracle, script)


@pytest.mark.full
@pytest.mark.rule("A8-09", "A8-10", "A5-03", "A5-04", "D1-08", "E3-02", "E12-01", "G42")
def test_a_week_of_events_is_told_as_a_reader_of_the_deliveries_finds_it(eventful: Eventful) -> None:
    found = told(eventful.home)
    assert found == as_told(eventful.oracle.told)
    kinds = Counter(event.event_kind for event in found)
    # On month ends there are falls, which dbt's unit tests have; near an upper cut is nobody in this week.
    assert set(kinds) >= set(EventRules.model_fields) - {"aum_fall", "near_threshold_up", "near_threshold_down"}


@pytest.mark.full
def test_what_is_told_is_never_changed(eventful: Eventful) -> None:
    found = told(eventful.home)
    for earlier, through in ((eventful.before, AS_OF_DATE), (eventful.after_a_day, NEXT_DAY)):
        assert {event: amount for event, amount in found.items() if event.business_date <= through} == earlier


@pytest.mark.full
def test_a_late_life_event_is_told_on_the_first_day_decided_after_it_came(eventful: Eventful) -> None:
    (late,) = [e for e in told(eventful.home) if e.event_date == GO_LIVE_DATE + DAY and e.detail_code == "marriage"]
    assert late.business_date == NEXT_DAY + DAY


@pytest.mark.full
def test_ids_of_events_are_one_to_each(eventful: Eventful) -> None:
    ids = support.query(eventful.home, "select count(*), count(distinct event_id) from maintenance.event")
    assert ids == [(len(told(eventful.home)),) * 2]


@pytest.mark.full
def test_money_that_changes_hands_is_a_flow_and_money_that_stays_with_its_owner_is_none(eventful: Eventful) -> None:
    flows = {(e.customer_id, e.event_kind) for e in told(eventful.home) if e.business_date == NEXT_DAY}
    script = eventful.script
    assert (script.mover, "large_outflow") in flows
    assert (script.receiver, "large_inflow") in flows
    assert {kind for customer, kind in flows if customer == script.shuffler} <= {"festival"}
