"""The published marts against a second computation that shares nothing with them."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

import pytest

from tests import conftest, support
from tests.pipeline.oracle import Oracle


@pytest.fixture(scope="module")
def oracle(built_home: conftest.BuiltHome) -> Oracle:
    return Oracle(built_home.landing, conftest.FIRST_DATE, conftest.AS_OF_DATE)


def published_rows(built: conftest.BuiltHome, relation: str, columns: list[str]) -> list[dict[str, Any]]:
    rows = support.query(built.home, f"select {', '.join(columns)} from {relation}")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def differences(expected: dict[Any, dict[str, Any]], found: dict[Any, dict[str, Any]]) -> list[str]:
    assert expected
    missing = [f"{key}: missing" for key in expected.keys() - found.keys()]
    surplus = [f"{key}: not expected, {found[key]}" for key in found.keys() - expected.keys()]
    cells = [
        f"{key} {column}: expected {value}, found {found[key][column]}"
        for key, row in sorted(expected.items())
        if key in found
        for column, value in row.items()
        if found[key][column] != value
    ]
    return sorted(missing) + sorted(surplus) + cells


def test_customer_assets_equal_the_second_computation_cell_by_cell(
    built_home: conftest.BuiltHome, oracle: Oracle
) -> None:
    expected = oracle.customer_assets()
    columns = ["customer_id", *next(iter(expected.values()))]
    found = {row["customer_id"]: row for row in published_rows(built_home, "assets.customer_assets", columns)}
    assert differences(expected, found) == []


def test_month_end_assets_equal_the_second_computation_cell_by_cell(
    built_home: conftest.BuiltHome, oracle: Oracle
) -> None:
    expected = oracle.monthly()
    columns = ["month_end_date", "customer_id", *next(iter(expected.values()))]
    rows = published_rows(built_home, "assets.customer_assets_monthly", columns)
    found = {(row["month_end_date"], row["customer_id"]): row for row in rows}
    assert {day for day, _ in found} == {date(2026, 3, 31), date(2026, 4, 30)}
    assert differences(expected, found) == []


def test_tiers_equal_the_second_computation_cell_by_cell(built_home: conftest.BuiltHome, oracle: Oracle) -> None:
    expected = oracle.tiers()
    for row in expected.values():
        row.pop("entry_doors")  # stands in customer_assets
    columns = ["customer_id", "scheme_code", *next(iter(expected.values()))]
    rows = published_rows(built_home, "tiering.customer_tier", columns)
    assert {row["scheme_code"] for row in rows} == {"branch_tiered_maintenance"}
    assert differences(expected, {row["customer_id"]: row for row in rows}) == []


def test_the_bank_of_these_tests_has_the_cases_that_are_easy_to_get_wrong(oracle: Oracle) -> None:
    archive, day = oracle.archive, conftest.AS_OF_DATE
    accounts = archive.in_force("core_banking/deposit_accounts", day)
    shares = Counter(r["account_id"] for r in archive.in_force("core_banking/account_owners", day))
    tiers = oracle.tiers().values()
    assets = oracle.customer_assets().values()
    assert {r["currency"] for r in accounts} > {"CNY"}
    assert max(shares.values()) > 1
    assert oracle.successors(day)
    assert oracle.opening
    assert len(archive.days("market/fx_rates")) < len(oracle.days)  # rates and prices are carried
    assert len(archive.days("market/instrument_prices")) < len(oracle.days)
    assert {r["currency"] for r in archive.in_force("market/instrument_prices", day)} > {"CNY"}
    for family in ("deposit", "wealth", "fund", "securities", "custody_margin"):
        assert any(row[f"{family}_cny"] for row in assets), family
    doors = {door for row in assets for door in (row["entry_doors"] or "").split(",")}
    assert doors >= {"A9-01a", "A9-01b", "A9-01c", "A9-01d", "A9-01e"}
    assert {row["tier_rank"] for row in tiers} >= {0, 1, 2, 3, 4}
    assert {row["decided_by"] for row in tiers} == {"individual", "entry_door", "grace"}
    assert any(row["tier_code"] != row["indicative_tier_code"] for row in tiers)
