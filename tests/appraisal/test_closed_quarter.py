"""The life of a closed quarter: objections, close, a lost working file, a late correction, a rebuild from nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from orchestration.lib.appraisal.close import close_quarter, file_objections
from orchestration.lib.appraisal.tables import FROZEN_MARTS
from orchestration.lib.appraisal.verify import verify_quarters
from orchestration.lib.dbt_manifest import environment
from orchestration.lib.files import file_sha256
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.policies.load import POLICIES_VARIABLE
from tests import support
from tests.appraisal import bank
from tests.appraisal.conftest import JudgedBank
from tests.appraisal.small_quarter import write_objections
from tests.books.support import days_of, read_rows

pytestmark = [pytest.mark.full, pytest.mark.rule("A9-13")]

NAMES = ("A. Chen", "B. Wu")
BEFORE, AFTER = bank.QUARTER, bank.NEXT_QUARTER
CUSTOMERS, LEFT_ON = "core_banking.customers", date(2026, 6, 20)
DECISIONS = ("books_allocated", "books_proposed", "proposal_accepted", "objection_filed")


def closed_rows(home: Home) -> dict[str, list[tuple[Any, ...]]]:
    """What readers see of the closed quarter, by mart."""
    return {
        mart.name: support.query(
            home,
            f"select {', '.join(mart.schema.names)} from {mart.relation} where period_code = '{BEFORE}' "
            f"order by {', '.join(mart.key)}",
        )
        for mart in FROZEN_MARTS
    }


def folder_hashes(home: Home) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted((home.quarters / BEFORE).iterdir())}


def restatements(home: Home) -> list[tuple[Any, ...]]:
    return support.query(
        home,
        "select employee_id, measure_code, old_value, new_value, old_score, new_score, cause_batch_id, as_of_date "
        "from appraisal.restatement order by all",
    )


@dataclass(frozen=True)
class ClosedBank:
    """The judged bank after objections were filed and built, and the quarter was closed and built."""

    home: Home
    landing: Path
    excluded: tuple[str, str, str]
    misconduct: str
    event: dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def its_policies(judged_bank: JudgedBank) -> Iterator[None]:
    with environment({POLICIES_VARIABLE: str(judged_bank.policies)}):
        yield


@pytest.fixture(scope="module")
def closed_bank(judged_bank: JudgedBank, tmp_path_factory: pytest.TempPathFactory) -> ClosedBank:
    root = tmp_path_factory.mktemp("closed")
    home = support.copy_home(judged_bank.home_when_judged, root / "home")
    landing = support.copy_deliveries(judged_bank.story.landing, root / "landing", lambda day: day <= bank.JUDGED_ON)
    (excluded,) = support.query(
        home,
        "select employee_id, measure_code, customer_id from appraisal.scorecard_evidence "
        f"where period_code = '{BEFORE}' and measure_code = 'm1_retention' and is_numerator "
        "and employee_id not like 'pool:%' order by all limit 1",
    )
    ((misconduct,),) = support.query(
        home, f"select max(employee_id) from appraisal.scorecard_total where period_code = '{BEFORE}'"
    )
    file = write_objections(
        root,
        json.dumps(
            [
                dict(zip(("employee_id", "measure_code", "customer_id"), excluded, strict=True))
                | {"action": "exclude", "reason": "closed by mistake"},
                {"employee_id": misconduct, "action": "conduct", "date": "2026-05-12", "reason": "no risk talk"},
            ]
        ),
    )
    file_objections(home, BEFORE, file, *NAMES)
    support.published(support.advance(home, landing))
    event = close_quarter(home, BEFORE, *NAMES)
    support.published(support.advance(home, landing))
    return ClosedBank(home, landing, excluded, misconduct, event)


def test_objections_count_from_the_next_build_on(closed_bank: ClosedBank) -> None:
    employee, measure, customer = closed_bank.excluded
    told = support.query(
        closed_bank.home,
        "select exclusion_reason, is_numerator, cohort_role from appraisal.scorecard_evidence where "
        f"period_code = '{BEFORE}' and employee_id = '{employee}' and measure_code = '{measure}' "
        f"and customer_id = '{customer}'",
    )
    assert told == [("objection", False, "excluded")]
    ((gates, score),) = support.query(
        closed_bank.home,
        "select gate_code, total_score from appraisal.scorecard_total where "
        f"period_code = '{BEFORE}' and employee_id = '{closed_bank.misconduct}'",
    )
    assert "conduct" in gates.split(",")
    assert score <= Decimal(60)


def test_the_build_after_a_close_shows_the_frozen_rows_and_another_finds_nothing_new(closed_bank: ClosedBank) -> None:
    rows = closed_rows(closed_bank.home)
    assert all(rows[mart.name] for mart in FROZEN_MARTS if mart.name != "integrity_flag")
    frozen = support.query(closed_bank.home, "select period_code, is_frozen from appraisal.scorecard group by all")
    assert sorted(frozen) == [(BEFORE, True), (AFTER, False)]
    assert restatements(closed_bank.home) == []
    (verified,) = verify_quarters(closed_bank.home)
    assert verified.findings == ()
    assert verified.cell_count > 1000
    assert support.advance(closed_bank.home, closed_bank.landing).plan is None


@pytest.fixture(scope="module")
def corrected_bank(closed_bank: ClosedBank, tmp_path_factory: pytest.TempPathFactory) -> ClosedBank:
    """It becomes known late that customers closed in the quarter, in a deployment whose working file was lost."""
    root = tmp_path_factory.mktemp("corrected")
    home = support.copy_home(closed_bank.home, root / "home")
    home.warehouse.unlink()
    # One customer of each of five employees whose total says what m1 says.
    left = {
        customer
        for _, customer in support.query(
            home,
            "select employee_id, min(customer_id) from appraisal.scorecard_evidence as evidence "
            "inner join appraisal.scorecard as cells using (period_code, employee_id, measure_code) "
            f"where period_code = '{BEFORE}' and measure_code = 'm1_retention' and not is_numerator "
            "and exclusion_reason is null and held_days = evidence.day_count and gate_code is null and score > 0 "
            "group by employee_id order by employee_id limit 5",
        )
    }
    days = days_of(closed_bank.landing, CUSTOMERS)
    day = next(
        d for d in days if d > LEFT_ON and support.read_delivery(closed_bank.landing, CUSTOMERS, d)[1] == "delta"
    )
    known = {row["customer_id"]: row for d in days if d <= day for row in read_rows(closed_bank.landing, CUSTOMERS, d)}

    def with_closed(told: pa.Table) -> pa.Table:
        others = [row for row in told.to_pylist() if row["customer_id"] not in left]
        rows = [{**known[customer], "closed_date": LEFT_ON, "is_deleted": False} for customer in sorted(left)]
        return pa.Table.from_pylist([*others, *rows], schema=told.schema)

    landing = support.copy_deliveries(closed_bank.landing, root / "landing", lambda found: found == day)
    support.redeliver(landing, CUSTOMERS, day, with_closed, sequence_no=2)
    support.published(support.advance(home, landing))
    return replace(closed_bank, home=home, landing=landing)


def test_a_late_correction_leaves_folder_and_published_rows_as_they_were(
    closed_bank: ClosedBank, corrected_bank: ClosedBank
) -> None:
    assert folder_hashes(corrected_bank.home) == folder_hashes(closed_bank.home)
    assert closed_rows(corrected_bank.home) == closed_rows(closed_bank.home)
    assert [verified.findings for verified in verify_quarters(corrected_bank.home)] == [()]


def test_a_late_correction_is_told_with_its_cause_against_what_was_frozen(corrected_bank: ClosedBank) -> None:
    home = corrected_bank.home
    told = restatements(home)
    assert {row[1] for row in told} >= {"m1_retention", "total"}
    assert {(cause.rsplit(".", 2)[0], day) for *_, cause, day in told} == {(CUSTOMERS, bank.JUDGED_ON)}
    frozen = dict(
        support.query(
            home, f"select employee_id, total_score from appraisal.scorecard_total where period_code = '{BEFORE}'"
        )
    )
    totals = {row[0]: row for row in told if row[1] == "total"}
    assert all(row[4] == frozen[employee] != row[5] for employee, row in totals.items())


def test_the_change_of_a_total_is_carried_to_the_quarter_in_which_it_became_known(corrected_bank: ClosedBank) -> None:
    home = corrected_bank.home
    delta = {row[0]: row[5] - row[4] for row in restatements(home) if row[1] == "total"}
    carried = dict(
        support.query(
            home, f"select employee_id, carried_adjustment from appraisal.scorecard_total where period_code = '{AFTER}'"
        )
    )
    expected = {employee: delta.get(employee, Decimal(0)) for employee in carried}
    assert any(expected.values())
    assert carried == expected


def test_a_correction_is_told_once(corrected_bank: ClosedBank, tmp_path: Path) -> None:
    home = support.copy_home(corrected_bank.home, tmp_path / "home")
    (cell,) = support.query(
        home,
        "select employee_id, measure_code, customer_id from appraisal.scorecard_evidence "
        f"where period_code = '{AFTER}' and employee_id not like 'pool:%' order by all limit 1",
    )
    entry = dict(zip(("employee_id", "measure_code", "customer_id"), cell, strict=True))
    text = json.dumps([{**entry, "action": "exclude", "reason": "a cause to build the day again"}])
    file_objections(home, AFTER, write_objections(tmp_path, text), *NAMES)

    support.published(support.advance(home, corrected_bank.landing))

    assert restatements(home) == restatements(corrected_bank.home)


def test_a_rebuild_from_deliveries_and_decisions_closes_to_the_same_content(
    closed_bank: ClosedBank, tmp_path: Path
) -> None:
    first = support.copy_deliveries(closed_bank.landing, tmp_path / "landing")
    for correction in first.glob("market/fx_rates/*/2"):
        shutil.rmtree(correction)
    home = Home(tmp_path / "home")
    home.lake.mkdir(parents=True)
    events = [event for event in Journal(closed_bank.home.journal).events() if event["event"] in DECISIONS]
    home.journal.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    for name in ("books", "objections"):
        shutil.copytree(closed_bank.home.lake / name, home.lake / name)
    support.published(support.advance(home, first, bank.QUARTER_END))
    support.published(support.advance(home, closed_bank.landing, bank.JUDGED_ON))

    event = close_quarter(home, BEFORE, "C. Li", "D. He")

    assert event["content_hash"] == closed_bank.event["content_hash"]
