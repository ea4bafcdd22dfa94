"""The service level: deliveries of a day by 06:00 of the next, its marts by 07:00, both in Shanghai.

What was kept follows from the publish log alone: which version readers saw at 07:00, and of which day it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from orchestration.lib.contracts import Feed
from orchestration.lib.ledger import Batch

LOCAL = timezone(timedelta(hours=8))  # Asia/Shanghai has had no daylight saving time since 1991
FEEDS_DUE = time(6, 0)  # T+1: what is not there when the build must begin is late
MARTS_DUE = time(7, 0)  # T+1: branches open their lists
DAY = timedelta(days=1)
SATURDAY = 5


def feeds_due_at(business_date: date) -> datetime:
    """When the deliveries of a business date are due."""
    return datetime.combine(business_date + DAY, FEEDS_DUE, LOCAL)


def marts_due_at(business_date: date) -> datetime:
    """When the marts of a business date are due."""
    return datetime.combine(business_date + DAY, MARTS_DUE, LOCAL)


def last_due(now: datetime, due: time) -> date:
    """The newest business date whose due time has passed."""
    local = now.astimezone(LOCAL)
    return local.date() - (DAY if local.time() > due else 2 * DAY)


def is_expected(feed: Feed, business_date: date) -> bool:
    """Whether the contract expects a delivery of that date.

    A weekday counts as a business day: the official calendar is the bank's, so nothing is stopped by this.
    """
    return feed.expected == "daily" or (feed.expected == "business_days" and business_date.weekday() < SATURDAY)


@dataclass(frozen=True)
class _Shown:
    """An entry of the publish log: what readers saw from a moment on."""

    number: int
    published_at: datetime
    as_of_date: date


def _first_landings(ledger: list[Batch], business_date: date, until: datetime) -> list[tuple[datetime, str]]:
    """When each feed's first accepted delivery of a date was read, oldest first: corrections come later."""
    landed: dict[str, datetime] = {}
    for batch in ledger:
        if batch.is_accepted and batch.business_date == business_date and batch.landed_at:
            moment = datetime.fromisoformat(batch.landed_at)
            if moment <= until:
                landed[batch.feed_id] = min(moment, landed.get(batch.feed_id, moment))
    return sorted((moment, feed_id) for feed_id, moment in landed.items())


def service_levels(log: list[dict[str, Any]], ledger: list[Batch], since: date) -> list[dict[str, Any]]:
    """A row per published business date after ``since``; days that were built together have one each.

    ``log``: the publish log, oldest first. A day is ready with the first version that reaches it; an older version
    that was shown again makes no day ready, yet it is what readers see.
    """
    rows: list[dict[str, Any]] = []
    by_date: dict[date, list[Batch]] = {}
    for batch in ledger:
        by_date.setdefault(batch.business_date, []).append(batch)
    shown = [
        _Shown(e["version"], datetime.fromisoformat(e["published_at"]), date.fromisoformat(e["as_of_date"]))
        for e in log
    ]
    day = date.fromisoformat(log[0]["first_date"]) if log else since
    for version in shown:
        while day <= version.as_of_date:
            if day > since:
                rows.append(_row(day, version, shown, by_date.get(day, [])))
            day += DAY
    return rows


def _row(day: date, version: _Shown, shown: list[_Shown], batches: list[Batch]) -> dict[str, Any]:
    ready, due = version.published_at, marts_due_at(day)
    shown_as_of = next((v.as_of_date for v in reversed(shown) if v.published_at <= due), None)
    is_met = shown_as_of == day
    landings = _first_landings(batches, day, ready)
    landed_at, last_feed = landings[-1] if landings else (None, "")
    is_late_feed = not is_met and landed_at is not None and landed_at > feeds_due_at(day)
    return {
        "business_date": day,
        "as_of_date": version.as_of_date,
        "version": version.number,
        "ready_at": ready,
        "due_at": due,
        "minutes_late": max(0, math.ceil((ready - due) / timedelta(minutes=1))),
        "is_met": is_met,
        "is_right_day": version.as_of_date == day,
        "shown_as_of_date": shown_as_of,
        "last_feed": last_feed,
        "late_feed": last_feed if is_late_feed else "",
    }
