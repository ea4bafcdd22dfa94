"""Which quarters an advance appraises, and which it freezes a cohort for."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from orchestration.lib.planning import advance_json, plan_chunk
from orchestration.lib.policies import load_policies
from tests.conftest import GO_LIVE_DATE

FIRST_DATE = date(2026, 1, 1)
DAY = timedelta(days=1)


def plan(
    base: date, end: date, *, first_date: date = FIRST_DATE, opening: date | None = None, decided: date | None = None
) -> dict[str, Any]:
    """An advance as the models read it; ``decided``: the last published day."""
    chunk = plan_chunk(base, end, decided or end, first_date, opening, load_policies(), decided)
    content: dict[str, Any] = json.loads(
        advance_json(chunk, first_date=first_date, opening_date=opening, is_merging=False)
    )
    return content


def periods(end: date, **options: Any) -> list[tuple[str, str, int, bool]]:
    found = plan(end - DAY, end, **options)["appraisal_periods"]
    return [(p["period_code"], p["through_date"], p["day_count"], p["is_final"]) for p in found]


def test_a_month_end_appraises_its_quarter_to_date_and_in_the_first_month_the_one_before() -> None:
    assert periods(date(2026, 8, 31)) == [("2026Q3", "2026-08-31", 62, False)]
    assert periods(date(2026, 9, 30)) == [("2026Q3", "2026-09-30", 92, False)]
    assert periods(date(2026, 10, 31)) == [("2026Q4", "2026-10-31", 31, False), ("2026Q3", "2026-09-30", 92, True)]
    assert periods(date(2027, 1, 31)) == [("2027Q1", "2027-01-31", 31, False), ("2026Q4", "2026-12-31", 92, True)]


def test_no_other_day_appraises_anything() -> None:
    assert periods(date(2026, 9, 29)) == []
    assert periods(date(2026, 10, 1)) == []


def test_a_quarter_that_began_before_books_went_live_has_no_cohort_and_is_not_appraised() -> None:
    assert date(2026, 4, 1) < GO_LIVE_DATE
    assert periods(date(2026, 6, 30)) == []
    assert periods(date(2026, 7, 31)) == [("2026Q3", "2026-07-31", 31, False)]


def test_a_quarter_is_measured_against_a_whole_one_before_it() -> None:
    late = date(2026, 6, 2)
    assert periods(date(2026, 7, 31), first_date=late) == []
    assert periods(date(2026, 10, 31), first_date=late) == [("2026Q4", "2026-10-31", 31, False)]
    assert periods(date(2026, 7, 31), first_date=date(2026, 4, 1)) == [("2026Q3", "2026-07-31", 31, False)]


def test_every_date_of_a_period_is_said_once() -> None:
    _, final = plan(date(2026, 10, 30), date(2026, 10, 31))["appraisal_periods"]
    assert final == {
        "period_code": "2026Q3",
        "start_date": "2026-07-01",
        "end_date": "2026-09-30",
        "next_start_date": "2026-10-01",
        "eve_date": "2026-06-30",
        "prior_eve_date": "2026-03-31",
        "through_date": "2026-09-30",
        "guard_date": "2026-10-30",
        "day_count": 92,
        "prior_day_count": 91,
        "is_final": True,
        "has_books": True,
    }


@pytest.mark.parametrize("end", [date(2026, 10, 1), date(2026, 12, 31), date(2027, 1, 1)])
def test_a_cohort_is_frozen_on_the_first_day_of_a_quarter_alone(end: date) -> None:
    frozen = {date(2026, 10, 1): ["2026Q4"], date(2027, 1, 1): ["2027Q1"]}
    assert [q["period_code"] for q in plan(end - DAY, end)["cohort_quarters"]] == frozen.get(end, [])
    assert [q["start_date"] for q in plan(end - DAY, end)["cohort_quarters"]] == [
        end.isoformat() for _ in frozen.get(end, [])
    ]


def test_a_quarter_that_began_before_go_live_freezes_nobody_and_a_published_one_nobody_again() -> None:
    assert plan(date(2026, 3, 31), date(2026, 4, 1))["cohort_quarters"] == []
    assert plan(date(2026, 6, 30), date(2026, 7, 15), decided=date(2026, 7, 2))["cohort_quarters"] == []
    assert len(plan(date(2026, 6, 30), date(2026, 7, 15), decided=date(2026, 6, 30))["cohort_quarters"]) == 1


def test_books_of_a_month_end_that_were_let_go_are_not_known_again() -> None:
    """A correction takes the advance through month ends whose books retention has dropped; final quarters need none."""

    def has_books(end: date, decided: date) -> dict[str, bool]:
        found = plan(end - DAY, end, decided=decided)["appraisal_periods"]
        return {p["period_code"]: p["has_books"] for p in found}

    assert has_books(date(2026, 8, 31), date(2026, 9, 20)) == {"2026Q3": True}
    assert has_books(date(2026, 8, 31), date(2026, 10, 20)) == {"2026Q3": False}
    assert has_books(date(2026, 9, 30), date(2026, 11, 20)) == {"2026Q3": True}
    assert has_books(date(2026, 10, 31), date(2026, 12, 20)) == {"2026Q4": False, "2026Q3": True}
    assert has_books(date(2026, 10, 31), date(2026, 10, 30)) == {"2026Q4": True, "2026Q3": True}


@pytest.mark.parametrize("base", [date(2026, 6, 30), date(2026, 7, 30)])
def test_balances_of_the_day_on_which_a_quarters_guard_ends_are_emitted(base: date) -> None:
    long_after = date(2026, 12, 31)
    chunk = plan_chunk(base, date(2026, 7, 31), long_after, FIRST_DATE, None, load_policies())
    assert (date(2026, 7, 30) in chunk.customer_dates) == (base < date(2026, 7, 30))
