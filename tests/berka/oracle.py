"""The Berka bank computed a second time, by another route, straight from the raw files.

Nothing of the example is used here. The booking order of a day is found by walking: from the last
balance, a line fits when its printed balance is that balance plus its amount (interest is printed
rounded). The end of a walk over all of the day's lines is the closing balance. Averages are sums of
one balance per calendar day, in Fractions.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

STEP_TOLERANCES = (Decimal("0.00"), Decimal("0.05"), Decimal("0.10"), Decimal("0.20"))


@dataclass(frozen=True)
class Line:
    trans_id: int
    amount: Decimal
    balance: Decimal


def rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="ascii") as source:
        yield from csv.DictReader(source, delimiter=";")


def day_of(text: str) -> date:
    return date(1900 + int(text[:2]), int(text[2:4]), int(text[4:6]))


def ledger(src: Path) -> dict[str, dict[date, list[Line]]]:
    """Lines by account and day, in file order, without the day in which the file is cut off."""
    (path,) = src.glob("trans*.asc")
    is_cut = not path.read_bytes().endswith(b"\n")
    lines: dict[str, dict[date, list[Line]]] = defaultdict(lambda: defaultdict(list))
    last = date.min
    for row in rows(path):
        if row["type"] not in ("PRIJEM", "VYDAJ", "VYBER"):
            assert is_cut
            break
        last = day_of(row["date"])
        sign = 1 if row["type"] == "PRIJEM" else -1
        lines[row["account_id"]][last].append(
            Line(int(row["trans_id"]), sign * Decimal(row["amount"]), Decimal(row["balance"]))
        )
    if is_cut:
        for account_days in lines.values():
            account_days.pop(last, None)
    return {account: days for account, days in lines.items() if days}


def walk(start: Decimal, lines: list[Line], tolerance: Decimal) -> Decimal | None:
    """The balance at the end of an order in which every line fits the one before; None if none."""
    stack = [(start, tuple(range(len(lines))))]
    seen = set()
    while stack:
        balance, left = stack.pop()
        if not left:
            return balance
        for index in left:
            line = lines[index]
            if abs(balance + line.amount - line.balance) <= tolerance:
                state = (line.balance, tuple(other for other in left if other != index))
                if state not in seen:
                    seen.add(state)
                    stack.append(state)
    return None


def closing_balances(src: Path) -> dict[str, dict[date, Decimal]]:
    """Closing balance (CZK) by account and day with a transaction."""
    closing: dict[str, dict[date, Decimal]] = {}
    for account, account_days in ledger(src).items():
        balance = Decimal(0)
        closing[account] = {}
        for day, lines in sorted(account_days.items()):
            ends = (walk(balance, lines, tolerance) for tolerance in STEP_TOLERANCES)
            end = next((found for found in ends if found is not None), None)
            assert end is not None, f"no booking order for account {account} on {day}"
            balance = closing[account][day] = end
    return closing


def owners(src: Path) -> dict[str, str]:
    """Owner (client_id) by account_id."""
    return {r["account_id"]: r["client_id"] for r in rows(src / "disp.asc") if r["type"] == "OWNER"}


def quarter_averages(src: Path, as_of: date) -> dict[str, Decimal]:
    """Average balance (CZK) of each customer from the quarter's first day through ``as_of``.

    Every calendar day counts, days before opening at 0; rounded half up once.
    """
    first = date(as_of.year, as_of.month - (as_of.month - 1) % 3, 1)
    owner = owners(src)
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for account, changes in closing_balances(src).items():
        if min(changes) > as_of:
            continue
        balance = next((changes[day] for day in sorted(changes, reverse=True) if day < first), Decimal(0))
        day = first
        while day <= as_of:
            balance = changes.get(day, balance)
            sums[owner[account]] += Fraction(balance)
            day += timedelta(days=1)
    count = (as_of - first).days + 1
    return {customer: half_up(total / count) for customer, total in sums.items()}


def half_up(value: Fraction) -> Decimal:
    haleru = abs(value) * 100
    whole = (haleru.numerator * 2 + haleru.denominator) // (haleru.denominator * 2)
    sign = -1 if value < 0 else 1
    return (Decimal(sign * whole) / 100).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
