"""policies/offers.yml: what it compiles to, and what the linter finds in it."""

from __future__ import annotations

import copy
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib.contracts import load_contracts
from orchestration.lib.policies import load_policies, policy_rows
from orchestration.lib.policies.compile_offers import SCHEMAS
from tests.policies.support import Edit, edit, findings, first, line_text, named, problems

Row = dict[str, Any]


def rows(directory: Path, table: str) -> list[Row]:
    return policy_rows(load_policies(directory))[table]


def suitability(content: Row) -> Row:
    found: Row = first(content)["suitability"]
    return found


def later_version(content: Row) -> None:
    later = copy.deepcopy(first(content))
    first(content)["effective_to"] = later["effective_from"] = date(2027, 1, 1)
    later.update(version="2", most_offers=5)
    content["versions"].append(later)


# defect, kind, a part of what is found, text of the line that is named
DEFECTS: list[tuple[Edit, str, str, str]] = [
    # numbers
    (lambda c: first(c).update(most_offers=0), "range", "most_offers 0", "most_offers: 0"),
    (lambda c: first(c).update(maturity="-1 days"), "range", "maturity -1", "maturity: -1"),
    (lambda c: first(c).update(maturity="367 days"), "range", "maturity 367", "maturity: 367"),
    (lambda c: first(c).update(minimum_support="101%"), "range", "minimum_support 1.01", "minimum_support: 101%"),
    (lambda c: first(c).update(minimum_confidence="-1%"), "range", "minimum_confidence -0.01", "minimum_confidence:"),
    (lambda c: first(c).update(minimum_lift=-1), "range", "minimum_lift -1", "minimum_lift: -1"),
    (
        lambda c: first(c).update(minimum_support="0.0000001%"),
        "range",
        "minimum_support 1E-9",
        "minimum_support: 0.0000001%",
    ),
    (lambda c: suitability(c).update(senior_age="121 years"), "range", "senior_age 121", "senior_age: 121"),
    # ways of selling and families
    (lambda c: first(c)["kinds"].pop("up_sell"), "gap", "kinds say nothing of up_sell", "kinds:"),
    (lambda c: first(c)["families"].update(gems="宝石"), "unknown", "product family 'gems'", "gems:"),
    (lambda c: first(c).update(families={}), "gap", "no family is offered", "families: {}"),
    # suitability
    (
        lambda c: suitability(c)["appetites"].pop("c3"),
        "gap",
        "appetites say nothing of c3",
        "appetites:",
    ),
    (
        lambda c: suitability(c)["appetites"].update(c3="r1"),
        "order",
        "c3 may be offered r1, c2 r2",
        "c3: r1",
    ),
    (
        lambda c: suitability(c)["reasons"].pop("senior_duty"),
        "gap",
        "reasons say nothing of senior_duty",
        "reasons:",
    ),
    # rules and texts
    (lambda c: suitability(c).update(rule_id="E3-99"), "rule id", "quoted nowhere", "rule_id: E3-99"),
    (lambda c: first(c)["kinds"]["up_sell"].update(rule_id="d1-09"), "rule id", "'d1-09'", "rule_id: d1-09"),
    (lambda c: first(c)["rules"][0].update(source_line=0), "rule id", "source_line 0", "source_line: 0"),
    (lambda c: first(c)["kinds"]["up_sell"].update(label_zh=" "), "text", "label_zh says nothing", "label_zh:"),
    (lambda c: first(c).update(approved_by="Policy_Desk "), "approval", "are both", "approved_by:"),
]


@pytest.mark.parametrize(("change", "kind", "found", "line"), DEFECTS, ids=named)
def test_each_defect_is_found_and_nothing_else(directory: Path, change: Edit, kind: str, found: str, line: str):
    edit(directory, "offers", change)
    all_found = findings(directory)
    assert {f.kind for f in all_found} == {kind}, "\n".join(map(str, all_found))
    assert any(found in f.found and line in line_text(directory, f.file, f.line) for f in all_found), all_found
    assert all(f.mend and f.file == "offers.yml" for f in all_found)


@pytest.mark.parametrize(
    ("change", "said", "line"),
    [
        (lambda c: first(c).update(maturity="1 month"), "expected whole days", "maturity: 1 month"),
        (lambda c: suitability(c).update(senior_highest="r6"), "'r6'", "senior_highest: r6"),
        (lambda c: suitability(c)["appetites"].update(c6="r5"), "c6", "c6: r5"),
        (
            lambda c: first(c)["kinds"].update(side_sell={"label_zh": "旁", "rule_id": "D1-09"}),
            "side_sell",
            "side_sell:",
        ),
        (lambda c: first(c).update(colour="red"), "unknown key", "colour: red"),
        (lambda c: first(c).pop("minimum_lift"), "found nothing", "- version: '1'"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(directory: Path, change: Edit, said: str, line: str):
    edit(directory, "offers", change)
    (problem,) = problems(directory)
    file, number, _ = problem.split(":", 2)
    assert file == "offers.yml"
    assert said in problem
    assert line in line_text(directory, file, int(number))


@pytest.mark.rule("D1-09")
def test_the_three_ways_of_selling_stand_in_the_order_of_the_file(directory: Path):
    def preferences() -> dict[str, int]:
        return {row["offer_kind"]: row["preference"] for row in rows(directory, "offer_kind")}

    assert preferences() == {"repeat_sell": 1, "up_sell": 2, "cross_sell": 3}
    assert {row["rule_id"] for row in rows(directory, "offer_kind")} == {"D1-09"}
    edit(directory, "offers", lambda c: first(c).update(kinds=dict(reversed(first(c)["kinds"].items()))))
    assert preferences() == {"cross_sell": 1, "up_sell": 2, "repeat_sell": 3}


@pytest.mark.rule("E3-03")
def test_no_appetite_is_offered_more_risk_than_its_own_number(directory: Path):
    appetites = rows(directory, "offer_appetite")
    assert {row["risk_appetite"]: row["highest_risk"] for row in appetites} == {f"c{n}": f"r{n}" for n in range(1, 6)}
    (offer,) = rows(directory, "offer")
    assert offer["unknown_appetite"] == "r1"
    assert (offer["senior_age"], offer["senior_highest"]) == (65, "r2")
    assert offer["suitability_rule_id"] == "E3-03"


def test_every_risk_level_and_appetite_of_the_feeds_is_known_to_the_policy(directory: Path):
    contracts = load_contracts()

    def values(feed_id: str, name: str) -> set[str]:
        return set(next(c.values for c in contracts[feed_id].columns if c.name == name))

    assert values("core_banking.customers", "risk_appetite") == {
        row["risk_appetite"] for row in rows(directory, "offer_appetite")
    }
    assert {row["highest_risk"] for row in rows(directory, "offer_appetite")} == values(
        "reference.products", "risk_level"
    )


def test_what_people_write_compiles_to_exact_shares(directory: Path):
    (offer,) = rows(directory, "offer")
    assert (offer["minimum_support"], offer["minimum_confidence"], offer["minimum_lift"]) == (
        Decimal("0.005"),
        Decimal("0.1"),
        Decimal("1.05"),
    )
    assert (offer["maturity_days"], offer["most_offers"]) == (30, 3)


def test_a_version_holds_until_the_next_one_begins(directory: Path):
    edit(directory, "offers", later_version)
    assert findings(directory) == []
    for table in SCHEMAS:
        spans = {(row["policy_version"], row["effective_from"], row["effective_to"]) for row in rows(directory, table)}
        assert spans == {
            ("offers@1", date(1990, 1, 1), date(2027, 1, 1)),
            ("offers@2", date(2027, 1, 1), date(9999, 12, 31)),
        }
    assert [row["most_offers"] for row in rows(directory, "offer")] == [3, 5]
