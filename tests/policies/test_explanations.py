"""Explanations: what a tier follows from is all there, adds up, stays as it was, and is told to whoever asks."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.explanation import Component, mart_components
from orchestration.lib.planning import DAY, advance_json, plan_chunk
from orchestration.lib.policies import PolicySet, load_policies
from orchestration.lib.policies.compile import scheme_structures
from orchestration.lib.policies.load import SHARED_FILES
from orchestration.lib.policies.trial import Trial
from orchestration.lib.second_evaluator import Decision, SecondEvaluator
from tests.conftest import AS_OF_DATE, BuiltHome
from tests.pipeline.test_command_line import tierhouse
from tests.policies import replay, support

EVALUATED_ON = date(2026, 4, 30)
FEN = Decimal("0.01")
# Weights that no bank would write: sums of rounded parts differ from the rounded sum.
WEIGHTS = {
    "standard": {"plain": Decimal(1), "part": Decimal("0.7"), "odd": Decimal("0.12345678"), "loan": Decimal(0)},
    "net_of_loans": {"plain": Decimal(1), "part": Decimal(1), "odd": Decimal("0.33333333"), "loan": Decimal(-1)},
}
MONTHS = replay.month_ends(3)


def rounded(value: Decimal) -> Decimal:
    return value.quantize(FEN, ROUND_HALF_UP)


# --- in the mart of a built bank -----------------------------------------------------------------------


def rows(built: BuiltHome, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(built.home.warehouse), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_accounts_add_up_to_the_balance_days_of_the_measure_and_divided_once_to_its_value(
    built_home: BuiltHome,
) -> None:
    found = rows(
        built_home,
        """
        select
            evaluations.measure_value,
            measures.month_balance_days_cny,
            sum(explanations.contribution_cny) as contributions_cny,
            max(explanations.days) as days
        from core.fct_tier_explanation as explanations
        inner join core.fct_tier_evaluation as evaluations
            on explanations.evaluation_date = evaluations.evaluation_date
            and explanations.scheme_code = evaluations.scheme_code
            and explanations.customer_id = evaluations.customer_id
        inner join core.fct_month_measure as measures
            on explanations.evaluation_date = measures.evaluation_date
            and explanations.customer_id = measures.customer_id and measures.asset_set = 'standard'
        group by explanations.evaluation_date, explanations.customer_id, 1, 2
        """,
    )
    assert len(found) > 100
    for value, balance_days, contributions, days in found:
        assert contributions == balance_days
        assert rounded(Decimal(contributions) / days) == value


def test_whole_weights_leave_no_remainder(built_home: BuiltHome) -> None:
    found = rows(built_home, "select sentence_zh from core.fct_tier_explanation where component_kind = 'remainder'")
    assert found == []


def test_everyone_with_a_tier_is_explained_and_begins_with_the_answer(built_home: BuiltHome) -> None:
    tiered = rows(
        built_home,
        "select customer_id, tier_code, decided_by, rule_id from tiering.customer_tier "
        "where scheme_code = 'branch_tiered_maintenance' and tier_code != 'none' order by 1",
    )
    answers = rows(
        built_home,
        "select customer_id, tier_code, decided_by, rule_id from tiering.tier_explanation "
        "where component_no = 1 and component_kind = 'tier' and tier_code != 'none' order by 1",
    )
    assert {decided_by for _, _, decided_by, _ in tiered} >= {"individual", "grace", "entry_door"}
    assert answers == tiered


def test_what_an_evaluation_found_is_the_same_file_the_day_after(built_home: BuiltHome) -> None:
    before, after = (
        list(
            (built_home.home.published / version / "parquet" / "tiering" / "tier_explanation").glob(
                f"*{EVALUATED_ON}*/*"
            )
        )
        for version in ("1", "2")
    )
    assert len(before) == len(after) == 1
    assert before[0].stat().st_ino == after[0].stat().st_ino


def test_every_fact_is_a_chinese_sentence_and_every_account_names_its_delivery(built_home: BuiltHome) -> None:
    assert rows(built_home, "select component_kind from tiering.tier_explanation where sentence_zh is null") == []
    batches = rows(
        built_home,
        "select distinct source_batch_id from tiering.tier_explanation where component_kind = 'account' order by 1",
    )
    assert (f"core_banking.deposit_accounts.{EVALUATED_ON}.1",) in batches
    assert (None,) not in batches


# --- of every scheme, with weights that must be rounded ------------------------------------------------


@dataclass(frozen=True)
class Account:
    """An account whose running sum of balance-days is known at every month end."""

    account_id: str
    customer_id: str
    product_code: str
    sums: tuple[Decimal, ...]
    balance: Decimal


def invented_accounts(draw: random.Random, customers: list[str]) -> list[Account]:
    found = []
    for customer_id in customers:
        scale = draw.choice([1_000, 30_000, 200_000, 2_000_000])
        for number in range(draw.randrange(5)):
            daily = [Decimal(draw.randrange(scale * 100)) / 100 for _ in MONTHS]
            sums, total = [], Decimal(0)
            for day, amount in zip(MONTHS, daily, strict=True):
                total += amount * day.day
                sums.append(total)
            product = draw.choice(["plain", "part", "odd", "loan"])
            found.append(Account(f"{customer_id}-{number}", customer_id, product, tuple(sums), daily[-1]))
    return found


def month_measures(accounts: list[Account], customers: list[str]) -> list[replay.Row]:
    """Assets as the models weigh them: rounded per customer and product at both ends of a window."""
    found = []
    for at, day in enumerate(MONTHS):
        for asset_set, weights in WEIGHTS.items():
            for customer_id in customers:
                own = [a for a in accounts if a.customer_id == customer_id]
                row: replay.Row = {"evaluation_date": day, "asset_set": asset_set, "customer_id": customer_id}
                row["aum_cny"] = sum(
                    (rounded(sum(a.balance for a in own if a.product_code == p) * w) for p, w in weights.items()),
                    Decimal(0),
                )
                for window, days in (
                    ("month", day.day),
                    ("quarter", (day - MONTHS[0]).days + 31),
                    ("year", (day - MONTHS[0]).days + 31),
                ):
                    total = Decimal(0)
                    for product, weight in weights.items():
                        ends = sum((a.sums[at] for a in own if a.product_code == product), Decimal(0))
                        base = sum((a.sums[at - 1] for a in own if a.product_code == product), Decimal(0))
                        total += rounded(ends * weight)
                        total -= rounded(base * weight) if window == "month" and at else Decimal(0)
                    row[f"{window}_balance_days_cny"] = total
                    row[f"aum_{window}_avg_cny"] = rounded(total / days)
                found.append(row)
    return found


def explained_everywhere(folder: Path) -> PolicySet:
    """The shipped schemes, all explained in the mart; some measure in ways that no shipped one does."""
    directory = support.copy_policies(folder)
    for path in directory.glob("*.yml"):
        if path.stem not in (*SHARED_FILES, "corporate_five_level"):
            support.edit(directory, path.stem, lambda content: content.update(explain="mart"))

    def measured(name: str, **measure: object) -> None:
        support.edit(directory, name, lambda content: support.first(content)["measure"].update(measure))

    measured("six_level", window="quarter", best_of_months=3)
    measured("mid_high_service_layers", window="point")
    measured("branch_tiered_maintenance", asset_set="net_of_loans")
    return load_policies(directory)


@dataclass(frozen=True)
class Explained:
    """What the models found at each month end of invented customers, and how they explained it."""

    policies: PolicySet
    measures: list[replay.Row]
    components: dict[date, dict[tuple[str, str], list[Component]]]
    tiers: dict[date, dict[tuple[str, str], Decision]]


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Explained:
    folder = tmp_path_factory.mktemp("explained")
    draw = random.Random(5)
    customers = [f"{number:03}" for number in range(120)]
    accounts = invented_accounts(draw, customers)
    measures = month_measures(accounts, customers)
    policies = explained_everywhere(folder)
    trial = Trial(folder / "trial", first_date=replay.FIRST_DATE)
    trial.put("fct_month_measure", measures)
    trial.put(
        "fct_customer_factor",
        [
            replay.factors(
                day,
                customer_id,
                card_spend_365d_cny=draw.choice([None, 1_000, 20_000, 60_000]),
                spend_365d_count=draw.choice([None, 3, 30, 90]),
                days_since_spend=draw.choice([None, 1, 1, 8, 40]),
                deposit_cny=draw.choice([0, 40_000, 900_000]),
                deposit_tenor_months=draw.choice([None, 0, 12, 36]),
                revenue_365d_cny=draw.choice([None, 0, 900, 7_000, 90_000]),
                days_past_due=draw.choice([None, 0, 45]),
                loan_class_rank=draw.choice([None, 1, 3]),
                product_family_count=draw.choice([1, 2, 4]),
                risk_result_rank=draw.choice([None, 1, 3, 4, 5]),
                special_flag_rank=draw.choice([None, 1, 1, 1, 2]),
                annual_income_cny=draw.choice([None, 50_000, 400_000]),
                age_years=draw.randrange(18, 90),
                relationship_years=draw.randrange(30),
                known_field_count=draw.randrange(7),
                risk_appetite_rank=draw.choice([None, 1, 5]),
            )
            for day in MONTHS
            for customer_id in customers
        ],
    )
    trial.put(
        "fct_account_balance",
        [
            {
                "as_of_date": day,
                "account_kind": "deposit",
                "account_id": a.account_id,
                "customer_id": a.customer_id,
                "product_code": a.product_code,
                "balance_days_cny": a.sums[at],
                "value_cny": a.balance,
            }
            for at, day in enumerate(MONTHS)
            for a in accounts
        ],
    )
    trial.put(
        "int_assets__product_day",
        [
            {"business_date": day, "product_code": product, "product_family": product, "aum_coefficient": weight}
            for day in MONTHS
            for product, weight in WEIGHTS["standard"].items()
        ],
    )
    trial.put(
        "int_assets__asset_set_weight",
        [
            {"asset_set": "net_of_loans", "business_date": day, "product_code": product, "coefficient": weight}
            for day in MONTHS
            for product, weight in WEIGHTS["net_of_loans"].items()
        ],
    )
    trial.put(
        "int_customer__household_member",
        [
            {"household_id": customer_id[:2], "customer_id": customer_id, "is_consenting": customer_id[:2] != "03"}
            for customer_id in customers
            if draw.random() < 0.7
        ],
    )
    trial.put("stg_core_banking__opening_balance_days", [])
    with trial.connect() as con:
        con.execute("create schema build")
        con.execute("create table build.batch_day (feed_id varchar, business_date date, batch_id varchar)")
    trial.lay_policies(policies)
    plans, before = [], None
    for day in MONTHS:
        chunk = plan_chunk(before, day, day, replay.FIRST_DATE, None, policies)
        plans.append(advance_json(chunk, first_date=replay.FIRST_DATE, opening_date=None, is_merging=False))
        before = day
    models = ["int_customer__successor", "int_tiering__vetoed_customer", "fct_population_bin", "fct_tier_evaluation"]
    models += ["int_tiering__account_component", "fct_tier_explanation_context", "fct_tier_explanation"]
    trial.run(models, plans)
    components, tiers = {}, {}
    with trial.connect() as con:
        for day in MONTHS:
            relation = f"(select * from core.fct_tier_explanation where evaluation_date = date '{day}')"
            components[day] = mart_components(con, customers, relation)
            tiers[day] = {
                (scheme_code, customer_id): Decision(tier_code, decided_by)
                for scheme_code, customer_id, tier_code, decided_by in con.execute(
                    "select scheme_code, customer_id, tier_code, decided_by from core.fct_tier_evaluation "
                    "where evaluation_date = ? and (tier_rank > 0 or indicative_tier_rank > 0)",
                    [day],
                ).fetchall()
            }
    return Explained(policies, measures, components, tiers)


def test_facts_alone_lead_to_the_tier_in_every_scheme(explained: Explained) -> None:
    evaluator = SecondEvaluator(explained.policies)
    reasons = set()
    for day in MONTHS:
        for (scheme_code, customer_id), tier in explained.tiers[day].items():
            components = explained.components[day][scheme_code, customer_id]
            scheme = explained.policies.scheme(scheme_code)
            assert evaluator.evaluate(scheme, components, day, day + DAY) == tier, (day, scheme_code, customer_id)
            reasons.add((scheme.kind, tier.decided_by))
        assert explained.components[day].keys() == explained.tiers[day].keys()
        assert {code for code, _ in explained.tiers[day]} == {
            structure["scheme_code"] for structure in scheme_structures(explained.policies, day)
        }
    assert reasons >= {("bands", kind) for kind in ("individual", "household", "grace", "veto")}
    assert reasons >= {("scorecard", "grace"), ("scorecard", "individual"), ("matrix", "veto")}


def test_contributions_add_up_exactly_whatever_the_weights(explained: Explained) -> None:
    measured = {(r["evaluation_date"], r["asset_set"], r["customer_id"]): r for r in explained.measures}
    checked = 0
    for day in MONTHS:
        for (scheme_code, customer_id), components in explained.components[day].items():
            measure = explained.policies.scheme(scheme_code).versions[0].measure
            if measure is None or measure.quantity != "assets":
                continue
            row = measured[day, measure.asset_set, customer_id]
            parts = [c for c in components if c.component_kind in ("account", "remainder")]
            total = sum(c.contribution_cny for c in parts if c.contribution_cny is not None)
            expected = row["aum_cny"] if measure.window == "point" else row[f"{measure.window}_balance_days_cny"]
            assert total == expected, (day, scheme_code, customer_id)
            for part in parts:
                if part.component_kind == "account":
                    assert part.balance_days_cny is not None
                    assert part.coefficient is not None
                    assert part.contribution_cny == rounded(part.balance_days_cny * part.coefficient)
                else:
                    # Each account is off by half a fen at most, each product by as much at either end.
                    assert part.contribution_cny is not None
                    assert abs(part.contribution_cny) <= FEN * (len(parts) + 2 * len(WEIGHTS["standard"]))
            checked += 1
    assert checked > 500


# --- for a person who asks -----------------------------------------------------------------------------


def one_customer(built: BuiltHome, scheme_code: str, condition: str) -> str:
    found = rows(
        built,
        f"select min(customer_id) from tiering.customer_tier where scheme_code = '{scheme_code}' and {condition}",
    )
    customer_id: str = found[0][0]
    return customer_id


def explain(built: BuiltHome, *arguments: object) -> str:
    answer = tierhouse("explain", *arguments, "--home", built.home.root)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def refusal(built: BuiltHome, *arguments: object) -> str:
    answer = tierhouse("explain", *arguments, "--home", built.home.root)
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    return answer.stderr


def test_a_tier_in_grace_is_told_with_accounts_rule_and_quote(built_home: BuiltHome) -> None:
    customer_id = one_customer(built_home, "branch_tiered_maintenance", "decided_by = 'grace'")
    (tier_code, rule_id, value) = rows(
        built_home,
        "select tier_code, rule_id, evaluated_measure_value from tiering.customer_tier "
        f"where scheme_code = 'branch_tiered_maintenance' and customer_id = '{customer_id}'",
    )[0]
    said = explain(built_home, customer_id)
    assert tier_code in said
    assert f"{value:,.2f}" in said
    assert "1 of 3 months below" in said
    assert f"published version {built_home.record.published_version + 1}" in said
    assert f"core_banking.deposit_accounts.{EVALUATED_ON}.1" in said
    tier = next(t for t in load_policies().primary.versions[0].tiers if t.tier_code == tier_code)
    assert f"“{tier.quote}” (XX分行个人客户分层维护实施办法, line {tier.source_line})" in said
    assert f"rule {rule_id} (branch_tiered_maintenance.yml:" in said
    assert f"{EVALUATED_ON}评定为“{tier.label_zh}”" in said


def test_a_door_is_told_with_its_measure_and_threshold(built_home: BuiltHome) -> None:
    customer_id = one_customer(built_home, "branch_tiered_maintenance", "decided_by = 'entry_door'")
    said = explain(built_home, customer_id)
    assert "special_entry" in said
    assert f"{AS_OF_DATE}为“特别准入”" in said
    assert "门槛" in said


def test_an_earlier_evaluation_can_be_asked_for_while_it_is_kept(built_home: BuiltHome) -> None:
    customer_id = one_customer(built_home, "branch_tiered_maintenance", "decided_by = 'grace'")
    said = explain(built_home, customer_id, "--date", "2026-03-31")
    assert "2026-03-31评定为" in said
    assert "from the warehouse" in said
    assert "kept are: 2026-03-31, 2026-04-30" in refusal(built_home, customer_id, "--date", "2026-02-28")


def test_a_scheme_that_is_explained_on_request_shows_bins_and_points(built_home: BuiltHome) -> None:
    customer_id = one_customer(built_home, "weighted_index", "tier_rank > 0")
    said = explain(built_home, customer_id, "--scheme", "weighted_index")
    for factor in load_policies().scheme("weighted_index").versions[0].factors:
        assert factor.label_zh in said
    assert "points" in said
    assert "from the warehouse" in said


def test_a_customer_without_a_tier_is_told_what_is_missing(built_home: BuiltHome) -> None:
    (customer_id,) = rows(
        built_home,
        "select min(customer_id) from core.dim_customer where customer_id not in (select customer_id "
        "from tiering.customer_tier where scheme_code = 'branch_tiered_maintenance')",
    )[0]
    said = explain(built_home, customer_id)
    assert "未入围" in said
    assert "threshold" in said
    assert "50,000.00" in said


def test_whoever_or_whatever_is_unknown_is_named(built_home: BuiltHome) -> None:
    assert "no customer 'nobody'" in refusal(built_home, "nobody")
    known = one_customer(built_home, "branch_tiered_maintenance", "tier_rank > 0")
    assert "no scheme 'nothing'" in refusal(built_home, known, "--scheme", "nothing")
    assert "corporate_five_level is of enterprises" in refusal(built_home, known, "--scheme", "corporate_five_level")


@contextmanager
def held(warehouse: Path) -> Iterator[None]:
    """Another process writes to a warehouse meanwhile."""
    code = f"import duckdb, sys; con = duckdb.connect({str(warehouse)!r}); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.stdin.close()


def test_while_a_build_holds_the_warehouse_the_published_marts_still_answer(built_home: BuiltHome) -> None:
    customer_id = one_customer(built_home, "branch_tiered_maintenance", "decided_by = 'grace'")
    with held(built_home.home.warehouse):
        assert "1 of 3 months below" in explain(built_home, customer_id)
        assert "while a build holds it" in refusal(built_home, customer_id, "--scheme", "weighted_index")
