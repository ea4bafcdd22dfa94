"""policies/events.yml: what it compiles to, and what the linter finds in it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib.policies import load_policies, policy_rows
from orchestration.lib.policies.events import ARCHIVE_FIELDS, EventRules
from tests.policies.support import Edit, copy_policies, edit, findings, first, line_text, problems

Row = dict[str, Any]


def events(content: Row) -> Row:
    found: Row = first(content)["events"]
    return found


def archive(content: Row) -> Row:
    found: Row = first(content)["archive"]
    return found


# defect, kind, a part of what is found, text of the line that is named
DEFECTS: list[tuple[Edit, str, str, str]] = [
    (lambda c: events(c)["maturity"].update(lead="71 days"), "range", "lead 71", "lead: 71 days"),
    (lambda c: events(c)["birthday"].update(lead=-1), "range", "lead -1", "lead: -1"),
    (lambda c: events(c)["maturity"].update(min_amount=-1), "range", "min_amount -1", "min_amount: -1"),
    (
        lambda c: events(c)["festival"].update(min_month_average="11亿"),
        "range",
        "min_month_average 1100000000",
        "min_month_average: 11亿",
    ),
    (lambda c: events(c)["large_inflow"].update(min_rate="0%"), "rate", "min_rate 0", "min_rate: 0%"),
    (lambda c: events(c)["large_outflow"].update(min_rate=20), "rate", "min_rate 20", "min_rate: 20"),
    (lambda c: events(c)["salary_stopped"].update(months=13), "range", "months 13", "months: 13"),
    (lambda c: events(c)["salary_stopped"].update(quiet=0), "range", "quiet 0", "quiet: 0"),
    (lambda c: events(c)["missing_contact_data"].update(repeat=93), "range", "repeat 93", "repeat: 93"),
    (lambda c: events(c)["aum_fall"].update(falls=[]), "gap", "no fall is one", "falls: []"),
    (lambda c: events(c)["aum_fall"]["falls"][0].update(months=0), "range", "months 0", "months: 0"),
    (lambda c: events(c)["aum_fall"]["falls"][0].update(min_rate=0), "rate", "min_rate 0", "min_rate: 0"),
    (lambda c: events(c)["aum_fall"]["falls"][1].update(months=1), "overlap", "1 months stand 2 times", "falls:"),
    (lambda c: events(c)["aum_fall"]["falls"].reverse(), "order", "1 months after 3", "falls:"),
    (lambda c: events(c)["life_event"].update(rule_id="A5-99"), "rule id", "A5-99", "rule_id: A5-99"),
    (lambda c: events(c)["life_event"].update(label_zh=" "), "text", "label_zh", "label_zh: ' '"),
    (lambda c: archive(c).update(unowned_role="clerk"), "unknown", "role 'clerk'", "unowned_role: clerk"),
    (
        lambda c: archive(c).update(unowned_role="head_office"),
        "nda",
        "head_office fills archives without an NDA",
        "unowned_role: head_office",
    ),
    (lambda c: archive(c).update(due="0 days"), "range", "due 0", "due: 0 days"),
    (lambda c: archive(c).update(fields={}), "gap", "an archive of nothing", "fields: {}"),
    (
        lambda c: archive(c)["fields"].update(shoe_size={"rule_id": "A9-17", "label_zh": "鞋码"}),
        "unknown",
        "field 'shoe_size'",
        "shoe_size:",
    ),
    (lambda c: first(c).update(approved_by="policy_desk"), "approval", "policy_desk", "approved_by: policy_desk"),
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return copy_policies(tmp_path)


@pytest.mark.parametrize(("defect", "kind", "found", "line"), DEFECTS)
def test_each_defect_is_found_with_its_line(directory: Path, defect: Edit, kind: str, found: str, line: str) -> None:
    edit(directory, "events", defect)
    (finding,) = [f for f in findings(directory) if f.file == "events.yml"]
    assert finding.kind == kind
    assert found in finding.found
    assert line in line_text(directory, "events.yml", finding.line)


def test_a_kind_or_a_parameter_that_nobody_knows_is_refused(directory: Path) -> None:
    edit(directory, "events", lambda c: events(c).update(whim={"rule_id": "A8-10", "label_zh": "随意"}))
    assert any("whim" in line for line in problems(directory))


def test_a_kind_that_is_left_out_is_no_event(directory: Path) -> None:
    edit(directory, "events", lambda c: (events(c).pop("aum_fall"), events(c).pop("festival")))
    rows = policy_rows(load_policies(directory))
    assert {row["event_kind"] for row in rows["event_rule"]} == set(EventRules.model_fields) - {"aum_fall", "festival"}
    assert rows["event_fall"] == []


def test_rules_compile_to_dated_rows_with_the_parameters_of_their_kind(directory: Path) -> None:
    rows = policy_rows(load_policies(directory))
    by_kind = {row["event_kind"]: row for row in rows["event_rule"]}
    assert set(by_kind) == set(EventRules.model_fields)
    outflow = by_kind["large_outflow"]
    assert (outflow["min_month_avg_cny"], outflow["min_amount_cny"], outflow["min_rate"]) == (
        Decimal(100_000),
        Decimal(50_000),
        Decimal("0.2"),
    )
    assert outflow["lead_days"] is None
    assert {row["policy_version"] for row in rows["event_rule"]} == {"events@1"}
    assert [(row["month_count"], row["min_rate"]) for row in rows["event_fall"]] == [
        (1, Decimal("0.2")),
        (3, Decimal("0.3")),
    ]
    assert {row["field_code"] for row in rows["archive_field"]} <= set(ARCHIVE_FIELDS)
    (scope,) = rows["archive"]
    assert (scope["min_month_avg_cny"], scope["due_days"], scope["unowned_role_code"]) == (
        Decimal(50_000),
        30,
        "teller",
    )
