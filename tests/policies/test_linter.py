"""The linter: none of its findings in the shipped policies, and each of them in a policy broken on purpose."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestration.lib.policies import load_policies
from orchestration.lib.policies.finding import Finding, Kind, Place
from orchestration.lib.policies.lint import frozen_changes, lint
from orchestration.lib.policies.lint_values import lint_cells, lint_tiers, reachable_totals
from orchestration.lib.policies.model import Bound, Cell, Owner, Tier
from tests.policies.support import PRIMARY, Edit, edit, findings, first, kinds_found, line_text, named, tier
from tests.policies.test_books_policy import DEFECTS as BOOK_DEFECTS

SHIPPED = load_policies()


def test_the_shipped_policies_have_no_finding(directory: Path):
    assert findings(directory) == []


def factor(content: dict[str, Any], number: int) -> dict[str, Any]:
    found: dict[str, Any] = first(content)["factors"][number]
    return found


def bins(content: dict[str, Any], number: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = factor(content, number)["bins"]
    return found


def cells(content: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = first(content)["cells"]
    return found


def swap(items: list[Any], a: int, b: int) -> None:
    items[a], items[b] = items[b], items[a]


def rename_bin(content: dict[str, Any], code: str) -> None:
    bins(content, 0)[1]["bin_code"] = code


def sales_alone(content: dict[str, Any]) -> None:
    profit, information = factor(content, 1), factor(content, 5)
    profit["weight"] = "40%"
    information.update(weight="60%", measure="product_family_count")
    first(content)["factors"] = [profit, information]


def higher_top(content: dict[str, Any]) -> None:
    tier(content, 2)["upper"]["value"] = tier(content, 3)["lower"]["value"] = "101"


def in_force_from(year: int, change: Edit) -> Edit:
    """A second version from the first day of a year, which differs from the first by ``change``."""

    def end(content: dict[str, Any]) -> None:
        later = copy.deepcopy(first(content))
        first(content)["effective_to"] = later["effective_from"] = date(year, 1, 1)
        later["version"] = "2"
        change({"versions": [later]})
        content["versions"].append(later)

    return end


# file, defect, kind, a part of what is found, text of the line that is named
DEFECTS: list[tuple[str, Edit, str, str, str]] = [
    # bands
    (
        PRIMARY,
        lambda c: tier(c, 1)["lower"].update(value="11万"),
        "gap",
        "[100,000, 110,000) belongs to nobody",
        "- tier",
    ),
    (PRIMARY, lambda c: tier(c, 1)["lower"].update(inclusive=False), "gap", "[100,000, 100,000.01)", "- tier_code"),
    (PRIMARY, lambda c: tier(c, 3).update(upper={"value": "1亿", "inclusive": True}), "gap", "+infinity)", "private"),
    (PRIMARY, lambda c: tier(c, 0)["upper"].update(inclusive=True), "overlap", "A9-05 and A9-04", "lobby_adopted"),
    (PRIMARY, lambda c: tier(c, 2).pop("upper"), "overlap", "[2,000,000.01, +infinity) belongs to A9-03", "private"),
    (
        PRIMARY,
        lambda c: swap(first(c)["tiers"], 1, 2),
        "order",
        "A9-04 starts at 100,000, after A9-03",
        "lobby_adopted",
    ),
    (
        PRIMARY,
        lambda c: tier(c, 1)["upper"].update(value="9万"),
        "empty",
        "A9-04 takes [100,000, 90,000)",
        "lobby_adop",
    ),
    (PRIMARY, lambda c: tier(c, 1)["upper"].update(value="20 years"), "unit", "such as 50000 or 5万", "upper:"),
    (PRIMARY, lambda c: tier(c, 1)["upper"].update(value="9" * 17), "unit", "beyond all amounts", "upper:"),
    # shape
    (PRIMARY, lambda c: first(c).pop("measure"), "shape", "bands without measure", "- version: '1'"),
    ("six_level", lambda c: first(c).update(tiers=[]), "shape", "bands without tiers", "tiers: []"),
    (
        "rfm",
        lambda c: tier(c, 0).update(lower={"value": 1, "inclusive": True}),
        "shape",
        "a matrix with bounds",
        "lost",
    ),
    ("rfm", lambda c: first(c).update(measure="age_years"), "shape", "matrix with measure", "measure: age_years"),
    (
        "weighted_index",
        lambda c: first(c).update(cells=[{"tier_code": "small", "when": {}}]),
        "shape",
        "cells",
        "cells:",
    ),
    (
        "kaism",
        lambda c: factor(c, 1).update(weight="50%"),
        "shape",
        "weight of factor relative_strength",
        "weight: 50%",
    ),
    ("kaism", lambda c: bins(c, 1)[0].update(points=5), "shape", "points of factor relative_strength", "bins:"),
    ("kaism", lambda c: factor(c, 1).update(is_reversed=True), "shape", "is_reversed of factor", "is_reversed: true"),
    ("six_level", lambda c: c.update(subject="enterprise"), "shape", "subject enterprise measured by aum", "measure:"),
    # factors
    ("kaism", lambda c: bins(c, 0)[0]["upper"].update(value="49万"), "gap", "[490,000, 500,000)", "bin_code: low"),
    ("kaism", lambda c: bins(c, 0)[1]["lower"].update(value="49万"), "overlap", "attractiveness.low and", "high"),
    (
        "kaism",
        lambda c: bins(c, 0)[0].update(lower={"value": 0, "inclusive": True}),
        "gap",
        "[-infinity, 0)",
        "bin_code",
    ),
    (
        "kaism",
        lambda c: bins(c, 0)[1].update(upper={"value": "1亿", "inclusive": True}),
        "gap",
        "+infinity)",
        "bin_code",
    ),
    ("kaism", lambda c: swap(bins(c, 0), 0, 1), "order", "attractiveness.low starts at -infinity", "bin_code: low"),
    ("kaism", lambda c: bins(c, 1)[1]["lower"].update(value="3 years"), "unit", "expected counts", "lower:"),
    ("kaism", lambda c: bins(c, 1)[1].update(codes=["c1"]), "unit", "codes in a bin of product_family_count", "codes:"),
    ("kaism", lambda c: bins(c, 1)[1].update(takes_missing=True), "missing", "low, high of factor", "bins:"),
    ("risk_tier", lambda c: bins(c, 1)[0].update(codes=["bad"]), "gap", "risk_result takes poor", "bins:"),
    ("risk_tier", lambda c: bins(c, 1)[1]["codes"].append("poor"), "overlap", "2 bins of factor", "bin_code: fair"),
    (
        "risk_tier",
        lambda c: swap(bins(c, 1), 0, 1),
        "order",
        "do not follow the order of risk_result",
        "bin_code: poor",
    ),
    ("risk_tier", lambda c: bins(c, 1)[0]["codes"].append("awful"), "unknown", "'awful' of risk_result", "codes:"),
    ("risk_tier", lambda c: bins(c, 1)[0].update(codes=[]), "unit", "bin poor of risk_result_rank", "bin_code: poor"),
    ("pyramid", lambda c: factor(c, 0).update(share_cuts=["95%", "80%"]), "order", "0.95, 0.8", "share_cuts:"),
    ("pyramid", lambda c: factor(c, 0).update(share_cuts=["80%", "100%"]), "order", "0.8, 1", "share_cuts:"),
    # scorecards
    ("weighted_index", lambda c: factor(c, 0).update(weight="21%"), "weights", "= 1.01", "factors:"),
    ("weighted_index", lambda c: bins(c, 5)[1].update(points=50.1), "points", "2.505 points of factor", "factor_code"),
    ("weighted_index", lambda c: tier(c, 3)["lower"].update(value="79.99"), "overlap", "[79.99, 80)", "important"),
    ("weighted_index", higher_top, "unreachable", "[101, +infinity); points add up to 0 to 100", "important"),
    # matrices
    ("rfm", lambda c: cells(c)[8]["when"].update(recency=["1"]), "gap", "recency=2 frequency=1 monetary=1", "cells:"),
    ("rfm", lambda c: cells(c)[3]["when"]["frequency"].append("2"), "overlap", "potential and new take", "new"),
    ("rfm", lambda c: cells(c)[3]["when"].update(colour=["red"]), "unknown", "axis 'colour'", "colour:"),
    ("rfm", lambda c: cells(c)[3]["when"]["frequency"].append("6"), "unknown", "axis frequency '6'", "frequency:"),
    ("rfm", lambda c: cells(c)[3].update(tier_code="news"), "unknown", "tier 'news'", "tier_code: news"),
    ("rfm", lambda c: cells(c)[3].update(tier_code="loyal"), "unreachable", "no cell gives new", "tier_code: new"),
    # owners
    (PRIMARY, lambda c: tier(c, 1).pop("owner"), "owner", "nobody owns customers of lobby_adopted", "lobby_adopted"),
    (PRIMARY, lambda c: first(c)["door_tier"].pop("owner"), "owner", "customers of special_entry", "door_tier:"),
    (PRIMARY, lambda c: tier(c, 1)["owner"]["team_roles"].append("outlet_head"), "owner", "in its team", "team_roles:"),
    ("six_level", lambda c: tier(c, 0).update(owner={"primary_role": "teller"}), "owner", "assigns none", "owner:"),
    (PRIMARY, lambda c: tier(c, 1)["owner"].update(primary_role="king"), "unknown", "role 'king'", "owner:"),
    (PRIMARY, lambda c: tier(c, 0)["owner"].update(fallback_role="king"), "unknown", "role 'king'", "owner:"),
    (PRIMARY, lambda c: tier(c, 1)["owner"]["team_roles"].append("king"), "unknown", "role 'king'", "owner:"),
    # household
    ("family_card", lambda c: first(c).pop("household"), "household", "without a household path", "household_lower:"),
    ("family_card", lambda c: tier(c, 1).pop("household_lower"), "household", "household_rule without", "- tier_code"),
    (
        "family_card",
        lambda c: tier(c, 2)["household_lower"].update(value="8万"),
        "order",
        "80,000 after 80,000",
        "househ",
    ),
    (
        "family_card",
        lambda c: tier(c, 2)["household_lower"].update(value="8岁"),
        "unit",
        "found '8岁'",
        "household_lower:",
    ),
    ("six_level", lambda c: first(c).update(household={"statistic": "sum"}), "household", "without any", "household:"),
    # things that are named
    ("six_level", lambda c: first(c)["measure"].update(asset_set="gold"), "unknown", "asset set 'gold'", "measure:"),
    (
        "asset_classes",
        lambda c: c["versions"][0].update(effective_from=date(1991, 1, 1)),
        "unknown",
        "1990-01-01",
        "mea",
    ),
    (PRIMARY, lambda c: first(c)["veto"].update(scheme_code="luck"), "unknown", "scheme 'luck'", "scheme_code: luck"),
    (PRIMARY, lambda c: first(c)["veto"].update(scheme_code=PRIMARY), "unknown", "as a veto", "scheme_code: branch"),
    (PRIMARY, lambda c: first(c)["veto"]["tier_codes"].append("bad_luck"), "unknown", "'bad_luck'", "tier_codes:"),
    (PRIMARY, lambda c: first(c)["entry_doors"][3].update(at_least="tin"), "unknown", "unknown code 'tin'", "at_least"),
    (PRIMARY, lambda c: first(c)["entry_doors"][0].update(at_least="gold"), "unit", "found 'gold'", "at_least: gold"),
    (PRIMARY, lambda c: first(c).pop("door_tier"), "door", "entry_doors without door_tier", "entry_doors:"),
    (PRIMARY, lambda c: first(c).pop("entry_doors"), "door", "door_tier without entry_doors", "door_tier:"),
    (
        "asset_classes",
        in_force_from(2026, lambda c: first(c)["asset_sets"].pop("net_of_loans")),
        "unknown",
        "asset set 'net_of_loans', not in version 2",
        "measure:",
    ),
    (
        "measures",
        in_force_from(2026, lambda c: swap(first(c)["codes"]["loan_class"], 0, 1)),
        "code list",
        "the codes of loan_class change on 2026-01-01",
        "measure:",
    ),
    # settings
    (PRIMARY, lambda c: first(c).update(near_threshold_rate=0), "rate", "near_threshold_rate 0", "near_threshold_rate"),
    (PRIMARY, lambda c: first(c).update(near_threshold_rate="110%"), "rate", "near_threshold_rate 1.1", "near_thres"),
    (PRIMARY, lambda c: first(c).update(watch_from_month=7), "grace", "watch_from_month 7", "watch_from_month: 7"),
    (PRIMARY, lambda c: first(c).update(best_tier_of_months=3), "grace", "best_tier_of_months 3 and", "best_tier"),
    # names and texts
    ("six_level", lambda c: tier(c, 1).update(tier_code="Two"), "name", "tier_code 'Two'", "tier_code: Two"),
    (
        "six_level",
        lambda c: tier(c, 1).update(tier_code="none"),
        "name",
        "tier_code 'none' is taken",
        "tier_code: none",
    ),
    (
        PRIMARY,
        lambda c: first(c)["door_tier"].update(tier_code="lobby_adopted"),
        "name",
        "'lobby_adopted' is taken",
        "tier_code",
    ),
    ("four_axes", lambda c: rename_bin(c, "top"), "unknown", "bin of axis assets 'high'", "assets:"),
    (PRIMARY, lambda c: first(c)["asset_door"].update(quote=""), "text", "quote says nothing", "quote:"),
    ("weighted_index", lambda c: bins(c, 0)[1].update(bin_code="low"), "name", "bin_code 'low' is taken", "bin_code"),
    ("weighted_index", lambda c: factor(c, 0).update(factor_code="profit"), "name", "'profit' is taken", "factor_code"),
    (PRIMARY, lambda c: tier(c, 1).update(rule_id="a9"), "rule id", "'a9'", "rule_id: a9"),
    (PRIMARY, lambda c: first(c)["asset_door"].update(source_line=0), "rule id", "source_line 0", "source_line: 0"),
    (PRIMARY, lambda c: tier(c, 1).update(quote=" "), "text", "quote says nothing", "quote:"),
    (PRIMARY, lambda c: tier(c, 1).update(label_en=""), "text", "label_en says nothing", "label_en:"),
    (PRIMARY, lambda c: c.update(source_file=""), "text", "source_file says nothing", "source_file:"),
    ("roles", lambda c: c["roles"]["teller"].update(label_zh=""), "text", "label_zh says nothing", "label_zh:"),
    # shared files
    ("asset_classes", lambda c: first(c).update(approved_by="policy_desk"), "approval", "are both", "approved_by:"),
    ("measures", lambda c: first(c).update(approved_by="policy_desk"), "approval", "are both", "approved_by:"),
    ("asset_classes", lambda c: standard(c).pop("bond"), "gap", "says nothing of bond", "families:"),
    ("asset_classes", lambda c: standard(c).update(gems=standard(c)["bond"]), "unknown", "family 'gems'", "gems:"),
    ("measures", lambda c: first(c)["codes"]["aml_class"].pop(), "gap", "says nothing of high", "aml_class:"),
    ("measures", lambda c: first(c)["codes"]["aml_class"].append("top"), "unknown", "'top'", "aml_class:"),
    ("measures", lambda c: first(c)["codes"]["aml_class"].append("low"), "overlap", "low stands 2 times", "aml_class:"),
    ("measures", lambda c: first(c)["codes"].update(mood=["good"]), "unknown", "code list 'mood'", "codes:"),
    ("measures", lambda c: first(c)["card_spend_kinds"].append("gift"), "unknown", "kind 'gift'", "card_spend_kinds:"),
    ("roles", lambda c: c["roles"]["teller"]["synonyms"].append("大堂经理"), "name", "teller among them", "synonyms:"),
    (
        "roles",
        lambda c: c["roles"].update(Boss=dict(c["roles"]["teller"], label_zh="长", synonyms=[])),
        "name",
        "Boss",
        "Bo",
    ),
    # forbidden
    (
        "roles",
        lambda c: c["roles"]["teller"].update(needs_nda=False),
        "nda",
        "teller owns customers of staff_",
        "owner:",
    ),
    ("roles", lambda c: c["roles"]["lobby_manager"].update(needs_nda=False), "nda", "of staff_maintained", "owner:"),
    ("weighted_index", sales_alone, "sales only", "product_family_count, revenue_365d_cny alone", "factors:"),
    (PRIMARY, lambda c: first(c).update(measure={"window": "point"}), "point in time", "aum_cny of one day", "window"),
    (PRIMARY, lambda c: first(c).update(measure="deposit_cny"), "point in time", "deposit_cny of one day", "measure:"),
]


def standard(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = first(content)["asset_sets"]["standard"]["families"]
    return found


@pytest.mark.parametrize(("name", "change", "kind", "found", "line"), DEFECTS, ids=named)
def test_each_defect_is_found_and_nothing_else(
    directory: Path, name: str, change: Edit, kind: str, found: str, line: str
):
    edit(directory, name, change)
    all_found = findings(directory)
    assert kinds_found(all_found, name) == {kind}, "\n".join(map(str, all_found))
    assert any(found in f.found and line in line_text(directory, f.file, f.line) for f in all_found), all_found
    assert all(f.mend for f in all_found)


def test_every_kind_of_finding_is_tripped_by_a_defect():
    assert {kind for _, _, kind, _, _ in (*DEFECTS, *BOOK_DEFECTS)} | {"frozen"} == set(get_args(Kind))


def test_a_finding_is_one_line_of_file_line_rule_found_and_mend(directory: Path):
    edit(directory, PRIMARY, lambda c: tier(c, 0)["upper"].update(inclusive=True))
    (finding,) = findings(directory)
    number = (directory / f"{PRIMARY}.yml").read_text("utf-8").splitlines().index("  - tier_code: lobby_adopted") + 1
    assert str(finding) == (
        f"branch_tiered_maintenance.yml:{number} A9-04 overlap: [100,000, 100,000.01) belongs to A9-05 and A9-04 -> "
        "let one end where the other starts, inclusive in one only"
    )


def test_a_disabled_scheme_is_linted_too(directory: Path):
    edit(directory, "six_level", lambda c: (c.update(is_enabled=False), tier(c, 1)["lower"].update(value="2万")))
    assert {f.kind for f in findings(directory)} == {"gap"}


def test_policies_that_were_not_read_from_files_are_linted_without_lines():
    broken = SHIPPED.scheme(PRIMARY).model_copy(update={"source_file": ""})
    others = [s for s in SHIPPED.schemes if s.scheme_code != PRIMARY]
    policies = replace(SHIPPED, schemes=(broken, *others), roots={})
    assert [(f.file, f.line, f.kind) for f in lint(policies)] == [(f"{PRIMARY}.yml", 1, "text")]


BOUNDS = st.none() | st.builds(Bound, value=st.integers(0, 3).map(str), inclusive=st.booleans())
POINTS = [Decimal(n) / 100 for n in range(-50, 400)]


def claims(tier: Tier, value: Decimal) -> bool:
    """Whether a tier takes a value, by its words."""
    lower, upper = tier.lower, tier.upper
    above = lower is None or (value >= Decimal(lower.value) if lower.inclusive else value > Decimal(lower.value))
    below = upper is None or (value <= Decimal(upper.value) if upper.inclusive else value < Decimal(upper.value))
    return above and below


@given(st.lists(st.tuples(BOUNDS, BOUNDS), min_size=1, max_size=4))
def test_gaps_and_overlaps_are_those_found_by_asking_every_hundredth(bounds: list[tuple[Bound | None, Bound | None]]):
    scheme = SHIPPED.scheme("six_level")
    version = scheme.versions[0]
    tiers = tuple(version.tiers[0].model_copy(update={"lower": low, "upper": high}) for low, high in bounds)
    assume(all(any(claims(tier, value) for value in POINTS) for tier in tiers))
    counts = [sum(claims(tier, value) for tier in tiers) for value in POINTS]
    # Below every lower bound nobody need be tiered.
    first_taken = next(i for i, count in enumerate(counts) if count)
    place = Place(SHIPPED, scheme, version.model_copy(update={"tiers": tiers}), 0)
    lint_tiers(place)
    kinds = {finding.kind for finding in place.findings} - {"order"}
    asked = counts[first_taken:]
    assert kinds == ({"gap"} if 0 in asked else set()) | ({"overlap"} if max(asked) > 1 else set())


AXIS_BINS = {"attractiveness": ("low", "high"), "relative_strength": ("low", "high")}
WHENS = st.fixed_dictionaries(
    {}, optional={axis: st.lists(st.sampled_from(codes), min_size=1, unique=True) for axis, codes in AXIS_BINS.items()}
)


@given(st.lists(WHENS, min_size=1, max_size=5))
def test_cells_are_a_partition_when_each_combination_is_claimed_once(whens: list[dict[str, list[str]]]):
    scheme = SHIPPED.scheme("kaism")
    version = scheme.versions[0]
    cells = tuple(Cell(tier_code="key", when={axis: tuple(codes) for axis, codes in when.items()}) for when in whens)
    place = Place(SHIPPED, scheme, version.model_copy(update={"cells": cells, "tiers": version.tiers[3:]}), 0)
    lint_cells(place)
    counts = [
        sum(
            all(code in when.get(axis, [code]) for axis, code in zip(AXIS_BINS, combination, strict=True))
            for when in whens
        )
        for combination in itertools.product(*AXIS_BINS.values())
    ]
    expected = ({"gap"} if 0 in counts else set()) | ({"overlap"} if max(counts) > 1 else set())
    assert {finding.kind for finding in place.findings} == expected


def test_the_totals_of_a_scorecard_are_all_sums_of_one_bin_per_factor():
    scheme = SHIPPED.scheme("weighted_index")
    version = scheme.versions[0]
    points = [[factor.weight * each.points for each in factor.bins] for factor in version.factors]
    assert reachable_totals(Place(SHIPPED, scheme, version, 0)) == {sum(c) for c in itertools.product(*points)}


def test_owners_change_on_the_birthday_after_the_limit():
    owner = Owner(primary_role="teller", age_max="60 years", fallback_role="lobby_manager")
    assert [owner.role_at(age) for age in (0, 59, 60, 61, 100)] == ["teller"] * 3 + ["lobby_manager"] * 2
    assert Owner(primary_role="teller").role_at(100) == "teller"


THROUGH = date(2026, 6, 30)


def frozen(directory: Path, name: str, change: Edit, through: date | None = THROUGH) -> list[Finding]:
    before = load_policies(directory).version_hashes()
    edit(directory, name, change)
    return frozen_changes(load_policies(directory), before, through)


@pytest.mark.parametrize("name", [PRIMARY, "asset_classes", "measures", "rfm"])
def test_a_version_used_in_a_closed_period_does_not_change(directory: Path, name: str):
    (finding,) = frozen(directory, name, lambda c: first(c).update(author="another_desk"))
    assert (finding.file, finding.rule_id, finding.kind) == (f"{name}.yml", f"{name}@1", "frozen")
    assert finding.found == "was changed, but periods through 2026-06-30 are closed"
    assert line_text(directory, finding.file, finding.line) == "- version: '1'"


def test_before_the_first_close_every_version_may_change(directory: Path):
    assert frozen(directory, PRIMARY, lambda c: first(c).update(author="another_desk"), None) == []


def test_a_version_that_follows_after_the_closed_period_changes_nothing_in_it(directory: Path):
    assert frozen(directory, PRIMARY, in_force_from(2027, lambda c: first(c).update(near_threshold_rate="5%"))) == []
    # Nor does a change or the loss of it while its first day is still open.
    assert frozen(directory, PRIMARY, lambda c: c["versions"][1].update(near_threshold_rate="7%")) == []
    assert frozen(directory, PRIMARY, lambda c: (c["versions"].pop(), first(c).pop("effective_to"))) == []


def test_a_version_does_not_start_in_a_closed_period_afterwards(directory: Path):
    found = frozen(directory, PRIMARY, in_force_from(2026, lambda c: None))
    assert [(f.rule_id, f.found.split(",")[0]) for f in found] == [
        (f"{PRIMARY}@1", "ends on another day"),
        (f"{PRIMARY}@2", "was added"),
    ]


def test_a_version_used_in_a_closed_period_does_not_vanish(directory: Path):
    edit(directory, PRIMARY, in_force_from(2026, lambda c: None))
    found = frozen(directory, PRIMARY, lambda c: c["versions"].pop(0))
    assert [(f.rule_id, f.found.split(",")[0]) for f in found] == [(f"{PRIMARY}@1", "is gone")]


def test_a_version_used_in_a_closed_period_does_not_move(directory: Path):
    found = frozen(directory, PRIMARY, lambda c: first(c).update(effective_from=date(2027, 1, 1)))
    assert [f.found.split(",")[0] for f in found] == ["was changed"]


def test_a_scheme_of_a_closed_period_is_not_disabled(directory: Path):
    (finding,) = frozen(directory, "rfm", lambda c: c.update(is_enabled=False))
    assert (finding.rule_id, finding.found.split(",")[0]) == ("rfm@1", "is gone")


def test_a_scheme_that_is_new_may_start_in_a_closed_period(directory: Path):
    edit(directory, "rfm", lambda c: c.update(is_enabled=False))
    assert frozen(directory, "rfm", lambda c: c.update(is_enabled=True)) == []
