"""policies/service.yml: what it compiles to, and what the linter finds in it."""

from __future__ import annotations

import copy
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib.contracts import load_contracts
from orchestration.lib.policies import load_policies, policy_rows
from tests.policies.support import Edit, edit, findings, first, line_text, named, problems

Row = dict[str, Any]


def steps(directory: Path) -> list[Row]:
    return policy_rows(load_policies(directory))["complaint_step"]


def complaints(content: Row) -> Row:
    found: Row = first(content)["complaints"]
    return found


def deadlines(content: Row, severity: str) -> Row:
    found: Row = complaints(content)["deadlines"][severity]
    return found


# defect, kind, a part of what is found, text of the line that is named
DEFECTS: list[tuple[Edit, str, str, str]] = [
    (lambda c: complaints(c).update(assistant_role="king"), "unknown", "role 'king'", "assistant_role: king"),
    (lambda c: complaints(c)["steps"].pop("resolved"), "gap", "steps say nothing of resolved", "steps:"),
    (lambda c: complaints(c)["deadlines"].pop("low"), "gap", "deadlines say nothing of low", "deadlines:"),
    (
        lambda c: deadlines(c, "high").pop("fed_back"),
        "gap",
        "no day for fed_back of a high complaint",
        "high:",
    ),
    (lambda c: deadlines(c, "low").update(fed_back=41), "range", "fed_back within 41", "fed_back: 41"),
    (lambda c: deadlines(c, "high").update(accepted=-1), "range", "accepted within -1", "accepted: -1"),
    (
        lambda c: deadlines(c, "medium").update(resolved=0),
        "order",
        "resolved within 0 working days, accepted within 1",
        "resolved: 0",
    ),
    (lambda c: complaints(c).update(rule_id="E11-99"), "rule id", "quoted nowhere", "rule_id: E11-99"),
    (lambda c: complaints(c)["steps"]["accepted"].update(label_zh=" "), "text", "label_zh says nothing", "label_zh:"),
    (lambda c: first(c).update(approved_by="Policy_Desk "), "approval", "are both", "approved_by:"),
]


@pytest.mark.parametrize(("change", "kind", "found", "line"), DEFECTS, ids=named)
def test_each_defect_is_found_and_nothing_else(directory: Path, change: Edit, kind: str, found: str, line: str):
    edit(directory, "service", change)
    all_found = findings(directory)
    assert {f.kind for f in all_found} == {kind}, "\n".join(map(str, all_found))
    assert any(found in f.found and line in line_text(directory, f.file, f.line) for f in all_found), all_found
    assert all(f.mend and f.file == "service.yml" for f in all_found)


@pytest.mark.parametrize(
    ("change", "said", "line"),
    [
        (lambda c: deadlines(c, "high").update(analysed=2), "analysed", "analysed: 2"),
        (lambda c: deadlines(c, "high").update(accepted="soon"), "'soon'", "accepted: soon"),
        (lambda c: complaints(c)["deadlines"].update(dire=dict(deadlines(c, "high"))), "dire", "dire:"),
        (lambda c: complaints(c).pop("assistant_role"), "found nothing", "complaints:"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(directory: Path, change: Edit, said: str, line: str):
    edit(directory, "service", change)
    (problem,) = problems(directory)
    file, number, _ = problem.split(":", 2)
    assert file == "service.yml"
    assert said in problem
    assert line in line_text(directory, file, int(number))


@pytest.mark.rule("E11-04", "D1-12")
def test_every_severity_of_the_feed_has_a_day_for_every_step_after_receipt(directory: Path):
    feed = load_contracts()["crm.complaints"].columns
    severities = set(next(column.values for column in feed if column.name == "severity"))
    moments = [column.name.removesuffix("_at") for column in feed if column.name.endswith("_at")]
    assert moments == ["received", "accepted", "resolved", "fed_back"]
    found = {(row["severity"], row["step_no"]): row for row in steps(directory)}
    assert set(found) == {(severity, number) for severity in severities for number in (1, 2, 3)}
    assert [found["high", number]["step_code"] for number in (1, 2, 3)] == moments[1:]
    assert {row["assistant_role_code"] for row in found.values()} == {"lobby_manager"}


def test_what_is_graver_is_due_no_later(directory: Path):
    days = {(row["severity"], row["step_code"]): row["working_days"] for row in steps(directory)}
    for graver, lighter in pairwise(("high", "medium", "low")):
        assert all(days[graver, step] <= days[lighter, step] for _, step in days)


def test_a_later_version_has_days_of_its_own(directory: Path):
    def later_version(content: Row) -> None:
        later = copy.deepcopy(first(content))
        first(content)["effective_to"] = later["effective_from"] = date(2027, 1, 1)
        later["version"] = "2"
        later["complaints"]["deadlines"]["high"]["accepted"] = 0
        content["versions"].append(later)

    edit(directory, "service", later_version)
    assert findings(directory) == []
    accepted = [row for row in steps(directory) if (row["severity"], row["step_code"]) == ("high", "accepted")]
    assert [(row["policy_version"], row["effective_to"], row["working_days"]) for row in accepted] == [
        ("service@1", date(2027, 1, 1), 1),
        ("service@2", date(9999, 12, 31), 0),
    ]
