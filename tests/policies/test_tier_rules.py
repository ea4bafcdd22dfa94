"""How official tiers follow indicative ones: random histories of many customers against a few lines of Python each."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from orchestration.lib.planning import DAY
from orchestration.lib.policies import PolicySet, load_policies
from orchestration.lib.policies.model import Household, Scheme
from orchestration.lib.policies.trial import Trial
from tests.policies import replay
from tests.policies.test_boundaries import BANDS, FEN, HOUSEHOLDS, WAN

MONTHS = replay.month_ends(14)
LADDER = [500, 3 * WAN, 7 * WAN, 15 * WAN, 28 * WAN, 60 * WAN, 150 * WAN, 300 * WAN, 700 * WAN, 1200 * WAN]
# Months below a tier after which it is lost.
GRACE = {
    "branch_tiered_maintenance": {"staff_maintained": 3, "lobby_adopted": 3, "wealth_manager": 3, "private_wealth": 6},
    "mid_high_service_layers": {"front_line": 3, "department_heads": 3, "presidents": 6},
    "family_card": {"silver": 0, "gold": 3, "platinum": 3, "black": 6},
    "sub_branch_five_band": dict.fromkeys((tier for _, _, tier, _ in BANDS["sub_branch_five_band"]), 6),
    "six_level": {},
}
FLAGGED = 2  # the rank of loan_default, one above none


@dataclass
class Person:
    """A customer: his assets (None: not delivered) and whether he is under special handling, month by month."""

    customer_id: str
    values: list[Decimal | None]
    is_flagged: list[bool]
    family: list[Person] = field(default_factory=list)
    is_consenting: bool = True


@dataclass
class Standing:
    """What an evaluation found: the row that the model must give."""

    tier: str = "none"
    below: int = 0
    since: date | None = None
    inds: list[int] = field(default_factory=list)


# --- the histories -------------------------------------------------------------------------------


def people() -> list[Person]:
    draw = random.Random(11)
    found = []
    for number in range(220):
        level, values = draw.randrange(len(LADDER)), []
        for _ in MONTHS:
            if draw.random() < 0.4:
                level = min(max(level + draw.choice([-3, -2, -1, -1, 1, 1, 2]), 0), len(LADDER) - 1)
            value = Decimal(LADDER[level]) + Decimal(draw.randrange(-20_000, 20_000)) / 100
            values.append(None if draw.random() < 0.04 else value)
        found.append(Person(f"{number:04}", values, [draw.random() < 0.1 for _ in MONTHS]))
    # Families of one to four; in some of them one member has not consented.
    rest = found[:150]
    while rest:
        family, rest = rest[: (size := draw.choice([1, 2, 2, 3, 4]))], rest[size:]
        for person in family:
            person.family = family
        family[0].is_consenting = draw.random() > 0.2
    return found


PEOPLE = people()


def changed(scheme: Scheme, code: str, **update: Any) -> Scheme:
    """A scheme under another code whose version says something else."""
    (version,) = scheme.versions
    return scheme.model_copy(
        update={"scheme_code": code, "is_primary": False, "versions": (version.model_copy(update=update),)}
    )


def rule_books() -> PolicySet:
    """The shipped schemes with a rule over months, and variants that none of them uses."""
    shipped = load_policies()
    six = shipped.scheme("six_level")
    measure = six.versions[0].measure
    assert measure is not None
    variants = [
        changed(six, "best_measure", measure=measure.model_copy(update={"best_of_months": 3})),
        changed(
            six, "thirty_day_quarters", measure=measure.model_copy(update={"window": "quarter", "day_count": "thirty"})
        ),
        changed(six, "year", measure=measure.model_copy(update={"window": "year"})),
        changed(six, "today", measure=measure.model_copy(update={"window": "point"})),
        changed(shipped.scheme("family_card"), "family_sum", household=Household(statistic="sum", minimum_members=3)),
    ]
    used = replay.only(shipped, *GRACE, "mid_high_segments", "risk_tier")
    return replace(used, schemes=(*used.schemes, *variants))


def amounts(index: int, day: date, value: Decimal) -> dict[str, Decimal]:
    """Columns of a month end; each window has another average, so none can stand for another."""
    return {
        "aum_cny": value - 3,
        "aum_month_avg_cny": value,
        "month_balance_days_cny": value * day.day,
        "quarter_balance_days_cny": value * 91,
        "aum_year_avg_cny": value + index,
    }


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """All histories under all rule books, in one replay."""
    trial = Trial(tmp_path_factory.mktemp("rules") / "trial", first_date=replay.FIRST_DATE)
    present = [
        (index, day, person, value)
        for index, day in enumerate(MONTHS)
        for person in PEOPLE
        if (value := person.values[index]) is not None
    ]
    trial.put(
        "fct_month_measure",
        [replay.assets(day, p.customer_id, 0) | amounts(index, day, value) for index, day, p, value in present],
    )
    trial.put(
        "fct_customer_factor",
        [
            replay.factors(
                day, p.customer_id, special_flag_rank=FLAGGED if p.is_flagged[index] else 1, risk_result_rank=3
            )
            for index, day, p, _ in present
        ],
    )
    trial.put(
        "int_customer__household_member",
        [
            {"household_id": p.family[0].customer_id, "customer_id": p.customer_id, "is_consenting": p.is_consenting}
            for p in PEOPLE
            if p.family
        ],
    )
    trial.replay(rule_books(), MONTHS, "rules")
    return trial


# --- the rules -----------------------------------------------------------------------------------


def firsts(scheme_code: str) -> list[tuple[Decimal, str]]:
    """(first amount, tier) of a banded scheme, lowest first."""
    cuts = BANDS[scheme_code]
    lowest = [] if cuts[0][1] == "none" else [(Decimal("-Infinity"), cuts[0][1])]
    return lowest + [(cut if on == above else cut + FEN, above) for cut, _, on, above in cuts]


def rank(scheme_code: str, value: Decimal | None) -> int:
    return 0 if value is None else sum(value >= first for first, _ in firsts(scheme_code))


def half_up(value: Decimal) -> Decimal:
    return value.quantize(FEN, ROUND_HALF_UP)


Indicative = Callable[[Person, int], int]
Decide = Callable[[Standing, int, str, int], int]


def by_value(scheme_code: str, value: Callable[[Person, int], Decimal | None]) -> Indicative:
    return lambda person, index: rank(scheme_code, value(person, index))


def month_average(person: Person, index: int) -> Decimal | None:
    return person.values[index]


def thirty_day_average(person: Person, index: int) -> Decimal | None:
    value = person.values[index]
    return None if value is None else half_up(value * MONTHS[index].day / 30)


def at_once(standing: Standing, indicative: int, scheme_code: str, standing_rank: int) -> int:
    return indicative


def after_grace(level: Callable[[list[int]], int]) -> Decide:
    """A tier is kept until a customer was below it for its months of grace; then comes the level of those months."""

    def decide(standing: Standing, indicative: int, scheme_code: str, standing_rank: int) -> int:
        if indicative >= standing_rank:
            standing.below = 0
            return indicative
        standing.below += 1
        if standing.below < GRACE[scheme_code].get(standing.tier, 0):
            return standing_rank
        months, standing.below = standing.inds[-standing.below :], 0
        return level(months)

    return decide


def best_of(months: int) -> Decide:
    return lambda standing, indicative, scheme_code, standing_rank: max(standing.inds[-months:])


def expected(
    scheme_code: str, tiers: list[str], indicative: Indicative, decide: Decide, columns: tuple[str, ...]
) -> dict[tuple[date, str], Any]:
    """The columns that every evaluation must have, by month end and customer, from the first tier on."""
    rows = {}
    for person in PEOPLE:
        standing = Standing()
        for index, day in enumerate(MONTHS):
            before = standing.tier
            ind = indicative(person, index)
            standing.inds.append(ind)
            official = decide(standing, ind, scheme_code, tiers.index(before))
            standing.tier = tiers[official]
            if standing.tier != before:
                standing.since = day + DAY
            if standing.since is None:
                continue
            is_vetoed = person.is_flagged[index] and person.values[index] is not None and official > 0
            row = {
                "tier_code": standing.tier,
                "indicative_tier_code": tiers[ind],
                "previous_tier_code": before,
                "grace_months_below": standing.below,
                "valid_from": standing.since,
                "change_kind": kind(tiers, before, standing.tier),
                "decided_by": "veto" if is_vetoed else "grace" if official > ind else "individual",
            }
            rows[day, person.customer_id] = tuple(row[name] for name in columns)
    return rows


def kind(tiers: list[str], before: str, after: str) -> str | None:
    if before == after:
        return None
    if before == "none":
        return "enter"
    if after == "none":
        return "exit"
    return "upgrade" if tiers.index(after) > tiers.index(before) else "downgrade"


COLUMNS = (
    "tier_code",
    "indicative_tier_code",
    "previous_tier_code",
    "grace_months_below",
    "valid_from",
    "change_kind",
    "decided_by",
)


def assert_follows(
    trial: Trial,
    scheme_code: str,
    indicative: Indicative,
    decide: Decide,
    *,
    bands: str | None = None,
    columns: tuple[str, ...] = COLUMNS,
) -> None:
    tiers = ["none", *(tier for _, tier in firsts(bands or scheme_code))]
    found = replay.evaluated(trial, "rules", scheme_code, columns)
    assert found == expected(bands or scheme_code, tiers, indicative, decide, columns)
    # Histories that show the rule: every tier is held, and every kind of change occurs that can.
    assert {row[0] for row in found.values()} >= {tier for _, tier in firsts(bands or scheme_code)}


@pytest.mark.rule("G12")
def test_a_tier_falls_to_the_level_of_the_third_month_below_and_the_top_one_of_the_sixth(replayed: Trial) -> None:
    for scheme_code in ("branch_tiered_maintenance", "mid_high_service_layers"):
        assert_follows(replayed, scheme_code, by_value(scheme_code, month_average), after_grace(lambda m: m[-1]))


def test_of_six_months_below_the_best_decides_and_months_are_taken_as_thirty_days(replayed: Trial) -> None:
    scheme_code = "sub_branch_five_band"
    assert_follows(replayed, scheme_code, by_value(scheme_code, thirty_day_average), after_grace(max))
    values = replay.evaluated(replayed, "rules", scheme_code, ["measure_value"])
    for (day, customer_id), value in values.items():
        assert value == thirty_day_average(PEOPLE[int(customer_id)], MONTHS.index(day))


def test_without_grace_the_tier_is_that_of_the_month(replayed: Trial) -> None:
    assert_follows(replayed, "six_level", by_value("six_level", month_average), at_once)


def test_every_kind_of_change_occurs(replayed: Trial) -> None:
    kinds = set(replay.evaluated(replayed, "rules", "branch_tiered_maintenance", ["change_kind"]).values())
    assert kinds == {None, "enter", "exit", "upgrade", "downgrade"}


def test_a_measure_is_the_best_of_its_last_months(replayed: Trial) -> None:
    def best(person: Person, index: int) -> Decimal | None:
        return max((v for v in person.values[max(index - 2, 0) : index + 1] if v is not None), default=None)

    # Who is gone has no flag any more, so it is left to the other tests.
    columns = tuple(c for c in COLUMNS if c != "decided_by")
    assert_follows(replayed, "best_measure", by_value("six_level", best), at_once, bands="six_level", columns=columns)


@pytest.mark.parametrize(
    ("scheme_code", "measured"),
    [
        ("today", lambda value, index: value - 3),
        ("year", lambda value, index: value + index),
        ("thirty_day_quarters", lambda value, index: half_up(value * 91 / 90)),
    ],
)
def test_each_window_has_its_own_measure(
    replayed: Trial, scheme_code: str, measured: Callable[[Decimal, int], Decimal]
) -> None:
    def value(person: Person, index: int) -> Decimal | None:
        month = person.values[index]
        return None if month is None else measured(month, index)

    assert_follows(replayed, scheme_code, by_value("six_level", value), at_once, bands="six_level")
    for (day, customer_id), found in replay.evaluated(replayed, "rules", scheme_code, ["measure_value"]).items():
        assert found == value(PEOPLE[int(customer_id)], MONTHS.index(day))


def test_a_tier_is_the_best_of_the_last_six_evaluations(replayed: Trial) -> None:
    # 80 % of the means' points and the 5 that a fair rating gives: 45, 65 or 85.
    cuts = [(20 * WAN, "ordinary_high_end"), (100 * WAN, "mid_range"), (600 * WAN, "high_net_worth")]
    tiers = ["none", *(tier for _, tier in cuts)]

    def indicative(person: Person, index: int) -> int:
        value = person.values[index]
        return 0 if value is None else sum(value >= cut for cut, _ in cuts)

    found = replay.evaluated(replayed, "rules", "mid_high_segments", COLUMNS)
    # Its grace is no state: months below are not counted.
    columns = tuple(c for c in COLUMNS if c != "grace_months_below")
    assert {k: tuple(v[COLUMNS.index(c)] for c in columns) for k, v in found.items()} == expected(
        "mid_high_segments", tiers, indicative, best_of(6), columns
    )


# --- families ------------------------------------------------------------------------------------


def family_rank(person: Person, index: int, statistic: str, minimum: int) -> int:
    """Rank that the family brings: one below which no one is without a tier (silver has no floor)."""
    family = person.family
    if len(family) < minimum or not all(p.is_consenting for p in family):
        return 0
    total = sum((p.values[index] or Decimal(0) for p in family), Decimal(0))
    value = half_up(total / len(family)) if statistic == "average" else total
    return 1 + sum(value >= cut for cut, *_ in HOUSEHOLDS)


@pytest.mark.parametrize(
    ("scheme_code", "statistic", "minimum"), [("family_card", "average", 2), ("family_sum", "sum", 3)]
)
@pytest.mark.rule("C2-05", "G33")
def test_a_member_has_the_better_of_his_own_tier_and_his_familys(
    replayed: Trial, scheme_code: str, statistic: str, minimum: int
) -> None:
    def indicative(person: Person, index: int) -> int:
        if person.values[index] is None:
            return 0
        return max(rank("family_card", person.values[index]), family_rank(person, index, statistic, minimum))

    columns = tuple(c for c in COLUMNS if c != "decided_by")
    assert_follows(
        replayed, scheme_code, indicative, after_grace(lambda m: m[-1]), bands="family_card", columns=columns
    )
    decided = replay.evaluated(
        replayed, "rules", scheme_code, ["decided_by", "tier_code", "indicative_tier_code", "rule_id"]
    )
    by_family = 0
    for (day, customer_id), (decided_by, tier, indicative_tier, rule_id) in decided.items():
        person, index = PEOPLE[int(customer_id)], MONTHS.index(day)
        own = rank("family_card", person.values[index])
        if decided_by == "household":
            by_family += 1
            assert family_rank(person, index, statistic, minimum) > own
            assert (tier, rule_id) == (indicative_tier, "C2-05")
        elif decided_by == "individual":
            assert family_rank(person, index, statistic, minimum) <= own or person.values[index] is None
    assert by_family > 50


# --- vetoes, merges ------------------------------------------------------------------------------


@pytest.mark.rule("G35")
def test_a_veto_leaves_the_tier_and_says_who_decided(replayed: Trial) -> None:
    found = replay.evaluated(replayed, "rules", "branch_tiered_maintenance", ["decided_by", "tier_code"])
    vetoed = {key for key, (decided_by, _) in found.items() if decided_by == "veto"}
    # The tiers themselves were compared above, with and without a flag.
    assert vetoed == {
        (day, p.customer_id)
        for index, day in enumerate(MONTHS)
        for p in PEOPLE
        if p.is_flagged[index]
        and p.values[index] is not None
        and found.get((day, p.customer_id), ("", "none"))[1] != "none"
    }
    # Risk does not veto itself.
    assert "veto" not in replay.evaluated(replayed, "rules", "risk_tier", ["decided_by"]).values()


def test_the_successor_of_a_merge_inherits_the_better_tier_and_its_grace(trial: Trial) -> None:
    first, second, third = MONTHS[:3]
    scheme_code = "branch_tiered_maintenance"

    def put(day: date, **values: int) -> None:
        trial.put("fct_month_measure", [replay.assets(day, name, value) for name, value in values.items()])

    put(first, rich=30 * WAN, poor=6 * WAN)
    put(second, poor=6 * WAN)
    put(third, poor=6 * WAN)
    merge = {"merge_id": "m", "old_customer_id": "rich", "new_customer_id": "poor", "batch_id": "b"}
    trial.put("stg_core_banking__customer_merges", [merge | {"merged_date": second, "business_date": second}])

    trial.replay(replay.only(load_policies(), scheme_code), [first, second, third], "merged")

    columns = ["tier_code", "grace_months_below", "change_kind"]
    assert replay.evaluated(trial, "merged", scheme_code, columns) == {
        (first, "rich"): ("wealth_manager", 0, "enter"),
        (first, "poor"): ("staff_maintained", 0, "enter"),
        (second, "poor"): ("wealth_manager", 1, None),
        (third, "poor"): ("wealth_manager", 2, None),
    }
