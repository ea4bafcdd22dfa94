"""Rates and prices: the ECB's reference rates as they were, prices as seeded random walks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from orchestration.lib.demo_bank import reference as ref
from orchestration.lib.demo_bank.columns import as_date, decimals, random_stream

PRICE_UNITS = 10_000  # prices are integers of 0.0001
RATE_UNITS = 10**8


@dataclass
class Market:
    """rates_e8[d, c] and prices_e4[d, i] in force ``d`` days after the first day."""

    rates_e8: npt.NDArray[np.int64]
    is_fixing: npt.NDArray[np.bool_]
    prices_e4: npt.NDArray[np.int64]
    is_business: npt.NDArray[np.bool_]


def draw_market(seed: int, first: int, days: int) -> Market:
    """Market of ``days`` days from day number ``first``.

    Raises ValueError when the rates shipped do not reach back to the first day.
    """
    fixings = ref.ecb_rates()
    known = list(fixings)
    start = as_date(first)
    earlier = [fixing for fixing in known if fixing <= start]
    if not earlier:
        raise ValueError(
            f"demo bank: first day {start} found, expected {known[0]} or later (the first"
            " exchange-rate fixing shipped); choose a later --from"
        )
    in_force = fixings[earlier[-1]]
    rates = np.empty((days, len(ref.CURRENCIES)), np.int64)
    is_fixing = np.zeros(days, np.bool_)
    is_business = np.zeros(days, np.bool_)
    for offset in range(days):
        today = start + timedelta(days=offset)
        is_fixing[offset] = today in fixings
        in_force = fixings.get(today, in_force)
        rates[offset] = [_rate_e8(in_force, currency) for currency in ref.CURRENCIES]
        is_business[offset] = ref.is_business_day(today)

    rng = random_stream(seed, "market")
    instruments = ref.INSTRUMENTS
    volatility = np.array([item.yearly_volatility for item in instruments])
    drift = np.array([item.yearly_drift for item in instruments])
    # One row per day, so that a longer period begins with the same prices.
    shocks = rng.standard_normal((days, len(instruments) + 1))
    own, common = shocks[:, :-1], shocks[:, -1:]
    returns = drift / 250 + volatility / 250**0.5 * (0.5 * common + 0.866 * own)
    returns[~is_business] = 0
    returns[0] = 0
    level = np.array([item.price for item in instruments]) * np.exp(np.cumsum(returns, axis=0))
    # Listed securities trade in steps of 0.01, net asset values have four decimals.
    step = np.where([item.product_code == "s_custody" for item in instruments], 100, 1)
    prices = np.maximum(np.rint(level * PRICE_UNITS / step), 1) * step
    return Market(rates, is_fixing, prices.astype(np.int64), is_business)


def _rate_e8(rates: dict[str, Decimal], currency: str) -> int:
    if currency == "CNY":
        return RATE_UNITS
    return int((rates[currency] * RATE_UNITS).to_integral_value())


def fx_table(market: Market, offset: int) -> pa.Table:
    return pa.table({"currency": list(ref.CURRENCIES), "rate_cny": decimals(market.rates_e8[offset], 8)})


def price_table(market: Market, offset: int) -> pa.Table:
    return pa.table(
        {
            "instrument_id": [item.instrument_id for item in ref.INSTRUMENTS],
            "currency": [item.currency for item in ref.INSTRUMENTS],
            "price": decimals(market.prices_e4[offset] * (10**8 // PRICE_UNITS), 8),
        }
    )
