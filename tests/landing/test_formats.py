"""Every encoding, delimiter and kind of file that a contract may name."""

from __future__ import annotations

import gzip
import io
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet
import pytest

from orchestration.lib.delivery import write_delivery
from orchestration.lib.reader import cell_text

BRANCHES = "reference.branches"
HEADER = ("branch_id,branch_name,branch_level,parent_branch_id,successor_branch_id,"
          "opened_date,closed_date")  # fmt: skip
TEXT = "\n".join([
    HEADER,
    '001,"总行, ""本部""",head_office,,,1999-12-31,',
    "002,朝阳门支行,outlet,001,,2010-01-01,",
    "",
])  # fmt: skip
NAMES = [("001", '总行, "本部"'), ("002", "朝阳门支行")]


def names(bank, batch):
    assert batch.is_accepted, batch.reason
    return bank.rows(batch, "branch_id, branch_name")


def in_dialect(delimiter: str) -> str:
    """TEXT with another delimiter; the comma inside the quotes stays."""
    return TEXT.replace(",", delimiter).replace(f"总行{delimiter}", "总行,")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "gbk"])
@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_encodings_line_ends_and_gzip(bank, encoding, suffix, ends):
    bank.csv(BRANCHES, encoding=encoding)
    data = TEXT.replace("\n", ends).encode(encoding)
    bank.deliver(BRANCHES, {f"b.csv{suffix}": gzip.compress(data) if suffix else data}, 2)
    assert names(bank, bank.land_one()) == NAMES


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_byte_order_mark_belongs_to_no_value(bank, header, encoding):
    bank.csv(BRANCHES, header=header, encoding=encoding)
    text = TEXT if header else TEXT.partition("\n")[2]
    bank.deliver(BRANCHES, {"b.csv": ("\ufeff" + text).encode(encoding)}, 2)
    assert names(bank, bank.land_one()) == NAMES


@pytest.mark.parametrize("delimiter", ["|+|", "\x01", "\t", ";", "|", "^|^~"])
@pytest.mark.parametrize("header", [True, False])
def test_delimiters_of_several_or_control_characters(bank, delimiter, header):
    bank.csv(BRANCHES, delimiter=delimiter, header=header)
    text = in_dialect(delimiter)
    text = text if header else text.partition("\n")[2]
    bank.deliver(BRANCHES, {"b.csv": text.encode()}, 2)
    assert names(bank, bank.land_one()) == NAMES


def test_without_a_header_the_number_of_columns_must_be_right(bank):
    bank.csv(BRANCHES, header=False)
    bank.deliver(BRANCHES, {"b.csv": b"001,x,outlet,,,2010-01-01\n"}, 1)
    assert "b.csv line 1: wrong number of columns; expected 7; found 6" in bank.rejection()


def test_columns_may_come_in_any_order_under_a_header(bank):
    bank.deliver("market.fx_rates", {"fx.csv": b'"rate_cny","currency"\n7.1,USD\n'}, 1)
    batch = bank.land_one()
    assert bank.rows(batch, "currency, rate_cny") == [("USD", Decimal("7.1"))]


def test_bytes_that_are_not_of_the_encoding_are_located(bank):
    bank.csv(BRANCHES, encoding="gb18030")
    bank.deliver(BRANCHES, {"b.csv": TEXT.encode("gb18030") + b"003,\xff\xff,outlet,,,,\n"}, 3)
    reason = bank.rejection()
    assert "b.csv line 4: bytes that are no text in the contract's encoding" in reason
    assert "expected gb18030" in reason


def test_a_file_name_is_never_a_pattern(bank):
    bank.deliver("market.fx_rates", {"[a]*.csv": b"currency,rate_cny\nUSD,7.1\n"}, 1)
    (bank.root / "market/fx_rates/2026-10-26/a.csv").write_text("currency,rate_cny\nEUR,8\n")
    assert bank.rows(bank.land_one(), "currency") == [("USD",)]


def prices(**columns: pa.Array) -> bytes:
    table = {
        "instrument_id": pa.array(["F1", "F2"]),
        "currency": pa.array(["CNY", "CNY"]),
        "price": pa.array([Decimal("1.5"), Decimal("2")], pa.decimal128(18, 8)),
    } | columns
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(table), sink)
    return sink.getvalue()


def test_parquet_is_read_by_column_name(bank):
    bank.deliver("market.instrument_prices", {"p.parquet": prices()}, 2)
    batch = bank.land_one()
    assert bank.rows(batch, "instrument_id, price")[0] == ("F1", Decimal("1.5"))


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("price", pa.array([1.5, 2.0]), "double"),
        ("price", pa.array(["1.5", "2"]), "string"),
        ("price", pa.array([Decimal("1.5")] * 2, pa.decimal128(20, 9)), "decimal128(20, 9)"),
        ("instrument_id", pa.array([1, 2]), "int64"),
    ],
)
def test_a_parquet_column_of_the_wrong_kind_is_named(bank, column, values, found):
    bank.deliver("market.instrument_prices", {"p.parquet": prices(**{column: values})}, 2)
    reason = bank.rejection()
    assert f"column {column}: the column is of the wrong kind" in reason
    assert f"found {found}" in reason


def test_bad_rows_of_a_parquet_file_are_quarantined(bank):
    bank.bend("market.instrument_prices", quarantine_limit_rate=0.5)
    data = prices(currency=pa.array(["CNY", ""]))
    bank.deliver("market.instrument_prices", {"p.parquet": data}, 2)
    batch = bank.land_one()
    assert bank.rows(batch, "instrument_id, price, reason", "quarantine_path") == [
        ("F2", "2.00000000", "currency: empty but required")
    ]


def test_a_file_that_only_claims_to_be_parquet_or_xlsx_is_rejected(bank, day):
    bank.deliver("market.instrument_prices", {"p.parquet": b"PAR1 no"}, 2)
    assert "expected a Parquet file" in bank.rejection()
    bank.deliver("market.instrument_prices", {"p.xlsx": b"PK no"}, 2)
    assert "expected an xlsx workbook" in bank.rejection()


def workbook(rows: list[list[object]]) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    for row in rows:
        book.active.append(row)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


HOUSEHOLD = ["household_id", "customer_id", "member_role", "consent_date", "valid_from", "valid_to"]


def test_lists_kept_in_excel_with_cells_of_any_kind(bank):
    rows = [
        HOUSEHOLD,
        ["H1", "001", "head", datetime(2026, 1, 5), "2026-01-05", None],  # noqa: DTZ001
        ["H1", 7, "member", None, date(2026, 1, 5), ""],
        [None] * 6,
    ]
    bank.deliver("crm.households", {"h.xlsx": workbook(rows)}, 2)
    batch = bank.land_one()
    assert batch.is_accepted, batch.reason
    assert bank.rows(batch, "customer_id, consent_date, valid_from, valid_to") == [
        ("001", date(2026, 1, 5), date(2026, 1, 5), None),
        ("7", None, date(2026, 1, 5), None),
    ]


def test_a_bad_cell_is_named_by_row_and_column(bank):
    rows = [HOUSEHOLD, ["H1", "001", "wife", None, "5.1.2026", None]]
    bank.deliver("crm.households", {"h.xlsx": workbook(rows)}, 1)
    reason = bank.rejection()
    assert "h.xlsx data row 1, column member_role: not in the domain; expected head or" in reason
    assert "column valid_from: not of type date; expected a date YYYY-MM-DD" in reason


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, None), ("", None), (float("nan"), None), (7, "7"), (7.0, "7"), (0.1, "0.1"),
        (1e-7, "0.0000001"), (1e22, "10000000000000000000000"), (True, "true"), ("001", "001"),
        (100.0, "100"),
    ],
)  # fmt: skip
def test_cells_become_plain_text(cell, text):
    assert cell_text(cell) == text


@pytest.mark.parametrize("file_format", ["csv", "csv.gz", "parquet", "xlsx"])
@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), ("|+|", "gb18030")])
def test_what_the_writer_writes_the_reader_reads(bank, day, file_format, delimiter, encoding):
    feed = bank.csv("crm.complaints", delimiter=delimiter, encoding=encoding)
    moment = pa.array([datetime.fromisoformat("2026-10-26T09:30:00+08:00")] * 2)
    table = pa.table({
        "complaint_id": ["001", "2,|+|"], "customer_id": ["王", 'a "b"'], "received_at": moment,
        "severity": ["low", "high"], "employee_id": ["E1", None],
    })  # fmt: skip
    write_delivery(bank.root, feed, day, table, file_format=file_format)
    batch = bank.land_one()
    assert batch.is_accepted, batch.reason
    columns = "complaint_id, customer_id, employee_id, epoch(received_at)"
    seconds = datetime.fromisoformat("2026-10-26T09:30:00+08:00").timestamp()
    assert bank.rows(batch, columns) == [
        ("001", "王", "E1", seconds),
        ("2,|+|", 'a "b"', None, seconds),
    ]
