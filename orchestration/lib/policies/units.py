"""Units as people write them in policy files, normalised once: money to yuan, ages to years, rates to a share of 1."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

CENT = Decimal("0.01")
OPEN_END = date(9999, 12, 31)
LOWEST = Decimal("-9999999999999999.99")
HIGHEST = Decimal("9999999999999999.99")
_MONEY_UNITS = {"": 1, "千": 1_000, "万": 10_000, "亿": 100_000_000}
_COUNT_UNITS = {
    "": "",
    "year": "year",
    "years": "year",
    "岁": "year",
    "年": "year",
    "month": "month",
    "months": "month",
    "个月": "month",
    "day": "day",
    "days": "day",
    "天": "day",
    "times": "",
    "次": "",
    "points": "",
    "分": "",
}


def parse_money(value: Any) -> Decimal:
    """Yuan from a number or a text such as ``20万`` or ``2,000,000元``. Raises ValueError."""
    match = re.fullmatch(r"(-?[\d,]+(?:\.\d+)?)\s*([千万亿]?)元?", str(value).strip())
    if match is None:
        raise ValueError(f"expected an amount such as 50000 or 5万, found {value!r}")
    return _in_hundredths(Decimal(match[1].replace(",", "")) * _MONEY_UNITS[match[2]], value, "whole fen")


def parse_rate(value: Any) -> Decimal:
    """A share of 1 from a number or a text such as ``80%``. Raises ValueError."""
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*(%?)", str(value).strip())
    if match is None:
        raise ValueError(f"expected a rate such as 0.8 or 80%, found {value!r}")
    return Decimal(match[1]) / (100 if match[2] else 1)


def parse_count(value: Any) -> tuple[Decimal, str]:
    """A number and its unit (year, month, day or none) from ``60``, ``60 years``, ``24 times``. Raises ValueError."""
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*([a-z]*|岁|年|个月|天|次|分)", str(value).strip())
    if match is None or match[2] not in _COUNT_UNITS:
        raise ValueError(f"expected a number such as 60 or 60 years, found {value!r}")
    return _in_hundredths(Decimal(match[1]), value, "hundredths"), _COUNT_UNITS[match[2]]


def _in_hundredths(number: Decimal, value: Any, what: str) -> Decimal:
    if number != number.quantize(CENT):
        raise ValueError(f"expected {what}, found {value!r}")
    return number.quantize(CENT)


def _whole(unit: str, example: int) -> Callable[[Any], int]:
    """Reads a whole number of one unit."""

    def parse(value: Any) -> int:
        number, written = parse_count(value)
        if written not in ("", unit) or number != int(number):
            raise ValueError(f"expected whole {unit}s such as {example} {unit}s, found {value!r}")
        return int(number)

    return parse


# Numbers that people may write with a unit; editors learn the forms from the pattern.
Money = Annotated[
    Decimal,
    BeforeValidator(
        parse_money, json_schema_input_type=float | Annotated[str, Field(pattern=r"^-?[\d,]+(\.\d+)?\s*[千万亿]?元?$")]
    ),
]
Rate = Annotated[
    Decimal,
    BeforeValidator(parse_rate, json_schema_input_type=float | Annotated[str, Field(pattern=r"^-?\d+(\.\d+)?\s*%?$")]),
]
Years = Annotated[
    int,
    BeforeValidator(
        _whole("year", 60), json_schema_input_type=int | Annotated[str, Field(pattern=r"^\d+\s*(years?|岁|年)?$")]
    ),
]
Months = Annotated[
    int,
    BeforeValidator(
        _whole("month", 12), json_schema_input_type=int | Annotated[str, Field(pattern=r"^-?\d+\s*(months?|个月)?$")]
    ),
]
Days = Annotated[
    int,
    BeforeValidator(
        _whole("day", 30), json_schema_input_type=int | Annotated[str, Field(pattern=r"^-?\d+\s*(days?|天)?$")]
    ),
]
