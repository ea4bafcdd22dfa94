"""From numpy state to Arrow columns, and seeded random streams.

Days are int32 days since 1970-01-01 (Arrow's date32); NEVER stands for "no date". Money is int64
in fen (hundredths of the currency).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

NEVER = np.int32(2**31 - 1)
_EPOCH = date(1970, 1, 1).toordinal()
_CHINA_OFFSET_SECONDS = 8 * 3600


def day(value: date) -> int:
    """Days since 1970-01-01."""
    return value.toordinal() - _EPOCH


def as_date(value: int) -> date:
    return date.fromordinal(int(value) + _EPOCH)


def random_stream(seed: int, name: str, number: int = 0) -> np.random.Generator:
    """An independent stream per purpose (and day), so that one draw more shifts no other."""
    return np.random.default_rng([seed, zlib.crc32(name.encode("utf-8")), number])


def decimals(values: Ints, scale: int) -> pa.Array:
    """Integers in units of 10^-scale -> decimal128(18, scale), exactly."""
    words = np.empty((len(values), 2), dtype=np.int64)
    words[:, 0] = values
    words[:, 1] = words[:, 0] >> 63
    return pa.Array.from_buffers(pa.decimal128(18, scale), len(values), [None, pa.py_buffer(words.tobytes())])


def money(fen: Ints) -> pa.Array:
    return decimals(fen, 2)


def coded(codes: Ints, labels: Sequence[str] | pa.Array) -> pa.Array:
    """labels[codes] as strings; a negative code is null."""
    dictionary = labels if isinstance(labels, pa.Array) else pa.array(labels, pa.string())
    index = np.asarray(codes)
    return dictionary.take(pa.array(index, pa.int64(), mask=index < 0))


def dates(days: Ints) -> pa.Array:
    """date32, NEVER is null."""
    values = np.array(days, dtype=np.int32)
    return pa.array(values, pa.int32(), mask=values == NEVER).cast(pa.date32())


def stamps(days: Ints, seconds: Ints, is_null: Bools | None = None) -> pa.Array:
    """Timestamps from local days and seconds after local midnight (China, +08:00)."""
    moment = np.asarray(days, np.int64) * 86_400 + np.asarray(seconds, np.int64)
    micros = (moment - _CHINA_OFFSET_SECONDS) * 1_000_000
    return pa.array(micros, pa.int64(), mask=is_null).cast(pa.timestamp("us", "Asia/Shanghai"))


def numbered(prefix: str, numbers: Ints, width: int) -> pa.Array:
    """Ids such as ``prefix`` + zero-padded number."""
    digits = pc.utf8_lpad(pa.array(np.asarray(numbers, np.int64)).cast(pa.string()), width, "0")
    return digits if not prefix else pc.binary_join_element_wise(prefix, digits, "")


def joined(*parts: pa.Array | str) -> pa.Array:
    """Element-wise concatenation."""
    return pc.binary_join_element_wise(*parts, "")


def add_months(days: Ints, months: Ints) -> npt.NDArray[np.int32]:
    """The same day of the month ``months`` later, or that month's last day."""
    start = np.asarray(days, np.int64).astype("datetime64[D]")
    month = start.astype("datetime64[M]")
    day_of_month = (start - month.astype("datetime64[D]")).astype(np.int64)
    target = month + np.asarray(months, np.int64).astype("timedelta64[M]")
    first = target.astype("datetime64[D]").astype(np.int64)
    length = (target + 1).astype("datetime64[D]").astype(np.int64) - first
    return (first + np.minimum(day_of_month, length - 1)).astype(np.int32)


def sums_by(groups: Ints, values: Ints, size: int) -> npt.NDArray[np.int64]:
    """Exact integer sums of ``values`` per group (float64 holds integers up to 2^53)."""
    if len(values) and float(np.abs(values.astype(np.float64)).sum()) >= 2**53:
        raise OverflowError("sum of amounts is past 2^53 fen: it would not be exact")
    return np.rint(np.bincount(groups, weights=values, minlength=size)).astype(np.int64)
