"""Complaints and surveys as a person tells them who counts days on a calendar."""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Row = dict[str, Any]
STEPS = ("accepted", "resolved", "fed_back")
_BANK_TIME = timezone(timedelta(hours=8))
_DAY = timedelta(days=1)


def local_date(moment: datetime) -> date:
    return moment.astimezone(_BANK_TIME).date()


def due_day(received: date, working_days: int, calendar: Mapping[date, bool]) -> date | None:
    """So many working days after the day of receipt; None when the calendar does not reach from here to there."""
    day = received
    if day not in calendar:
        return None
    if not working_days:
        # A day of rest counts with the working day before it.
        while not calendar.get(day, True):
            day -= _DAY
        return day if day in calendar else None
    while working_days:
        day += _DAY
        if day not in calendar:
            return None
        working_days -= calendar[day]
    return day


def complaint(
    delivery: Row, calendar: Mapping[date, bool], deadlines: Mapping[str, Mapping[str, int]], today: date
) -> Row:
    """How far a complaint has come by its newest delivery."""
    received = local_date(delivery["received_at"])
    done = {step: local_date(at) if (at := delivery[f"{step}_at"]) else None for step in STEPS}
    due = {step: due_day(received, deadlines[delivery["severity"]][step], calendar) for step in STEPS}
    position = max((n for n, step in enumerate(STEPS, start=1) if done[step]), default=0)
    following = STEPS[position] if position < len(STEPS) else None
    due_date = due[following] if following else None
    is_late = due_date < today if due_date else received < min(calendar)
    row: Row = {
        "severity": delivery["severity"],
        "received_date": received,
        "last_step_code": ("recorded", *STEPS)[position],
        "next_step_code": following,
        "due_date": due_date,
        "is_overdue": following is not None and is_late,
    }
    for step in STEPS:
        day, limit = done[step], due[step]
        row[f"{step}_date"] = day
        row[f"{step}_late_days"] = max((day - limit).days, 0) if day and limit else None
    return row


def _mean(scores: list[int]) -> Decimal | None:
    return (Decimal(sum(scores)) / len(scores)).quantize(Decimal("0.01"), ROUND_HALF_UP) if scores else None


def _month_end(day: date) -> date:
    return day.replace(day=monthrange(day.year, day.month)[1])


def month_summaries(
    surveys: Iterable[Row], sample: Iterable[Row], complaints: Iterable[Row]
) -> dict[tuple[date, str, str], Row]:
    """(month end, kind of subject, subject) -> what surveys, the sample and complaints of the month say."""
    parts: dict[tuple[date, str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for name, rows, day, employee in (
        ("surveys", surveys, "surveyed_date", "employee_id"),
        ("sample", sample, "due_to_date", "employee_id"),
        ("complaints", complaints, "received_date", "handler_employee_id"),
    ):
        for row in rows:
            subjects = {"employee": row[employee], "branch": row["branch_id"], "bank": "bank"}
            for kind, subject in subjects.items():
                if subject is not None:
                    parts[_month_end(row[day]), kind, subject][name].append(row)
    averages = {
        key: (_mean([r["score"] for r in found["surveys"]]), _mean(_asked(found["surveys"])))
        for key, found in parts.items()
    }
    summaries = {}
    for (month, kind, subject), found in parts.items():
        before = averages.get((_month_end(month.replace(day=1) - _DAY), kind, subject), (None, None))
        now = averages[month, kind, subject]
        asked, drawn, heard = found["surveys"], found["sample"], found["complaints"]
        reached = sum(r["status"] == "done" for r in drawn)
        rate = Decimal(reached) / len(drawn) if drawn else None
        summaries[month, kind, subject] = {
            "survey_count": len(asked),
            **{f"{way}_count": sum(r["method"] == way for r in asked) for way in ("phone", "visit", "online")},
            "score_avg": now[0],
            "score_change": _change(now[0], before[0]),
            "manager_score_avg": now[1],
            "manager_score_change": _change(now[1], before[1]),
            "complaint_count": sum(r["has_complaint"] for r in asked),
            "sampled_count": len(drawn),
            "sampled_done_count": reached,
            "reached_rate": rate.quantize(Decimal("1e-8"), ROUND_HALF_UP) if rate is not None else None,
            "received_complaint_count": len(heard),
            "answered_complaint_count": sum(r["fed_back_date"] is not None for r in heard),
            "answered_in_time_count": sum(r["fed_back_late_days"] == 0 for r in heard),
        }
    return summaries


def _asked(surveys: list[Row]) -> list[int]:
    return [row["manager_score"] for row in surveys if row["manager_score"] is not None]


def _change(now: Decimal | None, before: Decimal | None) -> Decimal | None:
    return None if now is None or before is None else now - before
