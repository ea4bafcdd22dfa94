"""How the text or Parquet value of a landing column becomes a typed value, as DuckDB SQL.

The checks are stricter than DuckDB's casts, which round `1.005` to money, read `1e5` and
`1_000` as numbers and take `2026/1/5` for a date.
"""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from orchestration.lib.contracts import Column

_DECIMALS = {"money": 2, "qty": 6, "price": 8, "rate": 8}
_INTEGER = r"[+-]?[0-9]+"
_TIMESTAMP = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)"
)

# What exports write for "no value": as text it would be a value that nobody has.
NULL_WORDS = ("\\N", "NULL")

EXPECTED = {
    "str": "text; for no value an empty field, not NULL or \\N",
    "date": "a date YYYY-MM-DD",
    "ts": "an ISO 8601 timestamp with offset, such as 2026-01-05T09:30:00+08:00",
    "int": "a whole number in ASCII digits",
    "money": "a plain decimal with at most 2 decimals, no separator, no exponent",
    "qty": "a plain decimal with at most 6 decimals, no separator, no exponent",
    "price": "a plain decimal with at most 8 decimals, no separator, no exponent",
    "rate": "a plain decimal with at most 8 decimals, no separator, no exponent",
    "bool": "true or false",
}


@dataclass(frozen=True)
class Reading:
    """SQL expressions over one file's relation for one column.

    ``text``: the value as delivered (NULL when empty); ``typed``: of the column's SQL type;
    ``fits``: true when the value is empty or of the type.
    """

    column: Column
    text: str
    typed: str
    fits: str


def identifier(name: str) -> str:
    """``name`` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """``value`` as an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def file_literal(path: Path) -> str:
    """``path`` as an SQL string for a DuckDB reader, which would expand * ? and [ in it."""
    return literal(glob.escape(str(path)))


def read_text(column: Column, name: str) -> Reading:
    """Reading of a text column (CSV, xlsx) called ``name`` in the relation; empty means NULL."""
    text = f"nullif({identifier(name)}, '')"
    typed = f"try_cast({text} as {column.sql_type})"
    if column.type == "str":
        return Reading(column, text, text, _is_no_null_word(text))
    if column.type == "bool":
        typed = f"case lower({text}) when 'true' then true when 'false' then false end"
        return Reading(column, text, typed, f"{text} is null or ({typed}) is not null")
    if column.type == "date":
        # 'infinity' survives the round trip too, hence the length.
        fits = f"({typed})::varchar = {text} and length({text}) = 10"
        return Reading(column, text, typed, f"{text} is null or coalesce({fits}, false)")
    if column.type == "ts":
        pattern = _TIMESTAMP
    elif column.type == "int":
        pattern = _INTEGER
    else:
        pattern = rf"{_INTEGER}(\.[0-9]{{1,{_DECIMALS[column.type]}}})?"
    matches = f"{typed} is not null and regexp_full_match({text}, {literal(pattern)})"
    # The round trip settles nearly every value and costs a third of the pattern.
    fits = f"{text} is null or case when {typed}::varchar = {text} then true else {matches} end"
    return Reading(column, text, typed, fits)


def read_native(column: Column, name: str) -> Reading:
    """Reading of a Parquet column of a fitting kind (see ``kind_fits``)."""
    value = identifier(name)
    if column.type == "str":
        text = f"nullif({value}::varchar, '')"
        return Reading(column, text, text, _is_no_null_word(text))
    typed = f"try_cast({value} as {column.sql_type})"
    fits = f"{value} is null or {typed} is not null"
    return Reading(column, f"{value}::varchar", typed, fits)


def _is_no_null_word(text: str) -> str:
    return f"{text} is null or {text} not in ({', '.join(map(literal, NULL_WORDS))})"


def kind_fits(column: Column, kind: pa.DataType) -> bool:
    """Whether a Parquet column of type ``kind`` can hold ``column`` without loss. No floats."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if column.type == "str":
        return pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if column.type == "date":
        return pa.types.is_date(kind)
    if column.type == "ts":
        return pa.types.is_timestamp(kind) and kind.tz is not None
    if column.type == "int":
        return pa.types.is_integer(kind)
    if column.type == "bool":
        return pa.types.is_boolean(kind)
    return pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale <= _DECIMALS[column.type])


def in_domain(reading: Reading) -> str:
    """SQL: true when the value is empty or one of the contract's values."""
    values = ", ".join(literal(value) for value in reading.column.values)
    return f"{reading.text} is null or {reading.text} in ({values})"
