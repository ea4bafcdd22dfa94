"""What banks write, and what becomes of it: the corpus behind docs/landing_formats.md."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

ACCOUNTS = "core_banking.deposit_accounts"
BRANCHES = "reference.branches"
RATES = "market.fx_rates"
PAGE = Path(__file__).parents[2] / "docs" / "landing_formats.md"
PIPE, LINE_BREAK = "&#124;", "\n"
Row = dict[str, str]
ACCOUNT: Row = {
    "account_id": "001", "customer_id": "C1", "product_code": "d01", "branch_id": "B1", "currency": "CNY",
    "balance": "12.50", "term_months": "0", "opened_date": "2026-01-31", "maturity_date": "", "status": "open",
}  # fmt: skip
BRANCH: Row = {
    "branch_id": "001", "branch_name": "朝阳门支行", "branch_level": "outlet", "parent_branch_id": "",
    "successor_branch_id": "", "opened_date": "1999-12-31", "closed_date": "",
}  # fmt: skip
RATE: Row = {"currency": "USD", "rate_cny": "7.1"}
SAMPLE = {ACCOUNTS: ACCOUNT, BRANCHES: BRANCH, RATES: RATE}
# Packed, each of these is well below a megabyte.
RATES_PACKED_SMALL = gzip.compress(b"USD,7.10000000\n" * 560_000) * 20


@dataclass(frozen=True, eq=False)
class Case:
    """A way to write a delivery of one row.

    ``written``: how the page shows it. ``stored``: the values that are read, by column, or ``says``: the reason of the
    rejection, from what is wrong on; the place before it is that of the file.
    """

    group: str
    what: str
    written: str
    file: bytes
    feed_id: str = ACCOUNTS
    name: str = "a.csv"
    dialect: dict[str, Any] = field(default_factory=dict)
    stored: dict[str, Any] = field(default_factory=dict)
    says: str = ""
    total: str = "12.50"
    is_link: bool = False

    @property
    def outcome(self) -> str:
        if self.says:
            return f"rejected: {self.says}"
        return "accepted: " + ", ".join(f"{name} {'empty' if v is None else v}" for name, v in self.stored.items())


def text_of(
    row: Row, *, delimiter: str = ",", end: str = "\n", header: bool = True, rename: Callable[[str], str] = str
) -> str:
    lines = [delimiter.join(row.values())]
    if header:
        lines.insert(0, delimiter.join(rename(name) for name in row))
    return "".join(f"{line}{end}" for line in lines)


def account(column: str, written: str, what: str, *, says: str = "", total: str = "12.50", **stored: Any) -> Case:
    """An account with one value written in some way."""
    kind = {"balance": "money", "opened_date": "date", "maturity_date": "date", "term_months": "int"}.get(column, "str")
    group = {"money": "Amounts", "date": "Dates", "int": "Whole numbers", "str": "Text"}[kind]
    file = text_of(ACCOUNT | {column: written}).encode()
    return Case(group, what, written, file, stored=stored, says=says, total=total)


def not_of(column: str, found: str) -> str:
    """The reason for a value that is not of its type."""
    kinds = {
        "balance": ("money", "a plain decimal with at most 2 decimals, no separator, no exponent"),
        "opened_date": ("date", "a date YYYY-MM-DD"),
        "maturity_date": ("date", "a date YYYY-MM-DD"),
        "term_months": ("int", "a whole number in ASCII digits"),
        "product_code": ("str", r"text; for no value an empty field, not NULL or \N"),
    }
    kind, expected = kinds[column]
    return (
        f"column {column}: not of type {kind}; expected {expected}; found {found!r}. Correct the value at the source."
    )


def _encodings() -> list[Case]:
    name = {"branch_name": BRANCH["branch_name"]}
    rare = BRANCH | {"branch_name": "𠮷祥㐂支行"}
    plain = text_of(BRANCH)
    cases = [
        Case("Encodings", what, shown, plain.encode(codec), BRANCHES, dialect={"encoding": said}, stored=name)
        for what, shown, codec, said in (
            ("utf-8", "朝阳门支行", "utf-8", "utf-8"),
            ("utf-8 with a byte order mark", "EF BB BF first", "utf-8-sig", "utf-8"),
            ("gbk, contract says gbk", "朝阳门支行", "gbk", "gbk"),
            ("gb18030, contract says gb18030", "朝阳门支行", "gb18030", "gb18030"),
        )
    ]
    return [
        *cases,
        Case(
            "Encodings", "characters of four bytes in gb18030", "𠮷祥㐂支行", text_of(rare).encode("gb18030"), BRANCHES,
            dialect={"encoding": "gb18030"}, stored={"branch_name": rare["branch_name"]},
        ),
        Case(
            "Encodings", "gb18030 where the contract says utf-8", "朝阳门支行", plain.encode("gb18030"), BRANCHES,
            says="bytes that are no text in the contract's encoding; expected utf-8; found other bytes. Write the file "
            "in utf-8, or set the encoding in the contract.",
        ),
        Case(
            "Encodings", "utf-8 where the contract says gbk", "朝阳门支行", plain.encode(), BRANCHES,
            dialect={"encoding": "gbk"},
            says="bytes that are no text in the contract's encoding; expected gbk; found other bytes. Write the file "
            "in gbk, or set the encoding in the contract.",
        ),
    ]  # fmt: skip


def _lines() -> list[Case]:
    name = {"branch_name": BRANCH["branch_name"]}
    quoted = BRANCH | {"branch_name": '"朝阳门, ""东""支行"'}
    broken = BRANCH | {"branch_name": '"朝阳门\n支行"'}
    delimiters = [
        Case(
            "Lines and fields", what, shown, text_of(BRANCH, delimiter=delimiter).encode(), BRANCHES,
            dialect={"delimiter": delimiter}, stored=name,
        )
        for what, shown, delimiter in (
            ("delimiter: a control character", "001 01(hex) 朝阳门支行", "\x01"),
            ("delimiter: a tabulator", "001 09(hex) 朝阳门支行", "\t"),
            ("delimiter: several characters", "001|+|朝阳门支行", "|+|"),
        )
    ]  # fmt: skip
    return [
        Case("Lines and fields", "lines end in LF", "0A(hex)", text_of(BRANCH).encode(), BRANCHES, stored=name),
        Case(
            "Lines and fields", "lines end in CRLF", "0D 0A(hex)", text_of(BRANCH, end="\r\n").encode(), BRANCHES,
            stored=name,
        ),
        *delimiters,
        Case(
            "Lines and fields", "a delimiter and quotes in a value", '"朝阳门, ""东""支行"', text_of(quoted).encode(),
            BRANCHES, stored={"branch_name": '朝阳门, "东"支行'},
        ),
        Case(
            "Lines and fields", "a line break in a quoted value", '"朝阳门(LF)支行"', text_of(broken).encode(),
            BRANCHES, stored={"branch_name": "朝阳门\n支行"},
        ),
        Case(
            "Lines and fields", "a quote that does not end", '"朝阳门支行',
            text_of(BRANCH | {"branch_name": '"朝阳门支行'}).encode(), BRANCHES,
            says='a quoted value does not end; expected values with a delimiter, quote or line break in "…", inner '
            "quotes doubled; found a quote without its partner. Correct the file at the source and deliver it again.",
        ),
        Case(
            "Lines and fields", "no header where the contract has one", "001,朝阳门支行,…",
            text_of(RATE, header=False).encode(), RATES,
            says="the header line is missing; expected column names of the contract: currency, rate_cny; found none of "
            "them. Write the column names first, as the contract has them.",
        ),
    ]  # fmt: skip


def _amounts() -> list[Case]:
    def refused(written: str, what: str, total: str = "0") -> Case:
        return account("balance", written, what, says=not_of("balance", written.strip('"')), total=total)

    return [
        account("balance", "12.50", "a plain decimal", balance=Decimal("12.50")),
        account("balance", "-12.5", "a minus sign before it", total="-12.50", balance=Decimal("-12.50")),
        account("balance", "-0", "minus nought", total="0", balance=Decimal("0.00")),
        account("balance", "-0.00", "minus nought with decimals", total="0", balance=Decimal("0.00")),
        account("balance", "+12.50", "a plus sign before it", balance=Decimal("12.50")),
        account("balance", "0012.50", "leading zeros", balance=Decimal("12.50")),
        refused('"1,234.00"', "thousands separators"),
        refused("(12.50)", "brackets for minus"),
        refused("12.50-", "a minus sign behind it"),
        refused("1e5", "an exponent", "100000"),
        refused("１２.５０", "full-width digits"),
        refused("12.505", "more decimals than the type has", "12.51"),
        refused('"12,50"', "a decimal comma"),
        refused("¥12.50", "a currency sign"),
        refused("\\N", "`\\N` for no value"),
        refused("NULL", "`NULL` for no value"),
        account(
            "balance", "", "an empty field where a value is required", total="0",
            says="column balance: empty but required; expected a value; found nothing. Correct the value at the "
            "source.",
        ),
    ]  # fmt: skip


def _dates() -> list[Case]:
    return [
        account("opened_date", "2026-11-20", "a date", opened_date=date(2026, 11, 20)),
        account("opened_date", "20261120", "no hyphens", says=not_of("opened_date", "20261120")),
        account("opened_date", "2026/11/20", "slashes", says=not_of("opened_date", "2026/11/20")),
        account("opened_date", "2026-2-3", "no leading zeros", says=not_of("opened_date", "2026-2-3")),
        account("opened_date", "2026-02-30", "a day that is not", says=not_of("opened_date", "2026-02-30")),
        account("maturity_date", "", "an empty field where none is required", maturity_date=None),
        account("maturity_date", "\\N", "`\\N` for no value", says=not_of("maturity_date", "\\N")),
        account("maturity_date", "NULL", "`NULL` for no value", says=not_of("maturity_date", "NULL")),
    ]


def _others() -> list[Case]:
    return [
        account("term_months", "12", "a whole number", term_months=12),
        account("term_months", "12.0", "a point in it", says=not_of("term_months", "12.0")),
        account("term_months", "１２", "full-width digits", says=not_of("term_months", "１２")),
        account("account_id", "001", "an id with leading zeros", account_id="001"),
        account("product_code", "NULL", "`NULL` for no value", says=not_of("product_code", "NULL")),
        account("product_code", "\\N", "`\\N` for no value", says=not_of("product_code", "\\N")),
    ]


def _columns() -> list[Case]:
    turned = dict(reversed(RATE.items()))
    missing = "Deliver every column of the contract, empty where nothing is known."
    unknown = "unknown column(s); expected only columns of the contract; found {}. Drop them from the extract, or "
    unknown += "extend the contract first."
    sink = io.BytesIO()
    table = pa.table({"currency": ["USD"], "rate_cny": [7.1]})
    pyarrow.parquet.write_table(table, sink)
    return [
        Case(
            "Columns", "in another order", "rate_cny,currency", text_of(turned).encode(), RATES,
            stored={"currency": "USD", "rate_cny": Decimal("7.10000000")},
        ),
        Case(
            "Columns", "one more", "currency,rate_cny,source", text_of(RATE | {"source": "x"}).encode(), RATES,
            says=unknown.format("'source'"),
        ),
        Case(
            "Columns", "one renamed", "currency,rate", text_of({"currency": "USD", "rate": "7.1"}).encode(), RATES,
            says=f"column(s) missing; expected rate_cny; found 'currency', 'rate'. {missing}",
        ),
        Case(
            "Columns", "one gone", "currency", text_of({"currency": "USD"}).encode(), RATES,
            says=f"column(s) missing; expected rate_cny; found 'currency'. {missing}",
        ),
        Case(
            "Columns", "another type, in a CSV", "USD,seven", text_of(RATE | {"rate_cny": "seven"}).encode(), RATES,
            says="column rate_cny: not of type rate; expected a plain decimal with at most 8 decimals, no separator, "
            "no exponent; found 'seven'. Correct the value at the source.",
        ),
        Case(
            "Columns", "another type, in Parquet", "rate_cny double", sink.getvalue(), RATES, "a.parquet",
            says="column rate_cny: the column is of the wrong kind; expected a plain decimal with at most 8 decimals, "
            "no separator, no exponent (contract type rate); found double. Write the column in a Parquet type that "
            "holds it exactly.",
        ),
    ]  # fmt: skip


def _packed() -> list[Case]:
    plain = text_of(RATE).encode()
    packed = gzip.compress(plain)
    bomb = gzip.compress(b"currency,rate_cny\n") + RATES_PACKED_SMALL
    too_much = "the file unpacks to far more than its rows can be; expected at most 64 MiB for 1 rows; found more. "
    too_much += "Check how the file was made; state in the manifest as many rows as it has."
    broken = "the file cannot be unpacked; expected a whole gzip file; found a broken or unpacked one. Pack the file "
    broken += "again and write the manifest after it."
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"<row/>" * 16_000_000)
    repeated = io.BytesIO()
    table = pa.table({"currency": pa.array(["USD"] * 2_000_000), "rate_cny": pa.array([7] * 2_000_000)})
    pyarrow.parquet.write_table(table, repeated)
    return [
        Case(
            "Packed files", "gzip", "a.csv.gz", packed, RATES, "a.csv.gz", stored={"rate_cny": Decimal("7.10000000")}
        ),
        Case("Packed files", "gzip cut short", "a.csv.gz", packed[:-12], RATES, "a.csv.gz", says=broken),
        Case("Packed files", "not packed at all", "a.csv.gz", plain, RATES, "a.csv.gz", says=broken),
        Case("Packed files", "a gzip file of 168 MB that declares 1 row", "a.csv.gz", bomb, RATES, "a.csv.gz",
             says=too_much),
        Case("Packed files", "a workbook of 96 MB that declares 1 row", "a.xlsx", book.getvalue(), RATES, "a.xlsx",
             says=too_much),
        Case(
            "Packed files", "Parquet of 2,000,000 rows that declares 1", "a.parquet", repeated.getvalue(), RATES,
            "a.parquet", says="row count differs; expected 1 rows (manifest); found 2000000 rows. Extract the file "
            "again and count what was written.",
        ),
    ]  # fmt: skip


def _places() -> list[Case]:
    leads_out = "a file name leads out of the delivery folder; expected a plain file name in this folder; found {}. "
    leads_out += "Put the file itself beside the manifest."
    plain = text_of(RATE).encode()
    return [
        Case("Places", what, name, plain, RATES, name, says=leads_out.format(repr(name)))
        for what, name in (
            ("a file above the delivery folder", "../a.csv"),
            ("an absolute path", "/etc/a.csv"),
            ("a file below the delivery folder", "sub/a.csv"),
            ("a path with backslashes", "..\\a.csv"),
        )
    ] + [
        Case(
            "Places",
            "a link to a file elsewhere",
            "a.csv",
            plain,
            RATES,
            says=leads_out.format("'a.csv'"),
            is_link=True,
        )
    ]


CORPUS = [*_encodings(), *_lines(), *_amounts(), *_dates(), *_others(), *_columns(), *_packed(), *_places()]

HEAD = """# How files may be written

Each line of these tables is a delivery of one row that a test lands: what was written, and the value that is read or
the reason of the rejection, which follows the name of the file and the line. A rejected delivery changes nothing; once
it is delivered as it should be it is accepted. `tierhouse land check PATH` says the same before anything is landed. The
rules are in [the landing contract](landing_contract.md).

Feeds that carry money take no bad row, as here. Of other feeds bad rows are set aside with the same reason, up to the
contract's share, and the rest is read.

This page is written by `python -m tests.landing.corpus`; a test holds each line of it.
"""


def render() -> str:
    """The page as text."""
    page = [HEAD]
    for group in dict.fromkeys(case.group for case in CORPUS):
        page.append(f"\n## {group}\n\n| what | written | outcome |\n|---|---|---|\n")
        for case in CORPUS:
            if case.group == group:
                cells = (case.what, f"`{case.written}`" if case.written else "", case.outcome)
                page.append(
                    f"| {' | '.join(cell.replace('|', PIPE).replace(LINE_BREAK, '(LF)') for cell in cells)} |\n"
                )
    return "".join(page)


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
