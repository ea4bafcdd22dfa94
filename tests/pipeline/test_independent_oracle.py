"""The published marts against a second computation that shares nothing with them."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from orchestration.lib.delivery import write_delivery
from orchestration.lib.home import Home
from tests import conftest, support
from tests.oracle.assets import BOOKS, FAMILY_CARD, MID_HIGH, PRIMARY, SUB_BRANCH, Book, Oracle
from tests.oracle.compare import differences, history_like, rows_like, tiers_like


@pytest.fixture(scope="module")
def oracle(built_home: conftest.BuiltHome) -> Oracle:
    return Oracle(built_home.landing, conftest.FIRST_DATE, conftest.AS_OF_DATE)


@pytest.mark.rule("A9-01a", "A9-01b", "A9-01c", "A9-01d", "A9-01e", "G4", "G5", "G6", "G8", "G10")
def test_customer_assets_equal_the_second_computation_cell_by_cell(
    built_home: conftest.BuiltHome, oracle: Oracle
) -> None:
    expected = oracle.customer_assets()
    assert differences(expected, rows_like(expected, built_home.home, "assets.customer_assets", ("customer_id",))) == []


def test_month_end_assets_equal_the_second_computation_cell_by_cell(
    built_home: conftest.BuiltHome, oracle: Oracle
) -> None:
    expected = oracle.monthly()
    key = ("month_end_date", "customer_id")
    found = rows_like(expected, built_home.home, "assets.customer_assets_monthly", key)
    assert {day for day, _ in found} == {date(2026, 3, 31), date(2026, 4, 30)}
    assert differences(expected, found) == []


@pytest.mark.rule("A9-02", "A9-03", "A9-04", "A9-05", "G7", "G12")
def test_tiers_equal_the_second_computation_cell_by_cell(built_home: conftest.BuiltHome, oracle: Oracle) -> None:
    expected = oracle.tiers()
    for row in expected.values():
        row.pop("entry_doors")  # stands in customer_assets
    found = tiers_like(expected, built_home.home, PRIMARY)
    assert differences(expected, found) == []


@pytest.mark.rule(
    "A8-01",
    "A8-02",
    "A8-03",
    "A8-04",
    "A8-05",
    "E6-01",
    "E6-02",
    "E6-03",
    "C2-01",
    "C2-02",
    "C2-03",
    "C2-04",
    "C2-05",
    "G33",
    "G35",
)
@pytest.mark.parametrize("book", [SUB_BRANCH, MID_HIGH, FAMILY_CARD], ids=lambda book: book.scheme)
def test_tiers_of_other_schemes_equal_the_second_computation_cell_by_cell(
    built_home: conftest.BuiltHome, oracle: Oracle, book: Book
) -> None:
    expected = oracle.month_end_tiers(book)
    found = tiers_like(expected, built_home.home, book)
    assert differences(expected, found) == []


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.scheme)
def test_the_history_of_tiers_equals_the_second_computation_day_by_day(
    built_home: conftest.BuiltHome, oracle: Oracle, book: Book
) -> None:
    expected = oracle.history(book)
    found = history_like(expected, built_home.home, book)
    assert differences(expected, found) == []


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
    assert {row["decided_by"] for row in tiers} >= {"individual", "entry_door", "grace"}
    assert any(row["tier_code"] != row["indicative_tier_code"] for row in tiers)


@pytest.mark.full
@pytest.mark.rule("C2-05", "G33")
def test_a_household_that_is_corrected_lifts_its_members_as_in_the_second_computation(
    home: Home, small_bank: Path, tmp_path: Path
) -> None:
    """A rich and a poor customer become one family that consents; in another a member refuses."""
    root = support.copy_deliveries(small_bank, tmp_path / "landing", lambda day: day <= conftest.AS_OF_DATE)
    before = Oracle(root, conftest.FIRST_DATE, conftest.AS_OF_DATE)
    cards = sorted(before.month_end_tiers(FAMILY_CARD).items(), key=lambda item: item[1]["measure_value"])
    delivered = date(2026, 4, 1)
    old = before.archive.in_force("crm/households", delivered)
    alone = [customer for customer, _ in cards if customer not in {row["customer_id"] for row in old}]
    families = {"carried": (alone[-1], alone[0]), "refused": (alone[-2], alone[1])}
    rows = [
        {
            "household_id": household,
            "customer_id": customer,
            "member_role": role,
            "consent_date": None if (household, role) == ("refused", "member") else delivered,
            "valid_from": delivered,
        }
        for household, members in families.items()
        for customer, role in zip(members, ("head", "member"), strict=True)
    ]
    households = support.feed("crm.households")
    for landing_root, sequence_no in ((root, 1), (tmp_path / "correction", 2)):
        write_delivery(landing_root, households, delivered, pa.Table.from_pylist(rows), sequence_no=sequence_no)
    support.published(support.advance(home, tmp_path / "correction"))

    expected = Oracle(root, conftest.FIRST_DATE, conftest.AS_OF_DATE).month_end_tiers(FAMILY_CARD)
    assert differences(expected, tiers_like(expected, home, FAMILY_CARD)) == []
    assert [customer for customer, row in expected.items() if row["decided_by"] == "household"] == [alone[0]]
    assert expected[alone[1]]["tier_code"] == "silver"
