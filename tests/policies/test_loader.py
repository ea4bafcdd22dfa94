"""Policy files that cannot be read are refused with file, line, what was found and what to do."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib.policies import PolicyError, load_policies
from orchestration.lib.policies.load import SHARED_FILES
from tests.policies.support import PRIMARY, Edit, edit, first, line_text, problems, tier

FILE = f"{PRIMARY}.yml"
NAMES_FILE_AND_LINE = re.compile(r"(?P<file>[\w/]+\.yml):(?P<line>\d+): .+")


def only_problem(directory: Path) -> tuple[str, str]:
    """The one problem, and the text of the line that it names."""
    (problem,) = problems(directory)
    match = NAMES_FILE_AND_LINE.fullmatch(problem)
    assert match, problem
    return problem, line_text(directory, match["file"], int(match["line"]))


def replace_text(directory: Path, old: str, new: str, name: str = PRIMARY) -> None:
    path = directory / f"{name}.yml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_the_shipped_files_are_read(directory: Path):
    policies = load_policies(directory)
    assert policies.primary.scheme_code == PRIMARY
    assert {s.scheme_code for s in policies.schemes} | set(SHARED_FILES) == {
        path.stem for path in directory.glob("*.yml")
    }


@pytest.mark.parametrize(
    ("change", "where", "said", "line"),
    [
        (lambda c: tier(c, 1).pop("label_zh"), "versions[0].tiers[1].label_zh", "found nothing", "- tier_code: lobby_"),
        (lambda c: tier(c, 1).update(tint="red"), "versions[0].tiers[1].tint", "unknown key", "tint: red"),
        (lambda c: tier(c, 2)["lower"].update(inclusive="perhaps"), "tiers[2].lower.inclusive", "'perhaps'", "inclus"),
        (lambda c: tier(c, 0).update(source_line="x"), "tiers[0].source_line", "a valid integer", "source_line: x"),
        (lambda c: c.update(kind="heap"), "kind: found 'heap'", "'bands', 'scorecard' or 'matrix'", "kind: heap"),
        (
            lambda c: first(c).update(effective_from="soon"),
            "versions[0].effective_from",
            "'soon'",
            "effective_from: soo",
        ),
        (
            lambda c: first(c).update(effective_from=date(1990, 1, 2)),
            "versions[0]",
            "first day of a month",
            "- version",
        ),
        (lambda c: first(c).update(approved_by=" Policy_Desk"), "versions[0]", "must differ", "- version: '1'"),
        (lambda c: first(c)["measure"].update(quantity="luck"), "measure", "unknown measure 'luck'", "measure:"),
        (
            lambda c: first(c).update(near_threshold_rate="some"),
            "near_threshold_rate",
            "such as 0.8 or 80%",
            "near_thr",
        ),
        (lambda c: tier(c, 0)["owner"].pop("fallback_role"), "tiers[0].owner", "needs a fallback_role", "owner:"),
        (
            lambda c: tier(c, 0)["owner"].update(age_max="60 months"),
            "owner.age_max",
            "whole years",
            "age_max: 60 month",
        ),
    ],
)
def test_a_wrong_part_is_named_with_its_line(directory: Path, change: Edit, where: str, said: str, line: str):
    edit(directory, PRIMARY, change)
    problem, text = only_problem(directory)
    assert where in problem
    assert said in problem
    assert line in text


@pytest.mark.rule("G40")
@pytest.mark.parametrize(
    "key", ["action", "auto_action", "automatic_block", "rate_increase", "interest_rate", "credit_limit", "reject"]
)
def test_an_automatic_action_against_customers_is_out_of_scope(directory: Path, key: str):
    edit(directory, "risk_tier", lambda c: tier(c, 0).update({key: "50%"}))
    problem, text = only_problem(directory)
    assert "out of scope (G40, PIPL Art. 24)" in problem
    assert text == f"{key}: 50%"


def test_all_problems_of_all_files_are_named_at_once(directory: Path):
    edit(directory, PRIMARY, lambda c: (tier(c, 0).pop("label_zh"), tier(c, 3).pop("label_en")))
    edit(directory, "roles", lambda c: c["roles"]["teller"].pop("needs_nda"))
    (directory / "measures.yml").unlink()
    found = problems(directory)
    assert [problem.split(":")[0] for problem in found] == [FILE, FILE, "measures.yml", "roles.yml"]
    assert all(NAMES_FILE_AND_LINE.fullmatch(problem) for problem in found)


def test_a_key_given_twice_is_refused(directory: Path):
    replace_text(directory, "kind: bands\n", "kind: bands\nkind: matrix\n")
    problem, text = only_problem(directory)
    assert "kind: found a second time" in problem
    assert text == "kind: matrix"


def test_broken_yaml_is_named_with_its_line(directory: Path):
    replace_text(directory, "lower: {value: 10万, inclusive: true}", "lower: {value: 10万, inclusive: true")
    problem, _ = only_problem(directory)
    assert "no valid YAML" in problem


def test_a_day_that_is_not_in_the_calendar_is_named_with_its_line(directory: Path):
    replace_text(directory, "effective_from: 1990-01-01", "effective_from: 1990-13-01")
    problem, text = only_problem(directory)
    assert "found 1990-13-01, expected a date" in problem
    assert text == "effective_from: 1990-13-01"


def test_bytes_that_are_not_utf_8_are_refused(directory: Path):
    path = directory / FILE
    path.write_bytes(path.read_text("utf-8").encode("gb18030"))
    assert problems(directory) == [f"{FILE}:2: found bytes that are not utf-8; save the file as utf-8"]


def test_an_empty_file_is_refused(directory: Path):
    (directory / "rfm.yml").write_text("# nothing yet\n", "utf-8")
    assert only_problem(directory)[0].startswith("rfm.yml:1: found an empty file")


def test_a_file_that_contains_itself_is_read_to_its_end(directory: Path):
    (directory / "rfm.yml").write_text("scheme_code: &a [*a]\n", "utf-8")
    assert problems(directory)


def test_a_scheme_is_named_as_its_file(directory: Path):
    edit(directory, "rfm", lambda c: c.update(scheme_code="kaism"))
    problem, text = only_problem(directory)
    assert "found 'kaism', expected 'rfm'" in problem
    assert text == "scheme_code: kaism"


def test_there_is_one_primary_scheme(directory: Path):
    edit(directory, "rfm", lambda c: c.update(is_primary=True))
    assert [problem.split(":")[0] for problem in problems(directory)] == [FILE, "rfm.yml"]
    edit(directory, "rfm", lambda c: c.update(is_primary=False))
    edit(directory, PRIMARY, lambda c: c.update(is_primary=False))
    (problem,) = problems(directory)
    assert "no scheme with is_primary: true" in problem


def test_a_disabled_scheme_is_not_the_primary_one(directory: Path):
    edit(directory, PRIMARY, lambda c: c.update(is_enabled=False))
    problem, text = only_problem(directory)
    assert "make another the primary one" in problem
    assert text == "is_primary: true"


def second_version(content: dict[str, Any], ends: date, starts: date, label: str = "2") -> None:
    content["versions"].append({**first(content), "version": label, "effective_from": starts})
    first(content)["effective_to"] = ends


@pytest.mark.parametrize("name", [PRIMARY, "asset_classes", "books", "measures"])
def test_versions_leave_no_gap_and_do_not_overlap(directory: Path, name: str):
    edit(directory, name, lambda c: second_version(c, date(2026, 7, 1), date(2026, 7, 1)))
    assert problems(directory) == []
    edit(directory, name, lambda c: first(c).update(effective_to=date(2026, 6, 1)))
    assert "found a gap: version 1 ends 2026-06-01 and version 2 starts 2026-07-01" in only_problem(directory)[0]
    edit(directory, name, lambda c: first(c).update(effective_to=date(2026, 8, 1)))
    problem, text = only_problem(directory)
    assert "found an overlap" in problem
    assert "set effective_to of version 1 to 2026-07-01" in problem
    assert text == "effective_from: 2026-07-01"


def test_a_version_ends_after_it_starts(directory: Path):
    edit(directory, PRIMARY, lambda c: first(c).update(effective_to=date(1990, 1, 1)))
    assert "expected a day after effective_from 1990-01-01" in only_problem(directory)[0]


def test_versions_have_different_names(directory: Path):
    edit(directory, PRIMARY, lambda c: second_version(c, date(2026, 7, 1), date(2026, 7, 1), label="1"))
    assert len(problems(directory)) == 2
    assert all("name each version differently" in problem for problem in problems(directory))


def test_a_policy_without_versions_is_refused(directory: Path):
    edit(directory, "rfm", lambda c: c.update(versions=[]))
    assert "versions: found none" in only_problem(directory)[0]


def test_an_unknown_scheme_is_asked_for_by_a_known_name(directory: Path):
    with pytest.raises(PolicyError, match=f"no scheme 'gold'; known: .*{PRIMARY}"):
        load_policies(directory).scheme("gold")


def test_ending_a_version_is_no_change_of_what_it_says(directory: Path):
    before = load_policies(directory).version_hashes()[f"{PRIMARY}@1"]
    edit(directory, PRIMARY, lambda c: second_version(c, date(2026, 7, 1), date(2026, 7, 1)))
    after = load_policies(directory).version_hashes()[f"{PRIMARY}@1"]
    assert after["sha256"] == before["sha256"]
    assert (before["effective_to"], after["effective_to"]) == ("9999-12-31", "2026-07-01")


@pytest.mark.parametrize(
    "change",
    [
        lambda c: tier(c, 0)["upper"].update(inclusive=True),
        lambda c: first(c).update(near_threshold_rate="11%"),
        lambda c: c.update(subject="enterprise"),
    ],
)
def test_a_change_of_what_a_version_says_changes_its_hash(directory: Path, change: Edit):
    before = load_policies(directory).version_hashes()["six_level@1"]["sha256"]
    edit(directory, "six_level", change)
    assert load_policies(directory).version_hashes()["six_level@1"]["sha256"] != before
