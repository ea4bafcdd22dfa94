"""What the demo bank delivers keeps the landing contract."""

from __future__ import annotations

import csv
import hashlib
import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from orchestration.lib.contracts import load_contracts
from orchestration.lib.demo_bank import generate
from orchestration.lib.home import PROJECT_ROOT
from tests.demo_bank.conftest import GO_LIVE, START, THROUGH, DeliveredBank, read_folder

FEEDS = load_contracts()
ALL_DAYS = [(START + timedelta(days=n)).isoformat() for n in range((THROUGH - START).days + 1)]
PATTERNS = {
    "date": r"\d{4}-\d{2}-\d{2}",
    "ts": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\+08:00",
    "int": r"-?\d+",
    "money": r"-?\d+\.\d{2}",
    "qty": r"-?\d+\.\d{6}",
    "price": r"\d+\.\d{8}",
    "rate": r"\d+\.\d{8}",
    "bool": r"true|false|True|False",
    "str": r"(?s).+",
}


def hashes(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def tiny(root: Path, seed: int, days: int = 3) -> dict[str, str]:
    through = START + timedelta(days=days - 1)
    generate(root, customers=60, start=START, through=through, seed=seed, go_live=START)
    return hashes(root)


def test_the_same_arguments_give_the_same_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    first = tiny(tmp_path / "a", seed=1)
    assert tiny(tmp_path / "b", seed=1) == first
    other = tiny(tmp_path / "c", seed=2)
    balances = "landing/core_banking/deposit_accounts/2026-04-01/deposit_accounts.csv"
    assert other[balances] != first[balances]


def test_a_longer_period_begins_with_the_same_deliveries(tmp_path: Path) -> None:
    short = tiny(tmp_path / "short", seed=1, days=2)
    long = tiny(tmp_path / "long", seed=1, days=4)
    shared = {name: value for name, value in short.items() if name.startswith("landing/")}
    assert shared.items() <= long.items()


def test_every_feed_of_the_contract_is_delivered(bank: DeliveredBank) -> None:
    delivered = {
        f"{p.parent.parent.parent.name}.{p.parent.parent.name}" for p in bank.landing.glob("*/*/*/_manifest.json")
    }
    assert delivered == set(FEEDS)


def test_compulsory_and_ledger_feeds_come_every_day(bank: DeliveredBank) -> None:
    for feed_id in (
        "core_banking.customers",
        "core_banking.deposit_accounts",
        "card.card_accounts",
        "loan.loans",
        "finance.gl_balances",
    ):
        assert bank.days(feed_id) == ALL_DAYS


def test_customers_come_whole_once_and_then_as_changes(bank: DeliveredBank) -> None:
    modes = [bank.manifest("core_banking.customers", day)["mode"] for day in ALL_DAYS]
    assert modes == ["full"] + ["delta"] * (len(ALL_DAYS) - 1)
    changes = bank.events("core_banking.customers").iloc[300:]
    assert set(changes["is_deleted"]) == {"false"}
    counts = [bank.manifest("core_banking.customers", day)["row_count"] for day in ALL_DAYS]
    assert counts[0] == 300
    assert 0 in counts[1:]
    assert sum(counts[1:]) > 0


def test_manifests_agree_with_their_files(bank: DeliveredBank) -> None:
    for folder in bank.folders:
        feed = FEEDS[f"{folder.parent.parent.name}.{folder.parent.name}"]
        manifest = bank.manifest(feed.feed_id, folder.name)
        (entry,) = manifest["files"]
        content = (folder / entry["name"]).read_bytes()
        rows = read_folder(folder)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest(), folder
        assert manifest["row_count"] == entry["row_count"] == len(rows), folder
        total = sum(
            int.from_bytes(hashlib.sha256("\x1f".join(key).encode()).digest()[:8], "big")
            for key in rows[list(feed.key)].itertuples(index=False, name=None)
        )
        assert manifest["key_hash"] == f"{total % 2**64:016x}", folder
        for wanted in feed.control_totals:
            amounts = rows[wanted.column].map(Decimal)
            groups = rows[wanted.by] if wanted.by != "*" else pd.Series("*", index=rows.index)
            sums = amounts.groupby(groups).sum()
            stated = {k: Decimal(v) for k, v in manifest["control_totals"][wanted.column].items()}
            assert stated == sums.to_dict(), folder


def test_values_have_the_contract_s_types_domains_and_unique_keys(bank: DeliveredBank) -> None:
    for folder in bank.folders:
        feed = FEEDS[f"{folder.parent.parent.name}.{folder.parent.name}"]
        rows = read_folder(folder)
        names = [column.name for column in feed.columns]
        assert list(rows.columns)[: len(names)] == names, folder
        assert not rows.duplicated(list(feed.key)).any(), folder
        for column in feed.columns:
            filled = rows.loc[rows[column.name] != "", column.name]
            assert not column.required or len(filled) == len(rows), (folder, column.name)
            pattern = re.compile(PATTERNS[column.type])
            odd = [value for value in filled.unique() if not pattern.fullmatch(value)]
            assert not odd, (folder, column.name, odd[:3])
            if column.values:
                assert set(filled) <= set(column.values), (folder, column.name)


@pytest.mark.parametrize(
    ("feed_id", "column"),
    [
        ("core_banking.customer_merges", "merged_date"),
        ("core_banking.deposit_transactions", "posted_date"),
        ("core_banking.deposit_transactions", "posted_at"),
        ("card.card_transactions", "posted_date"),
        ("crm.contacts", "contacted_at"),
        ("crm.customer_choices", "chosen_date"),
        ("crm.life_events", "event_date"),
        ("crm.referrals", "referred_date"),
        ("crm.surveys", "surveyed_date"),
        ("crm.work_plans", "planned_for"),
        ("finance.revenue", "posted_date"),
    ],
)
def test_events_are_delivered_for_the_day_they_happened(bank: DeliveredBank, feed_id: str, column: str) -> None:
    events = bank.events(feed_id)
    assert len(events) > 0
    assert (events[column].str[:10] == events["day"]).all()


def test_an_event_has_one_id_for_ever(bank: DeliveredBank) -> None:
    repeated = {"crm.complaints"}
    for feed_id, feed in FEEDS.items():
        if feed.modes == ("events",) and feed_id not in repeated:
            assert not bank.events(feed_id).duplicated(list(feed.key)).any(), feed_id


def test_a_complaint_comes_again_with_each_step_and_forgets_none(bank: DeliveredBank) -> None:
    steps = ["received_at", "accepted_at", "resolved_at", "fed_back_at"]
    complaints = bank.events("crm.complaints")
    newest_step = complaints[steps].max(axis=1).str[:10]
    assert (newest_step == complaints["day"]).all()
    assert complaints["complaint_id"].duplicated().any()
    for _, history in complaints.groupby("complaint_id"):
        known = (history.sort_values("day")[steps] != "").sum(axis=1)
        assert known.is_monotonic_increasing


def test_the_old_crm_speaks_before_go_live_and_choices_come_after(bank: DeliveredBank) -> None:
    assert max(bank.days("crm.maintainers")) < GO_LIVE.isoformat()
    assert min(bank.days("crm.customer_choices")) >= GO_LIVE.isoformat()
    assert min(bank.days("crm.referrals")) >= GO_LIVE.isoformat()


def test_exchange_rates_are_the_ecb_s_of_each_fixing_day(bank: DeliveredBank) -> None:
    source = PROJECT_ROOT / "orchestration" / "lib" / "data" / "ecb_cny_cross_rates.csv"
    lines = source.read_text("utf-8").splitlines()
    assert "European Central Bank reference rates" in lines[0]
    fixings = {row["date"]: row for row in csv.DictReader(lines[1:])}
    days = bank.days("market.fx_rates")
    assert days == [day for day in ALL_DAYS if day in fixings]
    assert "2026-04-03" not in days, "Good Friday has no fixing"
    for day in days:
        rates = bank.table("market.fx_rates", day).set_index("currency")["rate_cny"].map(Decimal)
        row = fixings[day]
        assert rates.to_dict() == {
            "CNY": Decimal(1),
            "EUR": Decimal(row["CNY_per_EUR"]),
            "USD": Decimal(row["CNY_per_USD"]),
            "HKD": Decimal(row["CNY_per_HKD"]),
            "JPY": Decimal(row["CNY_per_100JPY"]) / 100,
            "GBP": Decimal(row["CNY_per_GBP"]),
        }


def test_no_securities_or_products_move_on_weekends_and_holidays(bank: DeliveredBank) -> None:
    closed = {"2026-04-04", "2026-04-05", "2026-04-06", "2026-05-01", "2026-05-05", "2026-05-10"}
    for feed_id in (
        "brokerage.custody_accounts",
        "brokerage.security_positions",
        "wealth.wealth_holdings",
        "market.instrument_prices",
    ):
        days = set(bank.days(feed_id))
        assert not days & closed
        assert {"2026-04-01", "2026-04-07", "2026-05-06"} <= days


@pytest.mark.parametrize(
    ("start", "through", "message"),
    [
        (date(2026, 4, 2), date(2026, 4, 1), "--through 2026-04-01 found"),
        (date(2025, 9, 30), date(2025, 10, 2), "first day 2025-09-30 found, expected 2025-10-01"),
    ],
)
def test_impossible_periods_are_refused(tmp_path: Path, start: date, through: date, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        generate(tmp_path, customers=60, start=start, through=through, seed=1)
