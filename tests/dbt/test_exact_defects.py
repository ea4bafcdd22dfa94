"""Each defect trips the checks that are written down for it and no others, and nothing may be emptied unseen.

tripped.json holds, by defect, every data test that it trips. Written anew by

    TIERHOUSE_TRIPPED=write pytest -m full tests/dbt/test_exact_defects.py

its diff is what a reviewer reads.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib import audit
from orchestration.lib.contracts import Feed, load_contracts
from orchestration.lib.ledger import REJECTED, Batch, Ledger
from orchestration.lib.marts import MARTS, Mart
from tests import support
from tests.conftest import AS_OF_DATE, BuiltHome
from tests.dbt import quarters, scorecards
from tests.dbt.test_checks_can_fail import (
    ADVANCES,
    DEFECTS,
    LEG_DAY,
    MONTH_END_DEFECTS,
    MORROW_DEFECTS,
    PRIMARY,
    QUARTER_DEFECTS,
    TODAY,
    Compiled,
    data_tests,
    deliveries,
    failures,
    first,
    redelivered,
    rewritten,
)

__all__ = ["deliveries"]  # a fixture of another file
pytestmark = pytest.mark.full
WRITTEN = Path(__file__).with_name("tripped.json")
IS_WRITING = os.environ.get("TIERHOUSE_TRIPPED") == "write"
ALL = {**DEFECTS, **MONTH_END_DEFECTS, **MORROW_DEFECTS, **QUARTER_DEFECTS}
CASES = [(name, number) for name, defects in ALL.items() for number in range(len(defects))]


def written() -> dict[str, list[str]]:
    content: dict[str, list[str]] = json.loads(WRITTEN.read_text("utf-8"))
    return content


class Reach:
    """Which data tests can tell what happens to a relation: those that read it, or a view over it."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.views = {
            f"{schema}.{name}": _relations(sql)
            for schema, name, sql in con.execute(
                "select schema_name, view_name, sql from duckdb_views() where not internal"
            ).fetchall()
        }

    def tests(self, statements: str, sql_of_tests: dict[str, str]) -> dict[str, str]:
        touched = _relations(statements)
        while wider := {view for view, reads in self.views.items() if reads & touched} - touched:
            touched |= wider
        return {name: sql for name, sql in sql_of_tests.items() if _relations(sql) & touched}


def _relations(sql: str) -> set[str]:
    """Everything of the form schema.name in a text; columns of aliases among it do no harm."""
    return set(re.findall(r"\b([a-z]\w*\.[a-z]\w*)\b", sql.replace('"', "").replace("warehouse.", "")))


def failing(con: duckdb.DuckDBPyConnection, sql_of_tests: dict[str, str]) -> set[str]:
    return {name for name, sql in sql_of_tests.items() if failures(con, {"compiled_code": sql})}


@pytest.mark.parametrize(("name", "number"), CASES, ids=[f"{name}-{number}" for name, number in CASES])
def test_a_defect_trips_exactly_the_data_tests_written_down_for_it(
    damaged: duckdb.DuckDBPyConnection,
    manifest: dict[str, Any],
    singular_tests: Compiled,
    name: str,
    number: int,
    results: dict[str, list[str]],
) -> None:
    tests = {test: node["compiled_code"] for test, node in data_tests(manifest).items()}
    if name in ADVANCES:
        tests |= singular_tests(*ADVANCES[name])
    if name in QUARTER_DEFECTS:
        for statement in (*quarters.HEALTHY, *scorecards.HEALTHY):
            damaged.execute(statement)
    defect = ALL[name][number]
    reached = Reach(damaged).tests(defect, tests)
    before = failing(damaged, reached)
    for statement in defect.split("; "):
        damaged.execute(statement)
    tripped = sorted(failing(damaged, reached) - before)
    results[f"{name}-{number}"] = tripped
    assert name in tripped
    if not IS_WRITING:
        assert tripped == written()[f"{name}-{number}"]


@pytest.fixture(scope="session")
def results() -> Iterator[dict[str, list[str]]]:
    """What each defect tripped; written down at the end when asked to."""
    found: dict[str, list[str]] = {}
    yield found
    if IS_WRITING:
        WRITTEN.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", "utf-8")


def test_what_is_written_down_is_of_the_defects_there_are() -> None:
    assert set(written()) == {f"{name}-{number}" for name, number in CASES}


# --- nothing passes on an empty table --------------------------------------------------------------


@pytest.mark.parametrize("mart", MARTS, ids=lambda mart: mart.relation)
def test_a_mart_that_is_emptied_is_noticed(
    damaged: duckdb.DuckDBPyConnection, built_home: BuiltHome, mart: Mart
) -> None:
    def emptied() -> str:
        (check,) = audit.emptied_checks(damaged, built_home.home, built_home.record)
        return check.detail

    assert emptied() == ""
    (before,) = support.query(built_home.home, f"select count(*) from {mart.relation}")
    schema, name = mart.relation.split(".")
    is_view = damaged.execute(
        "select 1 from duckdb_views() where schema_name = ? and view_name = ?", [schema, name]
    ).fetchall()
    nothing = rewritten(mart.relation, "select * from kept where false") if is_view else f"delete from {mart.relation}"
    for statement in nothing.split("; "):
        damaged.execute(statement)
    assert emptied() == (mart.relation if before > (0,) else "")


# --- checks of the audit itself --------------------------------------------------------------------

Deliveries = dict[str, list[Batch]]
Judge = Callable[..., set[str]]


@pytest.fixture
def judge(damaged: duckdb.DuckDBPyConnection, built_home: BuiltHome, deliveries: Deliveries) -> Judge:
    """Names of the audit's own checks that the healthy warehouse passes and the damaged one does not.

    All that a build has, but those of dbt and of Great Expectations: these have exact tests of their own.
    """
    home, record = built_home.home, built_home.record
    healthy = {check.check_name for check in built_home.verdict.checks if check.status != audit.PASS}

    def run(
        *,
        batches: Deliveries | None = None,
        target: Path | None = None,
        ledger: list[Batch] | None = None,
        contracts: dict[str, Feed] | None = None,
    ) -> set[str]:
        batches, contracts = batches or deliveries, contracts or load_contracts()
        checks = [
            *audit.arrival_checks(record, contracts, ledger or Ledger(home.ledger).batches()),
            *audit.delivery_drift_checks(damaged, home, record, contracts, batches),
            *audit.money_drift_checks(damaged, record, contracts),
            *audit.emptied_checks(damaged, home, record),
            *audit.conservation_checks(damaged, record, contracts, batches),
            *audit.second_evaluation_checks(damaged, record),
            *audit.confidentiality_checks(
                damaged, home, record, contracts, batches, target or built_home.dbt_target, {}
            ),
        ]
        return {check.check_name for check in checks if check.status != audit.PASS} - healthy

    return run


def own_checks(built_home: BuiltHome) -> set[str]:
    """The audit's own checks of a build, but arrivals: these are made for what did not come."""
    names = {check.check_name for check in built_home.verdict.checks}
    return {name for name in names if not name.startswith(("dbt.", "gx.", "arrival."))}


def checks_of(built_home: BuiltHome, prefix: str) -> list[str]:
    return sorted(name.removeprefix(prefix) for name in own_checks(built_home) if name.startswith(prefix))


def test_every_check_of_the_audit_has_a_defect_below(built_home: BuiltHome) -> None:
    kinds = {
        name.split(".")[0] if name.split(".")[0] != "drift" else name.rsplit(".", 2)[0]
        for name in own_checks(built_home)
    }
    assert kinds == {"drift.rows", "drift.keys", "drift.money", "conservation", "explanation", "confidentiality"}
    assert checks_of(built_home, "drift.rows.") == checks_of(built_home, "drift.keys.")
    assert set(checks_of(built_home, "conservation.")) == set(LEGS)
    assert set(checks_of(built_home, "confidentiality.")) == {"c3", "personal", "classes", "values"}


def test_a_healthy_warehouse_trips_no_check_of_the_audit(judge: Judge) -> None:
    assert judge() == set()


def test_a_cut_delivery_of_any_feed_trips_its_own_drift_and_nothing_else(
    judge: Judge, built_home: BuiltHome, deliveries: Deliveries, tmp_path: Path
) -> None:
    contracts = load_contracts()
    # Feeds of few rows have a floor below which nothing is drift.
    bent = {
        feed_id: replace(feed, drift_limits=feed.drift_limits | {"rowFloor": 0.0}) if feed.drift_limits else feed
        for feed_id, feed in contracts.items()
    }
    for feed_id in checks_of(built_home, "drift.rows."):
        cut = {**deliveries, feed_id: [replace(deliveries[feed_id][-1], mode="full")]}
        folder = tmp_path / feed_id
        folder.mkdir()
        again = redelivered(built_home, cut, feed_id, folder, keep=0.4)
        # Totals stay those of the delivery before: what was used is no matter of this check.
        again[feed_id] = [*deliveries[feed_id], replace(again[feed_id][-1], business_date=AS_OF_DATE)]
        assert judge(batches=again, contracts=bent) == {f"drift.rows.{feed_id}", f"drift.keys.{feed_id}"}, feed_id


def test_money_that_moves_overnight_trips_its_drift_alone(judge: Judge, damaged: duckdb.DuckDBPyConnection) -> None:
    damaged.execute(
        "update core.fct_branch_balance_day set balance_cny = balance_cny + 900000000 "
        f"where business_date = {TODAY} and product_family = 'deposit'"
    )
    assert judge() == {"drift.money.core_banking.deposit_accounts"}


LEGS = {
    "core_banking.deposit_accounts": "deposit",
    "loan.loans": "loan",
    "card.card_accounts": "card",
    "brokerage.custody_accounts": "custody_margin",
}


@pytest.mark.parametrize("feed_id", LEGS)
@pytest.mark.parametrize(
    "defect",
    [
        "delete from {legs} where {one}",
        "update {legs} set currency = 'XTS' where {one}",
        "update {legs} set balance = null where {one}",
        "delete from {legs} where account_kind = '{kind}'",
    ],
    ids=["a leg is lost", "a currency changes", "a balance is null", "all legs are lost"],
)
def test_a_leg_that_is_lost_or_altered_trips_the_conservation_of_its_feed_alone(
    judge: Judge, damaged: duckdb.DuckDBPyConnection, feed_id: str, defect: str
) -> None:
    kind = LEGS[feed_id]
    one = first(LEG_DAY, f"account_kind = '{kind}' and business_date = {TODAY} and balance != 0")
    damaged.execute(defect.format(legs=LEG_DAY, kind=kind, one=one))
    assert judge() == {f"conservation.{feed_id}"}


def test_other_tiers_of_a_scheme_trip_its_second_evaluation_alone(
    judge: Judge, built_home: BuiltHome, damaged: duckdb.DuckDBPyConnection
) -> None:
    schemes = checks_of(built_home, "explanation.")
    for scheme in schemes:
        damaged.execute(f"update tiering.customer_tier set tier_code = tier_code || '~' where scheme_code = '{scheme}'")
        tripped = judge()
        damaged.execute(
            f"update tiering.customer_tier set tier_code = rtrim(tier_code, '~') where scheme_code = '{scheme}'"
        )
        assert tripped == {f"explanation.{scheme}"}


@pytest.mark.parametrize("relation", ["tiering.customer_tier", "tiering.tier_explanation"])
def test_tiers_or_explanations_that_are_gone_trip_every_second_evaluation(
    judge: Judge, built_home: BuiltHome, damaged: duckdb.DuckDBPyConnection, relation: str
) -> None:
    explained = {"tiering.customer_tier": checks_of(built_home, "explanation."), "tiering.tier_explanation": [PRIMARY]}
    damaged.execute(f"delete from {relation}")
    assert judge() >= {f"explanation.{scheme}" for scheme in explained[relation]}


def bent(feed_id: str, column: str, **changes: Any) -> dict[str, Feed]:
    """Contracts in which a column is of another class."""
    contracts = dict(load_contracts())
    feed = contracts[feed_id]
    columns = tuple(replace(c, **changes) if c.name == column else c for c in feed.columns)
    contracts[feed_id] = replace(feed, columns=columns)
    return contracts


def test_a_secret_column_that_models_read_trips_its_check_and_the_classes_made_of_it(judge: Judge) -> None:
    contracts = bent("core_banking.deposit_accounts", "maturity_date", classification="C3")
    assert judge(contracts=contracts) == {"confidentiality.c3", "confidentiality.classes"}


def test_a_column_that_holds_more_than_it_says_trips_the_classes_alone(judge: Judge) -> None:
    contracts = bent("reference.branches", "branch_level", classification="C2")
    assert judge(contracts=contracts) == {"confidentiality.classes"}


def test_a_name_in_a_mart_trips_the_personal_check_and_its_class(
    judge: Judge, built_home: BuiltHome, tmp_path: Path
) -> None:
    manifest = json.loads((built_home.dbt_target / "manifest.json").read_text("utf-8"))
    mart = next(n for n in manifest["nodes"].values() if n["name"] == "mart_tiering__prospect")
    mart["compiled_code"] = (
        f"with made as ({mart['compiled_code']}) select m.* replace (e.employee_name as met_where) "
        "from made as m cross join stage.stg_hr__employees as e"
    ).replace("m.* replace (e.employee_name as met_where)",
              "m.prospect_id, m.as_of_date, m.met_date, e.employee_name as met_where, m.branch_id")  # fmt: skip
    mart["depends_on"]["nodes"].append("model.tierhouse.stg_hr__employees")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    assert judge(target=tmp_path) == {"confidentiality.personal", "confidentiality.classes"}


def test_a_number_of_a_person_in_a_text_trips_the_values_alone(
    judge: Judge, damaged: duckdb.DuckDBPyConnection
) -> None:
    damaged.execute(
        f"update tiering.customer_tier set label_zh = '11010519491231002X' where {first('tiering.customer_tier')}"
    )
    assert judge() == {"confidentiality.values"}


def test_a_delivery_that_did_not_come_or_was_rejected_is_told_by_its_arrival_alone(
    judge: Judge, built_home: BuiltHome
) -> None:
    feed_id = "finance.gl_balances"
    ledger = Ledger(built_home.home.ledger).batches()
    of_day = [b for b in ledger if (b.feed_id, b.business_date) == (feed_id, AS_OF_DATE)]
    others = [b for b in ledger if b not in of_day]
    assert judge(ledger=others) == {f"arrival.{feed_id}"}
    rejected = [replace(b, status=REJECTED, reason="cut short") for b in of_day]
    assert judge(ledger=[*others, *rejected]) == {f"arrival.{feed_id}"}
