"""Each published day is judged by what readers saw at 07:00 of the next, whoever publishes when."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from orchestration.lib.ledger import ACCEPTED, REJECTED, Batch
from orchestration.lib.service_level import FEEDS_DUE, MARTS_DUE, last_due, service_levels
from tests import conftest, support

MONDAY = date(2026, 5, 11)
LONG_AGO = date(2020, 1, 1)


def shanghai(text: str) -> str:
    """A local time as the records keep it: UTC, eight hours earlier."""
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=8)).isoformat()


def entry(version: int, as_of: str, published: str, **more: Any) -> dict[str, Any]:
    return {
        "version": version,
        "as_of_date": as_of,
        "first_date": "2026-05-11",
        "published_at": shanghai(published),
    } | more


def batch(feed_id: str, day: str, landed: str, *, number: int = 1, status: str = ACCEPTED) -> Batch:
    system, entity = feed_id.split(".")
    return Batch(
        f"{feed_id}.{day}.{number}", system, entity, date.fromisoformat(day), number, "full", status, 1, 0, {}, "", "",
        landed_at=shanghai(landed),
    )  # fmt: skip


def row(log: list[dict[str, Any]], ledger: list[Batch], day: date) -> dict[str, Any]:
    return next(r for r in service_levels(log, ledger, LONG_AGO) if r["business_date"] == day)


def test_a_day_that_is_published_at_seven_sharp_is_in_time_and_one_second_later_is_not() -> None:
    sharp = row([entry(1, "2026-05-11", "2026-05-12 07:00:00")], [], MONDAY)
    assert (sharp["is_met"], sharp["minutes_late"], sharp["shown_as_of_date"]) == (True, 0, MONDAY)
    after = row([entry(1, "2026-05-11", "2026-05-12 07:00:01")], [], MONDAY)
    assert (after["is_met"], after["minutes_late"], after["shown_as_of_date"]) == (False, 1, None)


def test_a_late_day_says_what_readers_saw_instead() -> None:
    log = [entry(1, "2026-05-11", "2026-05-12 06:30"), entry(2, "2026-05-12", "2026-05-13 09:05")]
    late = row(log, [], date(2026, 5, 12))
    assert (late["is_met"], late["minutes_late"], late["shown_as_of_date"]) == (False, 125, MONDAY)
    assert (late["version"], late["is_right_day"]) == (2, True)


def test_a_version_in_time_that_was_taken_back_before_seven_shows_the_wrong_day() -> None:
    log = [
        entry(1, "2026-05-11", "2026-05-12 06:30"),
        entry(2, "2026-05-12", "2026-05-13 06:30"),
        entry(3, "2026-05-11", "2026-05-13 06:50", restored_version=1),
    ]
    taken_back = row(log, [], date(2026, 5, 12))
    assert (taken_back["is_met"], taken_back["minutes_late"], taken_back["shown_as_of_date"]) == (False, 0, MONDAY)
    assert taken_back["version"] == 2


def test_days_that_are_caught_up_together_have_a_row_each_and_only_the_last_is_of_its_own_day() -> None:
    log = [entry(1, "2026-05-11", "2026-05-12 06:30"), entry(2, "2026-05-14", "2026-05-15 06:30")]
    rows = service_levels(log, [], LONG_AGO)
    assert [r["business_date"].day for r in rows] == [11, 12, 13, 14]
    assert [r["version"] for r in rows] == [1, 2, 2, 2]
    assert [r["is_met"] for r in rows] == [True, False, False, True]
    assert [r["is_right_day"] for r in rows] == [True, False, False, True]
    assert [r["minutes_late"] for r in rows] == [0, 47 * 60 + 30, 23 * 60 + 30, 0]
    assert [r["business_date"].day for r in service_levels(log, [], date(2026, 5, 12))] == [13, 14]


def test_a_restatement_of_a_published_day_does_not_make_it_late() -> None:
    log = [entry(1, "2026-05-11", "2026-05-12 06:30"), entry(2, "2026-05-11", "2026-05-12 15:00")]
    assert row(log, [], MONDAY) == row(log[:1], [], MONDAY)


def test_the_late_feed_is_the_one_whose_first_delivery_came_last_and_after_six() -> None:
    ledger = [
        batch("core_banking.customers", "2026-05-11", "2026-05-12 05:00"),
        batch("loan.loans", "2026-05-11", "2026-05-12 06:20", status=REJECTED),
        batch("loan.loans", "2026-05-11", "2026-05-12 08:20", number=2),
        batch("core_banking.customers", "2026-05-11", "2026-05-12 08:30", number=2),
        batch("card.card_accounts", "2026-05-11", "2026-05-12 12:00"),
    ]
    missed = row([entry(1, "2026-05-11", "2026-05-12 09:00")], ledger, MONDAY)
    assert (missed["last_feed"], missed["late_feed"]) == ("loan.loans", "loan.loans")
    slow = row([entry(1, "2026-05-11", "2026-05-12 09:00")], ledger[:1], MONDAY)
    assert (slow["last_feed"], slow["late_feed"]) == ("core_banking.customers", "")


@pytest.mark.parametrize(
    ("now", "feeds", "marts"),
    [
        ("2026-05-12 06:00:00", 10, 10),
        ("2026-05-12 06:00:01", 11, 10),
        ("2026-05-12 07:00:01", 11, 11),
        ("2026-05-12 00:00:00", 10, 10),
    ],
)
def test_feeds_are_due_at_six_and_marts_at_seven_in_shanghai(now: str, feeds: int, marts: int) -> None:
    moment = datetime.fromisoformat(shanghai(now))
    assert (last_due(moment, FEEDS_DUE).day, last_due(moment, MARTS_DUE).day) == (feeds, marts)


def test_a_published_version_has_a_row_of_every_day_it_was_built_from(built_home: conftest.BuiltHome) -> None:
    rows = support.query(built_home.home, "select business_date, as_of_date, version, is_right_day from quality.sla")
    days = (conftest.AS_OF_DATE - conftest.FIRST_DATE).days + 1
    expected = [conftest.FIRST_DATE + timedelta(days=n) for n in range(days)]
    assert sorted(day for day, *_ in rows) == expected
    assert {day for day, _, _, is_right in rows if is_right} == {as_of for _, as_of, _, _ in rows}
