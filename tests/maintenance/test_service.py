"""Complaints and surveys of an invented bank and of the small bank, against a second reading in plain Python."""

from __future__ import annotations

import random
from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib.bank_calendar import BankCalendar, working_day_rows
from orchestration.lib.planning import advance_json, plan_chunk
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.trial import Trial
from tests.conftest import AS_OF_DATE, GO_LIVE_DATE, BuiltHome
from tests.maintenance.service_oracle import STEPS, complaint, local_date, month_summaries
from tests.policies.support import copy_policies, edit, first
from tests.support import query, read_delivery

Row = dict[str, Any]
DAY = timedelta(days=1)
TODAY = date(2026, 5, 12)
FIRST_DATE = date(2025, 1, 1)
CALENDAR = BankCalendar({})
WORKING_DAYS = working_day_rows(CALENDAR, [TODAY], TODAY)
DEADLINES = {
    "high": {"accepted": 1, "resolved": 3, "fed_back": 4},
    "medium": {"accepted": 1, "resolved": 5, "fed_back": 7},
    "low": {"accepted": 2, "resolved": 8, "fed_back": 10},
}


def moment(day: date, hour: int, minute: int = 0) -> datetime:
    """A moment by the clock of the bank."""
    return datetime.combine(day, time(hour, minute), UTC) - timedelta(hours=8)


class Invented:
    """Complaints of all severities and steps around the May holidays, surveys of five months, and a sample."""

    def __init__(self) -> None:
        draw = random.Random(11)
        self.customers = {f"c{n:03}": draw.choice(["b1", "b2", None]) for n in range(60)}
        self.merged = {"c001": "c002", "c003": "c004"}
        self.owners = {c: (draw.choice(["e1", "e2", None]), "b3") for c in self.customers if draw.random() < 0.6}
        self.complaints: list[Row] = []
        self.surveys: list[Row] = []
        self.obligations: list[Row] = []
        for number in range(150):
            self._complain(f"q{number:03}", draw)
        # Received late in the evening and just after midnight, by a session's clock on one day.
        for name, at in (("evening", moment(date(2026, 4, 20), 23, 59)), ("night", moment(date(2026, 4, 21), 0, 1))):
            self._deliver(name, TODAY - DAY, severity="high", employee_id="e1", customer_id="c010", received_at=at)
        for number in range(300):
            self._survey(f"y{number:03}", draw)
        for number in range(200):
            self._sample(f"o{number:03}", draw)

    def _deliver(self, name: str, day: date, **columns: Any) -> None:
        steps = dict.fromkeys([f"{step}_at" for step in STEPS])
        self.complaints.append({"complaint_id": name, "business_date": day, **steps, **columns})

    def _complain(self, name: str, draw: random.Random) -> None:
        received = TODAY - draw.randrange(0, 40) * DAY
        if draw.random() < 0.1:
            received = TODAY - draw.randrange(395, 420) * DAY
        columns: Row = {
            "customer_id": draw.choice(list(self.customers)),
            "employee_id": draw.choice(["e1", "e2", None]),
            "severity": draw.choice(list(DEADLINES)),
            "responsible_employee_id": draw.choice(["e3", None]),
            "received_at": moment(received, draw.randrange(24)),
        }
        self._deliver(name, received, **columns)
        day = received
        for step in STEPS:
            day += draw.choice([0, 1, 1, 2, 4, 9]) * DAY
            if day > TODAY or draw.random() < 0.15:
                break
            columns[f"{step}_at"] = moment(day, draw.randrange(24))
            # A step of the same day comes with the delivery that was there already.
            self.complaints = [r for r in self.complaints if (r["complaint_id"], r["business_date"]) != (name, day)]
            self._deliver(name, day, **columns)

    def _survey(self, name: str, draw: random.Random) -> None:
        customer = draw.choice(list(self.customers))
        day = TODAY - draw.randrange(0, 140) * DAY
        # Nobody is asked in February.
        day = date(2026, 3, 1) if day.month == 2 else day
        has_complaint = draw.random() < 0.15
        self.surveys.append(
            {
                "business_date": day,
                "survey_id": name,
                "customer_id": customer,
                "employee_id": draw.choice(["e1", "e2", "e3", None]),
                "surveyed_date": day,
                "method": draw.choice(["phone", "visit", "online"]),
                "score": draw.randrange(1, 6),
                "manager_score": draw.choice([None, 1, 2, 3, 4, 5]),
                "has_complaint": has_complaint,
            }
        )
        if has_complaint:
            at = moment(day, draw.randrange(24))
            self._deliver(f"s{name}", day, customer_id=customer, employee_id="e1", severity="low", received_at=at)

    def _sample(self, name: str, draw: random.Random) -> None:
        status = draw.choice(["done", "done", "due", "overdue", "suppressed"])
        is_closed = status == "done" or draw.random() < 0.5
        self.obligations.append(
            {
                "as_of_date": TODAY - DAY if is_closed else TODAY,
                "obligation_id": name,
                "cadence_code": draw.choice(["phone_survey", "visit_survey", "front_line_contact"]),
                "policy_version": "obligations@1",
                "employee_id": draw.choice(["e1", "e4", None]),
                "branch_id": draw.choice(["b1", "b4"]),
                "due_to_date": draw.choice([date(2026, 3, 31), date(2026, 5, 31), date(2026, 6, 30)]),
                "status": status,
                "is_closed": is_closed,
            }
        )
        if not is_closed:
            self.obligations.append({**self.obligations[-1], "as_of_date": TODAY - DAY})

    def lay(self, trial: Trial, working_days: list[Row]) -> None:
        """Put the bank in a scratch warehouse as the tables that service is told from."""
        trial.put("dim_customer", [{"customer_id": c, "home_branch_id": b} for c, b in self.customers.items()])
        owned = [
            {"business_date": TODAY, "customer_id": c, "employee_id": e, "branch_id": b}
            for c, (e, b) in self.owners.items()
        ]
        trial.put("int_maintenance__owner_day", owned)
        merges = [{"old_customer_id": old, "new_customer_id": new} for old, new in self.merged.items()]
        trial.put("int_customer__successor", [{"measure_date": TODAY, **row} for row in merges])
        trial.put("fct_complaint", self.complaints)
        trial.put("fct_survey", self.surveys)
        trial.put("fct_obligation", self.obligations)
        with trial.connect() as con:
            con.execute("create schema if not exists build")
            con.execute(
                "create table build.working_day (business_date date, is_working_day boolean, "
                "previous_working_date date, next_working_date date)"
            )
            for row in working_days:
                con.execute("insert into build.working_day values (?, ?, ?, ?)", list(row.values()))


@dataclass(frozen=True)
class Told:
    """What the models tell of the invented bank."""

    bank: Invented
    complaints: dict[str, Row]
    open_complaints: dict[str, Row]
    summaries: dict[tuple[date, str, str], Row]


def tell(tmp_path_factory: pytest.TempPathFactory, working_days: list[Row]) -> Told:
    folder = tmp_path_factory.mktemp("service")
    directory = copy_policies(folder)
    edit(directory, "books", lambda content: first(content).update(go_live_date=date(2026, 2, 1)))
    policies = load_policies(directory)
    trial = Trial(folder / "trial", first_date=FIRST_DATE)
    trial.lay_policies(policies)
    bank = Invented()
    bank.lay(trial, working_days)
    chunk = plan_chunk(TODAY - DAY, TODAY, TODAY, FIRST_DATE, None, policies)
    plan = advance_json(chunk, first_date=FIRST_DATE, opening_date=None, is_merging=True)
    trial.run(["fct_complaint_handling", "int_maintenance__open_complaint", "fct_survey_month"], [plan])
    with trial.connect() as con:

        def read(table: str) -> list[Row]:
            found: list[Row] = con.execute(f"select * from {table}").to_arrow_table().to_pylist()
            return found

        complaints, opens, months = (
            read(f"{schema}.{name}")
            for schema, name in (
                ("core", "fct_complaint_handling"),
                ("intermediate", "int_maintenance__open_complaint"),
                ("core", "fct_survey_month"),
            )
        )
    return Told(
        bank,
        {row["complaint_id"]: row for row in complaints},
        {row["complaint_id"]: row for row in opens},
        {(row["month_end_date"], row["subject_kind"], row["subject_id"]): row for row in months},
    )


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return tell(tmp_path_factory, WORKING_DAYS)


def month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def newest(deliveries: Iterable[Row]) -> dict[str, Row]:
    """Complaint -> its last delivery."""
    return {row["complaint_id"]: row for row in sorted(deliveries, key=lambda row: row["business_date"])}


def expected_complaints(bank: Invented) -> dict[str, Row]:
    days = {row["business_date"]: row["is_working_day"] for row in WORKING_DAYS}
    found_in_surveys = {
        (bank.merged.get(row["customer_id"], row["customer_id"]), row["surveyed_date"])
        for row in bank.surveys
        if row["has_complaint"]
    }
    found = {}
    for name, delivery in newest(bank.complaints).items():
        row = complaint(delivery, days, DEADLINES, TODAY)
        if row["next_step_code"] is None and row["received_date"] < min(days):
            continue
        customer = bank.merged.get(delivery["customer_id"], delivery["customer_id"])
        owner, branch = bank.owners.get(customer, (None, None))
        row["customer_id"] = customer
        row["branch_id"] = branch or bank.customers[customer] or "unknown_branch"
        row["handler_employee_id"] = delivery["employee_id"] or owner
        row["is_from_survey"] = (customer, row["received_date"]) in found_in_surveys
        row["responsible_employee_id"] = delivery.get("responsible_employee_id")
        found[name] = row
    return found


@pytest.mark.rule("E11-04", "D1-12")
def test_complaints_have_come_as_far_as_a_second_reading_says(told: Told) -> None:
    expected = expected_complaints(told.bank)
    columns = list(next(iter(expected.values())))
    assert {name: {c: row[c] for c in columns} for name, row in told.complaints.items()} == expected
    assert {row["assistant_role_code"] for row in told.complaints.values()} == {"lobby_manager"}
    # All that is to be told apart is there.
    rows = expected.values()
    assert {row["last_step_code"] for row in rows} == {"recorded", *STEPS}
    for name in ("is_overdue", "is_from_survey"):
        assert {row[name] for row in rows} == {True, False}
    for step in STEPS:
        assert {row[f"{step}_late_days"] for row in rows} >= {None, 0, 1}


@pytest.mark.rule("E11-04")
def test_days_are_those_of_the_bank_and_deadlines_rest_on_holidays(told: Told) -> None:
    evening, night = told.complaints["evening"], told.complaints["night"]
    assert (evening["received_date"], evening["due_date"]) == (date(2026, 4, 20), date(2026, 4, 21))
    assert (night["received_date"], night["due_date"]) == (date(2026, 4, 21), date(2026, 4, 22))
    # Banks rest from 1 to 5 May 2026 and work on Saturday 9 May.
    days = {row["business_date"]: row["is_working_day"] for row in WORKING_DAYS}
    eve = {"received_at": moment(date(2026, 4, 30), 12), "severity": "high", **dict.fromkeys(f"{s}_at" for s in STEPS)}
    assert complaint(eve, days, DEADLINES, TODAY)["due_date"] == date(2026, 5, 6)
    on_eve = [row for row in told.complaints.values() if date(2026, 4, 30) <= row["received_date"] <= date(2026, 5, 5)]
    waiting = [row for row in on_eve if row["next_step_code"] == "accepted" and row["severity"] != "low"]
    assert {row["due_date"] for row in waiting} <= {date(2026, 5, 6)}


@pytest.mark.rule("D1-12")
def test_a_complaint_of_a_survey_stays_with_who_took_it(told: Told) -> None:
    surveyed = [row for name, row in told.complaints.items() if name.startswith("sy")]
    assert len(surveyed) > 10
    assert all(row["is_from_survey"] and row["handler_employee_id"] == "e1" for row in surveyed)
    assert {row["assistant_role_code"] for row in surveyed} == {"lobby_manager"}


@pytest.mark.rule("E11-04")
def test_what_is_open_is_handed_on_with_its_next_step(told: Told) -> None:
    expected = {
        name: (row["next_step_code"], row["due_date"], row["severity"], row["handler_employee_id"], row["customer_id"])
        for name, row in told.complaints.items()
        if row["last_step_code"] != "fed_back"
    }
    columns = ("step_code", "due_date", "severity", "responsible_employee_id", "customer_id")
    assert {name: tuple(row[c] for c in columns) for name, row in told.open_complaints.items()} == expected


@pytest.mark.rule("E11-04")
def test_without_a_calendar_no_day_is_invented(tmp_path_factory: pytest.TempPathFactory) -> None:
    told = tell(tmp_path_factory, [])
    assert set(told.complaints) == {row["complaint_id"] for row in told.bank.complaints}
    for row in told.complaints.values():
        assert row["due_date"] is None
        assert row["is_overdue"] is False
        assert all(row[f"{step}_late_days"] is None for step in STEPS)
    assert {row["received_complaint_count"] for row in told.summaries.values()} == {0}


@pytest.mark.rule("D1-11", "E11-03", "A5-05")
def test_summaries_are_those_of_a_second_reading(told: Told) -> None:
    bank = told.bank
    home = {c: bank.customers[bank.merged.get(c, c)] or "unknown_branch" for c in bank.customers}
    surveys = [{**row, "branch_id": home[row["customer_id"]]} for row in bank.surveys]
    sample = [
        row
        for row in bank.obligations
        if row["cadence_code"] in ("phone_survey", "visit_survey")
        and row["status"] != "suppressed"
        and (row["is_closed"] or row["as_of_date"] == TODAY)
        and row["due_to_date"] <= date(2026, 5, 31)
    ]
    # The calendar reaches 400 days back, into April 2025: of that month it does not know all.
    received = [row for row in expected_complaints(bank).values() if row["received_date"] >= date(2025, 5, 1)]
    expected = month_summaries(surveys, sample, received)
    columns = list(next(iter(expected.values())))
    assert {key: {c: row[c] for c in columns} for key, row in told.summaries.items()} == expected
    assert {row["as_of_date"] for row in told.summaries.values()} == {TODAY}
    rates = {row["reached_rate"] for row in told.summaries.values()}
    assert None in rates
    assert any(rate is not None and 0 < rate < 1 for rate in rates)


@pytest.mark.rule("D1-11")
def test_employees_and_branches_add_up_to_the_bank(told: Told) -> None:
    by_kind: dict[tuple[date, str], list[Row]] = defaultdict(list)
    for (month, kind, _), row in told.summaries.items():
        by_kind[month, kind].append(row)
    nobody = {month_end(row["surveyed_date"]) for row in told.bank.surveys if row["employee_id"] is None}
    assert nobody
    for name in ("survey_count", "phone_count", "complaint_count", "sampled_count", "received_complaint_count"):
        for (month, kind), rows in by_kind.items():
            (bank,) = by_kind[month, "bank"]
            total = sum(row[name] for row in rows)
            assert total <= bank[name] if kind == "employee" else total == bank[name]


@pytest.mark.rule("D1-11")
def test_a_month_after_one_without_answers_has_no_change(told: Told) -> None:
    """Nobody was asked in February."""
    march, april = (told.summaries[end, "bank", "bank"] for end in (date(2026, 3, 31), date(2026, 4, 30)))
    assert (date(2026, 2, 28), "bank", "bank") not in told.summaries
    assert march["score_change"] is None
    assert april["score_change"] == april["score_avg"] - march["score_avg"]


def delivered(landing: Path, feed_id: str) -> list[Row]:
    """Rows of all deliveries of a feed of events up to the last day that was built, with its days."""
    found: list[Row] = []
    for folder in sorted(landing.joinpath(*feed_id.split(".")).iterdir()):
        day = date.fromisoformat(folder.name)
        if day <= AS_OF_DATE:
            found += [{**row, "business_date": day} for row in read_delivery(landing, feed_id, day)[0].to_pylist()]
    return found


@pytest.mark.rule("D1-11", "E11-04")
def test_the_small_bank_tells_what_its_deliveries_say(built_home: BuiltHome) -> None:
    surveys = delivered(built_home.landing, "crm.surveys")
    deliveries = delivered(built_home.landing, "crm.complaints")
    calendar = working_day_rows(CALENDAR, [AS_OF_DATE], AS_OF_DATE)
    days = {row["business_date"]: row["is_working_day"] for row in calendar}
    # Nobody complained of anything that lies before the calendar.
    expected = {name: complaint(row, days, DEADLINES, AS_OF_DATE) for name, row in newest(deliveries).items()}
    columns = list(next(iter(expected.values())))
    told = query(built_home.home, f"select complaint_id, {', '.join(columns)} from maintenance.complaint")
    assert {name: dict(zip(columns, values, strict=True)) for name, *values in told} == expected
    assert len(expected) > 3
    assert min(row["received_date"] for row in expected.values()) > min(days) < GO_LIVE_DATE

    bank_months: dict[date, list[int]] = defaultdict(list)
    for row in surveys:
        bank_months[month_end(row["surveyed_date"])].append(row["score"])
    assert query(
        built_home.home,
        "select month_end_date, survey_count, score_avg from maintenance.survey_summary "
        "where subject_kind = 'bank' and survey_count > 0 order by 1",
    ) == [
        (month, len(scores), (Decimal(sum(scores)) / len(scores)).quantize(Decimal("0.01"), ROUND_HALF_UP))
        for month, scores in sorted(bank_months.items())
    ]


def test_a_moment_is_a_day_of_the_bank() -> None:
    assert local_date(datetime(2026, 4, 20, 15, 59, tzinfo=UTC)) == date(2026, 4, 20)
    assert local_date(datetime(2026, 4, 20, 16, 0, tzinfo=UTC)) == date(2026, 4, 21)
