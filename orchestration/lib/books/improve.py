"""Single changes and swaps that make a whole assignment cheaper: what rounding a relaxation leaves to be mended."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestration.lib.books.case import STEEPEST_LOAD, STEPS_PER_BOOK

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# Pairs of customers that are tried for a swap in one round: of any two employees those who are nearest to the other.
PAIRS = 300_000
LEAST_GAIN = 1e-9


def price_of_books(loads: Floats, capacities: Floats) -> Floats:
    """As ``case.price_of_book``, in floats: the search compares, it does not account."""
    width = np.maximum(1.0, np.floor(capacities / STEPS_PER_BOOK))
    step = np.minimum(np.floor(loads / width), np.floor(STEEPEST_LOAD * capacities / width))
    low = step * width
    return (low * low + (loads - low) * (2 * low + width)) / capacities


@dataclass(frozen=True)
class Search:
    """``costs``: (customers, employees + 1) points and wants of each link, infinite where there can be none; the last
    column is the owner outside the case. ``units``: assets of a customer in the employee's units. ``count_prices``:
    (employees, customers) what having so many costs, infinite beyond what he may have. ``distances``: like ``costs``,
    how far each link is from the relaxation.
    """

    costs: Floats
    units: Floats
    count_prices: Floats
    capacities: Floats
    asset_weight: float
    distances: Floats

    def _asset_prices(self, employees: Ints, units: Floats) -> Floats:
        priced = self.asset_weight * price_of_books(units, self.capacities[employees])
        # Nobody's book weighs on the owners outside.
        return np.where(employees == len(self.capacities) - 1, 0.0, priced)

    def improve(self, places: Ints, loads: Ints, units: Floats, rounds: int) -> Ints:
        """Take the best change or swap while there is one that gains, at most ``rounds`` times."""
        places, loads, units = places.copy(), loads.copy(), units.copy()
        for _ in range(rounds):
            gain, changes = min(
                (self._best_change(places, loads, units), self._best_swap(places, loads, units)), key=lambda g: g[0]
            )
            if gain > -LEAST_GAIN:
                break
            for row, to in changes:
                at = places[row]
                loads[at] -= 1
                loads[to] += 1
                units[at] -= self.units[row, at]
                units[to] += self.units[row, to]
                places[row] = to
        return places

    def _best_change(self, places: Ints, loads: Ints, units: Floats) -> tuple[float, list[tuple[int, int]]]:
        everyone = np.arange(len(places))
        employees = np.arange(len(self.capacities))
        here = self._asset_prices(employees, units)
        leave = (
            self._asset_prices(places, units[places] - self.units[everyone, places])
            - here[places]
            + self.count_prices[places, loads[places] - 1]
            - self.count_prices[places, loads[places]]
            - self.costs[everyone, places]
        )
        with np.errstate(invalid="ignore"):
            join = (
                self._asset_prices(np.broadcast_to(employees, self.units.shape), units + self.units)
                - here
                + self.count_prices[employees, loads + 1]
                - self.count_prices[employees, loads]
                + self.costs
            )
        gains = leave[:, None] + join
        gains[everyone, places] = np.inf
        best = int(np.argmin(gains))
        row, to = divmod(best, gains.shape[1])
        return float(gains[row, to]), [(row, to)]

    def _best_swap(self, places: Ints, loads: Ints, units: Floats) -> tuple[float, list[tuple[int, int]]]:
        count = len(self.capacities) - 1
        best: tuple[float, list[tuple[int, int]]] = (np.inf, [])
        most = max(1, math.isqrt(2 * PAIRS // max(1, count * (count - 1))))
        # Rows of each employee, nearest to each other employee first.
        rows = [np.flatnonzero(places == e) for e in range(count)]
        nearest = {
            (a, b): near
            for a in range(count)
            for b in range(count)
            if a != b and len(near := self._nearest(rows[a], b, most))
        }
        here = self._asset_prices(np.arange(count + 1), units)
        for a in range(count):
            for b in range(a + 1, count):
                if (a, b) not in nearest or (b, a) not in nearest:
                    continue
                out, back = nearest[a, b], nearest[b, a]
                at_a = units[a] - self.units[out, a][:, None] + self.units[back, a][None, :]
                at_b = units[b] + self.units[out, b][:, None] - self.units[back, b][None, :]
                gains = (
                    (self.costs[out, b] - self.costs[out, a])[:, None]
                    + (self.costs[back, a] - self.costs[back, b])[None, :]
                    + self.asset_weight * price_of_books(at_a, self.capacities[a])
                    + self.asset_weight * price_of_books(at_b, self.capacities[b])
                    - here[a]
                    - here[b]
                )
                at = int(np.argmin(gains))
                i, j = divmod(at, gains.shape[1])
                if gains[i, j] < best[0]:
                    best = float(gains[i, j]), [(int(out[i]), b), (int(back[j]), a)]
        return best

    def _nearest(self, rows: Ints, to: int, most: int) -> Ints:
        possible = rows[np.isfinite(self.costs[rows, to])]
        return possible[np.argsort(self.distances[possible, to], kind="stable")[:most]]
