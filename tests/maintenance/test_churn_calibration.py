"""`tierhouse churn calibrate`: history decides, the same says the same, and nothing changes but a file on request."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.lib.churn.calibrate import calibrate
from orchestration.lib.churn.history import CalibrationFailed, History
from orchestration.lib.churn.proposal import NOT_APPROVED, policy_diff, proposed_text
from orchestration.lib.policies import load_policies, policy_rows
from orchestration.lib.policies.churn import INDICATOR_UNITS, LEVELS
from tests.conftest import BuiltHome
from tests.policies.support import copy_policies, findings

AS_OF = date(2026, 9, 30)
CUT = 0.4


def history(customers: int = 6000, *, seed: int = 1) -> History:
    """Who loses 40 % leaves in three of five cases, others in one of fifty; the rest tells nothing or is not known."""
    draw = np.random.default_rng(seed)
    values = {code: np.full(customers, np.nan) for code in INDICATOR_UNITS}
    values["outflow_ratio"] = draw.uniform(-0.5, 1, customers).round(4)
    values["salary_stop"] = draw.integers(0, 120, customers).astype(np.float64)
    values["aum_fall_1m"] = np.where(draw.random(customers) < 0.5, draw.uniform(0, 1, customers).round(4), np.nan)
    chance = np.where(values["outflow_ratio"] >= CUT, 0.6, 0.02)
    return History(AS_OF, (date(2026, 6, 30),), values, draw.random(customers) < chance)


@pytest.mark.rule("E1-03")
def test_the_cut_that_tells_who_leaves_is_found_and_noise_gets_few_points() -> None:
    found = calibrate(history(), 0.5)
    cuts = [each.at_least for each in found.ranges["outflow_ratio"]]
    assert any(abs(cut - Decimal(str(CUT))) <= Decimal("0.01") for cut in cuts), cuts
    points = {code: max(each.points for each in ranges) for code, ranges in found.ranges.items()}
    assert points["outflow_ratio"] >= 3
    assert all(number < points["outflow_ratio"] for code, number in points.items() if code != "outflow_ratio")
    assert not {"no_contact", "complaint_open"} & set(points), "indicators that are never known"


def test_a_worse_value_never_weighs_less_and_levels_ascend() -> None:
    for seed in range(5):
        found = calibrate(history(seed=seed), 0.4)
        for ranges in found.ranges.values():
            assert [each.at_least for each in ranges] == sorted({each.at_least for each in ranges})
            assert [each.points for each in ranges] == sorted(each.points for each in ranges)
            ranks = [LEVELS.index(each.level) for each in ranges]
            assert ranks == sorted(ranks)
        scores = [found.levels[level] for level in LEVELS]
        assert scores == sorted(set(scores))
        assert scores[0] >= 1


def test_the_precision_aimed_at_is_reached_where_history_allows_it() -> None:
    given = history()
    for target in (0.3, 0.55):
        warned, left = calibrate(given, target).found["red"]
        assert left / warned >= target


def test_the_same_history_says_the_same() -> None:
    assert calibrate(history(), 0.5) == calibrate(history(), 0.5)


def test_too_few_who_left_are_no_history() -> None:
    given = history()
    few = np.zeros(len(given.has_left), np.bool_)
    few[:19] = True
    with pytest.raises(CalibrationFailed, match="19 of 6000 customers left"):
        calibrate(History(AS_OF, given.month_ends, given.values, few), 0.5)


def test_a_proposal_is_a_sound_policy_whose_old_version_stands(tmp_path: Path) -> None:
    directory = copy_policies(tmp_path)
    path = directory / "churn.yml"
    before = path.read_text("utf-8")
    old = policy_rows(load_policies(directory))["churn_range"]
    found = calibrate(history(), 0.5)
    proposed = proposed_text(path, found, AS_OF)
    assert path.read_text("utf-8") == before, "nothing is written"
    path.write_text(proposed, "utf-8")
    assert [f for f in findings(directory) if f.file == "churn.yml"] == []
    first, second = load_policies(directory).churn.versions
    assert (first.effective_to, second.effective_from) == (date(2026, 10, 1), date(2026, 10, 1))
    assert (second.version, second.approved_by) == ("2", NOT_APPROVED)
    rows = policy_rows(load_policies(directory))["churn_range"]
    ends = {"effective_to": date(2026, 10, 1)}
    assert [r for r in rows if r["policy_version"] == "churn@1"] == [{**row, **ends} for row in old]
    for code, ranges in found.ranges.items():
        said = second.bank.ranges[code]
        assert [each.lower_value(INDICATOR_UNITS[code]) for each in said] == [each.at_least for each in ranges]
        assert [(each.level, each.points) for each in said] == [(each.level, each.points) for each in ranges]
    assert second.segments == first.segments


def test_the_diff_adds_a_version_and_takes_nothing_away(tmp_path: Path) -> None:
    path = copy_policies(tmp_path) / "churn.yml"
    diff = policy_diff(path, proposed_text(path, calibrate(history(), 0.5), AS_OF))
    assert diff.startswith("--- policies/churn.yml\n+++ policies/churn.yml\n@@")
    assert not re.findall(r"^-(?!-- )", diff, re.MULTILINE)
    assert '+  - version: "2"\n' in diff


def test_a_home_without_history_is_told_so(built_home: BuiltHome, tmp_path: Path) -> None:
    runner = CliRunner()
    empty = runner.invoke(app, ["churn", "calibrate", "--home", str(tmp_path)])
    assert (empty.exit_code, "nothing has been published yet" in empty.output) == (1, True)
    # Two months are too few: nobody's outcome is known.
    young = runner.invoke(app, ["churn", "calibrate", "--home", str(built_home.home.root)])
    assert (young.exit_code, "0 of 0 customers left" in young.output) == (1, True)
