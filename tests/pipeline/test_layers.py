"""Rows and money are conserved from the files of a day through every layer to the marts, to the fen."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration.lib import warehouse
from orchestration.lib.delivery import MANIFEST
from orchestration.lib.ledger import Batch, Ledger
from tests import support
from tests.conftest import AS_OF_DATE, BuiltHome

TODAY = f"date '{AS_OF_DATE}'"
# Feed -> kind of its accounts, their id at the source, and the column of their money, if it is money.
SOURCES = {
    "core_banking.deposit_accounts": ("deposit", ("account_id",), "balance"),
    "loan.loans": ("loan", ("loan_id",), "outstanding_balance"),
    "card.card_accounts": ("card", ("card_id",), "outstanding_balance"),
    "brokerage.custody_accounts": ("custody_margin", ("custody_account_id",), "margin_balance"),
    "brokerage.security_positions": ("security", ("custody_account_id", "instrument_id"), None),
    "wealth.wealth_holdings": ("holding", ("holding_id",), None),
}
# Column of customer_assets -> product family of the branches' mart.
FAMILIES = {
    **{f"{name}_cny": name for name in ("deposit", "wealth", "fund", "insurance", "bond", "precious_metal")},
    "securities_cny": "securities",
    "custody_margin_cny": "brokerage",
    "loan_balance_cny": "loan",
}
Counted = tuple[int, dict[str, Decimal]]


@pytest.fixture(scope="module")
def con(built_home: BuiltHome) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse.connect(built_home.home.warehouse, read_only=True) as connection:
        yield connection


def counted(con: duckdb.DuckDBPyConnection, relation: str, ids: str, money: str, where: str) -> Counted:
    """How many accounts a layer holds, and their money by currency, without those of nought."""
    sql = f"select currency, {ids}, sum({money}) from {relation} where {where} group by all"
    return totals((str(currency), key, value) for currency, *key, value in con.execute(sql).fetchall())


def totals(rows: Iterator[tuple[str, object, Decimal]]) -> Counted:
    accounts, sums = set(), defaultdict(Decimal)
    for currency, key, value in rows:
        accounts.add(str(key))
        sums[currency] += value
    return len(accounts), {currency: value for currency, value in sums.items() if value}


def batch_in_force(built_home: BuiltHome, feed_id: str) -> Batch:
    accepted = [b for b in Ledger(built_home.home.ledger).accepted() if b.batch_id in built_home.record.inputs]
    return max((b for b in accepted if b.feed_id == feed_id), key=lambda b: (b.business_date, b.sequence_no))


def rows_of_file(landing: Path, feed_id: str, day: date) -> list[dict[str, str]]:
    """Rows of the one file of a delivery as texts, read without the product's reader."""
    folder = support.delivery_folder(landing, feed_id, day)
    (listed,) = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
    path = folder / listed["name"]
    if path.suffix == ".parquet":
        return [{name: str(value) for name, value in row.items()} for row in pq.read_table(path).to_pylist()]
    dialect = support.feed(feed_id).csv
    packed = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = [line.split(dialect.delimiter) for line in packed.decode(dialect.encoding).splitlines()]
    names = lines.pop(0) if dialect.header else [column.name for column in support.feed(feed_id).columns]
    return [dict(zip(names, line, strict=True)) for line in lines]


@pytest.mark.parametrize("feed_id", SOURCES)
def test_accounts_and_money_of_the_day_are_the_same_in_every_layer(
    built_home: BuiltHome, con: duckdb.DuckDBPyConnection, feed_id: str
) -> None:
    kind, key, money = SOURCES[feed_id]
    batch = batch_in_force(built_home, feed_id)
    file = rows_of_file(built_home.landing, feed_id, batch.business_date)
    raw = pq.read_table(built_home.home.lake / batch.path / "part.parquet", partitioning=None)
    assert len(file) == batch.row_count == raw.num_rows + batch.quarantined_count > 0
    ids, of_batch = ", ".join(key), f"batch_id = '{batch.batch_id}'"
    stage = f"stage.stg_{feed_id.replace('.', '__')}"
    assert con.execute(f"select count(*) from {stage} where {of_batch}").fetchall() == [(raw.num_rows,)]

    legs = counted(
        con, "intermediate.int_assets__leg_day", "account_id", "balance",
        f"business_date = {TODAY} and account_kind = '{kind}'",
    )  # fmt: skip
    core = counted(
        con, "core.fct_account_balance", "account_id", "balance",
        f"as_of_date = {TODAY} and last_seen_date = {TODAY} and account_kind = '{kind}'",
    )  # fmt: skip
    assert core == legs
    if money is None:
        assert legs[0] == raw.num_rows
        return
    # A card on which nothing is owed is no leg: it adds nothing to any sum.
    is_owing = kind == "card"
    delivered = totals(
        (row["currency"], tuple(row[name] for name in key), amount)
        for row in file
        if (amount := Decimal(row[money].strip('"'))) or not is_owing
    )
    owed = f" and {money} != 0" if is_owing else ""
    assert counted(con, stage, ids, money, of_batch + owed) == delivered
    assert legs == delivered


def test_what_customers_and_branches_are_shown_is_all_that_the_accounts_hold(con: duckdb.DuckDBPyConnection) -> None:
    def sums(sql: str) -> dict[str, Decimal]:
        return {str(name): value for name, value in con.execute(sql).fetchall() if value}

    legs, of_day = "intermediate.int_assets__leg_day", f"where business_date = {TODAY}"
    by_currency = f"select currency, sum(balance) from {legs} {of_day} group by 1"
    for layer in ("core.fct_branch_balance_day", "assets.branch_assets_daily"):
        assert sums(f"select currency, sum(balance) from {layer} {of_day} group by 1") == sums(by_currency)
    families = sums(f"select product_family, sum(value_cny) from {legs} {of_day} group by 1")
    for layer in ("core.fct_branch_balance_day", "assets.branch_assets_daily"):
        assert sums(f"select product_family, sum(balance_cny) from {layer} {of_day} group by 1") == families
    shown = ", ".join(f"sum({column})" for column in FAMILIES)
    (totals_of_customers,) = con.execute(f"select {shown} from assets.customer_assets").fetchall()
    assert dict(zip(FAMILIES.values(), totals_of_customers, strict=True)) == {f: families[f] for f in FAMILIES.values()}
    by_product = f"select sum(value_cny) from core.fct_customer_product_balance where as_of_date = {TODAY}"
    assert con.execute(by_product).fetchall() == [(sum(families.values()),)]


def test_every_customer_delivered_is_one_row_but_those_merged(
    built_home: BuiltHome, con: duckdb.DuckDBPyConnection
) -> None:
    delivered = set()
    folder = built_home.landing / "core_banking" / "customers"
    for day in sorted(Path(folder).iterdir()):
        if day.name <= AS_OF_DATE.isoformat():
            table, _, _ = support.read_delivery(
                built_home.landing, "core_banking.customers", AS_OF_DATE.fromisoformat(day.name)
            )
            gone = table.column("is_deleted").to_pylist() if "is_deleted" in table.column_names else []
            names = table.column("customer_id").to_pylist()
            delivered |= set(names)
            delivered -= {name for name, is_gone in zip(names, gone, strict=False) if is_gone}
    merged = {
        old for (old,) in con.execute("select old_customer_id from intermediate.int_customer__successor").fetchall()
    }
    for relation in ("core.dim_customer", "assets.customer_assets"):
        held = [row for (row,) in con.execute(f"select customer_id from {relation}").fetchall()]
        assert len(held) == len(set(held))
        assert set(held) - {"unknown_customer"} == delivered - merged
