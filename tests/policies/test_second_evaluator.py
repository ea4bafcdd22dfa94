"""The second evaluator: decides by the rules as written, reads facts alone, and is heard by the audit."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orchestration.lib import second_evaluator
from orchestration.lib.explanation import Component, mart_components
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.model import Household, Scheme, SchemeVersion
from orchestration.lib.second_evaluator import Decision, SecondEvaluator, explanation_checks
from tests.conftest import BuiltHome

DAY = date(2026, 4, 30)
NEXT_DAY = date(2026, 5, 1)
POLICIES = load_policies()
PRIMARY = POLICIES.primary


def altered(scheme: Scheme, **changes: object) -> Scheme:
    """A scheme whose only version says something else."""
    version: SchemeVersion = scheme.versions[0].model_copy(update=changes)
    return scheme.model_copy(update={"versions": (version,)})


def assets(balance_days: str, days: int = 30) -> Component:
    return Component("account", contribution_cny=Decimal(balance_days), days=days)


def previous(tier_code: str, months_below: int = 0, recent_ranks: str = "") -> Component:
    return Component("previous", tier_code=tier_code, months_below=months_below, recent_ranks=recent_ranks)


def decided(scheme: Scheme, *components: Component) -> tuple[str, str]:
    decision = SecondEvaluator(POLICIES).evaluate(scheme, components, DAY, NEXT_DAY)
    return decision.tier_code, decision.decided_by


# --- rules ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("balance_days", "tier_code"),
    [
        ("1499999.84", "none"),  # an average of 49,999.994...
        ("1499999.85", "staff_maintained"),  # 49,999.995 is half a fen short and rounds up
        ("3000000.00", "lobby_adopted"),
        ("60000000.00", "wealth_manager"),  # exactly 200万 stays below
        ("60000000.14", "wealth_manager"),
        ("60000000.15", "private_wealth"),
    ],
)
def test_balance_days_are_divided_once_half_up_and_compared_with_ends_as_written(
    balance_days: str, tier_code: str
) -> None:
    assert decided(PRIMARY, assets(balance_days)) == (tier_code, "individual")
    halves = Decimal(balance_days) - Decimal("0.01"), Decimal("0.01")
    assert decided(PRIMARY, *(assets(str(half)) for half in halves)) == (tier_code, "individual")


def test_the_answer_is_not_read() -> None:
    answer = Component("tier", tier_code="private_wealth", decided_by="household", component_value=Decimal(10**8))
    assert decided(PRIMARY, answer, assets("3000000")) == ("lobby_adopted", "individual")
    assert decided(PRIMARY, answer) == ("none", "individual")


def test_grace_keeps_a_tier_until_its_last_month_then_the_level_of_that_month_counts() -> None:
    low = assets("1500000")
    assert decided(PRIMARY, low, previous("wealth_manager", 0)) == ("wealth_manager", "grace")
    assert decided(PRIMARY, low, previous("wealth_manager", 1)) == ("wealth_manager", "grace")
    assert decided(PRIMARY, low, previous("wealth_manager", 2)) == ("staff_maintained", "individual")
    assert decided(PRIMARY, low, previous("private_wealth", 4)) == ("private_wealth", "grace")
    assert decided(PRIMARY, low, previous("a_tier_of_long_ago", 0)) == ("staff_maintained", "individual")


def test_after_a_watch_period_the_best_of_its_months_counts() -> None:
    scheme = altered(PRIMARY, downgrade_level="best")
    # Ranks: none 0, special_entry 1, staff_maintained 2, lobby_adopted 3, wealth_manager 4.
    facts = assets("0"), previous("private_wealth", 5, "0203040404")
    assert decided(scheme, *facts) == ("wealth_manager", "grace")
    older = assets("0"), replace(facts[1], policy_version=f"{PRIMARY.scheme_code}@0")
    assert decided(scheme, *older) == ("none", "individual")


def test_the_best_of_the_last_evaluations_counts_where_the_scheme_says_so() -> None:
    scheme = altered(PRIMARY, best_tier_of_months=3)
    assert decided(scheme, assets("0"), previous("none", 0, "030504")) == ("private_wealth", "grace")
    assert decided(scheme, assets("0"), previous("none", 0, "030204")) == ("lobby_adopted", "grace")


def test_a_household_raises_its_members_when_enough_of_them_are_there_and_consent() -> None:
    family_card = POLICIES.scheme("family_card")
    others = Component(
        "household", component_value=Decimal("149999.99"), member_count=2, member_without_consent_count=0
    )
    own = assets("300000", 30)  # 10,000
    assert decided(family_card, own, others) == ("gold", "household")  # 79,999.995 on average
    short = replace(others, component_value=Decimal("149999.98"))
    assert decided(family_card, own, short) == ("silver", "individual")
    assert decided(family_card, own, replace(others, member_without_consent_count=1)) == ("silver", "individual")
    assert decided(family_card, own, replace(others, member_count=1)) == ("silver", "individual")
    # Who has no assets of his own inherits like everybody else (G33).
    assert decided(family_card, replace(others, component_value=Decimal("160000"))) == ("gold", "household")
    total = altered(family_card, household=Household(statistic="sum", minimum_members=2))
    assert decided(total, own, replace(short, component_value=Decimal("240000"))) == ("platinum", "household")


def test_a_veto_keeps_the_tier_and_says_so() -> None:
    flagged = Component("veto", component_code="special_handling")
    assert decided(PRIMARY, assets("3000000"), flagged) == ("lobby_adopted", "veto")
    assert decided(PRIMARY, assets("0"), flagged) == ("none", "individual")
    harmless = Component("veto", component_code="low_risk")
    assert decided(PRIMARY, assets("3000000"), harmless) == ("lobby_adopted", "individual")


def door(rule_id: str, measure: str, value: str) -> Component:
    return Component("door", rule_id=rule_id, component_code=measure, component_value=Decimal(value))


def test_a_door_opens_at_its_threshold_for_whom_no_band_holds() -> None:
    assert decided(PRIMARY, door("A9-01c", "loan_balance_cny", "300000")) == ("special_entry", "entry_door")
    assert decided(PRIMARY, door("A9-01c", "loan_balance_cny", "299999.99")) == ("none", "individual")
    assert decided(PRIMARY, door("A9-01e", "highest_card_grade_rank", "2")) == ("special_entry", "entry_door")
    assert decided(PRIMARY, door("A9-01e", "highest_card_grade_rank", "1")) == ("none", "individual")
    loan = door("A9-01c", "loan_balance_cny", "300000")
    assert decided(PRIMARY, assets("3000000"), loan) == ("lobby_adopted", "individual")
    assert decided(PRIMARY, loan, Component("day_veto", component_code="special_handling")) == ("special_entry", "veto")
    with pytest.raises(ValueError, match="no entry door 'A9-99'"):
        decided(PRIMARY, door("A9-99", "loan_balance_cny", "1"))


def test_the_successor_of_a_merge_takes_the_higher_tier_and_of_equal_ones_the_one_less_in_grace() -> None:
    merged = Component("merged", tier_code="wealth_manager", decided_by="grace", months_below=2)
    assert decided(PRIMARY, assets("3000000"), merged) == ("wealth_manager", "grace")
    assert decided(PRIMARY, assets("9000000"), merged) == ("wealth_manager", "individual")
    lower = replace(merged, tier_code="staff_maintained")
    assert decided(PRIMARY, assets("3000000"), lower) == ("lobby_adopted", "individual")


def test_a_value_on_a_cut_of_the_population_belongs_to_the_higher_group_also_when_cuts_fall_together() -> None:
    rfm = POLICIES.scheme("rfm")
    names = {factor.factor_code: factor.bin_codes for factor in rfm.versions[0].factors}
    cuts = [
        Component("cut", component_code=f"{name}:{code}", component_value=Decimal(low))
        for name, codes in names.items()
        for code, low in zip(codes, (1, 5, 5, 9, 20), strict=True)
    ]

    def bins(*values: str | None) -> list[str]:
        factors = [
            Component("factor", component_code=name, component_value=None if value is None else Decimal(value))
            for name, value in zip(names, values, strict=True)
        ]
        chosen = SecondEvaluator(POLICIES).chosen_bins(rfm, [*factors, *cuts], DAY)
        return [each.bin_code for each in chosen]

    # Recency counts down: few days since the last purchase are the fifth group.
    assert bins("5", "5", "8.99") == ["3", "3", "3"]
    assert bins("4.99", "9", "20") == ["5", "4", "5"]
    assert bins("1", None, "1") == []
    assert bins("0.99", "1", "1") == []


def test_it_shares_nothing_with_the_compiler_of_policies() -> None:
    for module in (second_evaluator.__file__, second_evaluator.__file__.replace("second_evaluator", "explanation")):
        tree = ast.parse(Path(module).read_text("utf-8"))
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        assert not {name for name in imported if name and "compile" in name}


# --- the audit's check ---------------------------------------------------------------------------------


@pytest.fixture
def con(built_home: BuiltHome, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of the built warehouse; views name their catalog, so it is called as the original."""
    copy = tmp_path / built_home.home.warehouse.name
    shutil.copy(built_home.home.warehouse, copy)
    with duckdb.connect(str(copy)) as connection:
        yield connection


def failed(con: duckdb.DuckDBPyConnection, built: BuiltHome, sample: int | None = None) -> dict[str, str]:
    checks = explanation_checks(con, built.record, POLICIES, sample)
    assert {check.check_name for check in checks} == {
        f"explanation.{s.scheme_code}" for s in POLICIES.schemes if s.subject == "customer"
    }
    assert all((check.failed_count > 0) == bool(check.detail) for check in checks)
    return {check.check_name.removeprefix("explanation."): check.detail for check in checks if check.failed_count}


def test_it_agrees_with_every_tier_of_every_customer(built_home: BuiltHome, con: duckdb.DuckDBPyConnection) -> None:
    reasons = con.execute("select distinct decided_by from tiering.customer_tier").fetchall()
    assert {reason for (reason,) in reasons} >= {"individual", "grace", "veto", "entry_door"}
    assert failed(con, built_home) == {}


@pytest.mark.parametrize("scheme_code", ["branch_tiered_maintenance", "family_card", "weighted_index", "rfm"])
def test_a_tier_that_its_facts_do_not_bear_out_is_found(
    built_home: BuiltHome, con: duckdb.DuckDBPyConnection, scheme_code: str
) -> None:
    wrong = (
        f"where scheme_code = '{scheme_code}' and customer_id = (select min(customer_id) from tiering.customer_tier "
        f"where scheme_code = '{scheme_code}' and tier_rank > 0)"
    )
    (customer_id,) = con.execute(f"select customer_id from tiering.customer_tier {wrong}").fetchall()[0]
    con.execute(f"update tiering.customer_tier set tier_code = 'elsewhere' {wrong}")
    found = failed(con, built_home)
    assert found.keys() == {scheme_code}
    assert found[scheme_code].startswith(f"{customer_id}: elsewhere")


@pytest.mark.parametrize(
    "damage",
    [
        "update tiering.tier_explanation set contribution_cny = contribution_cny - 1000000000",
        "delete from tiering.tier_explanation where component_kind = 'previous'",
        "delete from tiering.tier_explanation where component_kind = 'door'",
        "delete from tiering.tier_explanation",
    ],
)
def test_facts_that_are_wrong_or_missing_are_found(
    built_home: BuiltHome, con: duckdb.DuckDBPyConnection, damage: str
) -> None:
    con.execute(damage)
    assert failed(con, built_home).keys() == {"branch_tiered_maintenance"}


def test_another_reason_for_the_same_tier_is_found(built_home: BuiltHome, con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update tiering.customer_tier set decided_by = 'individual' where decided_by = 'grace'")
    assert "branch_tiered_maintenance" in failed(con, built_home)


def test_the_sample_is_the_same_on_one_date_and_another_on_the_next(
    built_home: BuiltHome, con: duckdb.DuckDBPyConnection
) -> None:
    con.execute("update tiering.customer_tier set tier_code = 'elsewhere' where scheme_code = 'abcd'")

    def sampled(day: date) -> str:
        record = replace(built_home.record, as_of_date=day)
        return next(
            c.detail for c in explanation_checks(con, record, POLICIES, 10) if c.check_name == "explanation.abcd"
        )

    day = built_home.record.as_of_date
    assert sampled(day) == sampled(day)
    assert sampled(day) != sampled(date(2026, 5, 5))
    assert sampled(day).count("elsewhere") == 10


def test_an_explanation_is_read_back_as_it_was_written(built_home: BuiltHome, con: duckdb.DuckDBPyConnection) -> None:
    (customer_id,) = con.execute(
        "select min(customer_id) from tiering.tier_explanation where component_kind = 'account'"
    ).fetchall()[0]
    components = mart_components(con, [customer_id])[PRIMARY.scheme_code, customer_id]
    assert [c.component_no for c in components] == sorted(c.component_no for c in components)
    assert components[0].component_kind == "tier"
    decision = SecondEvaluator(POLICIES).evaluate(PRIMARY, components, DAY, built_home.record.as_of_date)
    assert decision == Decision(str(components[0].tier_code), str(components[0].decided_by))
