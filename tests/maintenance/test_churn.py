"""Churn: what indicators, warnings, outcomes and the backtest say, against a second reading in plain Python."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestration.lib.planning import advance_json, plan_chunk
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.trial import Trial
from tests.conftest import AS_OF_DATE, BuiltHome
from tests.maintenance.churn_oracle import (
    INDICATORS,
    LEVELS,
    Bank,
    Row,
    backtest,
    month_end_before,
    outcomes,
)
from tests.policies.support import PRIMARY, copy_policies, edit, first
from tests.support import query

DAY = timedelta(days=1)
FIRST_DATE = date(2025, 6, 1)
JUDGED = date(2026, 4, 30)
MID_MONTH = date(2026, 5, 12)
NEXT_DAY = MID_MONTH + DAY
KNOWN = date(2026, 7, 31)
OTHER_SCHEME = "gold_diamond"
DATED = "business_date"


def amount(draw: random.Random, of: int = 400_000) -> Decimal:
    return Decimal(draw.randrange(0, of * 100)) / 100


class Invented:
    """A bank of 240 customers with every reason to warn, in many strengths, and everything that may be missing."""

    def __init__(self) -> None:
        self.draw = random.Random(5)
        self.rows: dict[str, list[Row]] = {
            name: []
            for name in (
                "dim_customer",
                "fct_card_spend_day",
                "fct_complaint",
                "fct_contact",
                "fct_customer_balance",
                "fct_customer_factor",
                "fct_customer_measure",
                "fct_customer_tier",
                "fct_maturity_day",
                "fct_month_measure",
                "fct_salary_day",
                "fct_tier_evaluation",
                "int_customer__successor",
                "int_tiering__vetoed_customer",
            )
        }
        customers = [f"c{n:03}" for n in range(240)]
        for customer_id in customers:
            self.add_customer(customer_id)
        for n in range(0, 36, 3):
            # The successor is one who was a customer himself; each is merged once.
            for day in (JUDGED, MID_MONTH, NEXT_DAY, KNOWN):
                if n < 24 or day == KNOWN:
                    self.add(
                        "int_customer__successor", customers[n + 1], measure_date=day, old_customer_id=customers[n]
                    )
        for row in self.rows["int_customer__successor"]:
            row["new_customer_id"] = row.pop("customer_id")

    def add(self, model: str, customer_id: str, **values: Any) -> None:
        self.rows[model].append({"customer_id": customer_id, **values})

    def add_customer(self, customer_id: str) -> None:
        draw, number = self.draw, int(customer_id[1:])
        closed = {40: JUDGED - DAY, 41: JUDGED + 20 * DAY, 42: KNOWN, 43: KNOWN + DAY}.get(number)
        deceased = {50: JUDGED, 51: KNOWN, 52: KNOWN + DAY}.get(number)
        if number != 60:
            self.add("dim_customer", customer_id, closed_date=closed, deceased_date=deceased)
        if 70 <= number < 74:
            self.add("int_tiering__vetoed_customer", customer_id, scheme_code=PRIMARY)
        tiers = ["none", "special_entry", "staff_maintained", "lobby_adopted", "wealth_manager", "private_wealth"]
        rank = draw.choice([0, 1, 2, 3, 4, 5, 2, 3, 4])
        self.add("fct_customer_tier", customer_id, scheme_code=PRIMARY, tier_code=tiers[rank], tier_rank=rank)
        if draw.random() < 0.3:
            for day in (month_end_before(JUDGED), JUDGED, month_end_before(KNOWN)):
                tier = {"scheme_code": OTHER_SCHEME, "tier_code": "diamond", "tier_rank": 2}
                self.add("fct_tier_evaluation", customer_id, evaluation_date=day, **tier)
        level = amount(draw)
        for n in range(6, -1, -1):
            end = month_end_before(KNOWN, n) if n else KNOWN
            level = draw.choice([level, level, amount(draw), level * Decimal("0.4") // 1])
            total = level * end.day + Decimal(draw.randrange(0, end.day * 100)) / 100
            if draw.random() < 0.9:
                average = (total / end.day).quantize(Decimal("0.01"))
                self.add(
                    "fct_month_measure",
                    customer_id,
                    evaluation_date=end,
                    asset_set="standard",
                    aum_month_avg_cny=average,
                    month_balance_days_cny=total,
                )
                self.add("fct_month_measure", customer_id, evaluation_date=end, asset_set="net", aum_month_avg_cny=9)
            if draw.random() < 0.9:
                count = draw.choice([None, 0, 1, 2, 3, 4])
                self.add("fct_customer_factor", customer_id, evaluation_date=end, product_family_count=count)
        for day in (JUDGED, MID_MONTH, NEXT_DAY):
            if draw.random() < 0.95:
                worth = {"aum_cny": amount(draw), "aum_month_avg_cny": amount(draw)}
                self.add(
                    "fct_customer_measure",
                    customer_id,
                    measure_date=day,
                    product_family_count=draw.randrange(0, 5),
                    **worth,
                )
            for before in (29, 30, 31):
                if draw.random() < 0.8:
                    worth = {"aum_cny": amount(draw) - draw.choice([0, 0, 200_000])}
                    if not any(
                        r["customer_id"] == customer_id and r["as_of_date"] == day - before * DAY
                        for r in self.rows["fct_customer_balance"][-9:]
                    ):
                        self.add("fct_customer_balance", customer_id, as_of_date=day - before * DAY, **worth)
        for _ in range(draw.choice([0, 0, 1, 2, 3])):
            matures = JUDGED + draw.randrange(-33, 16) * DAY
            dates = {"business_date": matures - DAY, "maturity_date": matures}
            self.add("fct_maturity_day", customer_id, value_cny=amount(draw, 90_000), **dates)
        for model, most in (("fct_salary_day", 200), ("fct_contact", 300)):
            for _ in range(draw.choice([0, 1, 3])):
                self.add(model, customer_id, business_date=MID_MONTH - draw.randrange(-5, most) * DAY)
        if draw.random() < 0.3:
            heard = JUDGED - draw.randrange(0, 30) * DAY
            name = {"complaint_id": f"k{number}"}
            self.add("fct_complaint", customer_id, business_date=heard, fed_back_at=None, **name)
            if draw.random() < 0.5:
                done = heard + draw.randrange(1, 40) * DAY
                answered = datetime(done.year, done.month, done.day, tzinfo=UTC)
                self.add("fct_complaint", customer_id, business_date=done, fed_back_at=answered, **name)
        if draw.random() < 0.6:
            rate = draw.uniform(0.05, 0.6)
            for age in range(-15, 140):
                if draw.random() < (rate if age > 25 else rate * draw.choice([0.1, 1])):
                    day = JUDGED - age * DAY
                    self.add("fct_card_spend_day", customer_id, business_date=day, spend_count=draw.randrange(1, 4))


@dataclass(frozen=True)
class Said:
    """What the models made of the invented bank, and the bank."""

    bank: Bank
    indicators: dict[tuple[date, str], Row]
    warnings: dict[tuple[date, str], Row]
    outcomes: dict[str, Row]
    backtest: list[Row]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    folder = tmp_path_factory.mktemp("churn")
    directory = copy_policies(folder)
    edit(directory, "books", lambda content: first(content).update(go_live_date=date(2025, 7, 1)))
    segment = {"segment_code": "diamond", "label_zh": "钻石", "scheme_code": OTHER_SCHEME, "tier_codes": ["diamond"]}
    edit(directory, "churn", lambda content: first(content)["segments"].insert(1, segment))
    policies = load_policies(directory)
    invented = Invented()
    trial = Trial(folder / "trial", first_date=FIRST_DATE)
    for model, rows in invented.rows.items():
        trial.put(model, rows)
    trial.lay_policies(policies)

    def plan(base: date | None, day: date) -> str:
        chunk = plan_chunk(base, day, day, FIRST_DATE, None, policies)
        return advance_json(chunk, first_date=FIRST_DATE, opening_date=None, is_merging=True)

    daily = ["fct_churn_indicator", "fct_churn_warning"]
    trial.run(daily, [plan(None, JUDGED), plan(JUDGED, MID_MONTH), plan(MID_MONTH, NEXT_DAY)])
    trial.run(["fct_churn_outcome", "fct_churn_backtest"], [plan(KNOWN - DAY, KNOWN)])
    with trial.connect() as con:

        def read(table: str) -> list[Row]:
            found: list[Row] = con.execute(f"select * from core.{table}").to_arrow_table().to_pylist()
            return found

        return Said(
            Bank.with_policy(invented.rows, directory),
            {(r["as_of_date"], r["customer_id"]): r for r in read("fct_churn_indicator")},
            {(r["as_of_date"], r["customer_id"]): r for r in read("fct_churn_warning")},
            {r["customer_id"]: r for r in read("fct_churn_outcome")},
            read("fct_churn_backtest"),
        )


@pytest.mark.rule("E1-03", "A5-03")
@pytest.mark.parametrize("day", [JUDGED, MID_MONTH])
def test_indicators_are_those_of_a_second_reading(said: Said, day: date) -> None:
    segments = said.bank.segments(day)
    given = {c: r for (d, c), r in said.indicators.items() if d == day}
    assert {c: r["segment_code"] for c, r in given.items()} == segments
    assert set(segments.values()) >= {"other", "diamond", "private_wealth", "staff_maintained"}
    known = dict.fromkeys(INDICATORS, 0)
    for customer_id, row in given.items():
        expected = said.bank.indicators(customer_id, day)
        assert {code: row[code] for code in INDICATORS} == expected, customer_id
        for code, value in expected.items():
            known[code] += value is not None
    assert all(count > 0 for count in known.values()), known
    assert any(count < len(given) for count in known.values()), "nothing was missing"


@pytest.mark.rule("E1-03")
def test_a_warning_is_the_sum_of_the_points_and_says_what_gave_them(said: Said) -> None:
    for day in (JUDGED, MID_MONTH):
        levels = set()
        for customer_id, segment in said.bank.segments(day).items():
            values = said.bank.indicators(customer_id, day)
            hits = {c: r for c, r in said.bank.hits(segment, values).items() if r["points"]}
            score = sum(r["points"] for r in hits.values())
            level = said.bank.level(segment, score)
            given = said.warnings.get((day, customer_id))
            assert (given is None) == (level is None), customer_id
            if given is None:
                continue
            levels.add(level)
            assert (given["level"], given["score"]) == (level, score)
            assert given["indicators"] == ",".join(sorted(hits))
            labels = said.bank.policy["indicators"]
            parts = given["reason_zh"].removesuffix("。").split("；")
            assert len(parts) == len(hits)
            for code in hits:
                assert any(part.startswith(labels[code]["label_zh"]) for part in parts)
        assert levels == set(LEVELS)


def test_a_level_is_held_since_the_day_that_it_was_reached(said: Said) -> None:
    kept = changed = 0
    for (day, customer_id), row in said.warnings.items():
        before = said.warnings.get((MID_MONTH, customer_id)) if day == NEXT_DAY else None
        if day == NEXT_DAY and before and before["level"] == row["level"]:
            assert row["since_date"] == before["since_date"]
            kept += 1
        elif day == NEXT_DAY:
            assert row["since_date"] == NEXT_DAY
            changed += 1
    assert kept
    assert changed


def test_nobody_is_warned_of_who_is_vetoed_dead_or_gone(said: Said) -> None:
    silent = {"c070", "c071", "c072", "c073", "c040", "c050", "c060"}
    assert not silent & {c for _, c in (*said.indicators, *said.warnings)}


@pytest.mark.rule("G31")
def test_who_left_is_who_a_second_reading_says_left(said: Said) -> None:
    expected = outcomes(said.bank, said.bank.segments(JUDGED), JUDGED, KNOWN)
    assert {c: (r["churn_cause"], r["churn_date"]) for c, r in said.outcomes.items()} == expected
    assert {cause for cause, _ in expected.values()} == {None, "closed", "below_floor", "fell"}
    assert {(r["month_end_date"], r["outcome_date"]) for r in said.outcomes.values()} == {(JUDGED, KNOWN)}
    assert all(r["is_churned"] == (r["churn_cause"] is not None) for r in said.outcomes.values())


@pytest.mark.rule("E1-03")
def test_the_backtest_is_that_of_a_second_reading(said: Said) -> None:
    segments = said.bank.segments(JUDGED)
    values = {c: said.bank.indicators(c, JUDGED) for c in segments}
    expected = backtest(said.bank, segments, values, outcomes(said.bank, segments, JUDGED, KNOWN), JUDGED)
    columns = ("population_count", "warned_count", "churned_count", "hit_count")
    columns += ("precision_rate", "recall_rate", "lift", "lead_days")
    given = {(r["segment_code"], r["indicator_code"], r["level"]): tuple(r[c] for c in columns) for r in said.backtest}
    assert given == expected
    assert any(rates[4] is None for rates in given.values()), "somewhere nobody was warned of"


def test_segments_add_up_to_the_bank_and_higher_levels_warn_of_fewer(said: Said) -> None:
    counts = {(r["segment_code"], r["indicator_code"], r["level"]): r for r in said.backtest}
    segments = {s for s, _, _ in counts} - {"bank"}
    for code in (*INDICATORS, "score"):
        warned = [counts["bank", code, level]["warned_count"] for level in LEVELS]
        assert warned == sorted(warned, reverse=True)
        for level in LEVELS:
            for column in ("population_count", "warned_count", "churned_count", "hit_count"):
                total = sum(counts[segment, code, level][column] for segment in segments)
                assert total == counts["bank", code, level][column]


def test_the_planted_churner_of_the_small_bank_is_warned_of(built_home: BuiltHome) -> None:
    planted = pq.read_table(built_home.landing.parent / "truth" / "churners.parquet").to_pylist()
    leaving = {r["customer_id"] for r in planted if r["churn_from"] + 10 * DAY <= AS_OF_DATE}
    assert leaving
    warned = dict(query(built_home.home, "select customer_id, level from maintenance.churn_warning"))
    assert leaving <= set(warned)
    in_scope = query(built_home.home, "select count(*) from assets.customer_assets where is_in_scope")[0][0]
    assert len(warned) < in_scope / 5
