"""Every rule of the rule books is on the page of rule coverage, with a test or the reason why there is none."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from orchestration.lib.home import POLICIES_DIR
from orchestration.lib.policies import load_policies
from orchestration.lib.rule_coverage import (
    Coverage,
    Mark,
    UnknownRule,
    read_elsewhere,
    read_marks,
    render_rule_coverage,
    rule_coverage,
)

# The rules of the rule books that speak of tiers, and the readings of what they leave open.
TIER_RULES = {
    *(f"A9-01{door}" for door in "abcde"),
    *(f"A9-0{n}" for n in range(2, 6)),
    *(f"A8-0{n}" for n in range(1, 6)),
    *(f"E6-0{n}" for n in range(1, 4)),
    *(f"E6-1{n}" for n in range(3)),
    *(f"C2-0{n}" for n in range(1, 6)),
    *(f"C4-{n:02}" for n in range(1, 12)),
    *(f"B1-0{n}" for n in range(1, 5)),
    *(f"A2-0{n}" for n in range(1, 5)),
    *(f"C1-0{n}" for n in range(1, 7)),
    *(f"G{n}" for n in (*range(1, 11), 12, *range(31, 37), *range(38, 41), 42)),
}
# Their rules of who maintains whom, and the readings.
BOOK_RULES = {
    *(f"A9-{n:02}" for n in (*range(6, 13), *range(18, 21))),
    *(f"G{n}" for n in (11, *range(13, 17), *range(21, 26))),
}
# Their rules of appraisal, and the readings.
APPRAISAL_RULES = {
    *(f"A9-{n:02}" for n in range(13, 17)),
    "E6-04",
    *(f"G{n}" for n in (*range(17, 21), 31, *range(40, 43))),
}
# Rules that nothing can exercise say why.
RULES_WITH_A_REASON = {"C1-05", "G9", "G39"}
# Their rules of what happens, what comes first, who leaves, what is offered and how complaints are answered.
DAILY_RULES = {
    "A9-17",
    *(f"A8-{n:02}" for n in (6, 7, 9, 10, 14)),
    *(f"D1-{n:02}" for n in (4, 5, 9, 11, 12)),
    *("E1-03", "E3-02", "E3-03", "E11-04", "E12-01"),
}
# Their rules of what customers are owed, and the readings.
OBLIGATION_RULES = {
    "A1-04",
    *(f"A5-0{n}" for n in (4, 5, 6)),
    *(f"A8-{n:02}" for n in (8, 11, 12, 13)),
    *(f"D1-{n:02}" for n in (7, 14)),
    "E11-03",
    *(f"G{n}" for n in (27, 28, 30, 37)),
}


@pytest.fixture(scope="module")
def coverages() -> dict[str, Coverage]:
    return {c.rule_id: c for c in rule_coverage(load_policies(), read_elsewhere(), read_marks())}


@pytest.fixture(scope="module")
def page_rows() -> dict[str, str]:
    """First cell of every row of the page -> the row; an id that has two rows fails."""
    rows = [line for line in render_rule_coverage().splitlines() if re.match(r"\| [A-G]\d", line)]
    found = {row.split(" | ")[0].strip("| "): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_every_rule_of_the_rule_books_is_on_the_page(page_rows: dict[str, str]):
    assert (TIER_RULES | BOOK_RULES | OBLIGATION_RULES | DAILY_RULES | APPRAISAL_RULES) - page_rows.keys() == set()


def test_every_rule_of_a_policy_file_is_on_the_page_with_its_line(page_rows: dict[str, str]):
    places = defaultdict(list)
    for path in sorted(POLICIES_DIR.glob("*.yml")):
        lines = path.read_text("utf-8").splitlines()
        for number, (line, after) in enumerate(zip(lines, [*lines[1:], ""], strict=True), start=1):
            # Other parts of a file name a rule; where it is quoted it stands on the page.
            if (match := re.match(r"[\s-]*rule_id: (\S+)$", line)) and after.strip().startswith("quote:"):
                places[match[1]].append(f"[{path.name}:{number}](../policies/{path.name}#L{number})")
    assert places
    assert [
        (rule_id, link) for rule_id, links in places.items() for link in links if link not in page_rows[rule_id]
    ] == []


def test_every_rule_is_exercised_by_a_test_or_says_why_not(coverages: dict[str, Coverage]):
    assert [rule_id for rule_id, coverage in coverages.items() if not coverage.tests and not coverage.reason] == []


def test_a_rule_is_listed_elsewhere_only_when_no_policy_file_quotes_it():
    ids = [coverage.rule_id for coverage in rule_coverage(load_policies(), read_elsewhere(), [])]
    assert sorted(ids) == sorted(set(ids))


def test_a_reading_is_on_the_page_with_the_policy_lines_that_name_it(page_rows: dict[str, str]):
    (line,) = [
        number
        for number, text in enumerate((POLICIES_DIR / "value_metals.yml").read_text("utf-8").splitlines(), start=1)
        if "G39" in text
    ]
    assert f"[value_metals.yml:{line}]" in page_rows["G39"]


def test_every_reading_that_a_policy_file_names_is_listed(coverages: dict[str, Coverage]):
    named = {g for path in POLICIES_DIR.glob("*.yml") for g in re.findall(r"\bG\d+\b", path.read_text("utf-8"))}
    assert named
    assert named - coverages.keys() == set()


def test_markers_of_functions_classes_methods_and_dbt_unit_tests_are_found(tmp_path: Path):
    tests, models = tmp_path / "tests", tmp_path / "dbt_project" / "models"
    (tests / "deep").mkdir(parents=True)
    models.mkdir(parents=True)
    (tests / "deep" / "test_a.py").write_text(
        """\
import pytest

@pytest.mark.rule("A9-05", "G3")
@pytest.mark.parametrize("age", [60])
def test_one(age): ...

@pytest.mark.rule("G1")
class TestAll:
    @pytest.mark.rule("G2")
    def test_two(self): ...

def test_none(): ...
""",
        encoding="utf-8",
    )
    (models / "_x__unit_tests.yml").write_text(
        "unit_tests:\n- {name: door, config: {meta: {rule_ids: [A9-01b]}}}\n- {name: other}\n", encoding="utf-8"
    )
    file, door = "tests/deep/test_a.py", "dbt_project/models/_x__unit_tests.yml"
    assert read_marks(tests, models) == [
        Mark("A9-05", f"{file}::test_one", f"{file}:3"),
        Mark("G3", f"{file}::test_one", f"{file}:3"),
        Mark("G1", f"{file}::TestAll", f"{file}:7"),
        Mark("G2", f"{file}::TestAll::test_two", f"{file}:9"),
        Mark("A9-01b", f"{door}::door", door),
    ]


def test_every_marker_of_a_rule_that_nobody_knows_is_named_with_its_line():
    marks = [
        Mark("A9-99", "tests/test_a.py::test_one", "tests/test_a.py:3"),
        Mark("G3", "tests/test_a.py::test_one", "tests/test_a.py:3"),
        Mark("H1", "tests/test_b.py::TestAll::test_two", "tests/test_b.py:9"),
    ]
    with pytest.raises(UnknownRule) as error:
        rule_coverage(load_policies(), read_elsewhere(), marks)
    assert [line.split(", expected")[0] for line in str(error.value).splitlines()] == [
        "tests/test_a.py:3: test_one: found rule 'A9-99'",
        "tests/test_b.py:9: test_two: found rule 'H1'",
    ]


def test_a_rule_that_no_test_names_keeps_its_reason_alone():
    coverages = {c.rule_id: c for c in rule_coverage(load_policies(), read_elsewhere(), [])}
    assert not any(c.tests for c in coverages.values())
    assert {rule_id for rule_id, c in coverages.items() if c.reason} >= RULES_WITH_A_REASON
    assert coverages["A9-05"].reason == ""
