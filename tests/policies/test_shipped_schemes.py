"""The shipped policies against the rule books they are made of: a second table of every cut, in whole yuan."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from decimal import Decimal
from functools import cache

import pytest

from orchestration.lib.home import PROJECT_ROOT
from orchestration.lib.policies import load_policies, policy_rows
from orchestration.lib.policies.compile import MISSING, cell_tiers, factor_places, value_bands

FEN = Decimal("0.01")
LAYERS = "mid_high_service_layers"
MILLION = Decimal(1_000_000)

# Lowest tier first, with the first whole yuan that belongs to it; None: no floor. `above`: the yuan itself does not.
CUTS = {
    "branch_tiered_maintenance": [
        ("staff_maintained", 50_000),
        ("lobby_adopted", 100_000),
        ("wealth_manager", 200_000),
        ("private_wealth", ("above", 2_000_000)),
    ],
    "sub_branch_five_band": [
        ("high_counter", 1_000),
        ("low_counter", 50_000),
        ("relationship_and_lobby", 200_000),
        ("relationship_and_head", 500_000),
        ("outlet_head_led", 3_000_000),
    ],
    "mid_high_service_layers": [
        ("front_line", 200_000),
        ("department_heads", 1_000_000),
        ("presidents", 5_000_000),
    ],
    "family_card": [("silver", None), ("gold", 100_000), ("platinum", 300_000), ("black", 1_000_000)],
    "six_level": [
        ("level_1", None),
        ("level_2", 10_000),
        ("level_3", 500_000),
        ("level_4", 1_000_000),
        ("level_5", 5_000_000),
        ("level_6", 10_000_000),
    ],
    "corporate_five_level": [
        ("level_1", None),
        ("level_2", 1_000_000),
        ("level_3", 10_000_000),
        ("level_4", 50_000_000),
        ("level_5", 100_000_000),
    ],
}
QUALITATIVE = {
    "abcd",
    "activity_value",
    "four_axes",
    "gold_diamond",
    "kaism",
    "mid_high_segments",
    "pyramid",
    "rfm",
    "savings_grade",
    "three_value",
    "value_metals",
    "weighted_index",
}
# Who owns one and the same customer: scheme by scheme, as the resolved rule books say it. None: not tiered.
SAME_CUSTOMER = {
    500: (None, None, None, "silver", "level_1"),
    30_000: (None, "high_counter", None, "silver", "level_2"),
    50_000: ("staff_maintained", "low_counter", None, "silver", "level_2"),
    100_000: ("lobby_adopted", "low_counter", None, "gold", "level_2"),
    200_000: ("wealth_manager", "relationship_and_lobby", "front_line", "gold", "level_2"),
    1_000_000: ("wealth_manager", "relationship_and_head", "department_heads", "black", "level_4"),
    2_000_000: ("wealth_manager", "relationship_and_head", "department_heads", "black", "level_4"),
    2_500_000: ("private_wealth", "relationship_and_head", "department_heads", "black", "level_4"),
    6_000_000: ("private_wealth", "outlet_head_led", "presidents", "black", "level_5"),
}
# scheme -> tier -> primary role, then the team.
OWNERS = {
    "branch_tiered_maintenance": {
        "special_entry": ["lobby_manager"],
        "staff_maintained": ["teller"],
        "lobby_adopted": ["outlet_head", "lobby_manager"],
        "wealth_manager": ["wealth_manager"],
        "private_wealth": ["private_wealth_manager", "branch_president", "outlet_head"],
    },
    "sub_branch_five_band": {
        "high_counter": ["high_counter_teller"],
        "low_counter": ["low_counter_teller", "vip_counter_teller"],
        "relationship_and_lobby": ["relationship_manager", "lobby_manager"],
        "relationship_and_head": ["relationship_manager", "relationship_manager_head"],
        "outlet_head_led": ["outlet_head", "relationship_manager_head", "personal_finance_department"],
    },
    "mid_high_service_layers": {
        "front_line": ["wealth_manager", "lobby_manager", "marketing_manager", "teller"],
        "department_heads": [
            "personal_finance_head",
            "outlet_head",
            "wealth_manager",
            "lobby_manager",
            "marketing_manager",
            "teller",
        ],
        "presidents": [
            "branch_president",
            "deputy_president",
            "personal_finance_head",
            "outlet_head",
            "wealth_manager",
            "lobby_manager",
            "marketing_manager",
            "teller",
        ],
    },
}
NOBODY = dict.fromkeys(
    (
        "annual_income_cny",
        "card_spend_365d_cny",
        "days_past_due",
        "deposit_cny",
        "deposit_tenor_months",
        "known_field_count",
        "loan_class_rank",
        "product_family_count",
        "revenue_365d_cny",
        "risk_appetite_rank",
        "risk_result_rank",
        "special_flag_rank",
        "spend_365d_count",
    )
)


@cache
def policies():
    return load_policies()


@cache
def rows():
    return policy_rows(policies())


def version_of(scheme_code):
    (version,) = policies().scheme(scheme_code).versions
    return version


def banded_tier(scheme_code, value):
    scheme = policies().scheme(scheme_code)
    tiers = [code for code, lower, upper in value_bands(scheme.kind, version_of(scheme_code)) if lower <= value < upper]
    assert len(tiers) == 1, f"{scheme_code} at {value}: {tiers}"
    return tiers[0]


def rank(measure_code, code):
    return next(r["code_rank"] for r in rows()["code_rank"] if (r["measure_code"], r["code"]) == (measure_code, code))


def composed_tier(scheme_code, *, assets=0, **measures):
    """Tier of a scorecard or matrix of written bins for a customer of whom nothing else is known; None: not tiered."""
    known = {**NOBODY, "assets": assets, **measures}
    total = Decimal(0)
    for factor in version_of(scheme_code).factors:
        quantity = factor.measure.quantity
        value = known[quantity]
        if isinstance(value, str):
            value = rank(quantity, value)
        compared = MISSING if value is None else Decimal(value)
        points = [
            r["points"]
            for r in rows()["factor_bin"]
            if (r["scheme_code"], r["factor_code"]) == (scheme_code, factor.factor_code)
            and r["lower_value"] <= compared < r["upper_value"]
        ]
        if not points:
            return None
        assert len(points) == 1, f"{scheme_code}.{factor.factor_code} at {value}: {points}"
        total += points[0]
    tier = banded_tier(scheme_code, total)
    return None if tier == "none" else tier


def grouped_tier(scheme_code, **groups):
    """Tier of a matrix for the numbers of the population groups that a customer is in."""
    version = version_of(scheme_code)
    places = factor_places(version)
    cell = sum(f.bin_codes.index(str(groups[f.factor_code])) * places[f.factor_code] for f in version.factors)
    (tier,) = cell_tiers(version)[cell]
    return tier


@pytest.mark.rule("G32")
def test_every_rule_book_of_the_catalogue_ships():
    schemes = {scheme.scheme_code: scheme for scheme in policies().schemes}
    assert set(schemes) == {*CUTS, *QUALITATIVE, "risk_tier"}
    assert len(schemes) == 19
    assert all(scheme.is_enabled for scheme in schemes.values())
    assert [code for code, scheme in schemes.items() if scheme.is_primary] == ["branch_tiered_maintenance"]
    assert [code for code, scheme in schemes.items() if scheme.subject == "enterprise"] == ["corporate_five_level"]


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_readmes_list_every_scheme_with_its_name_and_kind(page):
    rows = re.findall(
        r"^\| (\w+) \| (\S+) \| (bands|scorecard|matrix) \|", (PROJECT_ROOT / page).read_text("utf-8"), re.M
    )
    assert sorted(rows) == sorted((s.scheme_code, s.label_zh, s.kind) for s in policies().schemes)


def test_schemes_whose_sources_give_no_numbers_say_so():
    assert {s.scheme_code for s in policies().schemes if s.source == "qualitative"} == QUALITATIVE


@pytest.mark.rule("A9-02", "A9-03", "A9-04", "A9-05", "A8-01", "A8-02", "A8-03", "A8-04", "A8-05")
@pytest.mark.rule("E6-01", "E6-02", "E6-03", "E6-10", "E6-11", "E6-12", "C2-01", "C2-02", "C2-03")
@pytest.mark.rule("C4-02", "C4-03", "C4-04", "C4-05", "C4-06", "C4-08", "C4-09", "C4-10", "C4-11", "G1", "G2")
@pytest.mark.parametrize(
    ("scheme_code", "tier_code", "below", "start"),
    [
        (scheme_code, tier_code, tiers[i - 1][0] if i else "none", start)
        for scheme_code, tiers in CUTS.items()
        for i, (tier_code, start) in enumerate(tiers)
        if start is not None
    ],
)
def test_a_tier_starts_at_the_fen_its_rule_book_says(scheme_code, tier_code, below, start):
    is_above, yuan = isinstance(start, tuple), Decimal(start[1] if isinstance(start, tuple) else start)
    assert banded_tier(scheme_code, yuan - FEN) == below
    assert banded_tier(scheme_code, yuan) == (below if is_above else tier_code)
    assert banded_tier(scheme_code, yuan + FEN) == tier_code


@pytest.mark.rule("C2-04", "C4-01", "C4-07")
@pytest.mark.parametrize("scheme_code", [code for code, tiers in CUTS.items() if tiers[0][1] is None])
def test_a_scheme_without_floor_tiers_everybody(scheme_code):
    assert banded_tier(scheme_code, Decimal(0)) == CUTS[scheme_code][0][0]
    assert banded_tier(scheme_code, Decimal(-1_000_000)) == CUTS[scheme_code][0][0]


@pytest.mark.parametrize("scheme_code", CUTS)
def test_a_banded_scheme_has_the_tiers_of_its_rule_book_and_each_cut_once(scheme_code):
    tiers = version_of(scheme_code).tiers
    assert [tier.tier_code for tier in tiers] == [tier_code for tier_code, _ in CUTS[scheme_code]]
    assert [tier.rule_id for tier in tiers] == list(dict.fromkeys(tier.rule_id for tier in tiers))
    starts = [tier.lower.number("cny") for tier in tiers if tier.lower]
    assert starts == sorted(set(starts))
    assert tiers[-1].upper is None
    for tier, following in itertools.pairwise(tiers):
        assert tier.upper.value == following.lower.value
        assert tier.upper.inclusive != following.lower.inclusive


@pytest.mark.rule("G2", "G29", "G32")
@pytest.mark.parametrize("yuan", SAME_CUSTOMER)
def test_one_customer_under_every_scheme_of_assets(yuan):
    schemes = (
        "branch_tiered_maintenance",
        "sub_branch_five_band",
        "mid_high_service_layers",
        "family_card",
        "six_level",
    )
    found = tuple(banded_tier(scheme_code, Decimal(yuan)) for scheme_code in schemes)
    assert tuple(None if tier == "none" else tier for tier in found) == SAME_CUSTOMER[yuan]


@pytest.mark.rule("C2-05", "G33")
def test_households_qualify_at_their_own_cuts():
    found = {r["tier_code"]: r["lower_value"] for r in rows()["household_band"]}
    assert found == {"gold": 80_000, "platinum": 250_000, "black": 800_000}
    assert {r["minimum_members"] for r in rows()["household_band"]} == {2}
    assert version_of("family_card").household.statistic == "average"


@pytest.mark.rule("A9-01a", "A9-01b", "A9-01c", "A9-01d", "A9-01e", "G7")
def test_four_doors_lead_into_scope_beside_the_assets():
    assert {(r["rule_id"], r["measure_code"], r["threshold"]) for r in rows()["entry_door"]} == {
        ("A9-01b", "card_spend_365d_cny", 50_000),
        ("A9-01c", "loan_balance_cny", 300_000),
        ("A9-01d", "custody_margin_cny", 10_000),
        ("A9-01e", "highest_card_grade_rank", rank("highest_card_grade_rank", "gold")),
    }
    assert {r["asset_door_rule_id"] for r in rows()["scheme"]} == {"A9-01a", None}
    assert version_of("branch_tiered_maintenance").door_tier.tier_code == "special_entry"


@pytest.mark.rule("A9-02", "A9-03", "A9-04", "A9-05", "A8-01", "A8-02", "A8-03", "A8-04", "A8-05")
@pytest.mark.rule("E6-01", "E6-02", "E6-03", "G7", "G24", "G29")
def test_each_tier_that_is_maintained_has_its_owner_and_team():
    found = {}
    for scheme in policies().schemes:
        for version in scheme.versions:
            tiers = [*version.tiers, *([version.door_tier] if version.door_tier else [])]
            owned = {t.tier_code: [t.owner.primary_role, *t.owner.team_roles] for t in tiers if t.owner}
            if owned:
                found[scheme.scheme_code] = owned
    assert found == OWNERS


@pytest.mark.rule("A9-05", "G3")
def test_the_one_age_limit_is_sixty_completed_years_with_the_lobby_manager_behind_it():
    limits = [r for r in rows()["tier"] if r["age_max"] is not None]
    (limit,) = limits
    assert (limit["tier_code"], limit["age_max"], limit["fallback_role_code"]) == (
        "staff_maintained",
        60,
        "lobby_manager",
    )


@pytest.mark.rule("G12")
def test_falls_wait_as_each_scheme_says():
    def grace(scheme_code):
        return [tier.downgrade_after_months for tier in version_of(scheme_code).tiers]

    assert grace("branch_tiered_maintenance") == [3, 3, 3, 6]
    assert version_of("branch_tiered_maintenance").downgrade_level == "last"
    assert set(grace("sub_branch_five_band")) == {6}
    assert version_of("sub_branch_five_band").downgrade_level == "best"
    assert version_of("sub_branch_five_band").watch_from_month == 4
    assert set(grace("six_level")) == {0}


@pytest.mark.rule("G4", "G34")
def test_assets_are_measured_by_daily_averages_never_by_one_day():
    measures = {
        measure.code
        for scheme in policies().schemes
        for version in scheme.versions
        for measure in [version.measure, *(factor.measure for factor in version.factors)]
        if measure is not None and measure.quantity == "assets"
    }
    assert measures == {
        "aum_month_avg_cny",
        "aum_month_avg_30_cny",
        "aum_month_avg_net_of_loans_cny",
        "aum_quarter_avg_cny",
    }


@pytest.mark.rule("A2-04", "G35")
def test_customers_under_special_handling_are_vetoed_in_every_other_scheme():
    vetoed = {(r["scheme_code"], r["veto_scheme_code"], r["veto_tier_code"]) for r in rows()["veto"]}
    others = {s.scheme_code for s in policies().schemes if s.subject == "customer"} - {"risk_tier"}
    assert vetoed == {(scheme_code, "risk_tier", "special_handling") for scheme_code in others}


@pytest.mark.rule("G5")
def test_loans_count_in_no_assets_but_the_net_ones():
    loans = {r["asset_set"]: r["coefficient"] for r in rows()["asset_weight"] if r["product_family"] == "loan"}
    assert loans == {"standard": 0, "net_of_loans": -1}


@pytest.mark.rule("A2-01", "A2-02", "A2-03", "A2-04", "G36")
@pytest.mark.parametrize(
    ("flag", "result", "tier_code"),
    [
        ("none", "excellent", "low_risk"),
        ("none", "good", "low_risk"),
        ("none", "fair", "general_risk"),
        ("none", "poor", "high_risk"),
        ("none", "bad", "high_risk"),
        ("loan_default", "excellent", "special_handling"),
        ("suspected_money_laundering", "fair", "special_handling"),
        ("fraud", "bad", "special_handling"),
        ("court_freeze", "good", "special_handling"),
        (None, None, None),
    ],
)
def test_risk_tiers_follow_the_result_unless_there_is_a_severe_problem(flag, result, tier_code):
    assert composed_tier("risk_tier", special_flag_rank=flag, risk_result_rank=result) == tier_code


# The words with which a source describes a class lead to that class.
DESCRIBED = [
    ("savings_grade", "level_1_premium", {"deposit_cny": 900_000, "deposit_tenor_months": 36,
        "card_spend_365d_cny": 80_000, "loan_class_rank": "pass"}),
    ("savings_grade", "level_2_good", {"deposit_cny": 100_000, "deposit_tenor_months": 6,
        "card_spend_365d_cny": 20_000}),
    ("savings_grade", "level_3_ordinary", {"deposit_cny": 8_000, "deposit_tenor_months": 0,
        "card_spend_365d_cny": 20_000}),
    ("savings_grade", "level_4_risk", {"deposit_cny": 8_000, "card_spend_365d_cny": 500, "loan_class_rank": "loss"}),
    ("savings_grade", "level_3_ordinary", {}),
    ("abcd", "class_a", {"assets": 2_000_000, "risk_result_rank": "excellent", "known_field_count": 6}),
    ("abcd", "class_b", {"assets": 600_000, "risk_result_rank": "good", "known_field_count": 5}),
    ("abcd", "class_c", {"assets": 200_000, "risk_result_rank": "fair", "known_field_count": 4}),
    ("abcd", "class_c", {"assets": 2_000_000}),
    ("abcd", "class_d", {"assets": 20_000, "risk_result_rank": "bad"}),
    ("abcd", "class_d", {"assets": 2_000_000, "risk_result_rank": "bad", "known_field_count": 6}),
    ("gold_diamond", "gold", {"assets": 600_000, "spend_365d_count": 20, "risk_result_rank": "good",
        "revenue_365d_cny": 6_000}),
    ("gold_diamond", "diamond", {"assets": 9_000_000, "spend_365d_count": 200, "risk_result_rank": "excellent",
        "revenue_365d_cny": 90_000}),
    ("gold_diamond", None, {"assets": 600_000}),
    ("value_metals", "diamond", {"card_spend_365d_cny": 500_000, "spend_365d_count": 10}),
    ("value_metals", "gold", {"card_spend_365d_cny": 30_000, "spend_365d_count": 100}),
    ("value_metals", "silver", {"card_spend_365d_cny": 30_000, "spend_365d_count": 3}),
    ("value_metals", "silver", {"card_spend_365d_cny": 300, "spend_365d_count": 60}),
    ("value_metals", "silver", {}),
    ("mid_high_segments", "high_net_worth", {"assets": 6_000_000}),
    ("mid_high_segments", "mid_range", {"assets": 1_000_000}),
    ("mid_high_segments", "ordinary_high_end", {"assets": 200_000}),
    ("mid_high_segments", "mid_range", {"assets": 200_000, "risk_result_rank": "good", "product_family_count": 3}),
    ("mid_high_segments", None, {"assets": 199_999, "risk_result_rank": "excellent", "product_family_count": 9}),
    ("three_value", "premium", {"assets": 1_000_000, "risk_result_rank": "good"}),
    ("three_value", "premium", {"annual_income_cny": 300_000, "risk_result_rank": "excellent"}),
    ("three_value", "ordinary", {"assets": 1_000_000, "risk_result_rank": "fair"}),
    ("three_value", "ordinary", {"revenue_365d_cny": 500}),
    ("three_value", "low_value", {"revenue_365d_cny": 5, "product_family_count": 1}),
    ("activity_value", "high_value", {"assets": 200_000}),
    ("activity_value", "potential", {"spend_365d_count": 52}),
    ("activity_value", "potential", {"annual_income_cny": 200_000}),
    ("activity_value", "ordinary", {"assets": 1_000}),
    ("four_axes", "high_high_high_high", {"assets": 1_000_000, "risk_result_rank": "good",
        "card_spend_365d_cny": 50_000, "risk_appetite_rank": "c4"}),
    ("four_axes", "low_low_high_low", {"card_spend_365d_cny": 50_000, "risk_appetite_rank": "c1"}),
    ("four_axes", "low_high_low_low", {"assets": 999_999, "risk_result_rank": "good"}),
    ("four_axes", "low_low_low_high", {"card_spend_365d_cny": 49_999, "risk_appetite_rank": "c5"}),
    ("four_axes", "low_low_low_low", {}),
    ("weighted_index", "important", {"card_spend_365d_cny": 60_000, "revenue_365d_cny": 20_000,
        "risk_result_rank": "excellent", "annual_income_cny": 100_000, "known_field_count": 6}),
    ("weighted_index", "small", {"risk_result_rank": "bad", "days_past_due": 90}),
    ("kaism", "key", {"assets": 500_000, "product_family_count": 3}),
    ("kaism", "key_development", {"assets": 500_000, "product_family_count": 2}),
    ("kaism", "maintenance", {"assets": 499_999, "product_family_count": 3}),
    ("kaism", "opportunistic", {}),
]  # fmt: skip


@pytest.mark.rule("B1-01", "B1-02", "B1-03", "B1-04", "C3-01", "C3-02", "C3-03", "C3-04", "C5-01", "C5-02")
@pytest.mark.rule("A1-01", "A1-02", "A1-03", "A3-01", "A3-02", "A3-03", "A4-01", "A4-02", "A4-03")
@pytest.mark.rule("A7-01", "A7-02", "A7-03", "A6-01", "A6-02", "A6-03", "A6-04", "C1-01", "C1-03")
@pytest.mark.rule("G38", "G42")
@pytest.mark.parametrize(("scheme_code", "tier_code", "measures"), DESCRIBED)
def test_a_customer_as_the_source_describes_him_is_in_that_class(scheme_code, tier_code, measures):
    assert composed_tier(scheme_code, **measures) == tier_code


def test_the_four_axes_make_sixteen_classes():
    assert len({tiers[0] for tiers in cell_tiers(version_of("four_axes")).values()}) == 16


@pytest.mark.rule("C1-02", "C1-06")
def test_the_pyramid_has_the_bringers_of_eighty_percent_at_its_top():
    cuts = {r["bin_code"]: r["cut_rate"] for r in rows()["population_bin"] if r["scheme_code"] == "pyramid"}
    assert cuts == {"1": Decimal(1), "2": Decimal("0.95"), "3": Decimal("0.8")}
    assert [grouped_tier("pyramid", profit=n) for n in (1, 2, 3)] == ["small", "ordinary", "key"]


def test_every_rfm_score_is_in_one_segment_of_the_expected_size():
    tiers = Counter(tiers[0] for tiers in cell_tiers(version_of("rfm")).values())
    assert tiers == {
        "champions": 8,
        "loyal": 12 + 10,
        "potential": 20,
        "new": 10,
        "need_attention": 15,
        "at_risk": 20 + 12,
        "lost": 18,
    }


@pytest.mark.rule("C1-04", "G38")
@pytest.mark.parametrize(
    ("score", "tier_code"),
    [
        ("555", "champions"),
        ("551", "loyal"),
        ("345", "loyal"),
        ("435", "potential"),
        ("511", "new"),
        ("333", "need_attention"),
        ("155", "at_risk"),
        ("215", "at_risk"),
        ("111", "lost"),
    ],
)
def test_an_rfm_score_reads_recency_frequency_amount(score, tier_code):
    recency, frequency, monetary = score
    assert grouped_tier("rfm", recency=recency, frequency=frequency, monetary=monetary) == tier_code


def test_the_latest_spenders_have_the_highest_recency_score():
    bins = {r["bin_no"]: r["bin_code"] for r in rows()["population_bin"] if r["factor_code"] == "recency"}
    assert bins == {0: "5", 1: "4", 2: "3", 3: "2", 4: "1"}


@pytest.mark.rule("G25")
def test_roles_know_the_other_names_of_the_sources():
    names = {name: code for code, role in policies().roles.roles.items() for name in (role.label_zh, *role.synonyms)}
    assert names["网点员工"] == names["网点柜员"] == "teller"
    assert names["网点行长"] == names["网点主任"] == names["网点经理"] == names["网点负责人"] == "outlet_head"
    assert names["主管行长"] == names["支行行长"] == "branch_president"
    assert policies().roles.roles["compliance_officer"].needs_nda


@pytest.mark.rule("E6-04")
def test_one_head_answers_for_the_loss_of_every_customer_of_a_million_and_more() -> None:
    policies = load_policies()
    bands = {code: lower for code, lower, _ in value_bands("bands", policies.scheme(LAYERS).versions[0])}
    liable = {t.tier_code: t.owner for t in policies.scheme(LAYERS).versions[0].tiers if bands[t.tier_code] >= MILLION}
    assert min(bands[code] for code in liable) == MILLION
    for owner in liable.values():
        assert owner is not None
        assert owner.primary_as == "employee"
        assert owner.primary_role in {"personal_finance_head", "branch_president"}
        assert owner.primary_role not in owner.team_roles
        assert policies.roles.roles[owner.primary_role].needs_nda
