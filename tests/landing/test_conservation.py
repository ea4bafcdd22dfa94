"""Rows in = rows used + rows quarantined, and money likewise, against a plain-Python oracle."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.lib.contracts import load_contracts
from orchestration.lib.examine import NotConserved, Workbench
from orchestration.lib.home import Home
from orchestration.lib.manifest import Delivery, parse_manifest

DEPOSITS = "core_banking.deposit_accounts"
GOOD_BALANCES = {text: Decimal(text) for text in ("0", "1.00", "-2.5", "999999999.99")}
BAD_BALANCES = ("", "abc", "1,5", "２")
HEADER = "account_id,customer_id,product_code,branch_id,currency,balance,term_months,opened_date,maturity_date,status"

rows = st.lists(
    st.tuples(
        st.sampled_from(["A1", "A2", "A3", "A4", ""]),
        st.sampled_from(["CNY", "USD"]),
        st.sampled_from([*GOOD_BALANCES] * 3 + [*BAD_BALANCES]),
        st.sampled_from(["open"] * 6 + ["frozen", "lost", ""]),
    ),
    max_size=12,
)


def used_rows(delivered: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows that may be used, as the landing contract says."""
    good = [
        row for row in delivered
        if row[0] and row[2] in GOOD_BALANCES and row[3] in ("open", "frozen")
    ]  # fmt: skip
    by_key: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for row in good:
        by_key[row[0]].append((row[0], row[1], str(GOOD_BALANCES[row[2]].quantize(Decimal("0.01"))), row[3]))
    return sorted(same[0] for same in by_key.values() if len(set(same)) == 1)


@given(st.lists(rows, min_size=1, max_size=3))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_lost_and_nothing_doubled(bank: Any, files: list[list[tuple[str, ...]]]):
    with tempfile.TemporaryDirectory() as scratch:
        bank.root = Path(scratch) / "landing"
        bank.home = Home(Path(scratch) / "home")
        feed = load_contracts()[DEPOSITS]
        bank.contracts = {DEPOSITS: replace(feed, quarantine_limit_rate=1.0)}
        delivered = [row for rows in files for row in rows]
        totals: dict[str, Decimal] = defaultdict(Decimal)
        for _, currency, balance, _ in delivered:
            totals[currency] += GOOD_BALANCES.get(balance, Decimal(0))
        data = {
            f"{i}.csv": "\n".join(
                [
                    HEADER,
                    *(f'{a},C1,d01,B1,{c},"{b}",0,2020-01-31,,{s}' for a, c, b, s in rows),
                    "",
                ]
            ).encode()
            for i, rows in enumerate(files)
        }
        stated = {"balance": {currency: str(total) for currency, total in totals.items()}}
        bank.deliver(DEPOSITS, data, [len(rows) for rows in files], stated)
        batch = bank.land_one()
        assert batch.is_accepted, batch.reason
        used = bank.rows(batch, "account_id, currency, balance::varchar, status")
        expected = used_rows(delivered)
        assert sorted(used) == expected
        assert batch.row_count == len(delivered)
        assert batch.quarantined_count == len(delivered) - len(expected)
        assert {k: Decimal(v) for k, v in batch.control_totals["balance"].items()} == totals
        set_aside = []
        if batch.quarantined_count:
            columns = "row_number, account_id, balance"
            set_aside = sorted(bank.rows(batch, columns, "quarantine_path"))
        assert len(set_aside) == batch.quarantined_count
        for row_number, account_id, balance in set_aside:
            assert (account_id or "", balance or "") == delivered[row_number - 1][::2][:2]
        money = sum(Decimal(row[2]) for row in used)
        money += sum(GOOD_BALANCES.get(balance, Decimal(0)) for *_, balance in set_aside)
        assert money == sum(totals.values())


@pytest.mark.parametrize(
    ("defect", "said"),
    [
        ("delete from batch where account_id = 'A1'", "1 rows written, expected 2 delivered"),
        ("update batch set balance = 0 where account_id = 'A1'", "1.00 written and 0.00 quarant"),
    ],
)
def test_rows_or_money_lost_on_the_way_to_disk_stop_the_run(bank, accounts, tmp_path, defect, said):
    folder = bank.deliver(DEPOSITS, {"a.csv": accounts("1", "2")}, 2, {"balance": {"CNY": "3"}})
    delivery = Delivery(bank.root, folder, *DEPOSITS.split("."), folder.name, "")
    manifest, _ = parse_manifest(delivery, (folder / "_manifest.json").read_bytes())
    feed = bank.contracts[DEPOSITS]
    bench = Workbench(tmp_path / "scratch", threads=1, memory_limit="200MB")
    result = bench.examine(delivery, manifest, feed)
    bench.connection.execute(defect)
    staged = tmp_path / "staged"
    staged.mkdir()
    with pytest.raises(NotConserved, match=said):
        bench.write(delivery, feed, result, staged)
    bench.close()


@pytest.mark.full
def test_a_bulk_file_keeps_its_order_and_row_numbers(bank: Any):
    feed = "market.instrument_prices"
    lines = [f"F{i:09d},CNY,{i}.25000000" for i in range(1_200_000)]
    lines[1_199_990] = "F001199990,CNY,x"
    data = "\n".join(["instrument_id,currency,price", *lines, ""]).encode()
    bank.deliver(feed, {"p.csv": data}, len(lines))
    batch = bank.land_one()
    assert batch.is_accepted, batch.reason
    assert bank.rows(batch, "row_number, instrument_id", "quarantine_path") == [(1_199_991, "F001199990")]
    ids = [row[0] for row in bank.rows(batch, "instrument_id")]
    assert ids == [f"F{i:09d}" for i in range(1_200_000) if i != 1_199_990]
