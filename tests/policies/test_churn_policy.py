"""policies/churn.yml: what it compiles to, and what the linter finds in it."""

from __future__ import annotations

import copy
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.policies import compile_policies, load_policies, policy_rows
from orchestration.lib.policies.churn import INDICATOR_UNITS, LEVELS, UNITS_ZH
from tests.policies.support import Edit, edit, findings, first, line_text, named, problems

Row = dict[str, Any]
TABLES = ("churn", "churn_indicator", "churn_level", "churn_range", "churn_segment")


def rows(directory: Path, table: str) -> list[Row]:
    return policy_rows(load_policies(directory))[table]


def ranges(content: Row, code: str) -> list[Row]:
    found: list[Row] = first(content)["bank"]["ranges"][code]
    return found


def segment(content: Row, number: int = 0) -> Row:
    found: Row = first(content)["segments"][number]
    return found


def bank(content: Row) -> Row:
    found: Row = first(content)["bank"]
    return found


def a_second_version(content: Row) -> None:
    later = copy.deepcopy(first(content))
    first(content)["effective_to"] = later["effective_from"] = date(2027, 1, 1)
    later.update(version="2", salary_within="90 days")
    content["versions"].append(later)


# defect, kind, a part of what is found, text of the line that is named
DEFECTS: list[tuple[Edit, str, str, str]] = [
    # ranges
    (lambda c: ranges(c, "aum_fall_1m")[1].update(at_least="20%"), "overlap", "follows 20%", "at_least: 20%"),
    (lambda c: ranges(c, "aum_fall_1m")[1].update(at_least="10%"), "order", "10% of aum_fall_1m", "at_least: 10%"),
    (lambda c: ranges(c, "aum_fall_1m")[2].update(at_least="150%"), "range", "at_least 150%", "at_least: 150%"),
    (lambda c: ranges(c, "outflow_ratio")[0].update(at_least="0%"), "range", "at_least 0%", "at_least: 0%"),
    (lambda c: ranges(c, "complaint_open")[0].update(at_least=0.5), "range", "at_least 0.5", "at_least: 0.5"),
    (lambda c: ranges(c, "salary_stop")[1].update(at_least="400 days"), "range", "400 days", "at_least: 400 days"),
    (lambda c: ranges(c, "salary_stop")[0].update(at_least="45%"), "unit", "at_least '45%'", "at_least: 45%"),
    (lambda c: ranges(c, "no_contact")[0].update(at_least="4 months"), "unit", "expected days", "at_least: 4 months"),
    (lambda c: ranges(c, "no_contact")[0].update(points=-1), "points", "points -1 of no_contact", "points: -1"),
    (lambda c: ranges(c, "aum_fall_3m")[2].update(points=1), "points", "weighs less from 70%", "at_least: 70%"),
    (lambda c: ranges(c, "aum_fall_3m")[0].update(level="red"), "points", "weighs less from 50%", "at_least: 50%"),
    (lambda c: bank(c)["ranges"].update(mood=[]), "unknown", "indicator 'mood'", "mood:"),
    # levels
    (lambda c: bank(c)["levels"].update(red=5), "order", "3, 5, 5", "levels:"),
    (lambda c: bank(c)["levels"].update(yellow=0), "range", "a score of 0", "levels:"),
    (lambda c: bank(c)["levels"].pop("orange"), "gap", "nothing of orange", "bank:"),
    (lambda c: segment(c)["levels"].update(orange=9), "order", "2, 9, 6", "levels:"),
    # segments
    (lambda c: segment(c).update(segment_code="bank"), "name", "segment 'bank'", "segment_code: bank"),
    (lambda c: segment(c).update(segment_code="other"), "name", "segment 'other'", "segment_code: other"),
    (lambda c: segment(c, 1).update(segment_code="private_wealth"), "overlap", "stands 2 times", "segments:"),
    (lambda c: segment(c).update(scheme_code="moods"), "unknown", "scheme 'moods'", "scheme_code: moods"),
    (lambda c: segment(c).update(tier_codes=["diamonds"]), "unknown", "tier 'diamonds'", "- diamonds"),
    (lambda c: segment(c).update(tier_codes=["none"]), "unknown", "tier 'none'", "- none"),
    (lambda c: segment(c).update(tier_codes=[]), "empty", "has no tier", "tier_codes: []"),
    (lambda c: segment(c, 1).update(tier_codes=["private_wealth"]), "overlap", "never reaches", "- private_wealth"),
    # indicators and rules
    (lambda c: first(c)["indicators"].pop("no_contact"), "gap", "nothing of no_contact", "indicators:"),
    (lambda c: first(c)["indicators"]["no_contact"].update(rule_id="E1-05"), "rule id", "quoted nowhere", "E1-05"),
    (lambda c: first(c)["rules"][1].update(rule_id="E1_04"), "rule id", "'E1_04'", "rule_id: E1_04"),
    (lambda c: first(c)["rules"][1].update(source_line=0), "rule id", "source_line 0", "source_line: 0"),
    # numbers
    (lambda c: first(c)["outcome"].update(months="7 months"), "range", "months 7", "months: 7"),
    (lambda c: first(c)["outcome"].update(floor="-1"), "range", "floor -1", "floor: "),
    (lambda c: first(c)["outcome"].update(kept_share="101%"), "rate", "kept_share 1.01", "kept_share: 101%"),
    (lambda c: first(c).update(salary_within="0 days"), "range", "salary_within 0", "salary_within: 0"),
    (lambda c: first(c)["activity"].update(before="360 days"), "range", "before 360", "before: 360"),
    (lambda c: first(c)["activity"].update(minimum=0), "range", "minimum 0", "minimum: 0"),
]


@pytest.mark.rule("E1-03", "E1-04", "A5-03")
@pytest.mark.parametrize(("change", "kind", "found", "line"), DEFECTS, ids=named)
def test_each_defect_is_found_and_nothing_else(directory: Path, change: Edit, kind: str, found: str, line: str):
    edit(directory, "churn", change)
    all_found = [f for f in findings(directory) if f.file == "churn.yml"]
    assert {f.kind for f in all_found} == {kind}, "\n".join(map(str, all_found))
    assert any(found in f.found and line in line_text(directory, f.file, f.line) for f in all_found), all_found
    assert all(f.mend for f in all_found)


def test_the_shipped_file_has_no_defect(directory: Path):
    assert [f for f in findings(directory) if f.file == "churn.yml"] == []


def test_an_unknown_level_is_refused_with_its_line(directory: Path):
    edit(directory, "churn", lambda c: ranges(c, "no_contact")[0].update(level="purple"))
    (problem,) = problems(directory)
    assert "churn.yml:" in problem
    assert "purple" in problem


def test_every_table_is_written_with_its_columns(directory: Path, tmp_path: Path):
    files = compile_policies(load_policies(directory), tmp_path / "compiled")
    for table in TABLES:
        (count,) = duckdb.sql(f"select count(*) from '{files[table]}'").fetchone() or (0,)
        assert count == len(rows(directory, table)) > 0
    limits = duckdb.sql(f"select outcome_months, floor_cny, kept_share from '{files['churn']}'").fetchall()
    assert limits == [(3, Decimal(50000), Decimal("0.5"))]


@pytest.mark.rule("E1-03")
def test_a_segment_says_what_differs_and_the_bank_says_the_rest(directory: Path):
    own, bank_wide = (
        [
            (r["lower_value"], r["upper_value"], r["points"])
            for r in rows(directory, "churn_range")
            if (r["segment_code"], r["indicator_code"]) == (code, "outflow_ratio")
        ]
        for code in ("private_wealth", "other")
    )
    assert [lower for lower, _, _ in own] == [Decimal("0.15"), Decimal("0.3"), Decimal("0.5")]
    assert [lower for lower, _, _ in bank_wide] == [Decimal("0.25"), Decimal("0.4"), Decimal("0.6")]
    for listed in (own, bank_wide):
        assert [upper for _, upper, _ in listed[:-1]] == [lower for lower, _, _ in listed[1:]]
    for code in INDICATOR_UNITS:
        if code == "outflow_ratio":
            continue
        same = [
            [
                (r["lower_value"], r["points"])
                for r in rows(directory, "churn_range")
                if (r["segment_code"], r["indicator_code"]) == (segment_code, code)
            ]
            for segment_code in ("private_wealth", "other")
        ]
        assert same[0] == same[1] != []


def test_scores_of_a_segment_lie_in_one_level_at_most(directory: Path):
    levels = rows(directory, "churn_level")
    for code in {r["segment_code"] for r in levels}:
        own = sorted((r for r in levels if r["segment_code"] == code), key=lambda r: r["level_rank"])
        assert [r["level"] for r in own] == list(LEVELS)
        for score in range(30):
            assert sum(r["lower_score"] <= score < r["upper_score"] for r in own) == (score >= own[0]["lower_score"])


def test_every_indicator_has_a_unit_that_people_read():
    assert set(UNITS_ZH) == set(INDICATOR_UNITS)


def test_every_version_has_its_own_rows_and_days(directory: Path):
    edit(directory, "churn", a_second_version)
    said = [(r["policy_version"], r["effective_from"], r["salary_days"]) for r in rows(directory, "churn")]
    assert said == [("churn@1", date(1990, 1, 1), 120), ("churn@2", date(2027, 1, 1), 90)]


def test_a_change_of_what_warns_restates_no_fact_and_has_its_own_hash(directory: Path):
    before = load_policies(directory)
    edit(directory, "churn", lambda c: bank(c)["levels"].update(red=9))
    after = load_policies(directory)
    assert after.version_hashes() == before.version_hashes()
    assert after.policy_hash != before.policy_hash
