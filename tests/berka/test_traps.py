"""Each trap of the source in a few made-up lines of its format."""

from __future__ import annotations

import csv
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from examples.berka.to_landing import SourceError, closing_balances, to_landing

HEADERS = {
    "account": "account_id;district_id;frequency;date",
    "card": "card_id;disp_id;type;issued",
    "client": "client_id;birth_number;district_id",
    "disp": "disp_id;client_id;account_id;type",
    "district": "A1;A2;A12",
    "loan": "loan_id;account_id;date;amount;duration;payments;status",
    "trans": "trans_id;account_id;date;type;operation;amount;balance;k_symbol;bank;account",
}
# Client 1 owns account 11, client 2 (a woman) owns account 12 and may dispose of 11; client 3
# may dispose of 12 and owns nothing.
LINES = {
    "account": ["11;1;M;930101", "12;2;M;930102"],
    "card": ["71;21;gold;930103 00:00:00", "72;23;junior;930103 00:00:00", "73;24;classic;930104"],
    "client": ["1;450204;1", "2;406009;2", "3;110531;2"],
    "disp": ["21;1;11;OWNER", "22;2;12;OWNER", "23;2;11;DISPONENT", "24;3;12;DISPONENT"],
    "district": ["1;Praha;0.43", "2;Benesov;?"],
    "loan": ["81;11;930111;1200;12;100.00;A", "82;12;930112;2400.00;24;100.00;D"],
    "trans": [
        "1;11;930101;PRIJEM;VKLAD;700.00;700.00;;;",
        "2;12;930102;PRIJEM;PREVOD Z UCTU;1000.00;1000.00; ;AB;123",
        "3;12;930103;VYBER;VYBER;400.00;600.00;;;",
        "4;12;930120;VYDAJ;VYBER;14.60;585.40;SLUZBY;;",
    ],
}


def write(folder: Path, **changed: list[str]) -> Path:
    for name, header in HEADERS.items():
        lines = [header, *changed.get(name, LINES[name])]
        (folder / f"{name}.asc").write_bytes(("\r\n".join(lines) + "\r\n").encode("ascii"))
    return folder


def delivered(landing: Path, feed: str, day: str) -> list[dict[str, str]]:
    name = feed.split("/")[1]
    with (landing / feed / day / f"{name}.csv").open(newline="", encoding="utf-8") as source:
        return list(csv.DictReader(source))


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    source, root = tmp_path / "source", tmp_path / "landing"
    source.mkdir()
    to_landing(write(source), root)
    return root


def closing_of(folder: Path, lines: list[str]) -> list[str]:
    closing = closing_balances(write(folder, trans=lines))
    return [str(balance) for balance in closing["balance"]]


def test_neither_file_order_nor_id_orders_the_bookings_of_a_day(tmp_path: Path):
    lines = [
        "9;11;930101;VYDAJ;VYBER;200.00;500.00;;;",
        "5;11;930101;PRIJEM;VKLAD;100.00;600.00;;;",
        "7;11;930101;PRIJEM;VKLAD;700.00;700.00;;;",
    ]
    assert closing_of(tmp_path, lines) == ["600.00"]


def test_a_balance_from_which_another_line_goes_on_is_not_the_last(tmp_path: Path):
    # Interest is printed rounded, so 298.90 is nearest to the sum; the fee goes on from it.
    lines = [
        "1;11;930101;PRIJEM;VKLAD;213.30;213.30;;;",
        "2;11;930102;VYDAJ;VYBER;14.60;298.90;SLUZBY;;",
        "3;11;930102;PRIJEM;;50.20;313.60;UROK;;",
        "4;11;930102;VYDAJ;VYBER;0.10;313.50;SANKC. UROK;;",
        "5;11;930102;PRIJEM;;50.20;263.50;UROK;;",
        "6;11;930102;VYDAJ;VYBER;0.10;298.80;SANKC. UROK;;",
    ]
    assert closing_of(tmp_path, lines) == ["213.30", "298.80"]


def test_an_account_that_does_not_chain_is_refused_by_name(tmp_path: Path):
    lines = ["1;11;930101;PRIJEM;VKLAD;700.00;900.00;;;"]
    with pytest.raises(SourceError, match=r"account 11 on 1993-01-01: .* of 700\.00, nearest 900\.00"):
        closing_of(tmp_path, lines)


def test_vyber_is_a_debit_like_vydaj(landing: Path):
    (withdrawal,) = delivered(landing, "core_banking/deposit_transactions", "1993-01-03")
    assert (withdrawal["amount"], withdrawal["transaction_kind"]) == ("-400.00", "cash")


def test_an_unknown_type_is_refused(tmp_path: Path):
    with pytest.raises(SourceError, match=r"column type: expected PRIJEM.*found VKLAD"):
        closing_of(tmp_path, ["1;11;930101;VKLAD;VKLAD;700.00;700.00;;;"])


def test_a_blank_symbol_says_no_more_than_an_empty_one(landing: Path):
    (transfer,) = delivered(landing, "core_banking/deposit_transactions", "1993-01-02")
    assert (transfer["transaction_kind"], transfer["counterparty_bank"]) == ("transfer", "AB")


def test_the_symbol_decides_the_kind_before_the_operation(landing: Path):
    (fee,) = delivered(landing, "core_banking/deposit_transactions", "1993-01-20")
    assert fee["transaction_kind"] == "fee"


def test_sex_and_birth_date_come_from_the_birth_number(landing: Path):
    customers = delivered(landing, "core_banking/customers", "1993-01-02")
    assert [(c["customer_id"], c["sex"], c["birth_date"]) for c in customers] == [
        ("1", "m", "1945-02-04"),
        ("2", "f", "1940-10-09"),
    ]


def test_a_disponent_owns_nothing_so_no_balance_counts_twice(landing: Path):
    accounts = delivered(landing, "core_banking/deposit_accounts", "1993-01-20")
    assert [(a["account_id"], a["customer_id"], a["balance"]) for a in accounts] == [
        ("11", "1", "700.00"),
        ("12", "2", "585.40"),
    ]


def test_a_disponents_card_goes_to_him_only_when_he_owns_an_account(tmp_path: Path):
    summary = to_landing(write(tmp_path), tmp_path / "landing")
    cards = delivered(tmp_path / "landing", "card/card_accounts", "1993-01-20")
    assert [(c["card_id"], c["customer_id"], c["card_grade"]) for c in cards] == [
        ("71", "1", "gold"),
        ("72", "2", "standard"),
    ]
    assert summary.dropped_card_count == 1


def test_a_ledger_cut_in_its_last_line_loses_that_whole_day(tmp_path: Path):
    write(tmp_path)
    with (tmp_path / "trans.asc").open("ab") as ledger:
        ledger.write(b"5;11;930121;PRIJEM;VKLAD;1.00;701.00;;;\r\n6;12;930121;PRI")
    summary = to_landing(tmp_path, tmp_path / "landing")
    assert summary.last_day == date(1993, 1, 20)


def test_an_account_is_absent_before_it_opens_and_keeps_its_balance_between_bookings(
    landing: Path,
):
    first = delivered(landing, "core_banking/deposit_accounts", "1993-01-01")
    assert [row["account_id"] for row in first] == ["11"]
    later = delivered(landing, "core_banking/deposit_accounts", "1993-01-19")
    assert [row["balance"] for row in later] == ["700.00", "600.00"]


def test_instalments_fall_due_on_the_12ths_after_the_grant(landing: Path):
    by_day = {
        day: {row["loan_id"]: row["outstanding_balance"] for row in delivered(landing, "loan/loans", f"1993-01-{day}")}
        for day in ("10", "11", "12", "20")
    }
    assert by_day == {
        "10": {},
        "11": {"81": "1200.00"},
        "12": {"81": "1100.00", "82": "2400.00"},
        "20": {"81": "1100.00", "82": "2400.00"},
    }
    loans = delivered(landing, "loan/loans", "1993-01-20")
    assert [(row["maturity_date"], row["loan_class"]) for row in loans] == [
        ("1993-12-12", "pass"),
        ("1995-01-12", "substandard"),
    ]


def test_a_loan_is_closed_after_its_last_instalment(tmp_path: Path):
    lines = [*LINES["trans"], "5;12;940112;PRIJEM;VKLAD;1.00;586.40;;;"]
    to_landing(write(tmp_path, trans=lines), tmp_path / "landing")
    status = [
        {row["loan_id"]: (row["outstanding_balance"], row["status"]) for row in rows}["81"]
        for rows in (
            delivered(tmp_path / "landing", "loan/loans", "1993-12-11"),
            delivered(tmp_path / "landing", "loan/loans", "1993-12-12"),
            delivered(tmp_path / "landing", "loan/loans", "1994-01-12"),
        )
    ]
    assert status == [("100.00", "open"), ("0.00", "closed"), ("0.00", "closed")]


def test_districts_are_branches_under_one_head_office(landing: Path):
    branches = delivered(landing, "reference/branches", "1993-01-01")
    assert [(b["branch_id"], b["branch_level"], b["parent_branch_id"]) for b in branches] == [
        ("head_office", "head_office", ""),
        ("1", "city", "head_office"),
        ("2", "city", "head_office"),
    ]


def test_amounts_stay_crowns(landing: Path):
    assert delivered(landing, "market/fx_rates", "1993-01-02") == [{"currency": "CZK", "rate_cny": "1.00000000"}]
    folder = landing / "core_banking" / "deposit_accounts" / "1993-01-20"
    manifest = json.loads((folder / "_manifest.json").read_text("utf-8"))
    assert {k: Decimal(v) for k, v in manifest["control_totals"]["balance"].items()} == {"CZK": Decimal("1285.40")}


def test_a_missing_file_is_named(tmp_path: Path):
    write(tmp_path)
    (tmp_path / "disp.asc").unlink()
    with pytest.raises(SourceError, match=r"disp\.asc: no such file.*data_berka\.zip"):
        to_landing(tmp_path, tmp_path / "landing")


def test_a_day_beyond_the_ledger_is_refused(tmp_path: Path):
    with pytest.raises(SourceError, match=r"1993-02-01 found, expected a day from .* 1993-01-20"):
        to_landing(write(tmp_path), tmp_path / "landing", date(1993, 2, 1))
