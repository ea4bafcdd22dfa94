"""A batch is accepted whole or rejected whole, with a reason that names the defect."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from decimal import Decimal

import pytest

FX = "market.fx_rates"
FX_CSV = b"currency,rate_cny\nUSD,7.1\nEUR,8.25000001\n"
DEPOSITS = "core_banking.deposit_accounts"


def test_a_correct_delivery_becomes_typed_parquet(bank, day, accounts):
    bank.deliver(DEPOSITS, {"a.csv": accounts("10.50", "-3")}, 2, {"balance": {"CNY": "7.5"}})
    batch = bank.land_one()
    assert batch.is_accepted
    assert batch.batch_id == "core_banking.deposit_accounts.2026-10-26.1"
    assert batch.path == "raw/core_banking/deposit_accounts/business_date=2026-10-26/sequence_no=1"
    assert (batch.row_count, batch.quarantined_count) == (2, 0)
    assert batch.control_totals == {"balance": {"CNY": "7.50"}}
    rows = bank.rows(batch, "account_id, balance, opened_date, maturity_date, batch_id")
    assert rows[0] == ("A0", Decimal("10.50"), date(2020, 1, 31), None, batch.batch_id)
    assert rows[1][1] == Decimal("-3.00")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"system": "card"}, "field system: system does not agree with the path"),
        ({"entity": "other"}, "field entity: entity does not agree with the path"),
        ({"business_date": "2026-10-25"}, "expected '2026-10-26'; found '2026-10-25'"),
        (
            {"sequence_no": 2, "folder": "2026-10-26"},
            "sequence_no does not agree with the path; expected '1'; found '2'",
        ),
        ({"mode": "delta"}, "the contract does not allow this mode; expected full; found 'delta'"),
        ({"schema_version": "2.0.0"}, "another major version of the contract; expected 1.x"),
        ({"row_count": 3}, "row_count is not the sum of the files' row counts; expected 2"),
        ({"row_count": -1}, "field row_count"),
        ({"row_count": ...}, "field row_count"),
        ({"produced_at": "2026-10-27T02:00:00"}, "field produced_at"),
        ({"key_hash": "xyz"}, "field key_hash"),
        ({"keyhash": "00"}, "field keyhash"),
        ({"control_totals": {"rate_cny": {"*": "1e3"}}}, "field control_totals.rate_cny.*"),
        ({"control_totals": {"rates": {"*": "1"}}}, "a control total that cannot be computed"),
        (
            {"control_totals": {"rate_cny": {"*": "15.35"}}},
            "expected 15.35 (manifest)",
        ),
        ({"key_hash": "0"}, "the key hash differs"),
    ],
)
def test_a_manifest_that_is_wrong_is_rejected_by_field(bank, fields, expected):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 2, **fields)
    assert expected in bank.rejection()


def test_rows_without_a_listed_file_are_refused(bank):
    bank.deliver(FX, {}, [], row_count=2)
    assert "no data file listed" in bank.rejection()


def test_a_manifest_that_is_no_json_is_rejected(bank):
    folder = bank.deliver(FX, {"fx.csv": FX_CSV}, 2)
    (folder / "_manifest.json").write_text("{")
    assert "the manifest is not JSON" in bank.rejection()


def test_a_missing_file_is_named(bank):
    folder = bank.deliver(FX, {"fx.csv": FX_CSV}, 2)
    (folder / "fx.csv").unlink()
    assert "2026-10-26/fx.csv: a listed file is missing" in bank.rejection()


def test_a_file_cut_short_in_transfer_is_rejected_by_checksum(bank):
    folder = bank.deliver(FX, {"fx.csv": FX_CSV}, 2)
    (folder / "fx.csv").write_bytes(FX_CSV[:-5])
    assert hashlib.sha256(FX_CSV).hexdigest() in bank.rejection()


@pytest.mark.parametrize("name", ["../fx.csv", "/etc/fx.csv", "..", "sub/fx.csv", "a\\fx.csv"])
def test_a_file_name_that_leads_out_of_the_folder_is_refused(bank, name):
    folder = bank.deliver(FX, {"fx.csv": FX_CSV}, 2)
    manifest = json.loads((folder / "_manifest.json").read_text())
    manifest["files"][0]["name"] = name
    (folder.parent / "fx.csv").write_bytes(FX_CSV)
    (folder / "_manifest.json").write_text(json.dumps(manifest))
    assert "a file name leads out of the delivery folder" in bank.rejection()


def test_a_link_out_of_the_folder_is_refused(bank, tmp_path):
    folder = bank.deliver(FX, {"fx.csv": FX_CSV}, 2)
    (folder / "fx.csv").rename(tmp_path / "elsewhere.csv")
    (folder / "fx.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert "leads out of the delivery folder" in bank.rejection()


def test_a_folder_linked_from_outside_the_root_is_refused(bank, tmp_path):
    folder = bank.deliver(FX, {"fx.csv": FX_CSV}, 2)
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside")
    assert "leads out of the landing root" in bank.rejection()


def test_an_unknown_kind_of_file_is_refused(bank):
    bank.deliver(FX, {"fx.txt": FX_CSV}, 2)
    assert "unknown kind of file" in bank.rejection()


@pytest.mark.parametrize(
    ("feed_id", "expected"),
    [
        ("cards.fx_rates", "unknown system; expected brokerage or card"),
        ("market.rates", "unknown entity; expected fx_rates or instrument_prices; found rates"),
    ],
)
def test_unknown_systems_and_entities_are_rejected(bank, feed_id, expected):
    bank.deliver(feed_id, {"fx.csv": FX_CSV}, 2)
    assert expected in bank.rejection()


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("20261026", "the folder's name is no business date; expected YYYY-MM-DD; found 20261026"),
        ("2026-13-01", "the folder's name is no business date"),
        ("2026-10-26/02", "the subfolder's name is no sequence number"),
    ],
)
def test_a_wrong_path_is_rejected(bank, folder, expected):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 2, folder=folder)
    assert expected in bank.rejection()


def test_rows_are_counted_per_file(bank):
    files = {"1.csv": FX_CSV, "2.csv": b"currency,rate_cny\nGBP,9.5\n"}
    bank.deliver(FX, files, [1, 2])
    reason = bank.rejection()
    assert "1.csv: row count differs; expected 1 rows (manifest); found 2 rows" in reason
    assert "2.csv: row count differs; expected 2 rows (manifest); found 1 rows" in reason


def test_no_rows_are_fine_only_when_said(bank):
    bank.deliver(FX, {"fx.csv": b"currency,rate_cny\n"}, 2)
    assert "row count differs" in bank.rejection()
    bank.deliver(FX, {"fx.csv": b"currency,rate_cny\n"}, 0)
    batch = bank.land_one()
    assert batch.is_accepted
    assert bank.rows(batch) == []


def test_an_empty_delivery_needs_no_file(bank):
    bank.deliver(DEPOSITS, {}, [], {"balance": {}})
    batch = bank.land_one()
    assert batch.is_accepted, batch.reason
    assert bank.rows(batch) == []


@pytest.mark.parametrize(
    ("totals", "expected"),
    [
        ({}, "a compulsory control total is missing; expected the sum of balance per currency"),
        ({"balance": {"CNY": "7.51"}}, "expected 7.51 (manifest); found 7.50 (sum over all rows)"),
        ({"balance": {}}, "currency CNY: control total differs; expected a stated total"),
        ({"balance": {"CNY": "7.5", "USD": "1"}}, "currency USD: control total differs"),
    ],
)
def test_control_totals_must_be_there_and_equal(bank, accounts, totals, expected):
    bank.deliver(DEPOSITS, {"a.csv": accounts("10.50", "-3")}, 2, totals)
    assert expected in bank.rejection()


def test_a_group_without_rows_may_be_stated_as_zero(bank, accounts):
    totals = {"balance": {"CNY": "1", "USD": "0.00"}}
    bank.deliver(DEPOSITS, {"a.csv": accounts("1")}, 1, totals)
    assert bank.land_one().is_accepted


def key_hash(*keys: str) -> str:
    firsts = (hashlib.sha256(key.encode()).digest()[:8] for key in keys)
    return f"{sum(int.from_bytes(first, 'big') for first in firsts) % 2**64:016x}"


def test_the_key_hash_notices_a_swapped_key(bank):
    bank.deliver(FX, {"fx.csv": FX_CSV}, 2, key_hash=key_hash("USD", "GBP"))
    assert f"expected {key_hash('USD', 'GBP')}; found {key_hash('USD', 'EUR')}" in bank.rejection()


def test_the_key_hash_joins_the_parts_of_a_key(bank):
    lines = [
        "customer_id,channel,allowed,since",
        "001,sms,TRUE,2026-01-01",
        "客,call,false,2026-01-01",
    ]
    csv = "\n".join(lines).encode()
    hashed = key_hash("001\x1fsms", "客\x1fcall")
    bank.deliver("crm.consents", {"c.csv": csv}, 2, key_hash=hashed)
    assert bank.land_one().is_accepted


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"currency,rate\n", "column(s) missing; expected rate_cny"),
        (
            b"currency,rate\n",
            "expected only columns of the contract; found 'rate'",
        ),
        (b"currency,rate_cny,extra\n", "found 'extra'"),
        (b"currency,rate_cny,currency\n", "column(s) named twice"),
        (b"", "the header line is missing"),
    ],
)
def test_columns_are_those_of_the_contract(bank, header, expected):
    bank.deliver(FX, {"fx.csv": header}, 0)
    assert expected in bank.rejection()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"GBP\n", "fx.csv line 4: wrong number of columns; expected 2; found 1"),
        (b"GBP,9,5\n", "fx.csv line 4: wrong number of columns; expected 2; found 3"),
        (b'"GBP,9\n', "line 4: a quoted value does not end"),
        (b"\xd3\xa2\xb0\xf7,9\n", "line 4: bytes that are no text in the contract's encoding"),
        (b"GBP,9\r\n", "line ends or quotes are mixed"),
    ],
)
def test_a_broken_line_rejects_the_batch_and_is_not_shown(bank, line, expected):
    bank.deliver(FX, {"fx.csv": FX_CSV + line}, 3)
    reason = bank.rejection()
    assert expected in reason
    assert "GBP" not in reason


def test_a_broken_archive_is_rejected(bank):
    bank.deliver(FX, {"fx.csv.gz": FX_CSV}, 2)
    assert "the file cannot be unpacked" in bank.rejection()


def test_all_that_is_wrong_with_the_rows_is_said_at_once(bank, accounts):
    bank.deliver(DEPOSITS, {"a.csv": accounts("1", "1e5")}, 3, {"balance": {"CNY": "3"}})
    reason = bank.rejection()
    assert "row count differs" in reason
    assert "control total differs" in reason
    assert "too many bad rows; expected at most 0 of 2 rows; found 1" in reason
    assert "data row 2, column balance: not of type money" in reason
    assert "found '1e5'" in reason


def test_identity_values_are_never_shown(bank):
    columns = [column.name for column in bank.contracts["core_banking.customers"].columns]
    row = dict.fromkeys(columns, "") | {
        "customer_id": "C1", "customer_name": "王小明", "sex": "x", "home_branch_id": "B1",
        "opened_date": "2020-01-01", "is_employee": "false", "mobile": "13800000000",
    }  # fmt: skip
    csv = "\n".join([",".join(columns), ",".join(row.values())]) + "\n"
    bank.deliver("core_banking.customers", {"c.csv": csv.encode()}, 1)
    reason = bank.rejection()
    assert "column sex: not in the domain; expected m or f or u; found (hidden: 1 characters, " in reason
    assert "王" not in reason
    assert "138" not in reason


def test_values_of_a_row_whose_columns_slipped_are_not_shown(bank):
    columns = [column.name for column in bank.contracts["core_banking.customers"].columns]
    row = dict.fromkeys(columns, "") | {
        "customer_id": "C1", "sex": "13800000000", "birth_date": "王小明", "home_branch_id": "B1",
        "opened_date": "2020-01-01", "is_employee": "false",
    }  # fmt: skip
    csv = "\n".join([",".join(columns), ",".join(row.values())]) + "\n"
    bank.deliver("core_banking.customers", {"c.csv": csv.encode()}, 1)
    reason = bank.rejection()
    assert "column sex: not in the domain; expected m or f or u; found (hidden: 11 characters, " in reason
    assert "column birth_date: not of type date; expected a date YYYY-MM-DD; found (hidden: 3 characters, " in reason
    assert "王" not in reason
    assert "138" not in reason


def test_identity_columns_lie_apart_and_closed(bank):
    columns = [column.name for column in bank.contracts["core_banking.customers"].columns]
    row = dict.fromkeys(columns, "") | {
        "customer_id": "001", "customer_name": "王小明", "sex": "m", "home_branch_id": "B1",
        "opened_date": "2020-01-01", "is_employee": "FALSE", "risk_appetite": "c3",
    }  # fmt: skip
    csv = "\n".join([",".join(columns), ",".join(row.values())]) + "\n"
    bank.deliver("core_banking.customers", {"c.csv": csv.encode()}, 1)
    batch = bank.land_one()
    assert batch.is_accepted, batch.reason
    assert bank.rows(batch, "customer_id, is_employee, is_deleted") == [("001", False, False)]
    assert bank.rows(batch, "customer_id, customer_name", "identity_path") == [("001", "王小明")]
    with pytest.raises(Exception, match="customer_name"):
        bank.rows(batch, "customer_name")
    assert bank.rows(batch, "has_customer_name, has_id_number, has_mobile, has_address") == [
        (True, False, False, False)
    ]
    folder = bank.home.lake / batch.identity_path
    while folder != bank.home.lake:
        assert folder.stat().st_mode & 0o777 == 0o700
        folder = folder.parent
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in bank.home.identity.rglob("*.parquet"))


def test_a_row_in_the_place_of_the_header_is_never_shown(bank):
    row = dict.fromkeys((column.name for column in bank.contracts["core_banking.customers"].columns), "") | {
        "customer_id": "C1", "customer_name": "王小明", "id_number": "11010519491231002X", "mobile": "13800000000",
    }  # fmt: skip
    bank.deliver("core_banking.customers", {"c.csv": f"{','.join(row.values())}\n".encode()}, 1)
    reason = bank.rejection()
    assert "c.csv line 1: the header line is missing; expected column names of the contract: customer_id" in reason
    assert not [value for value in row.values() if value and value != "C1" and value in reason]
