"""Deliveries that the project writes itself obey the landing contract."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest

from orchestration.lib.contracts import CsvFormat, Feed, load_contracts
from orchestration.lib.delivery import (
    SMALL_ROWS,
    DeliveryError,
    FileFormat,
    table_key_hash,
    write_delivery,
)

DAY = date(2026, 4, 1)
FEEDS = load_contracts()
POSITIONS = FEEDS["brokerage.security_positions"]
GENERAL_LEDGER = FEEDS["finance.gl_balances"]
CONTACTS = FEEDS["crm.contacts"]


def gl_table() -> pa.Table:
    return pa.table(
        {
            # In another order than the contract's: the writer puts it right.
            "balance": [Decimal("0.10"), Decimal("0.20"), Decimal("-5.05")],
            "branch_id": ["0001", "0002", "0001"],
            "product_family": ["deposit", "deposit", "loan"],
            "currency": ["CNY", "CNY", "USD"],
        }
    )


def contact_table(outcome: str | None = "reached") -> pa.Table:
    return pa.table(
        {
            "contact_id": ["n1"],
            "customer_id": ["0007"],
            "employee_id": ["e1"],
            "contacted_at": pa.array([datetime(2026, 4, 1, 1, 2, 3, tzinfo=UTC)]),
            "channel": ["call"],
            "purpose": ["routine"],
            "outcome": pa.array([outcome], pa.string()),
        }
    )


def manifest_of(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "_manifest.json").read_text("utf-8"))
    return manifest


def key_hash(keys: list[tuple[str, ...]]) -> str:
    total = 0
    for key in keys:
        digest = hashlib.sha256("\x1f".join(key).encode("utf-8")).hexdigest()
        total += int(digest[:16], 16)
    return f"{total % 2**64:016x}"


def test_the_manifest_says_what_the_file_holds(tmp_path: Path) -> None:
    folder = write_delivery(tmp_path, GENERAL_LEDGER, DAY, gl_table())
    content = (folder / "gl_balances.csv").read_bytes()
    assert folder == tmp_path / "finance" / "gl_balances" / "2026-04-01"
    assert content.decode("utf-8").splitlines() == [
        "branch_id,product_family,currency,balance",
        "0001,deposit,CNY,0.10",
        "0002,deposit,CNY,0.20",
        "0001,loan,USD,-5.05",
    ]
    assert manifest_of(folder) == {
        "system": "finance",
        "entity": "gl_balances",
        "business_date": "2026-04-01",
        "sequence_no": 1,
        "mode": "full",
        "schema_version": GENERAL_LEDGER.version,
        "row_count": 3,
        "files": [
            {
                "name": "gl_balances.csv",
                "row_count": 3,
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        ],
        "control_totals": {"balance": {"CNY": "0.30", "USD": "-5.05"}},
        "key_hash": key_hash(
            [
                ("0001", "deposit", "CNY"),
                ("0002", "deposit", "CNY"),
                ("0001", "loan", "USD"),
            ]
        ),
        "produced_at": "2026-04-02T02:00:00+08:00",
    }


def test_control_totals_stay_exact_where_floats_would_not(tmp_path: Path) -> None:
    amounts = [Decimal("9999999999999999.99")] * 2 + [Decimal("0.01")]
    table = gl_table().set_column(0, "balance", pa.array(amounts))
    table = table.set_column(3, "currency", pa.array(["CNY"] * 3))
    folder = write_delivery(tmp_path, GENERAL_LEDGER, DAY, table)
    assert manifest_of(folder)["control_totals"] == {"balance": {"CNY": "19999999999999999.99"}}


def test_a_total_over_all_rows_is_named_with_a_star(tmp_path: Path) -> None:
    table = pa.table(
        {
            "custody_account_id": ["s1", "s2"],
            "instrument_id": ["a", "a"],
            "quantity": [Decimal("100"), Decimal("0.000001")],
        }
    )
    folder = write_delivery(tmp_path, POSITIONS, DAY, table, file_format="parquet")
    assert manifest_of(folder)["control_totals"] == {"quantity": {"*": "100.000001"}}
    stored = pyarrow.parquet.read_table(folder / "security_positions.parquet")
    assert stored.schema.field("quantity").type == pa.decimal128(18, 6)


@pytest.mark.parametrize("rows", [1, SMALL_ROWS, SMALL_ROWS + 1])
def test_the_key_hash_is_the_contract_s_formula_for_feeds_of_any_size(rows: int) -> None:
    keys = [(f"账户{n}", f"{n:04d}") for n in range(rows)]
    table = pa.table({"a": [a for a, _ in keys], "b": [b for _, b in keys]})
    assert table_key_hash(table, ("a", "b")) == key_hash(keys)


def test_a_file_has_nothing_but_its_rows_where_the_first_of_several_parts_has_none(tmp_path: Path) -> None:
    whole = gl_table()
    parts = pa.concat_tables([whole.slice(0, 0), whole.slice(0, 1), whole.slice(1)])
    (found, expected) = (
        next(write_delivery(tmp_path / name, GENERAL_LEDGER, DAY, table).glob("*.csv")).read_bytes()
        for name, table in (("parts", parts), ("whole", whole))
    )
    assert found == expected


def test_a_feed_without_rows_says_so(tmp_path: Path) -> None:
    folder = write_delivery(tmp_path, GENERAL_LEDGER, DAY, gl_table().slice(0, 0))
    manifest = manifest_of(folder)
    assert manifest["row_count"] == 0
    assert manifest["control_totals"] == {"balance": {}}
    assert manifest["key_hash"] == "0" * 16


def test_a_correction_lies_in_a_folder_of_its_own(tmp_path: Path) -> None:
    first = write_delivery(tmp_path, GENERAL_LEDGER, DAY, gl_table())
    second = write_delivery(tmp_path, GENERAL_LEDGER, DAY, gl_table(), sequence_no=2)
    assert second == first / "2"
    assert (manifest_of(first)["sequence_no"], manifest_of(second)["sequence_no"]) == (1, 2)


def test_a_delta_carries_is_deleted_and_a_full_delivery_does_not(tmp_path: Path) -> None:
    feed = dataclasses.replace(GENERAL_LEDGER, modes=("full", "delta"))
    marked = gl_table().append_column("is_deleted", pa.array([True, False, False]))
    full = write_delivery(tmp_path / "full", feed, DAY, gl_table())
    delta = write_delivery(tmp_path / "delta", feed, DAY, marked, mode="delta")
    plain = write_delivery(tmp_path / "plain", feed, DAY, gl_table(), mode="delta")
    lines = (delta / "gl_balances.csv").read_text("utf-8").splitlines()
    assert lines[:2] == [
        "branch_id,product_family,currency,balance,is_deleted",
        "0001,deposit,CNY,0.10,true",
    ]
    assert "is_deleted" not in (full / "gl_balances.csv").read_text("utf-8")
    assert (plain / "gl_balances.csv").read_text("utf-8").count(",false\n") == 3


def test_timestamps_carry_their_offset_and_nulls_are_empty(tmp_path: Path) -> None:
    folder = write_delivery(tmp_path, CONTACTS, DAY, contact_table(None), file_format="csv.gz")
    text = gzip.decompress((folder / "contacts.csv.gz").read_bytes()).decode("utf-8")
    assert text.splitlines()[1] == "n1,0007,e1,2026-04-01T09:02:03+08:00,call,routine,"


def test_values_with_delimiters_quotes_and_line_breaks_are_quoted(tmp_path: Path) -> None:
    folder = write_delivery(tmp_path, CONTACTS, DAY, contact_table('a,"b"\nc'))
    assert (folder / "contacts.csv").read_text("utf-8").endswith(',"a,""b""\nc"\n')


def test_the_contract_s_dialect_is_followed(tmp_path: Path) -> None:
    feed = dataclasses.replace(CONTACTS, csv=CsvFormat("|+|", "gb18030", header=False))
    folder = write_delivery(tmp_path, feed, DAY, contact_table('客户|"说"'))
    assert (folder / "contacts.csv").read_bytes().decode("gb18030") == (
        'n1|+|0007|+|e1|+|2026-04-01T09:02:03+08:00|+|call|+|routine|+|"客户|""说"""\n'
    )


def test_a_control_character_may_delimit(tmp_path: Path) -> None:
    feed = dataclasses.replace(GENERAL_LEDGER, csv=CsvFormat("\x01", "utf-8", header=False))
    folder = write_delivery(tmp_path, feed, DAY, gl_table().slice(0, 1))
    assert (folder / "gl_balances.csv").read_bytes() == b"0001\x01deposit\x01CNY\x010.10\n"


def test_a_workbook_holds_text_in_contract_order(tmp_path: Path) -> None:
    folder = write_delivery(tmp_path, GENERAL_LEDGER, DAY, gl_table(), file_format="xlsx")
    sheet = openpyxl.load_workbook(folder / "gl_balances.xlsx").active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[:2] == [
        ("branch_id", "product_family", "currency", "balance"),
        ("0001", "deposit", "CNY", "0.10"),
    ]


@pytest.mark.parametrize("file_format", ["csv", "csv.gz", "parquet", "xlsx"])
def test_the_same_data_give_the_same_bytes(tmp_path: Path, file_format: FileFormat) -> None:
    folders = [
        write_delivery(tmp_path / name, GENERAL_LEDGER, DAY, gl_table(), file_format=file_format) for name in ("a", "b")
    ]
    first, second = ({p.name: p.read_bytes() for p in f.iterdir()} for f in folders)
    assert first == second
    assert len(first) == 2


@pytest.mark.parametrize(
    ("feed", "change", "message"),
    [
        (
            GENERAL_LEDGER,
            lambda t: t.set_column(0, "balance", pa.array([0.1, 0.2, 0.3])),
            "finance.gl_balances.balance: double found, expected decimals",
        ),
        (
            GENERAL_LEDGER,
            lambda t: t.set_column(0, "balance", pa.array([Decimal("0.001")] * 3)),
            "finance.gl_balances.balance",
        ),
        (GENERAL_LEDGER, lambda t: t.drop_columns(["balance"]), "column missing"),
        (
            GENERAL_LEDGER,
            lambda t: t.append_column("balanse", pa.array(["1"] * 3)),
            "column\\(s\\) balanse found",
        ),
        (
            GENERAL_LEDGER,
            lambda t: t.set_column(1, "branch_id", pa.array(["1", None, "2"])),
            "1 empty value\\(s\\) found",
        ),
    ],
)
def test_data_that_break_the_contract_are_refused_and_nothing_is_touched(
    tmp_path: Path, feed: Feed, change: Any, message: str
) -> None:
    folder = write_delivery(tmp_path, feed, DAY, gl_table())
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(DeliveryError, match=message):
        write_delivery(tmp_path, feed, DAY, change(gl_table()))
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_mode_that_the_contract_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="mode 'delta' found, expected one of full"):
        write_delivery(tmp_path, GENERAL_LEDGER, DAY, gl_table(), mode="delta")


def test_a_new_file_never_lies_under_an_old_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_delivery(tmp_path, GENERAL_LEDGER, DAY, gl_table())

    def disk_full(*_: object) -> str:
        raise OSError("no space left on device")

    monkeypatch.setattr("orchestration.lib.delivery._write_file", disk_full)
    with pytest.raises(OSError, match="no space"):
        write_delivery(tmp_path, GENERAL_LEDGER, DAY, gl_table())
    assert not (folder / "_manifest.json").exists()
