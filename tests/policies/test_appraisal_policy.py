"""policies/appraisal.yml: what it compiles to, what the linter finds in it, and that closed quarters freeze it."""

from __future__ import annotations

import copy
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib.policies import load_policies, policy_rows
from orchestration.lib.policies.lint import frozen_changes
from tests.policies.support import Edit, edit, findings, first, line_text, named, problems

Row = dict[str, Any]


def measure(content: Row, code: str) -> Row:
    found: Row = first(content)["measures"][code]
    return found


def weigh(content: Row, weights: dict[str, str]) -> None:
    for code, said in first(content)["measures"].items():
        said["weight"] = weights.get(code, "0%")


# defect, kind, a part of what is found, text of the line that is named
DEFECTS: list[tuple[Edit, str, str, str]] = [
    (
        lambda c: measure(c, "m5_growth").update(basis="point_in_time_balance"),
        "point in time",
        "m5_growth over the balance of one day",
        "basis: point_in_time_balance",
    ),
    (
        lambda c: weigh(c, {"m3_deepening": "50%", "m4_acquisition": "50%"}),
        "sales only",
        "a score of m3_deepening, m4_acquisition alone",
        "measures:",
    ),
    (lambda c: first(c)["gates"].pop("complaints"), "sales only", "no gate for complaints", "gates:"),
    (lambda c: first(c)["gates"].pop("conduct"), "sales only", "no gate for conduct", "gates:"),
    (lambda c: first(c)["gates"].pop("cadence"), "gap", "gates say nothing of cadence", "gates:"),
    (lambda c: measure(c, "m1_retention").update(weight="10%"), "weights", "sum to 0.9", "measures:"),
    (lambda c: measure(c, "m2_uplift").update(first_target="120%"), "range", "first_target 1.2", "first_target: 120%"),
    (
        lambda c: measure(c, "m1_retention").update(curve="plain"),
        "unknown",
        "curve plain of m1_retention",
        "curve: plain",
    ),
    (
        lambda c: measure(c, "m2_uplift").update(denominator="cohort"),
        "unknown",
        "denominator cohort of m2_uplift",
        "denominator: cohort",
    ),
    (lambda c: first(c)["exclusions"].pop("deceased"), "gap", "exclusions say nothing of deceased", "exclusions:"),
    (lambda c: first(c)["flags"].pop("bunching"), "gap", "flags say nothing of bunching", "flags:"),
    (lambda c: first(c)["flags"]["bunching"].pop("others"), "shape", "bunching has least, rate", "bunching:"),
    (
        lambda c: first(c)["flags"]["in_and_out"].update(days="9 days"),
        "range",
        "9 days of in_and_out",
        "days: 9 days",
    ),
    (lambda c: first(c)["flags"]["bunching"].update(least=-1), "range", "a negative number of bunching", "bunching:"),
    (lambda c: first(c)["families"].pop("lobby_adopted"), "gap", "nothing of lobby_adopted", "families:"),
    (lambda c: first(c)["families"].update(paper=1), "unknown", "families of paper", "paper: 1"),
    (
        lambda c: first(c)["flags"]["supervisor_as_b"].update(codes=["king"]),
        "unknown",
        "code king of supervisor_as_b",
        "codes:",
    ),
    (
        lambda c: first(c)["flags"]["contacts_in_bulk"].update(codes=["smoke"]),
        "unknown",
        "code smoke of contacts_in_bulk",
        "codes:",
    ),
    (
        lambda c: first(c)["flags"]["handover_timing"].update(codes=["whim"]),
        "unknown",
        "code whim of handover_timing",
        "codes:",
    ),
    (lambda c: first(c)["families"].update(lobby_adopted=0), "range", "0 families", "lobby_adopted: 0"),
    (lambda c: first(c)["scoring"].update(gate_cap=110), "order", "gate_cap 110", "scoring:"),
    (lambda c: first(c)["scoring"].update(least_ranked=0), "range", "least_ranked 0", "least_ranked: 0"),
    (lambda c: first(c)["guard"].update(after="10 days"), "range", "10 days", "after: 10 days"),
    (lambda c: first(c)["closing"].update(after="20 days"), "order", "closed after 20 days", "after: 20 days"),
    (lambda c: first(c)["loss"].update(kept_share="0%"), "range", "kept_share 0", "kept_share: 0%"),
    (lambda c: first(c)["loss"].update(floor="-5万"), "range", "floor -50000", "floor: -5万"),
    (lambda c: first(c)["gates"]["cadence"].update(limit=2), "range", "limit 2 of cadence", "limit: 2"),
    (lambda c: first(c)["gates"]["conduct"].update(limit=-1), "range", "limit -1 of conduct", "limit: -1"),
    (
        lambda c: first(c).update(effective_to=date(2027, 2, 1)),
        "range",
        "effective_to 2027-02-01",
        "effective_to: 2027-02-01",
    ),
    (lambda c: measure(c, "m1_retention").update(rule_id="A9-99"), "rule id", "quoted nowhere", "rule_id: A9-99"),
    (lambda c: measure(c, "m1_retention").update(label_zh=" "), "text", "label_zh says nothing", "label_zh:"),
    (lambda c: first(c).update(approved_by="Policy_Desk "), "approval", "are both", "approved_by:"),
]


@pytest.mark.parametrize(("change", "kind", "found", "line"), DEFECTS, ids=named)
def test_each_defect_is_found_and_nothing_else(directory: Path, change: Edit, kind: str, found: str, line: str):
    edit(directory, "appraisal", change)
    all_found = findings(directory)
    assert {f.kind for f in all_found} == {kind}, "\n".join(map(str, all_found))
    assert any(found in f.found and line in line_text(directory, f.file, f.line) for f in all_found), all_found
    assert all(f.mend and f.file == "appraisal.yml" for f in all_found)


@pytest.mark.parametrize(
    ("change", "said", "line"),
    [
        (lambda c: measure(c, "m1_retention").update(numerator="deposits_sold"), "deposits_sold", "numerator:"),
        (lambda c: first(c)["measures"].update(m6_charm=measure(c, "m1_retention")), "m6_charm", "m6_charm:"),
        (lambda c: first(c)["flags"]["bunching"].update(least="some"), "'some'", "least: some"),
        (lambda c: first(c).pop("guard"), "found nothing", "version:"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(directory: Path, change: Edit, said: str, line: str):
    edit(directory, "appraisal", change)
    (problem,) = problems(directory)
    file, number, _ = problem.split(":", 2)
    assert file == "appraisal.yml"
    assert said in problem
    assert line in line_text(directory, file, int(number))


@pytest.mark.rule("A9-14", "E6-04", "G31", "G42")
def test_the_five_measures_weigh_the_same_and_the_lines_are_those_of_the_sources(directory: Path):
    rows = policy_rows(load_policies(directory))
    measures = rows["appraisal_measure"]
    assert [row["measure_code"][:2] for row in measures] == ["m1", "m2", "m3", "m4", "m5"]
    assert [row["label_zh"][0] for row in measures] == list("保争挖抢培")
    assert {row["weight"] for row in measures} == {Decimal("0.2")}
    assert [row["is_inverse"] for row in measures] == [True, False, False, False, False]
    (version,) = rows["appraisal"]
    assert (version["liability_cny"], version["liability_rule_id"]) == (Decimal(1_000_000), "E6-04")
    assert (version["mid_high_cny"], version["mid_high_rule_id"]) == (Decimal(200_000), "A9-15")
    assert version["floor_cny"] == Decimal(50_000)


@pytest.mark.rule("G17")
def test_a_change_of_what_a_closed_quarter_was_judged_by_is_refused_and_a_later_version_is_not(directory: Path):
    before = load_policies(directory)
    published = {**before.version_hashes(), **before.decision_hashes()}
    closed = date(2026, 9, 30)

    def later_version(content: Row) -> None:
        later = copy.deepcopy(first(content))
        first(content)["effective_to"] = later["effective_from"] = date(2026, 10, 1)
        later["version"] = "2"
        later["measures"]["m1_retention"]["first_target"] = "4%"
        content["versions"].append(later)

    edit(directory, "appraisal", later_version)
    assert findings(directory) == []
    after = load_policies(directory)
    assert frozen_changes(after, published, closed) == []
    # What decisions are judged by dirties no fact.
    assert after.version_hashes() == before.version_hashes()

    edit(directory, "appraisal", lambda c: measure(c, "m1_retention").update(first_target="6%"))
    (refused,) = frozen_changes(load_policies(directory), published, closed)
    assert (refused.file, refused.kind, refused.rule_id) == ("appraisal.yml", "frozen", "appraisal@1")
