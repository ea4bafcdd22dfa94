"""Every cut of every scheme, a fen (or a hundredth) below it, on it and above it, through the models of the build.

The tables are written from the rule books: 以上 and 以下 include the number, each cut goes to the higher tier, and
大于200万元 does not include it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import jinja2
import pytest
import yaml

from orchestration.lib.home import DBT_PROJECT_DIR, POLICIES_DIR
from orchestration.lib.planning import advance_json, plan_chunk
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.model import Owner
from orchestration.lib.policies.trial import Trial
from orchestration.lib.policies.units import parse_count, parse_money
from tests.policies.replay import FIRST_DATE, Row, assets, evaluated, factors, month_ends, only

FEN = Decimal("0.01")
WAN = 10_000
(DAY,) = month_ends(1)

# scheme -> (cut in yuan, tier a fen below it, on it, a fen above it)
BANDS = {
    "branch_tiered_maintenance": [
        (5 * WAN, "none", "staff_maintained", "staff_maintained"),
        (10 * WAN, "staff_maintained", "lobby_adopted", "lobby_adopted"),
        (20 * WAN, "lobby_adopted", "wealth_manager", "wealth_manager"),
        (200 * WAN, "wealth_manager", "wealth_manager", "private_wealth"),
    ],
    "sub_branch_five_band": [
        (1_000, "none", "high_counter", "high_counter"),
        (5 * WAN, "high_counter", "low_counter", "low_counter"),
        (20 * WAN, "low_counter", "relationship_and_lobby", "relationship_and_lobby"),
        (50 * WAN, "relationship_and_lobby", "relationship_and_head", "relationship_and_head"),
        (300 * WAN, "relationship_and_head", "outlet_head_led", "outlet_head_led"),
    ],
    "mid_high_service_layers": [
        (20 * WAN, "none", "front_line", "front_line"),
        (100 * WAN, "front_line", "department_heads", "department_heads"),
        (500 * WAN, "department_heads", "presidents", "presidents"),
    ],
    "family_card": [
        (10 * WAN, "silver", "gold", "gold"),
        (30 * WAN, "gold", "platinum", "platinum"),
        (100 * WAN, "platinum", "black", "black"),
    ],
    "six_level": [
        (1 * WAN, "level_1", "level_2", "level_2"),
        (50 * WAN, "level_2", "level_3", "level_3"),
        (100 * WAN, "level_3", "level_4", "level_4"),
        (500 * WAN, "level_4", "level_5", "level_5"),
        (1000 * WAN, "level_5", "level_6", "level_6"),
    ],
}
ENTERPRISES = [
    (100 * WAN, "level_1", "level_2", "level_2"),
    (1000 * WAN, "level_2", "level_3", "level_3"),
    (5000 * WAN, "level_3", "level_4", "level_4"),
    (10000 * WAN, "level_4", "level_5", "level_5"),
]
# Average over the family's members: tier a fen below it, on it, a fen above it.
HOUSEHOLDS = [
    (8 * WAN, "silver", "gold", "gold"),
    (25 * WAN, "gold", "platinum", "platinum"),
    (80 * WAN, "platinum", "black", "black"),
]
# Rule -> the first amount (or card grade) that opens the door.
DOORS = {"A9-01b": 5 * WAN, "A9-01c": 30 * WAN, "A9-01d": 1 * WAN}
GRADES = {"standard": False, "gold": True, "platinum": True, "diamond": True}


def around(cut: int) -> list[Decimal]:
    return [cut - FEN, Decimal(cut), cut + FEN]


@pytest.mark.rule(
    "A9-02",
    "A9-03",
    "A9-04",
    "A9-05",
    "A8-01",
    "A8-02",
    "A8-03",
    "A8-04",
    "A8-05",
    "E6-01",
    "E6-02",
    "E6-03",
    "E6-10",
    "E6-11",
    "E6-12",
    "C2-01",
    "C2-02",
    "C2-03",
    "C2-04",
    "C4-01",
    "C4-02",
    "C4-03",
    "C4-04",
    "C4-05",
    "C4-06",
    "G1",
    "G2",
)
def test_every_band_begins_and_ends_where_its_rule_book_says(trial: Trial) -> None:
    cases = {
        (code, f"{code} {value}"): (value, tier)
        for code, cuts in BANDS.items()
        for cut, *tiers in cuts
        for value, tier in zip(around(cut), tiers, strict=True)
    }
    trial.put("fct_month_measure", [assets(DAY, name, value) for (_, name), (value, _) in cases.items()])

    trial.replay(only(load_policies(), *BANDS), [DAY], "bands")

    found = {code: evaluated(trial, "bands", code, ["measure_value", "tier_code"]) for code in BANDS}
    # Whoever was never in a band is not listed.
    assert {
        (code, name): found[code].get((DAY, name), (value, "none")) for (code, name), (value, _) in cases.items()
    } == cases


def test_the_shipped_banded_schemes_are_all_among_them() -> None:
    banded = {s.scheme_code: s for s in load_policies().schemes if s.kind == "bands"}
    assert set(banded) == {*BANDS, "corporate_five_level"}
    for code, cuts in {**BANDS, "corporate_five_level": ENTERPRISES}.items():
        (version,) = banded[code].versions
        assert len(cuts) == len([t for t in version.tiers if t.lower])
    (version,) = banded["family_card"].versions
    assert len(HOUSEHOLDS) == len([t for t in version.tiers if t.household_lower])


def put_family(trial: Trial, name: str, *values: Decimal | None) -> list[str]:
    """A family whose members all consent; one without a value has no assets. Returns their ids."""
    members = [f"{name} {number}" for number in range(len(values))]
    trial.put("fct_customer_factor", [factors(DAY, member) for member in members])
    trial.put("fct_month_measure", [assets(DAY, m, v) for m, v in zip(members, values, strict=True) if v is not None])
    trial.put(
        "int_customer__household_member",
        [{"household_id": name, "customer_id": member, "is_consenting": True} for member in members],
    )
    return members


@pytest.mark.rule("C2-05", "G33")
def test_a_family_reaches_a_tier_from_its_average_on(trial: Trial) -> None:
    expected = {}
    for cut, *tiers in HOUSEHOLDS:
        for average, tier in zip(around(cut), tiers, strict=True):
            # Alone neither reaches the tier: a single customer needs more than a family's average.
            for member in put_family(trial, str(average), average - FEN, average + FEN):
                expected[DAY, member] = (tier, "individual" if average < cut else "household")

    trial.replay(only(load_policies(), "family_card"), [DAY], "families")

    assert evaluated(trial, "families", "family_card", ["tier_code", "decided_by"]) == expected


def test_an_average_of_a_family_is_rounded_half_up_to_the_fen(trial: Trial) -> None:
    below, cut = 8 * WAN - FEN, Decimal(8 * WAN)
    half_a_fen_below = put_family(trial, "half a fen below", below, cut)
    a_fen_below = put_family(trial, "a fen below", below, below)

    trial.replay(only(load_policies(), "family_card"), [DAY], "families")

    found = evaluated(trial, "families", "family_card")
    assert {found[DAY, member] for member in half_a_fen_below} == {"gold"}
    assert {found[DAY, member] for member in a_fen_below} == {"silver"}


@pytest.mark.rule("C2-05", "G33")
def test_a_member_without_assets_counts_in_the_average_and_inherits_the_tier(trial: Trial) -> None:
    members = put_family(trial, "one owns all", Decimal(16 * WAN), None)
    too_many = put_family(trial, "for three too little", Decimal(16 * WAN), None, None)

    trial.replay(only(load_policies(), "family_card"), [DAY], "families")

    found = evaluated(trial, "families", "family_card", ["tier_code", "decided_by", "measure_value"])
    assert found[DAY, members[0]] == ("gold", "individual", 16 * WAN)
    assert found[DAY, members[1]] == ("gold", "household", None)
    assert [found.get((DAY, m)) for m in too_many] == [("gold", "individual", 16 * WAN), None, None]


@pytest.mark.rule("C4-07", "C4-08", "C4-09", "C4-10", "C4-11", "G1")
def test_enterprises_are_levelled_by_the_years_revenue(trial: Trial) -> None:
    cases = {
        str(value): (value, tier) for cut, *tiers in ENTERPRISES for value, tier in zip(around(cut), tiers, strict=True)
    }
    trial.put(
        "stg_enterprise__enterprises",
        [
            {"enterprise_id": name, "fiscal_year": 2024, "annual_revenue_cny": value, "batch_id": "b"}
            for name, (value, _) in cases.items()
        ],
    )
    run_day(trial, "fct_enterprise_tier", "enterprise.enterprises")

    with trial.connect() as con:
        rows = con.execute("select enterprise_id, measure_value, tier_code from core.fct_enterprise_tier").fetchall()
    assert {name: (value, tier) for name, value, tier in rows} == cases


@pytest.mark.rule("A9-01b", "A9-01c", "A9-01d", "A9-01e")
def test_every_entry_door_opens_at_its_threshold(trial: Trial) -> None:
    kinds = {"A9-01c": "loan", "A9-01d": "custody_margin"}
    legs = [
        {
            "business_date": DAY,
            "account_kind": kind,
            "account_id": str(value),
            "customer_id": str(value),
            "value_cny": value,
        }
        for rule, kind in kinds.items()
        for value in around(DOORS[rule])
    ]
    spend = [
        {"customer_id": str(value), "valid_from": FIRST_DATE, "card_spend_365d_cny": value}
        for value in around(DOORS["A9-01b"])
    ]
    cards = [
        {"card_id": grade, "customer_id": grade, "card_grade": grade, "status": "open", "batch_id": "b"}
        for grade in GRADES
    ]
    trial.put("int_assets__leg_day", legs)
    trial.put("int_card__spend_interval", spend)
    trial.put("stg_card__card_accounts", cards)
    run_day(trial, "int_tiering__open_door_day", "card.card_accounts")

    with trial.connect() as con:
        opened = con.execute("select rule_id, customer_id from intermediate.int_tiering__open_door_day").fetchall()
    expected = [(rule, str(value)) for rule, cut in DOORS.items() for value in around(cut)[1:]]
    expected += [("A9-01e", grade) for grade, opens in GRADES.items() if opens]
    assert sorted(opened) == sorted(expected)


def run_day(trial: Trial, model: str, feed_id: str) -> None:
    """Run a model on DAY with batch ``b`` of a feed in force."""
    policies = load_policies()
    trial.lay_policies(policies)
    with trial.connect() as con:
        con.execute("create schema build")
        con.execute("create table build.calendar_day as select ? as business_date", [DAY])
        con.execute(
            "create table build.batch_day as select ? as feed_id, ?::date as business_date, 'b' as batch_id",
            [feed_id, DAY],
        )
    chunk = plan_chunk(None, DAY, DAY, FIRST_DATE, None, policies)
    trial.run([model], [advance_json(chunk, first_date=FIRST_DATE, opening_date=None, is_merging=False)])


# --- scorecards and matrices ---------------------------------------------------------------------


def raw(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((POLICIES_DIR / f"{name}.yml").read_text("utf-8"))
    return content


CODES: dict[str, list[str]] = raw("measures")["versions"][0]["codes"]
# The list of codes that ranks a quantity.
RANKED = {
    "risk_result_rank": "risk_result",
    "special_flag_rank": "special_flag",
    "loan_class_rank": "loan_class",
    "risk_appetite_rank": "risk_appetite",
}
BINNED = [
    code
    for code in (path.stem for path in sorted(POLICIES_DIR.glob("*.yml")))
    if code not in ("rfm", "pyramid") and raw(code).get("kind") in ("scorecard", "matrix")
]
Profile = dict[str, Decimal | None]


def quantity(factor: dict[str, Any]) -> str:
    """What a factor measures, as a key of a profile."""
    measure = factor["measure"]
    if isinstance(measure, str):
        return measure
    return f"{measure['window']} {measure.get('asset_set', 'standard')}"


def number(value: object) -> Decimal:
    try:
        return parse_money(value)
    except ValueError:
        return parse_count(value)[0]


def is_in(bin_: dict[str, Any], value: Decimal | None, factor: dict[str, Any]) -> bool:
    """Whether a bin of a policy file takes a value, by its own words."""
    if value is None:
        return bool(bin_.get("takes_missing"))
    if "codes" in bin_:
        return CODES[RANKED[quantity(factor)]][int(value) - 1] in bin_["codes"]
    lower, upper = bin_.get("lower"), bin_.get("upper")
    if lower and (value < number(lower["value"]) or (value == number(lower["value"]) and not lower["inclusive"])):
        return False
    return not (
        upper and (value > number(upper["value"]) or (value == number(upper["value"]) and not upper["inclusive"]))
    )


def read_by_hand(scheme: dict[str, Any], profile: Profile) -> tuple[str, Decimal | None] | None:
    """Tier of a customer, and his points in a scorecard, as a policy file says it; None when a factor has no bin."""
    (version,) = scheme["versions"]
    chosen, points = {}, Decimal(0)
    for factor in version["factors"]:
        taken = [b for b in factor["bins"] if is_in(b, profile[quantity(factor)], factor)]
        if not taken:
            return None
        (chosen[factor["factor_code"]],) = (b["bin_code"] for b in taken)
        points += Decimal(str(taken[0].get("points", 0))) * Decimal(str(factor.get("weight", "100%")).rstrip("%")) / 100
    if scheme["kind"] == "matrix":
        (tier,) = {
            cell["tier_code"]
            for cell in version["cells"]
            if all(chosen[axis] in codes for axis, codes in cell["when"].items())
        }
        return tier, None
    reached = [t for t in version["tiers"] if "lower" not in t or points >= number(t["lower"]["value"])]
    return (reached[-1]["tier_code"] if reached else "none"), points


def cuts_by_quantity() -> dict[str, set[Decimal]]:
    cuts: dict[str, set[Decimal]] = defaultdict(set)
    for factor in (f for code in BINNED for f in raw(code)["versions"][0]["factors"]):
        name = quantity(factor)
        cuts[name] |= {number(b[end]["value"]) for b in factor["bins"] for end in ("lower", "upper") if end in b}
        if name in RANKED:
            cuts[name] |= {Decimal(rank) for rank in range(1, len(CODES[RANKED[name]]) + 1)}
    return dict(cuts)


def profiles() -> Iterator[Profile]:
    """Customers on and beside every cut, with everything else drawn from the same values or unknown."""
    draw = random.Random(3)
    values: dict[str, list[Decimal | None]] = {}
    for name, cuts in cuts_by_quantity().items():
        steps = (Decimal(0),) if name in RANKED else (-FEN, Decimal(0), FEN)
        values[name] = [None, *(cut + step for cut in sorted(cuts) for step in steps)]
    for name, choices in values.items():
        for value in choices:
            for _ in range(12):
                yield {other: draw.choice(values[other]) for other in values} | {name: value}


def rows_of(name: str, profile: Profile) -> tuple[list[Row], Row]:
    """A profile's assets per asset set, by window, and his other quantities."""
    by_set: dict[str, Row] = {}
    for key, value in profile.items():
        window, _, asset_set = key.partition(" ")
        if asset_set:
            row = by_set.setdefault(asset_set, assets(DAY, name, 0, asset_set))
            row[f"aum_{window}_avg_cny"] = value
    others = {key: value for key, value in profile.items() if " " not in key}
    return list(by_set.values()), factors(DAY, name, **others)


@pytest.mark.rule(
    "A2-01",
    "A2-02",
    "A2-03",
    "A2-04",
    "B1-01",
    "B1-02",
    "B1-03",
    "B1-04",
    "C1-01",
    "C1-03",
    "C3-01",
    "C3-02",
    "C3-03",
    "C3-04",
    "C5-01",
    "C5-02",
    "A1-01",
    "A1-02",
    "A1-03",
    "A3-01",
    "A3-02",
    "A3-03",
    "A4-01",
    "A4-02",
    "A4-03",
    "A6-01",
    "A6-02",
    "A6-03",
    "A6-04",
    "A7-01",
    "A7-02",
    "A7-03",
    "G36",
    "G42",
)
def test_every_factor_cut_of_scorecards_and_matrices_leads_to_the_tier_that_the_file_says(trial: Trial) -> None:
    customers = {f"{n:04}": profile for n, profile in enumerate(profiles())}
    rows = [rows_of(name, profile) for name, profile in customers.items()]
    trial.put("fct_month_measure", [row for measured, _ in rows for row in measured])
    trial.put("fct_customer_factor", [row for _, row in rows])

    trial.replay(only(load_policies(), *BINNED), [DAY], "binned")

    for code in BINNED:
        scheme = raw(code)
        expected = {name: read_by_hand(scheme, profile) for name, profile in customers.items()}
        listed = {(DAY, name): found[0] for name, found in expected.items() if found and found[0] != "none"}
        assert evaluated(trial, "binned", code) == listed, code
        if scheme["kind"] == "scorecard":
            found = evaluated(trial, "binned", code, ["measure_value"])
            assert found == {key: expected[key[1]][1] for key in listed}, code
        # The cases are worth something: every tier of every scheme is reached.
        assert set(listed.values()) == {t["tier_code"] for t in scheme["versions"][0]["tiers"]}, code


# --- ages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("birth", "day", "years"),
    [
        (date(1966, 6, 30), date(2026, 6, 29), 59),
        (date(1966, 6, 30), date(2026, 6, 30), 60),
        (date(1966, 6, 30), date(2027, 6, 29), 60),
        (date(1966, 6, 30), date(2027, 6, 30), 61),
        (date(1965, 12, 31), date(2026, 1, 1), 60),
        # Born on 29 February: on the day itself in leap years, on 1 March in others.
        (date(1964, 2, 29), date(2024, 2, 28), 59),
        (date(1964, 2, 29), date(2024, 2, 29), 60),
        (date(1964, 2, 29), date(2025, 2, 28), 60),
        (date(1964, 2, 29), date(2025, 3, 1), 61),
        (date(2026, 6, 30), date(2026, 6, 30), 0),
    ],
)
def test_a_year_is_completed_on_the_birthday_itself(birth: date, day: date, years: int) -> None:
    macros = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False).from_string(
        (DBT_PROJECT_DIR / "macros" / "engine" / "portable.sql").read_text("utf-8")
    )
    expression = macros.module.default__completed_years("birth", "today")
    with duckdb.connect() as con:
        row = con.execute(
            f"select {expression} from (select ?::date as birth, ?::date as today)", [birth, day]
        ).fetchone()
    assert row == (years,)


@pytest.mark.parametrize(
    ("age", "role"),
    [(18, "teller"), (59, "teller"), (60, "teller"), (61, "lobby_manager"), (95, "lobby_manager"), (None, "teller")],
)
@pytest.mark.rule("A9-05", "G3")
def test_customers_of_5_to_10_wan_are_the_tellers_up_to_60_completed_years(age: int | None, role: str) -> None:
    (version,) = load_policies().primary.versions
    owners = {t.tier_code: t.owner for t in version.tiers if t.owner}
    assert owners["staff_maintained"].role_at(age) == role
    # No other tier knows an age.
    others = {code: owner.role_at(age) for code, owner in owners.items() if code != "staff_maintained"}
    assert others == {
        "lobby_adopted": "outlet_head",
        "wealth_manager": "wealth_manager",
        "private_wealth": "private_wealth_manager",
    }


def test_an_owner_without_an_age_limit_is_everyones() -> None:
    assert {Owner(primary_role="teller").role_at(age) for age in (None, 0, 60, 61, 120)} == {"teller"}
