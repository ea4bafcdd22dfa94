"""The example against the real files, checked by an independent reading of them."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from examples.berka.to_landing import Summary, closing_balances
from tests.berka import oracle

LAST_DAY = date(1994, 3, 30)
DAYS = 454
DAILY_FEEDS = {
    "card/card_accounts",
    "core_banking/customers",
    "core_banking/deposit_accounts",
    "core_banking/deposit_transactions",
    "loan/loans",
    "market/fx_rates",
}
ONCE = {"reference/branches", "reference/products"}


@pytest.fixture(scope="module")
def walked(berka: Path) -> dict[str, dict[date, Decimal]]:
    return oracle.closing_balances(berka)


def delivered(landing: Path, feed: str, day: date) -> list[dict[str, str]]:
    folder = landing / feed / day.isoformat()
    manifest = json.loads((folder / "_manifest.json").read_text("utf-8"))
    with (folder / manifest["files"][0]["name"]).open(newline="", encoding="utf-8") as source:
        return list(csv.DictReader(source))


def test_closing_balances_are_those_of_the_reconstructed_booking_order(
    berka: Path, walked: dict[str, dict[date, Decimal]]
):
    closing = closing_balances(berka)
    assert len(closing) == 38_821
    differing = [
        (account, day.date(), balance)
        for account, day, balance in closing.itertuples(index=False)
        if walked[account][day.date()] != balance
    ]
    assert differing == []


def test_every_account_day_closes_within_20_haleru(berka: Path):
    lines = oracle.ledger(berka)
    previous: dict[str, Decimal] = defaultdict(Decimal)
    for account, day, balance in closing_balances(berka).itertuples(index=False):
        movement = sum((line.amount for line in lines[account][day.date()]), Decimal(0))
        assert abs(previous[account] + movement - balance) <= Decimal("0.20")
        previous[account] = balance


def test_the_highest_transaction_id_is_not_the_last_booking(berka: Path, walked: dict[str, dict[date, Decimal]]):
    several = [
        max(day_lines, key=lambda line: line.trans_id).balance == walked[account][day]
        for account, days in oracle.ledger(berka).items()
        for day, day_lines in days.items()
        if len(day_lines) > 1
    ]
    assert Counter(several) == {False: 5_430, True: 7_409 - 5_430}


def test_the_day_in_which_the_ledger_is_cut_off_is_not_delivered(
    berka_landing: tuple[Path, Summary],
):
    landing, summary = berka_landing
    assert summary.last_day == LAST_DAY
    assert list(landing.glob("*/*/1994-03-31")) == []


def test_there_is_one_delivery_per_feed_and_day(berka_landing: tuple[Path, Summary]):
    landing, summary = berka_landing
    days = {(date(1993, 1, 1) + timedelta(days=n)).isoformat() for n in range(DAYS)}
    found = defaultdict(set)
    for manifest in landing.glob("*/*/*/_manifest.json"):
        system, entity, day = manifest.relative_to(landing).parts[:3]
        found[f"{system}/{entity}"].add(day)
    assert set(found) == DAILY_FEEDS | ONCE
    assert all(found[feed] == days for feed in DAILY_FEEDS)
    assert all(found[feed] == {"1993-01-01"} for feed in ONCE)
    assert summary.delivery_count == DAYS * len(DAILY_FEEDS) + len(ONCE)


def test_manifests_agree_with_their_files(berka_landing: tuple[Path, Summary]):
    landing, _ = berka_landing
    for path in landing.glob("*/*/*/_manifest.json"):
        manifest = json.loads(path.read_text("utf-8"))
        (entry,) = manifest["files"]
        content = (path.parent / entry["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        rows = list(csv.DictReader(content.decode("utf-8").splitlines()))
        assert len(rows) == entry["row_count"] == manifest["row_count"]
        for column, totals in manifest["control_totals"].items():
            if totals:
                assert set(totals) == {"CZK"}
                assert sum(Decimal(row[column]) for row in rows) == Decimal(totals["CZK"])
            else:
                assert rows == []


def test_all_1229_accounts_are_there_at_the_end_each_with_one_owner(berka: Path, berka_landing: tuple[Path, Summary]):
    landing, summary = berka_landing
    accounts = delivered(landing, "core_banking/deposit_accounts", LAST_DAY)
    customers = delivered(landing, "core_banking/customers", LAST_DAY)
    owner = oracle.owners(berka)
    assert summary.account_count == len(accounts) == len(customers) == 1_229
    assert all(owner[row["account_id"]] == row["customer_id"] for row in accounts)
    assert {row["customer_id"] for row in accounts} == {row["customer_id"] for row in customers}


@pytest.mark.parametrize("day", [date(1993, 1, 1), date(1993, 6, 15), LAST_DAY])
def test_balances_of_a_day_are_the_last_closing_balances(
    berka_landing: tuple[Path, Summary], walked: dict[str, dict[date, Decimal]], day: date
):
    landing, _ = berka_landing
    expected = {
        account: changes[max(change for change in changes if change <= day)]
        for account, changes in walked.items()
        if min(changes) <= day
    }
    accounts = delivered(landing, "core_banking/deposit_accounts", day)
    assert {row["account_id"]: Decimal(row["balance"]) for row in accounts} == expected


def test_cards_and_loans_appear_when_they_are_issued(berka_landing: tuple[Path, Summary]):
    landing, summary = berka_landing
    assert summary.dropped_card_count == 0
    assert len(delivered(landing, "card/card_accounts", LAST_DAY)) == 6
    assert delivered(landing, "card/card_accounts", date(1993, 11, 6)) == []
    assert len(delivered(landing, "loan/loans", LAST_DAY)) == 37
    assert delivered(landing, "loan/loans", date(1993, 7, 4)) == []


def test_plans_are_on_the_day_of_the_first_instalment_that_the_ledger_shows(
    berka: Path, berka_landing: tuple[Path, Summary]
):
    landing, _ = berka_landing
    paid = {
        row["account_id"]: oracle.day_of(row["date"])
        for row in reversed(list(oracle.rows(next(berka.glob("trans*.asc")))))
        if row["k_symbol"] == "UVER" and row["type"] == "VYDAJ"
    }
    loans = {row["loan_id"]: row for row in oracle.rows(berka / "loan.asc")}
    compared = 0
    for row in delivered(landing, "loan/loans", LAST_DAY):
        source = loans[row["loan_id"]]
        first = paid.get(source["account_id"])
        if first is None or source["status"] == "B":
            continue
        (before,) = [
            loan
            for loan in delivered(landing, "loan/loans", first - timedelta(days=1))
            if loan["loan_id"] == row["loan_id"]
        ]
        (after,) = [loan for loan in delivered(landing, "loan/loans", first) if loan["loan_id"] == row["loan_id"]]
        assert Decimal(before["outstanding_balance"]) == Decimal(source["amount"])
        assert Decimal(after["outstanding_balance"]) == Decimal(source["amount"]) - Decimal(source["payments"])
        compared += 1
    assert compared >= 25
