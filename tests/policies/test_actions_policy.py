"""policies/actions.yml: what it compiles to, and what the linter finds in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.lib.policies import load_policies, policy_rows
from tests.policies.support import Edit, copy_policies, edit, findings, first, line_text

Row = dict[str, Any]


def owed(content: Row) -> Row:
    found: Row = first(content)["obligations"]
    return found


def events(content: Row) -> Row:
    found: Row = first(content)["events"]
    return found


# defect, kind, a part of what is found, text of the line that is named
DEFECTS: list[tuple[Edit, str, str, str]] = [
    (lambda c: first(c).update(capacity=0), "range", "capacity 0", "capacity: 0"),
    (lambda c: first(c)["role_capacities"].update(outlet_head=0), "range", "outlet_head 0", "outlet_head: 0"),
    (lambda c: first(c)["role_capacities"].update(clerk=5), "unknown", "role 'clerk'", "clerk: 5"),
    (lambda c: first(c).update(overdue_shown=-1), "range", "overdue_shown -1", "overdue_shown: -1"),
    (lambda c: first(c).update(event_shown=0), "range", "event_shown 0", "event_shown: 0"),
    (lambda c: first(c).update(quiet=71), "range", "quiet 71", "quiet: 71"),
    (lambda c: first(c).update(regulation_points=-1), "range", "regulation_points -1", "regulation_points: -1"),
    (lambda c: first(c).update(urgency=[]), "gap", "urgency has no bin", "urgency: []"),
    (lambda c: first(c)["urgency"].pop(0), "gap", "first bin of urgency begins at 0", "- at_least: 0"),
    (lambda c: first(c)["urgency"][2].pop("at_least"), "overlap", "urgency has no at_least", "- points: 30"),
    (
        lambda c: first(c)["urgency"][2].update(at_least=0),
        "order",
        "begins at 0, the one before it at 0",
        "- at_least: 0",
    ),
    (lambda c: first(c)["value"][1].update(points=-5), "range", "points -5", "points: -5"),
    (lambda c: first(c)["channels_zh"].pop("sms"), "gap", "channels_zh say nothing of sms", "channels_zh:"),
    (lambda c: first(c)["channels_zh"].update(fax="传真"), "unknown", "channel 'fax'", "fax: 传真"),
    (lambda c: owed(c).pop("salon"), "gap", "obligations say nothing of salon", "obligations:"),
    (lambda c: owed(c).update(tea=owed(c)["salon"]), "unknown", "kind of obligation 'tea'", "tea:"),
    (lambda c: owed(c)["contact"].update(points=-1), "range", "points -1", "points: -1"),
    (lambda c: owed(c)["contact"].update(sentence_zh="{who}"), "unknown", "{who}", "sentence_zh: '{who}'"),
    (lambda c: owed(c)["contact"].update(sentence_zh=" "), "text", "sentence_zh", "sentence_zh: ' '"),
    (lambda c: events(c).update(rain=events(c)["festival"]), "unknown", "kind of event 'rain'", "rain:"),
    (lambda c: events(c)["maturity"].update(within="71 days"), "range", "within 71", "within: 71 days"),
    (lambda c: events(c)["maturity"].update(purposes=["tea"]), "unknown", "purposes 'tea'", "- tea"),
    (lambda c: events(c)["festival"].update(covered_by=["tea"]), "unknown", "covered_by 'tea'", "- tea"),
    (
        lambda c: events(c)["maturity"]["purposes"].append("maturity"),
        "overlap",
        "maturity stands 2 times",
        "purposes:",
    ),
    (lambda c: events(c)["maturity"].update(rule_id="A8-99"), "rule id", "A8-99", "rule_id: A8-99"),
    (lambda c: first(c)["churn_warnings"].pop("red"), "gap", "churn_warnings say nothing of red", "churn_warnings:"),
    (lambda c: first(c)["complaints"].pop("resolved"), "gap", "complaints say nothing of resolved", "complaints:"),
    (
        lambda c: first(c).update(approved_by="policy_desk"),
        "approval",
        "both 'policy_desk'",
        "approved_by: policy_desk",
    ),
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return copy_policies(tmp_path)


@pytest.mark.parametrize(("change", "kind", "found", "line"), DEFECTS)
def test_a_defect_is_found_with_its_line(directory: Path, change: Edit, kind: str, found: str, line: str) -> None:
    edit(directory, "actions", change)
    (finding,) = [f for f in findings(directory) if f.file == "actions.yml"]
    assert (finding.kind, found in finding.found) == (kind, True), str(finding)
    assert line_text(directory, "actions.yml", finding.line).startswith(line)


def test_an_event_that_has_the_name_of_an_obligation_is_found(directory: Path) -> None:
    edit(directory, "obligations", lambda c: first(c)["kinds"].update(birthday=first(c)["kinds"]["birthday_greeting"]))
    edit(directory, "actions", lambda c: owed(c).update(birthday=owed(c)["birthday_greeting"]))
    assert "birthday is an event and an obligation" in [f.found for f in findings(directory)]


@pytest.mark.rule("A8-10", "E12-01")
def test_everything_that_can_be_to_do_has_its_points(directory: Path) -> None:
    policies = load_policies(directory)
    rows = policy_rows(policies)
    named = {(row["source_kind"], row["source_code"]) for row in rows["action"]}
    assert {code for source, code in named if source == "obligation"} == {r["kind"] for r in rows["obligation_kind"]}
    assert {code for source, code in named if source == "event"} == {r["event_kind"] for r in rows["event_rule"]}
    assert len({row["action_kind"] for row in rows["action"] if row["source_kind"] == "churn_warning"}) == 1
    # Regulation counts in what a line is worth.
    version = policies.actions.versions[0]
    complaint = next(row for row in rows["action"] if row["source_code"] == "accepted")
    assert complaint["points"] == version.complaints["accepted"].points + version.regulation_points


def test_bins_hold_every_number_once(directory: Path) -> None:
    rows = policy_rows(load_policies(directory))
    for table, low, high in (
        ("action_urgency", "min_days", "below_days"),
        ("action_value", "min_aum_cny", "below_aum_cny"),
    ):
        edges = {row[low] for row in rows[table]} - {None}
        for number in {n + step for n in edges for step in (-1, 0, 1)}:
            held = [
                row
                for row in rows[table]
                if (row[low] is None or number >= row[low]) and (row[high] is None or number < row[high])
            ]
            assert len(held) == 1, (table, number)
