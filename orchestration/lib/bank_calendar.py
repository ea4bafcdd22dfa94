"""The calendar that obligations follow: festivals of the lunar and the solar year, and working days of mainland China.

Working days are what the State Council announces each year; no rule gives them. Years that the package does not know
can be written into policies/obligations.yml. A day of any other year has no answer here: an error says what to update.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from importlib.metadata import version
from typing import Any, Protocol

from borax.calendars.lunardate import MAX_LUNAR_YEAR, MIN_LUNAR_YEAR, LunarDate
from chinese_calendar import constants as official

_DAY = timedelta(days=1)
_SATURDAY = 5
# The State Council moved a working day here (国办发明电〔2005〕35号); chinesecalendar 1.11 leaves it out.
_MISSING_WORKDAYS = frozenset({date(2005, 12, 31)})
# How far an occasion may lie from a day that is decided, and how far ahead deadlines may lie in working days.
DAYS_AROUND = 70
DAYS_AHEAD = 14
# Deadlines of the past year stay countable.
DAYS_BEHIND = 400


class CalendarRangeError(ValueError):
    """A year that the calendar does not know: what it was asked for, what it knows, and what to do."""


class StatedYear(Protocol):
    """A year's working days as the bank states them: every holiday, and weekend days that are worked."""

    @property
    def holidays(self) -> Collection[date]: ...

    @property
    def working_weekends(self) -> Collection[date]: ...


@dataclass(frozen=True)
class Festival:
    """A festival, on the same month and day of each lunar or solar year."""

    label_zh: str
    month: int
    day: int
    is_lunar: bool
    # A day off by law; 元宵 is none.
    is_holiday: bool = True


# In the order of the year.
FESTIVALS: dict[str, Festival] = {
    "new_year": Festival("元旦", 1, 1, is_lunar=False),
    "spring_festival": Festival("春节", 1, 1, is_lunar=True),
    "lantern": Festival("元宵", 1, 15, is_lunar=True, is_holiday=False),
    "labour": Festival("劳动节", 5, 1, is_lunar=False),
    "dragon_boat": Festival("端午", 5, 5, is_lunar=True),
    "mid_autumn": Festival("中秋", 8, 15, is_lunar=True),
    "national": Festival("国庆", 10, 1, is_lunar=False),
}
# 端午 and 中秋 are days off since 2008.
FIRST_YEAR_OF_LUNAR_HOLIDAYS = 2008
LUNAR_YEARS = range(MIN_LUNAR_YEAR, MAX_LUNAR_YEAR + 1)


@cache
def festival_date(festival_code: str, year: int) -> date:
    """The day of a festival in a year. Raises CalendarRangeError for years that the lunar calendar does not reach."""
    festival = FESTIVALS[festival_code]
    if not festival.is_lunar:
        return date(year, festival.month, festival.day)
    if year not in LUNAR_YEARS:
        raise CalendarRangeError(
            f"date of {festival.label_zh} in {year}: expected a year from {MIN_LUNAR_YEAR} to {MAX_LUNAR_YEAR}, which "
            f"the lunar calendar of borax {version('borax')} knows, found {year}; correct the date, or upgrade borax"
        )
    day: date = LunarDate(year, festival.month, festival.day).to_solar_date()
    return day


def festivals_between(first: date, last: date) -> list[tuple[date, str]]:
    """Day and code of every festival from ``first`` to ``last``, by day; two festivals on one day are two."""
    found = [(festival_date(code, year), code) for year in range(first.year, last.year + 1) for code in FESTIVALS]
    return sorted((day, code) for day, code in found if first <= day <= last)


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day from ``first`` to ``last``."""
    for n in range((last - first).days + 1):
        yield first + n * _DAY


class BankCalendar:
    """Working days of mainland China.

    ``stated``: year -> its days as the bank's policy states them; they win over what the package knows.
    """

    def __init__(self, stated: Mapping[int, StatedYear] | None = None) -> None:
        self._stated = dict(stated or {})
        known = {day.year for day in official.holidays}
        self._official_years = range(min(known), max(known) + 1)

    def is_working_day(self, day: date) -> bool:
        """Whether banks work on a day. Raises CalendarRangeError for a year that nobody knows."""
        year = self._stated.get(day.year)
        if year is not None:
            return day in year.working_weekends or (day.weekday() < _SATURDAY and day not in year.holidays)
        if day.year not in self._official_years:
            raise CalendarRangeError(self._unknown_year(day))
        is_moved_here = day in official.workdays or day in _MISSING_WORKDAYS
        return is_moved_here or (day.weekday() < _SATURDAY and day not in official.holidays)

    def previous_working_day(self, day: date) -> date:
        """The last working day before ``day``."""
        day -= _DAY
        while not self.is_working_day(day):
            day -= _DAY
        return day

    def next_working_day(self, day: date) -> date:
        """The first working day after ``day``."""
        day += _DAY
        while not self.is_working_day(day):
            day += _DAY
        return day

    def _unknown_year(self, day: date) -> str:
        first, last = self._official_years[0], self._official_years[-1]
        stated = ", ".join(str(year) for year in sorted(self._stated)) or "none"
        return (
            f"working days of {day.year}, asked for {day}: expected a year from {first} to {last}, which "
            f"chinesecalendar {version('chinesecalendar')} knows, or one of calendar_years in policies/obligations.yml "
            f"(there: {stated}), found {day.year}; upgrade chinesecalendar, or write calendar_years {day.year} with "
            "all its holidays and working_weekends as the State Council announced them"
        )


class _DatedLeapBirthday(Protocol):
    """What a version of policies/obligations.yml says of birthdays on 29 February."""

    @property
    def leap_birthday(self) -> str: ...

    @property
    def effective_from(self) -> date: ...

    @property
    def effective_to(self) -> date: ...


_PERIOD_MONTHS = {"month": 1, "quarter": 3, "half_year": 6, "year": 12}


def _period_key(period_code: str, start: date, months: int) -> str:
    number = (start.month - 1) // months + 1
    return {
        "month": f"{start:%Y-%m}",
        "quarter": f"{start.year}Q{number}",
        "half_year": f"{start.year}H{number}",
        "year": f"{start.year}",
    }[period_code]


def working_day_rows(calendar: BankCalendar, decided: Iterable[date], as_of: date) -> list[dict[str, Any]]:
    """Rows of ``build.working_day``, from 400 days before the first day that is decided to 14 days after ``as_of``."""
    first = min(decided, default=None)
    if first is None:
        return []
    return [
        {
            "business_date": day,
            "is_working_day": calendar.is_working_day(day),
            "previous_working_date": calendar.previous_working_day(day),
            "next_working_date": calendar.next_working_day(day),
        }
        for day in days_between(first - DAYS_BEHIND * _DAY, as_of + DAYS_AHEAD * _DAY)
    ]


def period_rows(decided: Iterable[date]) -> list[dict[str, Any]]:
    """Rows of ``build.period``: the month, quarter, half-year and year that each decided day lies in."""
    rows = []
    for day in decided:
        for code, months in _PERIOD_MONTHS.items():
            start = date(day.year, (day.month - 1) // months * months + 1, 1)
            last_month = start.month + months - 1
            end = date(day.year + last_month // 12, last_month % 12 + 1, 1) - _DAY
            rows.append(
                {
                    "business_date": day,
                    "period_code": code,
                    "period_key": _period_key(code, start, months),
                    "start_date": start,
                    "end_date": end,
                    "day_count": (end - start).days + 1,
                }
            )
    return rows


def occasion_rows(versions: Iterable[_DatedLeapBirthday], decided: Iterable[date], as_of: date) -> list[dict[str, Any]]:
    """Rows of ``build.occasion``: festivals, and for each birthday 'MMDD' the days on which it is kept.

    In common years 29 February is kept on the day that the policy version of that day names.
    """
    first = min(decided, default=None)
    if first is None:
        return []
    versions = list(versions)
    around = first - DAYS_AROUND * _DAY, as_of + DAYS_AROUND * _DAY
    rows = [_occasion("festival", code, day, FESTIVALS[code].label_zh) for day, code in festivals_between(*around)]
    for day in days_between(*around):
        key = f"{day:%m%d}"
        rows.append(_occasion("birthday", key, day, "生日"))
        says_so = any(v.leap_birthday == key and v.effective_from <= day < v.effective_to for v in versions)
        if says_so and not isleap(day.year):
            rows.append(_occasion("birthday", "0229", day, "生日"))
    return rows


def _occasion(code: str, key: str, day: date, label_zh: str) -> dict[str, Any]:
    return {"occasion_code": code, "occasion_key": key, "occasion_date": day, "label_zh": label_zh}
