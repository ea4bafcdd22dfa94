"""Month ends of invented customers, and schemes replayed over them by the real models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from orchestration.lib.planning import DAY, month_end
from orchestration.lib.policies import PolicySet
from orchestration.lib.policies.trial import Trial

# Every window of the first month end is whole.
FIRST_DATE = date(2025, 1, 1)
Row = dict[str, Any]


def month_ends(count: int) -> list[date]:
    """The first month ends of a deployment that began on FIRST_DATE."""
    days = [month_end(FIRST_DATE)]
    while len(days) < count:
        days.append(month_end(days[-1] + DAY))
    return days


def assets(day: date, customer_id: str, value: Decimal | int, asset_set: str = "standard", **columns: object) -> Row:
    """A customer's assets at a month end: the same by whatever window and day count they are measured."""
    row: Row = {"evaluation_date": day, "customer_id": customer_id, "asset_set": asset_set, "aum_cny": Decimal(value)}
    for window, days in (("month", 30), ("quarter", 90), ("year", 360)):
        row[f"aum_{window}_avg_cny"] = Decimal(value)
        row[f"{window}_balance_days_cny"] = Decimal(value) * days
    return {**row, **columns}


def factors(day: date, customer_id: str, **quantities: Decimal | int | None) -> Row:
    """A customer's other quantities at a month end; those left out are unknown."""
    known = {name: Decimal(value) for name, value in quantities.items() if value is not None}
    return {"evaluation_date": day, "customer_id": customer_id, **known}


def only(policies: PolicySet, *scheme_codes: str) -> PolicySet:
    return replace(policies, schemes=tuple(s for s in policies.schemes if s.scheme_code in scheme_codes))


def evaluated(
    trial: Trial, name: str, scheme_code: str, columns: Iterable[str] = ("tier_code",)
) -> dict[tuple[date, str], Any]:
    """(month end, customer) -> the columns of a replay's result, or the column when there is one."""
    names = list(columns)
    with trial.connect() as con:
        rows = con.execute(
            f"select evaluation_date, customer_id, {', '.join(names)} from trial.{name} where scheme_code = ?",
            [scheme_code],
        ).fetchall()
    assert len({row[:2] for row in rows}) == len(rows), "a customer is evaluated twice"
    return {row[:2]: row[2] if len(names) == 1 else row[2:] for row in rows}
