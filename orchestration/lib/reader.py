"""Open a delivered file as a DuckDB relation whose columns are those of the contract."""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import gzip
import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet

from orchestration.lib.column_rules import (
    EXPECTED,
    Reading,
    file_literal,
    identifier,
    kind_fits,
    literal,
    read_native,
    read_text,
)
from orchestration.lib.contracts import Column, CsvFormat
from orchestration.lib.findings import Finding, shown

_HEADER_LIMIT = 1 << 20  # bytes: no header line is longer
_CHUNK = 1 << 22
# What a packed file may hold at most: this, and so much for every row that the manifest declares. Past it nothing more
# is unpacked: a broken or hostile file would fill disk and memory before its rows are counted.
_UNPACKED_BYTES = 64 << 20
_ROW_BYTES = 4 << 10


class Unreadable(Exception):
    """The file cannot be read as its contract says; ``findings`` tell why."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(map(str, findings)))
        self.findings = list(findings)


@dataclass(frozen=True)
class Source:
    """One file as a relation: ``relation`` stands after FROM, ``readings`` in contract order."""

    label: str
    relation: str
    readings: tuple[Reading, ...]


def open_source(
    path: Path,
    label: str,
    dialect: CsvFormat,
    columns: Sequence[Column],
    *,
    connection: duckdb.DuckDBPyConnection,
    scratch: Path,
    row_count: int,
) -> Source:
    """Prepare ``path`` for reading; ``label`` names it in findings, ``scratch`` takes temp files.

    Raises Unreadable when the columns or the encoding are not the contract's, or a packed file holds far more than
    ``row_count`` rows, the manifest's. Rows are not read yet for CSV and Parquet: a broken line shows itself when
    DuckDB runs (see ``broken_csv``).
    """
    if path.name.endswith(".parquet"):
        return _open_parquet(path, label, columns, row_count)
    _check_unpacked_size(path, label, row_count)
    if path.name.endswith(".xlsx"):
        return _open_xlsx(path, label, columns, connection)
    return _open_csv(path, label, dialect, columns, scratch)


def _check_unpacked_size(path: Path, label: str, row_count: int) -> None:
    """Raise when a packed file is broken or holds far more than its declared rows can be."""
    limit = _UNPACKED_BYTES + row_count * _ROW_BYTES
    if _unpacked_size(path, label, limit) > limit:
        raise Unreadable(
            Finding(
                "the file unpacks to far more than its rows can be",
                label,
                f"at most {limit >> 20} MiB for {row_count} rows",
                "more",
                "Check how the file was made; state in the manifest as many rows as it has.",
            )
        )


def _unpacked_size(path: Path, label: str, limit: int) -> int:
    """Bytes that a packed file unpacks to, 0 for one that is not packed.

    A gzip file is unpacked for it until they pass ``limit``: its own word for its size is modulo 4 GiB, and DuckDB
    takes what there is of a file that was cut short.
    """
    if path.name.endswith(".xlsx"):
        try:
            with zipfile.ZipFile(path) as archive:
                return sum(member.file_size for member in archive.infolist())
        except zipfile.BadZipFile:
            return 0  # reading the workbook will say so
    if not path.name.endswith(".gz"):
        return 0
    size = 0
    try:
        with gzip.open(path, "rb") as stream:
            while size <= limit and (chunk := stream.read(_CHUNK)):
                size += len(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable(_bad_gzip(label)) from error
    return size


def row_count_differs(label: str, expected: int, found: int) -> Finding:
    """A file holds other rows than the manifest declares."""
    return Finding(
        "row count differs",
        label,
        f"{expected} rows (manifest)",
        f"{found} rows",
        "Extract the file again and count what was written.",
    )


def empty_source(columns: Sequence[Column]) -> Source:
    """The relation of a delivery that has no file because nothing is to be said."""
    nulls = ", ".join(f"null::varchar as {identifier(column.name)}" for column in columns)
    readings = tuple(read_text(column, column.name) for column in columns)
    return Source("", f"(select {nulls} where false)", readings)


def _match_columns(label: str, found: Sequence[str], columns: Sequence[Column]) -> None:
    """Raise unless ``found`` holds exactly the contract's names, in any order."""
    wanted = [column.name for column in columns]
    if not set(found) & set(wanted):
        # What stands there may be a row, of a person: it is not shown.
        raise Unreadable(
            Finding(
                "the header line is missing",
                f"{label} line 1",
                f"column names of the contract: {', '.join(wanted)}",
                "none of them",
                "Write the column names first, as the contract has them.",
            )
        )
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted]
    twice = sorted({name for name in found if found.count(name) > 1})
    findings = []
    if missing:
        findings.append(
            Finding(
                "column(s) missing",
                label,
                ", ".join(missing),
                ", ".join(shown(name) for name in found[:60]),
                "Deliver every column of the contract, empty where nothing is known.",
            )
        )
    if unknown:
        findings.append(
            Finding(
                "unknown column(s)",
                label,
                "only columns of the contract",
                ", ".join(shown(name) for name in unknown[:60]),
                "Drop them from the extract, or extend the contract first.",
            )
        )
    if twice:
        findings.append(
            Finding(
                "column(s) named twice",
                label,
                "each name once",
                ", ".join(shown(name) for name in twice),
                "Name every column once.",
            )
        )
    if findings:
        raise Unreadable(*findings)


# --- CSV ---------------------------------------------------------------------------------------


def _open_csv(path: Path, label: str, dialect: CsvFormat, columns: Sequence[Column], scratch: Path) -> Source:
    is_gzip = path.name.endswith(".gz")
    encoding = codecs.lookup(dialect.encoding).name
    if encoding != "utf-8":
        path = _transcode(path, label, dialect.encoding, scratch)
        is_gzip = False
    names = [column.name for column in columns]
    if dialect.header:
        names = _header(path, label, dialect, is_gzip=is_gzip)
        _match_columns(label, names, columns)
    types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    relation = (
        f"read_csv({file_literal(path)}, columns={{{types}}}, auto_detect=false, "
        f"header={str(dialect.header).lower()}, delim={literal(dialect.delimiter)}, "
        "quote='\"', escape='\"', strict_mode=true, null_padding=false, "
        f"compression='{'gzip' if is_gzip else 'none'}')"
    )
    return Source(label, relation, tuple(read_text(column, column.name) for column in columns))


def raise_if_of_this_machine(error: Exception) -> None:
    """Raise an error that says nothing of the delivery: no memory, no space, a broken disk.

    A delivery is rejected for good unless it is touched; a run that fails judges it again.
    """
    told = re.search("No space left|Input/output error|Cannot allocate|Out of memory|failed to allocate", str(error))
    if told or isinstance(error, MemoryError | pa.ArrowMemoryError | duckdb.OutOfMemoryException):
        raise error


def _open_bytes(path: Path, *, is_gzip: bool) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path, "rb")) if is_gzip else path.open("rb")


def _header(path: Path, label: str, dialect: CsvFormat, *, is_gzip: bool) -> list[str]:
    try:
        with _open_bytes(path, is_gzip=is_gzip) as stream:
            line = stream.readline(_HEADER_LIMIT)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise Unreadable(_bad_gzip(label)) from error
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise Unreadable(_bad_encoding(label, 1, dialect.encoding)) from error
    text = text.split("\r", 1)[0]
    if not text:
        raise Unreadable(
            Finding(
                "the header line is missing",
                f"{label} line 1",
                f"column names separated by {shown(dialect.delimiter)}",
                "an empty line" if line else "an empty file",
                "Write the column names first, also when there is no row.",
            )
        )
    if len(dialect.delimiter) == 1:
        return next(csv.reader([text], delimiter=dialect.delimiter))
    return [name.strip('"') for name in text.split(dialect.delimiter)]


def _transcode(path: Path, label: str, encoding: str, scratch: Path) -> Path:
    """Copy to utf-8 in ``scratch``: DuckDB's encodings extension cannot be had offline."""
    target = scratch / f"{path.name.removesuffix('.gz')}.utf-8"
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    line = 1
    try:
        is_gzip = path.name.endswith(".gz")
        with _open_bytes(path, is_gzip=is_gzip) as source, target.open("wb") as out:
            while True:
                chunk = source.read(_CHUNK)
                start = line
                text = decoder.decode(chunk, final=not chunk)
                line += text.count("\n")
                out.write(text.encode("utf-8"))
                if not chunk:
                    return target
    except UnicodeDecodeError as error:
        raise Unreadable(
            _bad_encoding(label, start + bytes(error.object[: error.start]).count(b"\n"), encoding)
        ) from error
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise Unreadable(_bad_gzip(label)) from error


def _bad_gzip(label: str) -> Finding:
    return Finding(
        "the file cannot be unpacked",
        label,
        "a whole gzip file",
        "a broken or unpacked one",
        "Pack the file again and write the manifest after it.",
    )


def _bad_encoding(label: str, line: int, encoding: str) -> Finding:
    return Finding(
        "bytes that are no text in the contract's encoding",
        f"{label} line {line}",
        encoding,
        "other bytes",
        f"Write the file in {encoding}, or set the encoding in the contract.",
    )


def broken_csv(error: duckdb.Error, source: Source, dialect: CsvFormat) -> Finding:
    """What DuckDB's reader stumbled over, without the line itself: it may hold personal data."""
    message = str(error)
    at = re.search(r"CSV Error on Line: (\d+)", message)
    where = f"{source.label} line {at.group(1)}" if at else source.label
    mend = "Correct the file at the source and deliver it again."
    fields = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    if fields:
        return Finding("wrong number of columns", where, fields.group(1), fields.group(2), mend)
    if "unterminated quote" in message:
        return Finding(
            "a quoted value does not end",
            where,
            'values with a delimiter, quote or line break in "…", inner quotes doubled',
            "a quote without its partner",
            mend,
        )
    if "Invalid unicode" in message or "not utf-8" in message:
        return _bad_encoding(source.label, int(at.group(1)) if at else 1, dialect.encoding)
    if "state machine" in message:
        return Finding(
            "line ends or quotes are mixed",
            where,
            "one kind of line end in the whole file and quotes as in RFC 4180",
            "a mixture",
            mend,
        )
    if "Maximum line size" in message:
        return Finding("a line is too long", where, "at most 2 MB", "more", mend)
    if "gz" in source.label and re.search("gzip|GZIP|decompress|decode", message):
        return _bad_gzip(source.label)
    return Finding(
        "the file cannot be read",
        where,
        "a whole file of the kind that its name says",
        type(error).__name__,
        mend,
    )


# --- Parquet and xlsx --------------------------------------------------------------------------


def _open_parquet(path: Path, label: str, columns: Sequence[Column], row_count: int) -> Source:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise_if_of_this_machine(error)
        raise Unreadable(
            Finding(
                "the file cannot be read",
                label,
                "a Parquet file",
                "something else",
                "Write the file again.",
            )
        ) from error
    _match_columns(label, schema.names, columns)
    if rows != row_count:
        # Known before a row is read: a column of one repeated value packs billions of them into a page.
        raise Unreadable(row_count_differs(label, row_count, rows))
    wrong = [
        Finding(
            "the column is of the wrong kind",
            f"{label}, column {column.name}",
            f"{EXPECTED[column.type]} (contract type {column.type})",
            str(schema.field(column.name).type),
            "Write the column in a Parquet type that holds it exactly.",
        )
        for column in columns
        if not kind_fits(column, schema.field(column.name).type)
    ]
    if wrong:
        raise Unreadable(*wrong)
    readings = tuple(read_native(column, column.name) for column in columns)
    return Source(label, f"read_parquet({file_literal(path)})", readings)


def _open_xlsx(path: Path, label: str, columns: Sequence[Column], connection: duckdb.DuckDBPyConnection) -> Source:
    import pandas as pd  # slow to import and needed by few deliveries

    try:
        sheet = pd.read_excel(path, engine="openpyxl", header=None, dtype=object, keep_default_na=False)
    except Exception as error:  # openpyxl lets through whatever zip and XML raise
        raise_if_of_this_machine(error)
        raise Unreadable(
            Finding(
                "the file cannot be read",
                label,
                "an xlsx workbook with the table on its first sheet",
                "something else",
                "Save the list again as .xlsx.",
            )
        ) from error
    if sheet.empty:
        raise Unreadable(
            Finding(
                "the header line is missing",
                f"{label} line 1",
                "column names in the first row",
                "an empty sheet",
                "Write the column names first, also when there is no row.",
            )
        )
    rows = [[cell_text(cell) for cell in row] for row in sheet.to_numpy(dtype=object)]
    names = [name or "" for name in rows[0]]
    _match_columns(label, names, columns)
    # Excel keeps formatted but empty rows below a list.
    filled = [row for row in rows[1:] if any(row)]
    table = pa.table(
        [pa.array([row[i] for row in filled], pa.string()) for i in range(len(names))],
        names=names,
    )
    connection.register(path.name, table)
    readings = tuple(read_text(column, column.name) for column in columns)
    return Source(label, identifier(path.name), readings)


def cell_text(cell: object) -> str | None:
    """An Excel cell as the text that a CSV would hold; None for an empty one.

    Excel keeps whole numbers as floats and days as midnights.
    """
    if cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell)):
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return f"{Decimal(repr(cell)):f}".removesuffix(".0")
    if isinstance(cell, dt.datetime):
        return cell.date().isoformat() if cell.time() == dt.time() else cell.isoformat()
    if isinstance(cell, dt.date):
        return cell.isoformat()
    return str(cell)
