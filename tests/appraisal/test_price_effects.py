"""What prices and rates alone do to the assets of customers, against a second computation from the deliveries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, localcontext
from pathlib import Path

import pytest

from orchestration.lib import warehouse
from orchestration.lib.home import Home
from tests import conftest
from tests.oracle.assets import ASSET_FAMILIES, DAY, FEN, ZERO, Archive, half_up

Held = dict[tuple[str, str, str], Decimal]
Levels = dict[date, dict[str, tuple[Decimal, Decimal]]]


class PriceOracle:
    """Levels and their running sums of a bank, day by day, in plain Python.

    A position is worth its units times its price; its revaluation is what yesterday's value becomes by the day's price,
    rounded half up to the fen, less that value.
    """

    def __init__(self, root: Path) -> None:
        self.archive = Archive(root)
        self.prices: dict[str, Decimal] = {}
        self.quotes: dict[str, tuple[str, Decimal]] = {}

    def levels(self, first: date, last: date) -> Levels:
        found: Levels = {}
        level: dict[str, Decimal] = defaultdict(Decimal)
        days: dict[str, Decimal] = defaultdict(Decimal)
        held: Held = {}
        day = first
        while day <= last:
            earlier = dict(self.prices)
            self._reprice(day)
            counted = self._counted_products(day)
            touched = set(level)
            for (customer, product, key), value in held.items():
                if product in counted:
                    effect = half_up(value * self.prices[key] / earlier[key]) - value
                    if effect:
                        level[customer] += effect
                        touched.add(customer)
            for customer in touched:
                days[customer] += level[customer]
            found[day] = {c: (level[c], days[c]) for c in touched}
            held = defaultdict(Decimal)
            for customer, product, price_key, value in self._positions(day):
                held[customer, product, price_key] += value
            day += DAY
        return found

    def _reprice(self, day: date) -> None:
        if day in self.archive.days("market/fx_rates"):
            for row in self.archive.rows("market/fx_rates", day):
                self.prices[row["currency"]] = Decimal(row["rate_cny"])
        self.prices["CNY"] = Decimal(1)
        if day in self.archive.days("market/instrument_prices"):
            for row in self.archive.rows("market/instrument_prices", day):
                self.quotes[row["instrument_id"]] = (row["currency"], Decimal(row["price"]))
        for instrument, (currency, price) in self.quotes.items():
            self.prices["of " + instrument] = half_up(price * self.prices[currency], Decimal("0.00000001"))

    def _counted_products(self, day: date) -> set[str]:
        rows = self.archive.in_force("reference/products", day)
        return {r["product_code"] for r in rows if r["product_family"] in ASSET_FAMILIES} | {"margin", "security"}

    def _positions(self, day: date) -> Iterator[tuple[str, str, str, Decimal]]:
        """(customer, product, what prices it, value in CNY) of what counts or does not."""
        archive = self.archive
        owners = defaultdict(list)
        for row in archive.in_force("core_banking/account_owners", day):
            owners[row["account_id"]].append(row)
        for row in archive.in_force("core_banking/deposit_accounts", day):
            value = half_up(Decimal(row["balance"]) * self.prices[row["currency"]])
            first, *others = sorted(
                owners[row["account_id"]] or [{"customer_id": row["customer_id"], "owner_role": "primary"}],
                key=lambda o: (o["owner_role"] != "primary", o["customer_id"]),
            )
            rest = value
            for owner in others:
                share = (value * Decimal(owner["share"])).quantize(FEN, rounding="ROUND_DOWN")
                rest -= share
                yield owner["customer_id"], row["product_code"], row["currency"], share
            yield first["customer_id"], row["product_code"], row["currency"], rest
        custody = {}
        for row in archive.in_force("brokerage/custody_accounts", day):
            custody[row["custody_account_id"]] = row["customer_id"]
            value = half_up(Decimal(row["margin_balance"]) * self.prices[row["currency"]])
            yield row["customer_id"], "margin", row["currency"], value
        for row in archive.in_force("brokerage/security_positions", day):
            key = "of " + row["instrument_id"]
            yield (
                custody[row["custody_account_id"]],
                "security",
                key,
                half_up(Decimal(row["quantity"]) * self.prices[key]),
            )
        for row in archive.in_force("wealth/wealth_holdings", day):
            key = "of " + row["instrument_id"] if row["instrument_id"] else row["currency"]
            units = Decimal(row["units"]) if row["instrument_id"] else half_up(Decimal(row["units"]))
            yield row["customer_id"], row["product_code"], key, half_up(units * self.prices[key])


def kept_levels(home: Home) -> Levels:
    with warehouse.connect(home.warehouse, read_only=True) as con:
        rows = con.execute(
            "select as_of_date, customer_id, price_effect_cny, price_effect_days_cny "
            "from core.fct_customer_price_effect"
        ).fetchall()
        dates = con.execute("select distinct as_of_date from core.fct_customer_balance").fetchall()
    found: Levels = {day: {} for (day,) in dates if day >= conftest.FIRST_DATE}
    for day, customer, level, days in rows:
        found[day][customer] = (level, days)
    return found


@pytest.fixture(scope="module")
def expected(built_home: conftest.BuiltHome) -> Levels:
    with localcontext() as context:
        context.prec = 60
        return PriceOracle(built_home.landing).levels(conftest.FIRST_DATE, conftest.AS_OF_DATE)


def test_levels_of_every_kept_day_equal_the_second_computation_to_the_fen(
    built_home: conftest.BuiltHome, expected: Levels
) -> None:
    found = kept_levels(built_home.home)
    assert len(found) >= 40
    assert {day: rows for day, rows in expected.items() if day in found} == found
    last = found[conftest.AS_OF_DATE]
    assert sum(1 for level, _ in last.values() if level > ZERO) > 5
    assert sum(1 for level, _ in last.values() if level < ZERO) > 5
