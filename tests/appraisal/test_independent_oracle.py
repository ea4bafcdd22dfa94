"""Every cell of a quarter, final and running, against a second computation that has no SQL."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from orchestration.lib.dbt_manifest import environment
from orchestration.lib.demo_bank import generate
from orchestration.lib.home import Home
from orchestration.lib.policies.load import POLICIES_VARIABLE
from tests import support
from tests.appraisal import bank
from tests.appraisal.compare import all_differences, judged, told
from tests.appraisal.conftest import JudgedBank
from tests.oracle.measures import Appraisal, Decided, Valuation, period
from tests.policies.support import copy_policies, edit

pytestmark = pytest.mark.rule("A9-13", "A9-14", "G17", "G18", "G20", "G41")


@pytest.fixture(scope="module")
def quarters(judged_bank: JudgedBank) -> tuple[Appraisal, Appraisal]:
    """The final quarter and the running one, by the oracle."""
    values = Valuation(judged_bank.story.landing, bank.FIRST_DATE, bank.JUDGED_ON)
    decided = Decided.read(judged_bank.marts, judged_bank.marts_when_judged)
    final, running = (period(code, bank.JUDGED_ON) for code in (bank.QUARTER, bank.NEXT_QUARTER))
    return Appraisal(values, decided, final), Appraisal(values, decided, running)


def test_every_cell_of_the_final_quarter_is_the_oracle_s(
    judged_bank: JudgedBank, quarters: tuple[Appraisal, Appraisal]
) -> None:
    lines = all_differences(judged_bank.marts, quarters[0], None)
    assert not lines, "\n".join(lines[:40])


def test_every_cell_of_the_running_quarter_is_the_oracle_s_and_its_targets_are_the_peers_medians(
    judged_bank: JudgedBank, quarters: tuple[Appraisal, Appraisal]
) -> None:
    lines = all_differences(judged_bank.marts, quarters[1], quarters[0])
    assert not lines, "\n".join(lines[:40])


def test_what_the_story_tells_has_happened(judged_bank: JudgedBank, quarters: tuple[Appraisal, Appraisal]) -> None:
    story, (final, _) = judged_bank.story, quarters
    evidence, _, _ = judged(final, None)
    retention = {customer: cell for (_, measure, customer), cell in evidence.items() if measure == "m1_retention"}
    assert {retention[customer]["cause_code"] for customer in story.closes} == {"closed"}
    assert retention[story.dies]["exclusion_reason"] == "deceased"
    assert retention[story.is_frozen]["exclusion_reason"] == "court_freeze"
    assert retention[story.merged_inside[0]]["exclusion_reason"] == "merged"
    assert retention[story.merged_outside[0]]["exclusion_reason"] is None

    causes = Counter((measure, cell["cause_code"]) for (_, measure, _), cell in evidence.items())
    for measure, cause in (
        ("m1_retention", "below_floor"),
        ("m1_retention", "fell"),
        ("m2_uplift", "policy_change"),
        ("m4_acquisition", "choice"),
        ("m4_acquisition", "referral"),
        ("m4_acquisition", "first_sale"),
        ("m4_acquisition", "pool"),
    ):
        assert causes[measure, cause], (measure, cause, causes)
    roles = Counter(cell["cohort_role"] for cell in evidence.values())
    assert all(roles[role] for role in ("opening", "transferred_in", "transferred_out", "new", "excluded")), roles
    assert any(cell["is_numerator"] for (_, measure, _), cell in evidence.items() if measure == "m2_uplift")
    left = "select count(*) from crm.assignment_change where slot = 'a' and reason_code = 'owner_left'"
    assert support.query(judged_bank.home, left) > [(0,)]


def test_kept_lost_and_excluded_customers_are_the_opening_ones_and_their_days_are_the_quarter_s(
    judged_bank: JudgedBank,
) -> None:
    cohort = support.query(
        judged_bank.home, f"select customer_id from appraisal.cohort where period_code = '{bank.QUARTER}'"
    )
    evidence, _, _ = told(judged_bank.marts, bank.QUARTER)
    days: Counter[tuple[str, str]] = Counter()
    for (_, measure, customer), cell in evidence.items():
        days[measure, customer] += cell["held_days"]
    for measure in ("m1_retention", "m2_uplift", "m3_deepening", "m5_growth"):
        assert {c for m, c in days if m == measure} == {customer for (customer,) in cohort}
    quarter_days = {number for (measure, _), number in days.items() if measure != "m4_acquisition"}
    assert quarter_days == {91}


# --- a larger bank over four quarters ------------------------------------------------------------------

MANY_CUSTOMERS = 3_000
FIRST_DATE, GO_LIVE, LAST_DATE = date(2025, 10, 1), date(2026, 1, 1), date(2026, 11, 1)
# Quarter -> the month end on which it is judged: three are final, the last one runs.
JUDGED_ON = {
    "2026Q1": date(2026, 4, 30),
    "2026Q2": date(2026, 7, 31),
    "2026Q3": date(2026, 10, 31),
    "2026Q4": date(2026, 10, 31),
}


@pytest.fixture(scope="module")
def judged_quarters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Appraisal]]:
    """Quarter -> the marts of the day on which it was judged, and the oracle's judgement."""
    folder = tmp_path_factory.mktemp("quarters")
    policies = copy_policies(folder)
    edit(policies, "books", lambda content: content["versions"][0].update(go_live_date=GO_LIVE))
    generate(folder, customers=MANY_CUSTOMERS, start=FIRST_DATE, through=LAST_DATE, seed=12, go_live=GO_LIVE)
    home, marts = Home(folder / "home"), {}
    with environment({POLICIES_VARIABLE: str(policies)}):
        for day in (*sorted(set(JUDGED_ON.values())), LAST_DATE):
            support.published(support.advance(home, folder / "landing", day))
            marts[day] = Path(shutil.copy(home.current / "marts.duckdb", folder / f"{day}.duckdb"))
    values = Valuation(folder / "landing", FIRST_DATE, LAST_DATE - bank.DAY)
    return {
        code: (marts[day], Appraisal(values, Decided.read(marts[LAST_DATE], marts[day]), period(code, day)))
        for code, day in JUDGED_ON.items()
    }


@pytest.mark.full
def test_every_cell_of_four_quarters_of_a_larger_bank_is_the_oracle_s(
    judged_quarters: dict[str, tuple[Path, Appraisal]], capsys: pytest.CaptureFixture[str]
) -> None:
    prior, lines, cells = None, [], 0
    for marts, appraisal in judged_quarters.values():
        lines += all_differences(marts, appraisal, prior)
        cells += sum(len(rows) for rows in told(marts, appraisal.period.code))
        prior = appraisal
    assert not lines, f"{len(lines)} differ\n" + "\n".join(lines[:40])
    assert cells > 3 * MANY_CUSTOMERS
    with capsys.disabled():
        print(f"\n{MANY_CUSTOMERS} customers, {len(judged_quarters)} quarters: {cells} rows, 0 differences")  # noqa: T201
