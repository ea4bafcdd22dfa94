"""Ranges, points and levels that history speaks for.

Cuts of each indicator are those of a decision tree that is monotone (a worse value never means fewer who leave).
Points are the weights of a logistic regression on "the value is at or above the cut", negative ones left out one by
one: one point is worth the same odds everywhere. A level is the lowest score at which enough of the warned have left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from orchestration.lib.churn.history import CalibrationFailed, History
from orchestration.lib.policies.churn import INDICATOR_UNITS, LEVELS, Level, Unit

MOST_RANGES = 3
# Fewer who left say nothing of nine indicators.
FEWEST_LEAVERS = 20
# One point multiplies the odds of leaving by this.
ODDS_OF_A_POINT = 2.0
_MOST_POINTS = 10
# Of the precision aimed at: red reaches it, the others a part of it.
_PART_OF_TARGET: dict[Level, float] = {"yellow": 0.25, "orange": 0.5, "red": 1.0}
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class ProposedRange:
    """Values from ``at_least`` (a share of 1, days or a count) to the next range's."""

    at_least: Decimal
    level: Level
    points: int


@dataclass(frozen=True)
class Calibration:
    """What is proposed, and what it would have found in the history that it was made from (row counts)."""

    ranges: dict[str, tuple[ProposedRange, ...]]
    levels: dict[Level, int]
    found: dict[Level, tuple[int, int]]
    leavers: int


def calibrate(history: History, target_precision: float) -> Calibration:
    """Ranges, points and levels. ``target_precision``: share of the red who are to leave. Raises CalibrationFailed."""
    leavers = int(history.has_left.sum())
    if leavers < FEWEST_LEAVERS:
        raise CalibrationFailed(
            f"{leavers} of {len(history.has_left)} customers left after {len(history.month_ends)} judged month ends; "
            f"expected {FEWEST_LEAVERS} or more: keep the ranges in force until there is more history"
        )
    cuts = {code: _cuts(history, code, unit) for code, unit in INDICATOR_UNITS.items()}
    reached = {
        (code, cut): np.nan_to_num(history.values[code], nan=-np.inf) >= float(cut)
        for code, listed in cuts.items()
        for cut in listed
    }
    weights = _weights(reached, history.has_left)
    ranges: dict[str, tuple[ProposedRange, ...]] = {}
    score = np.zeros(len(history.has_left), np.int64)
    for code, listed in cuts.items():
        steps = [cut for cut in listed if weights.get((code, cut), 0) > 0]
        if not steps:
            continue
        total = 0
        proposed: list[ProposedRange] = []
        for n, cut in enumerate(steps):
            step = min(weights[code, cut], _MOST_POINTS - total)
            total += step
            score += step * reached[code, cut]
            within = reached[code, cut]
            if n + 1 < len(steps):
                within = within & ~reached[code, steps[n + 1]]
            level = _level_of(_precision(within, history.has_left), target_precision)
            highest = max(level, proposed[-1].level if proposed else level, key=LEVELS.index)
            proposed.append(ProposedRange(cut, highest, total))
        ranges[code] = tuple(proposed)
    if not ranges:
        raise CalibrationFailed("no indicator tells who leaves from who stays; keep the ranges in force")
    levels = _levels(score, history.has_left, target_precision)
    found = {
        level: (int((score >= cut).sum()), int((history.has_left & (score >= cut)).sum()))
        for level, cut in levels.items()
    }
    return Calibration(ranges, levels, found, leavers)


def _cuts(history: History, code: str, unit: Unit) -> list[Decimal]:
    """Ascending cuts in whole hundredths of a share, days or counts; none where the indicator tells nothing."""
    is_known = ~np.isnan(history.values[code])
    values, has_left = history.values[code][is_known], history.has_left[is_known]
    if has_left.sum() == 0 or has_left.all():
        return []
    tree = DecisionTreeClassifier(
        criterion="entropy",
        max_leaf_nodes=MOST_RANGES + 1,
        min_samples_leaf=FEWEST_LEAVERS // 4,
        monotonic_cst=[1],
        random_state=0,
    ).fit(values.reshape(-1, 1), has_left)
    thresholds = tree.tree_.threshold[tree.tree_.feature == 0]
    step = Decimal("0.01") if unit == "share" else Decimal(1)
    rounded = {(Decimal(math.ceil(float(t) / float(step) - 1e-9)) * step) for t in thresholds}
    most = Decimal(1) if unit == "share" else Decimal(365 if unit == "day" else 100)
    return sorted(cut for cut in rounded if step <= cut <= most)


def _weights(reached: dict[tuple[str, Decimal], Bools], has_left: Bools) -> dict[tuple[str, Decimal], int]:
    """Whole points of every step that makes leaving more likely."""
    steps = [step for step, rows in reached.items() if rows.any()]
    while steps:
        features = np.column_stack([reached[step] for step in steps]).astype(np.float64)
        model = LogisticRegression(C=1.0, max_iter=1000, tol=1e-8).fit(features, has_left)
        worst = int(np.argmin(model.coef_[0]))
        if model.coef_[0][worst] > 0:
            points = np.floor(model.coef_[0] / math.log(ODDS_OF_A_POINT) + 0.5)
            return {step: int(p) for step, p in zip(steps, points, strict=True)}
        del steps[worst]
    return {}


def _precision(warned: Bools, has_left: Bools) -> float:
    return float((warned & has_left).sum()) / max(1, int(warned.sum()))


def _level_of(precision: float, target: float) -> Level:
    reached: Sequence[Level] = [level for level in LEVELS if precision >= target * _PART_OF_TARGET[level]]
    return reached[-1] if reached else LEVELS[0]


def _levels(score: NDArray[np.int64], has_left: Bools, target: float) -> dict[Level, int]:
    """Lowest score of each level at which its precision is reached; of none the most precise one."""
    candidates = range(1, int(score.max()) + 1)
    precisions = {cut: _precision(score >= cut, has_left) for cut in candidates}
    levels: dict[Level, int] = {}
    below = 0
    for level in LEVELS:
        enough = [cut for cut in candidates if cut > below and precisions[cut] >= target * _PART_OF_TARGET[level]]
        rest = [cut for cut in candidates if cut > below]
        best = max(rest, key=lambda cut: (precisions[cut], -cut)) if rest else below + 1
        levels[level] = below = enough[0] if enough else best
    return levels
