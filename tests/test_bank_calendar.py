"""Festivals, working days, and the tables that say which period and occasion a day lies in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import holidays
import pytest
from chinese_calendar import constants as official
from lunar_python import Lunar, Solar

from orchestration.lib.bank_calendar import (
    FESTIVALS,
    BankCalendar,
    CalendarRangeError,
    days_between,
    festival_date,
    festivals_between,
    occasion_rows,
    period_rows,
    working_day_rows,
)
from orchestration.lib.planning import plan_chunk
from orchestration.lib.policies import PolicySet, load_policies
from orchestration.lib.warehouse import calendar_rows
from tests.policies.support import copy_policies, edit

DAY = timedelta(days=1)
CALENDAR = BankCalendar()


@dataclass(frozen=True)
class Year:
    """A year as a bank states it."""

    holidays: tuple[date, ...] = ()
    working_weekends: tuple[date, ...] = ()


@dataclass(frozen=True)
class Version:
    """What a version of obligations.yml says of birthdays on 29 February."""

    leap_birthday: str
    effective_from: date = date(1990, 1, 1)
    effective_to: date = date(9999, 12, 31)


# Festivals ----------------------------------------------------------------------------------------------------------


def second_opinion(code: str, year: int) -> date:
    """The festival by a library that computes moons instead of reading a table of months."""
    lunar = {"spring_festival": (1, 1), "lantern": (1, 15), "dragon_boat": (5, 5), "mid_autumn": (8, 15)}
    solar = {"new_year": (1, 1), "labour": (5, 1), "national": (10, 1)}
    if code in solar:
        return date(year, *solar[code])
    return date.fromisoformat(Lunar.fromYmd(year, *lunar[code]).getSolar().toYmd())


@pytest.mark.parametrize("year", range(1990, 2051))
def test_two_libraries_agree_on_every_festival(year: int):
    assert {c: festival_date(c, year) for c in FESTIVALS} == {c: second_opinion(c, year) for c in FESTIVALS}


@pytest.mark.parametrize("year", range(1990, 2051, 15))
def test_no_other_day_of_a_year_is_a_festival(year: int):
    names = {"元旦节", "劳动节", "国庆节", "春节", "元宵节", "端午节", "中秋节"}
    found = []
    for day in days_between(date(year, 1, 1), date(year, 12, 31)):
        solar = Solar.fromYmd(day.year, day.month, day.day)
        said = {*solar.getFestivals(), *solar.getLunar().getFestivals()} & names
        found += [day] * len(said)
    assert [day for day, _ in festivals_between(date(year, 1, 1), date(year, 12, 31))] == found


def test_festivals_of_a_year_that_everybody_remembers():
    assert festivals_between(date(2026, 1, 1), date(2026, 12, 31)) == [
        (date(2026, 1, 1), "new_year"),
        (date(2026, 2, 17), "spring_festival"),
        (date(2026, 3, 3), "lantern"),
        (date(2026, 5, 1), "labour"),
        (date(2026, 6, 19), "dragon_boat"),
        (date(2026, 9, 25), "mid_autumn"),
        (date(2026, 10, 1), "national"),
    ]


def test_two_festivals_may_fall_on_one_day():
    day = date(2020, 10, 1)
    assert festivals_between(day, day) == [(day, "mid_autumn"), (day, "national")]


@pytest.mark.parametrize("year", [1899, 2101])
def test_a_year_that_the_lunar_calendar_does_not_reach_is_an_error_and_not_a_date(year: int):
    assert festival_date("national", year) == date(year, 10, 1)
    with pytest.raises(CalendarRangeError) as raised:
        festival_date("mid_autumn", year)
    said = str(raised.value)
    assert said.startswith(
        f"date of 中秋 in {year}: expected a year from 1900 to 2100, which the lunar calendar of borax"
    )
    assert said.endswith(f"found {year}; correct the date, or upgrade borax")


# Working days -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", range(2004, 2027))
def test_two_libraries_agree_on_every_working_day(year: int):
    china = holidays.country_holidays("CN", years=[year - 1, year, year + 1])
    days = list(days_between(date(year, 1, 1), date(year, 12, 31)))
    assert [d for d in days if CALENDAR.is_working_day(d) != china.is_working_day(d)] == []


@pytest.mark.parametrize(
    ("first", "last", "worked"),
    [
        # 国办发明电〔2005〕35号: 2006 with the Saturday before it, which chinesecalendar leaves out
        (date(2005, 12, 31), date(2006, 1, 4), [date(2005, 12, 31), date(2006, 1, 4)]),
        # the holiday of spring 2020 was prolonged to 2 February
        (date(2020, 1, 23), date(2020, 2, 4), [date(2020, 1, 23), date(2020, 2, 3), date(2020, 2, 4)]),
        # four days of May, two Sundays worked for them
        (
            date(2019, 4, 28),
            date(2019, 5, 6),
            [date(2019, 4, 28), date(2019, 4, 29), date(2019, 4, 30), date(2019, 5, 5), date(2019, 5, 6)],
        ),
        (date(2026, 9, 30), date(2026, 10, 10), [date(2026, 9, 30), *(date(2026, 10, d) for d in (8, 9, 10))]),
    ],
)
def test_working_days_are_those_that_the_state_council_announced(first: date, last: date, worked: list[date]):
    assert [day for day in days_between(first, last) if CALENDAR.is_working_day(day)] == worked


def test_every_year_from_2004_to_2026_is_known():
    assert sorted({day.year for day in official.holidays}) == list(range(2004, 2027))


@pytest.mark.parametrize("day", [date(2003, 12, 31), date(2027, 1, 1), date(2027, 6, 6)])
def test_a_year_that_nobody_knows_is_an_error_that_says_what_to_update(day: date):
    with pytest.raises(CalendarRangeError) as raised:
        BankCalendar({2028: Year()}).is_working_day(day)
    said = str(raised.value)
    assert said.startswith(f"working days of {day.year}, asked for {day}: expected a year from 2004 to 2026")
    assert "calendar_years in policies/obligations.yml (there: 2028)" in said
    assert f"found {day.year}; upgrade chinesecalendar, or write calendar_years {day.year} with all" in said


def test_no_working_day_is_sought_in_a_year_that_nobody_knows():
    with pytest.raises(CalendarRangeError, match="working days of 2027"):
        CALENDAR.next_working_day(date(2026, 12, 31))
    with pytest.raises(CalendarRangeError, match="working days of 2003"):
        CALENDAR.previous_working_day(date(2004, 1, 1))


def test_a_year_that_the_bank_states_is_known_and_wins():
    stated = Year(holidays=(date(2027, 1, 1),), working_weekends=(date(2027, 1, 3),))
    calendar = BankCalendar({2027: stated, 2026: Year()})
    days = days_between(date(2027, 1, 1), date(2027, 1, 5))
    assert [calendar.is_working_day(day) for day in days] == [False, False, True, True, True]
    assert calendar.next_working_day(date(2026, 12, 31)) == date(2027, 1, 3)
    assert calendar.is_working_day(date(2026, 10, 1))


def test_working_days_before_and_after_leave_the_day_itself_out():
    assert CALENDAR.previous_working_day(date(2026, 10, 8)) == date(2026, 9, 30)
    assert CALENDAR.next_working_day(date(2026, 9, 30)) == date(2026, 10, 8)
    assert CALENDAR.previous_working_day(date(2026, 10, 11)) == date(2026, 10, 10)


# Tables of the build ------------------------------------------------------------------------------------------------


def test_the_table_of_working_days_reaches_around_the_decided_days():
    decided = [date(2026, 10, 1), date(2026, 10, 2)]
    rows = working_day_rows(CALENDAR, decided, date(2026, 10, 2))
    assert [row["business_date"] for row in rows] == list(days_between(date(2025, 8, 27), date(2026, 10, 16)))
    for row in rows:
        before, day, after = (row[f] for f in ("previous_working_date", "business_date", "next_working_date"))
        assert before < day < after
        between = [d for d in days_between(before + DAY, after - DAY) if CALENDAR.is_working_day(d)]
        assert between == ([day] if row["is_working_day"] else [])


def test_a_day_lies_in_one_period_of_each_kind():
    rows = period_rows([date(2028, 2, 29), date(2026, 12, 31)])
    assert [tuple(row.values()) for row in rows] == [
        (date(2028, 2, 29), "month", "2028-02", date(2028, 2, 1), date(2028, 2, 29), 29),
        (date(2028, 2, 29), "quarter", "2028Q1", date(2028, 1, 1), date(2028, 3, 31), 91),
        (date(2028, 2, 29), "half_year", "2028H1", date(2028, 1, 1), date(2028, 6, 30), 182),
        (date(2028, 2, 29), "year", "2028", date(2028, 1, 1), date(2028, 12, 31), 366),
        (date(2026, 12, 31), "month", "2026-12", date(2026, 12, 1), date(2026, 12, 31), 31),
        (date(2026, 12, 31), "quarter", "2026Q4", date(2026, 10, 1), date(2026, 12, 31), 92),
        (date(2026, 12, 31), "half_year", "2026H2", date(2026, 7, 1), date(2026, 12, 31), 184),
        (date(2026, 12, 31), "year", "2026", date(2026, 1, 1), date(2026, 12, 31), 365),
    ]


@pytest.mark.parametrize("year", range(2026, 2030))
@pytest.mark.parametrize("period", ["month", "quarter", "half_year", "year"])
def test_periods_of_a_kind_cover_a_year_without_gap(year: int, period: str):
    days = list(days_between(date(year, 1, 1), date(year, 12, 31)))
    rows = [row for row in period_rows(days) if row["period_code"] == period]
    assert [row["business_date"] for row in rows] == days
    spans = {(row["period_key"], row["start_date"], row["end_date"], row["day_count"]) for row in rows}
    covered = [day for _, first, last, _ in sorted(spans, key=lambda s: s[1]) for day in days_between(first, last)]
    assert covered == days
    assert sum(count for *_, count in spans) == len(days)


def kept_on(key: str, versions: list[Version], year: int) -> list[date]:
    rows = occasion_rows(versions, [date(year, 3, 1)], date(year, 3, 1))
    return [row["occasion_date"] for row in rows if (row["occasion_code"], row["occasion_key"]) == ("birthday", key)]


@pytest.mark.parametrize(
    ("leap_birthday", "year", "day"),
    [
        ("0228", 2027, date(2027, 2, 28)),
        ("0301", 2027, date(2027, 3, 1)),
        ("0228", 2028, date(2028, 2, 29)),
        ("0301", 2028, date(2028, 2, 29)),
        ("0228", 2100, date(2100, 2, 28)),
    ],
)
def test_the_29th_of_february_is_kept_once_each_year(leap_birthday: str, year: int, day: date):
    assert kept_on("0229", [Version(leap_birthday)], year) == [day]
    assert kept_on("0228", [Version(leap_birthday)], year) == [date(year, 2, 28)]
    assert kept_on("0301", [Version(leap_birthday)], year) == [date(year, 3, 1)]


def test_the_version_of_the_day_says_when_the_29th_of_february_is_kept():
    versions = [
        Version("0228", effective_to=date(2027, 1, 1)),
        Version("0301", effective_from=date(2027, 1, 1)),
    ]
    assert kept_on("0229", versions, 2026) == [date(2026, 2, 28)]
    assert kept_on("0229", versions, 2027) == [date(2027, 3, 1)]


def test_occasions_reach_around_the_decided_days_and_name_each_birthday_once():
    rows = occasion_rows([Version("0228")], [date(2026, 10, 1)], date(2026, 10, 3))
    days = list(days_between(date(2026, 7, 23), date(2026, 12, 12)))
    birthdays = [row for row in rows if row["occasion_code"] == "birthday"]
    assert [row["occasion_date"] for row in birthdays] == days
    assert [row["occasion_key"] for row in birthdays] == [f"{day:%m%d}" for day in days]
    festivals = [(row["occasion_date"], row["label_zh"]) for row in rows if row["occasion_code"] == "festival"]
    assert festivals == [(date(2026, 9, 25), "中秋"), (date(2026, 10, 1), "国庆")]


def test_there_is_no_calendar_where_nothing_is_decided():
    assert working_day_rows(CALENDAR, [], date(1993, 1, 1)) == []
    assert period_rows([]) == []
    assert occasion_rows([Version("0228")], [], date(1993, 1, 1)) == []


# The calendar of an advance -----------------------------------------------------------------------------------------


def tables(policies: PolicySet, as_of: date, decided_through: date | None = None) -> dict[str, list[dict[str, Any]]]:
    """The calendar of an advance by one day, in a bank that went live before it or never."""
    chunk = plan_chunk(as_of - DAY, as_of, as_of, as_of - DAY, None, policies, decided_through)
    return calendar_rows(chunk, policies.obligations)


def test_before_books_go_live_no_year_needs_a_calendar():
    policies = load_policies()
    assert policies.book_version(date(1993, 6, 1)).go_live_date > date(1993, 6, 1)
    assert tables(policies, date(1993, 6, 1)) == {"working_day": [], "period": [], "occasion": []}


def test_a_live_day_has_its_calendar_and_one_that_was_decided_before_has_no_periods():
    policies = load_policies()
    day = policies.book_version(date(2026, 11, 2)).go_live_date
    decided, again = tables(policies, day), tables(policies, day, decided_through=day)
    assert {row["business_date"] for row in decided["period"]} == {day}
    assert again["period"] == []
    assert again["working_day"] == decided["working_day"] != []
    assert again["occasion"] == decided["occasion"] != []


def test_a_live_day_near_the_end_of_the_known_years_stops_the_build_until_the_policy_states_the_next(tmp_path: Path):
    policies = load_policies()
    assert tables(policies, date(2026, 12, 16))["working_day"][-1]["next_working_date"] == date(2026, 12, 31)
    with pytest.raises(CalendarRangeError, match="write calendar_years 2027 with all its holidays"):
        tables(policies, date(2026, 12, 18))
    directory = copy_policies(tmp_path)
    stated = {"holidays": [date(2027, 1, 1)], "working_weekends": [date(2027, 1, 3)]}
    edit(directory, "obligations", lambda c: c.update(calendar_years={2027: stated}))
    last = tables(load_policies(directory), date(2026, 12, 18))["working_day"][-1]
    assert (last["business_date"], last["next_working_date"]) == (date(2027, 1, 1), date(2027, 1, 3))
