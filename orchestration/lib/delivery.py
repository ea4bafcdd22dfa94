"""Write a landing delivery: data file first, `_manifest.json` last.

The layout, the manifest's fields and the key hash are those of the landing contract; columns,
their order and the CSV dialect come from the feed's contract file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from orchestration.lib import fault
from orchestration.lib.contracts import Column, Feed
from orchestration.lib.workbook import workbook_bytes

BEFORE_FILES = fault.declare("delivery.before_files", "before a delivery of ours replaces the one that lies there")
BEFORE_MANIFEST = fault.declare("delivery.before_manifest", "files of a delivery of ours written, none is valid yet")

FileFormat = Literal["csv", "csv.gz", "parquet", "xlsx"]

ARROW_TYPES: dict[str, pa.DataType] = {
    "str": pa.string(),
    "date": pa.date32(),
    "ts": pa.timestamp("us", tz="Asia/Shanghai"),
    "int": pa.int64(),
    "money": pa.decimal128(18, 2),
    "qty": pa.decimal128(18, 6),
    "price": pa.decimal128(18, 8),
    "rate": pa.decimal128(18, 8),
    "bool": pa.bool_(),
}
IS_DELETED = "is_deleted"
MANIFEST = "_manifest.json"
KEY_SEPARATOR = "\x1f"
# Below this many rows hashing in Python costs less than handing the table to DuckDB.
SMALL_ROWS = 3_000
SOURCE_ZONE = timezone(timedelta(hours=8))


class DeliveryError(ValueError):
    """The data handed over does not fit the feed's contract."""


def write_delivery(
    landing_root: Path,
    feed: Feed,
    business_date: date,
    data: pa.Table,
    *,
    mode: str | None = None,
    sequence_no: int = 1,
    file_format: FileFormat = "csv",
    key_hash: bool = True,
    folder: Path | None = None,
    split_by: str | None = None,
) -> Path:
    """Write one delivery of ``feed`` and return its folder: ``folder`` if given, else its place below ``landing_root``.

    ``data`` holds the contract's columns by name (optional ones may be left out: they are written
    empty). Money, quantities and rates must be Arrow decimals or integers, never floats. A delta
    (mode ``delta``) takes a boolean column ``is_deleted``, false when left out. ``mode`` defaults
    to the contract's first. A delivery that lies there already is replaced whole. ``split_by``: a required text column;
    each of its values has a file of its own, in the rows' order.

    Raises DeliveryError when columns, types, required values or the mode break the contract.
    """
    mode = mode or feed.modes[0]
    if mode not in feed.modes:
        raise DeliveryError(
            f"{feed.feed_id}: mode '{mode}' found, expected one of {', '.join(feed.modes)};"
            " deliver in a mode of the contract"
        )
    table = _conform(feed, data, with_deleted=mode == "delta")
    folder = folder or landing_root / feed.system / feed.entity / business_date.isoformat()
    if sequence_no > 1:
        folder /= str(sequence_no)
    folder.mkdir(parents=True, exist_ok=True)
    manifest_path = folder / MANIFEST
    fault.point(BEFORE_FILES)
    manifest_path.unlink(missing_ok=True)

    produced_at = datetime.combine(business_date + timedelta(days=1), time(2), SOURCE_ZONE)
    files: list[dict[str, object]] = []
    for stem, part in _parts(feed, table, split_by):
        name = f"{stem}.{file_format}"
        digest = _write_file(folder / name, feed, part, file_format, produced_at)
        files.append({"name": name, "row_count": part.num_rows, "sha256": digest})
    manifest: dict[str, object] = {
        "system": feed.system,
        "entity": feed.entity,
        "business_date": business_date.isoformat(),
        "sequence_no": sequence_no,
        "mode": mode,
        "schema_version": feed.version,
        "row_count": table.num_rows,
        "files": files,
        "control_totals": control_totals(feed, table),
    }
    if key_hash:
        manifest["key_hash"] = table_key_hash(table, feed.key)
    manifest["produced_at"] = produced_at.isoformat()
    temporary = folder / f".{MANIFEST}.tmp"
    temporary.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", "utf-8")
    fault.point(BEFORE_MANIFEST)
    os.replace(temporary, manifest_path)
    return folder


def _parts(feed: Feed, table: pa.Table, split_by: str | None) -> Iterator[tuple[str, pa.Table]]:
    """Name without ending, and rows, of each file. What no file name may hold is quoted."""
    if split_by is None:
        yield feed.entity, table
        return
    # A stable sort: rows of a value keep their order.
    table = table.take(pc.sort_indices(table, sort_keys=[(split_by, "ascending")])).combine_chunks()
    start = 0
    for value, rows in groupby(table.column(split_by).to_pylist()):
        length = sum(1 for _ in rows)
        yield f"{feed.entity}.{quote(value, safe='')}", table.slice(start, length)
        start += length


def control_totals(feed: Feed, table: pa.Table) -> dict[str, dict[str, str]]:
    """The contract's control totals of ``table``: column -> group value or '*' -> exact sum."""
    totals: dict[str, dict[str, str]] = {}
    for total in feed.control_totals:
        column = table.column(total.column)
        scale = column.type.scale if pa.types.is_decimal(column.type) else 0
        zero = f"{0:.{scale}f}"
        if total.by == "*":
            value = pc.sum(column).as_py()
            totals[total.column] = {"*": zero if value is None else f"{value:f}"}
            continue
        groups = table.select([total.by, total.column]).group_by(total.by)
        sums = groups.aggregate([(total.column, "sum")])
        pairs = zip(
            sums.column(total.by).to_pylist(),
            sums.column(f"{total.column}_sum").to_pylist(),
            strict=True,
        )
        totals[total.column] = {
            key: zero if value is None else f"{value:f}" for key, value in sorted(pairs, key=lambda pair: pair[0])
        }
    return totals


def table_key_hash(table: pa.Table, key: tuple[str, ...]) -> str:
    """Hex (16 digits) of the sum modulo 2^64 of sha256's first 8 bytes over the rows' keys."""
    parts = [pc.cast(table.column(name), pa.string()) for name in key]
    if len(parts) == 1:
        joined = parts[0]
    else:
        joined = pc.binary_join_element_wise(*parts, KEY_SEPARATOR)
    if table.num_rows <= SMALL_ROWS:
        total = sum(
            int.from_bytes(hashlib.sha256(value.encode("utf-8")).digest()[:8], "big") for value in joined.to_pylist()
        )
    else:
        with _hashing_engine().cursor() as cursor:
            cursor.register("keys", pa.table({"k": joined}))
            row = cursor.execute("select sum(('0x' || substr(sha256(k), 1, 16))::ubigint) from keys").fetchone()
        total = int(row[0]) if row else 0
    return f"{total % 2**64:016x}"


@cache
def _hashing_engine() -> duckdb.DuckDBPyConnection:
    """One in-memory engine per process: opening one costs more than hashing a small feed."""
    return duckdb.connect()


def _conform(feed: Feed, data: pa.Table, *, with_deleted: bool) -> pa.Table:
    """Bring ``data`` into the contract's columns, order and types."""
    allowed = {column.name for column in feed.columns} | ({IS_DELETED} if with_deleted else set())
    unknown = [name for name in data.column_names if name not in allowed]
    if unknown:
        raise DeliveryError(
            f"{feed.feed_id}: column(s) {', '.join(unknown)} found, expected only columns of the"
            " contract; drop them or extend the contract"
        )
    arrays = [_conform_column(feed, column, data) for column in feed.columns]
    names = [column.name for column in feed.columns]
    if with_deleted:
        names.append(IS_DELETED)
        arrays.append(
            data.column(IS_DELETED)
            if IS_DELETED in data.column_names
            else pa.chunked_array([pa.repeat(pa.scalar(False), data.num_rows)])
        )
    return pa.table(arrays, names=names)


def _conform_column(feed: Feed, column: Column, data: pa.Table) -> pa.ChunkedArray:
    wanted = ARROW_TYPES[column.type]
    where = f"{feed.feed_id}.{column.name}"
    if column.name not in data.column_names:
        if column.required:
            raise DeliveryError(f"{where}: column missing, expected {column.type}; add it")
        return pa.chunked_array([pa.nulls(data.num_rows, wanted)])
    values = data.column(column.name)
    if pa.types.is_decimal(wanted) and pa.types.is_floating(values.type):
        raise DeliveryError(f"{where}: {values.type} found, expected decimals; round to {wanted} before delivering")
    if values.type != wanted:
        try:
            values = values.cast(wanted)
        except pa.ArrowInvalid as error:
            raise DeliveryError(f"{where}: {values.type} found that is not {column.type}: {error}") from error
    if column.required and values.null_count:
        raise DeliveryError(f"{where}: {values.null_count} empty value(s) found, expected none; fill them")
    return values


def _write_file(path: Path, feed: Feed, table: pa.Table, file_format: FileFormat, produced_at: datetime) -> str:
    """Write the data file and return its sha256 (hex)."""
    if file_format == "parquet":
        pyarrow.parquet.write_table(table, path, compression="zstd")
    elif file_format == "xlsx":
        path.write_bytes(_xlsx_bytes(feed, table, produced_at))
    elif file_format == "csv.gz":
        plain = io.BytesIO()
        _write_csv(plain, feed, table)
        path.write_bytes(gzip.compress(plain.getvalue(), compresslevel=3, mtime=0))
    elif file_format == "csv":
        with path.open("wb") as sink:
            _write_csv(sink, feed, table)
    else:
        raise DeliveryError(f"file format '{file_format}' found, expected csv, csv.gz, parquet, xlsx")
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """ISO 8601 with a colon in the offset for timestamps; Arrow's own text for the rest."""
    if not pa.types.is_timestamp(values.type):
        return values.cast(pa.string())
    seconds = values.cast(pa.timestamp("s", tz=values.type.tz), safe=False)
    text = pc.strftime(seconds, format="%Y-%m-%dT%H:%M:%S%z")
    return pc.replace_substring_regex(text, r"([+-]\d{2})(\d{2})$", r"\1:\2")


def _write_csv(sink: io.BufferedIOBase, feed: Feed, table: pa.Table) -> None:
    dialect = feed.csv
    if len(dialect.delimiter.encode("utf-8")) > 1 or dialect.encoding.lower() != "utf-8":
        sink.write(_csv_text(feed, table).encode(dialect.encoding))
        return
    for position, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            table = table.set_column(position, column.name, _as_text(table.column(position)))
    if dialect.header:
        sink.write((dialect.delimiter.join(table.column_names) + "\n").encode("utf-8"))
    # Arrow writes 16 KiB of memory that nobody has filled where the first chunk is empty and no header is asked for.
    table = pa.Table.from_batches([batch for batch in table.to_batches() if batch.num_rows], table.schema)
    buffer = pa.BufferOutputStream()
    options = {"include_header": False, "delimiter": dialect.delimiter}
    try:
        pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(quoting_style="none", **options))
    except pa.ArrowInvalid:
        # A value holds a delimiter, quote or line break: write again with quoted strings.
        buffer = pa.BufferOutputStream()
        pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(quoting_style="needed", **options))
    sink.write(buffer.getvalue())


def _csv_text(feed: Feed, table: pa.Table) -> str:
    """The CSV as one string, for delimiters and encodings that Arrow's writer does not know."""
    delimiter = feed.csv.delimiter
    special = f'["\r\n{delimiter[0] if delimiter[0] not in "|^]-" else chr(92) + delimiter[0]}]'
    columns = []
    for name in table.column_names:
        text = pc.fill_null(_as_text(table.column(name)), "")
        if pa.types.is_string(table.column(name).type):
            quoted = pc.binary_join_element_wise('"', pc.replace_substring(text, '"', '""'), '"', "")
            text = pc.if_else(pc.match_substring_regex(text, special), quoted, text)
        columns.append(text)
    lines = pc.binary_join_element_wise(*columns, delimiter).to_pylist()
    if feed.csv.header:
        lines.insert(0, delimiter.join(table.column_names))
    return "".join(f"{line}\n" for line in lines)


def _xlsx_bytes(feed: Feed, table: pa.Table, produced_at: datetime) -> bytes:
    """One sheet, a header row, every cell as text; no clock in the file."""
    from openpyxl import Workbook  # slow to import and needed by few deliveries

    book = Workbook(write_only=True)
    sheet = book.create_sheet(feed.entity)
    sheet.append(table.column_names)
    columns = [_as_text(table.column(name)).to_pylist() for name in table.column_names]
    for row in zip(*columns, strict=True):
        sheet.append(row)
    return workbook_bytes(book, produced_at)
