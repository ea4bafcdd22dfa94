"""Single bad rows go to quarantine with their reason, up to the contract's limit."""

from __future__ import annotations

from decimal import Decimal

import pytest

PRICES = "market.instrument_prices"
DEPOSITS = "core_banking.deposit_accounts"
HEADER = "account_id,customer_id,product_code,branch_id,currency,balance,term_months,opened_date"


@pytest.fixture
def lenient(bank):
    """A bank whose contracts allow half of the rows to be bad."""
    for feed_id in list(bank.contracts):
        bank.bend(feed_id, quarantine_limit_rate=0.5)
    return bank


def land_with(bank, accounts, line: str, total: str = "1"):
    csv = accounts("1", lines=[line])
    bank.deliver(DEPOSITS, {"a.csv": csv}, 2, {"balance": {"CNY": total}})
    return bank.land_one()


def quarantine_reason(bank, batch) -> str:
    assert batch.is_accepted, batch.reason
    assert (batch.row_count, batch.quarantined_count) == (2, 1)
    assert bank.rows(batch, "account_id") == [("A0",)]
    ((row_number, reason),) = bank.rows(batch, "row_number, reason", "quarantine_path")
    assert row_number == 2
    return reason


def line(**changes: str) -> str:
    row = {
        "account_id": "A9", "customer_id": "C9", "product_code": "d01", "branch_id": "B1",
        "currency": "CNY", "balance": "0", "term_months": "0", "opened_date": "2020-01-31",
        "maturity_date": "", "status": "open",
    } | changes  # fmt: skip
    return ",".join(row.values())


@pytest.mark.parametrize(
    "value",
    ['"1,234.00"', "1e5", "1.005", " 1.00", "１２", "1_000", "0x1F", ".5", "5.", "(3.00)", "¥1",
     "99999999999999999.99", "NaN", "inf", "--1"],
)  # fmt: skip
def test_money_is_a_plain_decimal(lenient, accounts, value):
    csv = accounts("1", lines=[line(balance=value)])
    lenient.deliver(DEPOSITS, {"a.csv": csv}, 2, {"balance": {"CNY": "1"}})
    batch = lenient.land_one()
    if batch.is_accepted:  # a value that is no number at all adds nothing to the total
        assert quarantine_reason(lenient, batch) == "balance: not of type money"
    else:
        assert "column balance: not of type money" in batch.reason


@pytest.mark.parametrize("value", ["1", "+1", "-1", "1.5", "1.50", "-0.00", "007.1"])
def test_plain_decimals_are_money(bank, accounts, value):
    csv = accounts("1", lines=[line(balance=value)])
    bank.deliver(DEPOSITS, {"a.csv": csv}, 2, {"balance": {"CNY": str(1 + Decimal(value))}})
    assert bank.land_one().is_accepted


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"term_months": "1.0"}, "term_months: not of type int"),
        ({"term_months": "１"}, "term_months: not of type int"),
        ({"term_months": "99999999999999999999"}, "term_months: not of type int"),
        ({"opened_date": "2020-1-31"}, "opened_date: not of type date"),
        ({"opened_date": "2020/01/31"}, "opened_date: not of type date"),
        ({"opened_date": "20200131"}, "opened_date: not of type date"),
        ({"opened_date": "2020-02-30"}, "opened_date: not of type date"),
        ({"opened_date": "infinity"}, "opened_date: not of type date"),
        ({"maturity_date": "31.01.2020"}, "maturity_date: not of type date"),
        ({"status": "Open"}, "status: not in the domain"),
        ({"status": ""}, "status: empty but required"),
        ({"account_id": ""}, "account_id: empty but required"),
        ({"account_id": '""'}, "account_id: empty but required"),
        (
            {"customer_id": "", "status": "x"},
            "customer_id: empty but required; status: not in the domain",
        ),
        ({"balance": ""}, "balance: empty but required"),
    ],
)
def test_a_bad_value_is_quarantined_with_its_column(lenient, accounts, changes, reason):
    batch = land_with(lenient, accounts, line(**changes))
    assert quarantine_reason(lenient, batch) == reason


@pytest.mark.parametrize(
    ("value", "is_good"),
    [
        ("2026-10-26T09:30:00+08:00", True),
        ("2026-10-26 01:30:00Z", True),
        ("2026-10-26T09:30:00.123456+0800", True),
        ("2026-10-26T09:30:00", False),
        ("2026-10-26T25:30:00+08:00", False),
        ("2026-10-26T09:30:00 Asia/Shanghai", False),
        ("2026-10-26", False),
    ],
)
def test_timestamps_need_an_offset(lenient, value, is_good):
    head = "transaction_id,account_id,posted_date,posted_at,amount,currency,transaction_kind"
    rows = [f"{i},A1,2026-10-26,{at},1,CNY,cash," for i, at in enumerate(["", value])]
    csv = "\n".join([f"{head},counterparty_bank", *rows, ""]).encode()
    feed = "core_banking.deposit_transactions"
    lenient.deliver(feed, {"t.csv": csv}, 2, {"amount": {"CNY": "2"}})
    batch = lenient.land_one()
    assert batch.quarantined_count == (0 if is_good else 1), batch.reason


@pytest.mark.parametrize("value", ["1", "yes", "t", "真"])
def test_booleans_are_true_or_false(lenient, value):
    csv = f"customer_id,channel,allowed,since\n1,sms,True,2026-01-01\n2,sms,{value},2026-01-01\n"
    lenient.deliver("crm.consents", {"c.csv": csv.encode()}, 2)
    assert lenient.land_one().quarantined_count == 1


def test_quarantine_keeps_the_row_as_it_was_delivered(lenient):
    csv = b"price,currency,instrument_id\n1.5,CNY,F1\nabc,CNY,F2\n"
    lenient.deliver(PRICES, {"p.csv": csv}, 2)
    batch = lenient.land_one()
    assert "p.csv data row 2, column price: not of type price" in batch.reason
    assert "found 'abc'" in batch.reason
    assert lenient.rows(batch, part="quarantine_path") == [("F2", "CNY", "abc", 2, "price: not of type price")]
    folder = lenient.home.lake / batch.quarantine_path
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "rows.parquet").stat().st_mode & 0o777 == 0o600


def test_rows_are_numbered_over_all_files(lenient):
    files = {
        "1.csv": b"instrument_id,currency,price\nF1,CNY,1\nF2,CNY,2\n",
        "2.csv": b"currency,price,instrument_id\nCNY,3,F3\nCNY,x,F4\n",
    }
    lenient.deliver(PRICES, files, [2, 2])
    batch = lenient.land_one()
    assert "2.csv data row 2, column price" in batch.reason
    assert lenient.rows(batch, "row_number, instrument_id", "quarantine_path") == [(4, "F4")]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0)])
def test_of_equal_rows_one_stays_and_of_contradicting_rows_none(lenient, order):
    rows = ["F1,CNY,1", "F2,CNY,2", "F2,CNY,2", "F3,CNY,3"]
    csv = "\n".join(["instrument_id,currency,price", *(rows[i] for i in order), ""]).encode()
    lenient.deliver(PRICES, {"p.csv": csv}, 4)
    batch = lenient.land_one()
    assert sorted(lenient.rows(batch, "instrument_id")) == [("F1",), ("F2",), ("F3",)]
    assert batch.quarantined_count == 1
    assert "instrument_id: duplicate key; expected each key once; found 'F2'" in batch.reason

    csv = b"instrument_id,currency,price\nF1,CNY,1\nF2,CNY,2\nF2,CNY,2.5\nF3,CNY,3\n"
    lenient.deliver(PRICES, {"p.csv": csv}, 4, sequence_no=2)
    batch = lenient.land_one()
    assert sorted(lenient.rows(batch, "instrument_id")) == [("F1",), ("F3",)]


def test_a_key_of_several_columns_repeats_only_as_a_whole(lenient):
    csv = b"customer_id,channel,allowed,since\n1,a,true,2026-01-01\n1,b,true,2026-01-01\n"
    lenient.deliver("crm.consents", {"c.csv": csv}, 2)
    assert lenient.land_one().quarantined_count == 0
    csv = b"customer_id,channel,allowed,since\n1,a,true,2026-01-01\n1,a,true,2026-01-01\n"
    lenient.deliver("crm.consents", {"c.csv": csv}, 2, sequence_no=2)
    assert "customer_id+channel: duplicate key" in lenient.land_one().reason


def test_past_the_limit_the_batch_is_rejected_with_the_first_rows(bank):
    rows = [f"F{i},CNY,{'x' if i < 7 else 1}" for i in range(6_999)]
    csv = "\n".join(["instrument_id,currency,price", *rows, ""]).encode()
    bank.deliver(PRICES, {"p.csv": csv}, 6_999)
    reason = bank.rejection()
    assert "too many bad rows; expected at most 6 of 6999 rows; found 7" in reason
    assert "p.csv data row 5" in reason
    assert "data row 6," not in reason


def test_up_to_the_limit_the_batch_is_accepted(bank):
    rows = [f"F{i},CNY,{'x' if i < 7 else 1}" for i in range(7_000)]
    csv = "\n".join(["instrument_id,currency,price", *rows, ""]).encode()
    bank.deliver(PRICES, {"p.csv": csv}, 7_000)
    batch = bank.land_one()
    assert batch.quarantined_count == 7
    assert len(bank.rows(batch)) == 6_993


def test_a_feed_that_carries_money_tolerates_no_bad_row(bank, accounts):
    batch = land_with(bank, accounts, line(status="x"))
    assert batch.status == "rejected"
    assert "expected at most 0 of 2 rows" in batch.reason


def test_money_of_quarantined_rows_is_in_the_control_total(lenient, accounts):
    batch = land_with(lenient, accounts, line(status="x", balance="41"), total="42")
    assert batch.is_accepted, batch.reason
    assert batch.control_totals == {"balance": {"CNY": "42.00"}}


def test_a_deleted_row_of_a_delta_needs_only_its_key(bank):
    names = [c.name for c in bank.contracts["core_banking.customers"].columns] + ["is_deleted"]
    good = dict.fromkeys(names, "") | {
        "customer_id": "1", "sex": "f", "home_branch_id": "B1", "opened_date": "2020-01-01",
        "is_employee": "false", "is_deleted": "false",
    }  # fmt: skip
    gone = dict.fromkeys(names, "") | {"customer_id": "2", "is_deleted": "true"}
    lines = [",".join(names), *(",".join(row.values()) for row in (good, gone)), ""]
    bank.deliver("core_banking.customers", {"c.csv": "\n".join(lines).encode()}, 2, mode="delta")
    batch = bank.land_one()
    assert batch.is_accepted, batch.reason
    assert bank.rows(batch, "customer_id, is_deleted") == [("1", False), ("2", True)]
