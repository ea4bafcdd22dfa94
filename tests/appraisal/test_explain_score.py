"""`tierhouse explain-score` and `tierhouse scorecard` say what the marts hold, and take nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.lib.explain_score import ExplainScoreError, read_scorecard
from orchestration.lib.policies import load_policies
from tests import support
from tests.appraisal import bank
from tests.appraisal.conftest import JudgedBank


@pytest.fixture
def employee(judged_bank: JudgedBank) -> str:
    """Who has most customers behind his cells."""
    counted = (
        "select employee_id from appraisal.scorecard where period_code = '{}' "
        "group by all order by sum(evidence_count) desc, 1 limit 1"
    )
    return str(support.query(judged_bank.home, counted.format(bank.QUARTER))[0][0])


def test_every_customer_behind_a_cell_is_told_and_the_arithmetic_is_the_cell_s(
    judged_bank: JudgedBank, employee: str
) -> None:
    card = read_scorecard(judged_bank.home, load_policies(judged_bank.policies), employee, bank.QUARTER)
    assert [cell.measure_code[:2] for cell in card.cells] == ["m1", "m2", "m3", "m4", "m5"]
    assert [cell.label_zh[0] for cell in card.cells] == list("保争挖抢培")
    for cell in card.cells:
        assert len(cell.evidence) == cell.said["evidence_count"]
        assert sum(row["is_numerator"] for row in cell.evidence) == cell.said["numerator_count"]
    assert card.state == "final, not closed yet"
    assert card.flow is not None

    told = CliRunner().invoke(
        app, ["explain-score", employee, bank.QUARTER, "m1_retention", "--home", str(judged_bank.home.root)]
    )
    assert told.exit_code == 0, told.output
    retention = card.cells[0]
    assert all(row["customer_id"] in told.output for row in retention.evidence)


@pytest.mark.parametrize(
    ("who", "when", "measure", "said"),
    [
        ("nobody", bank.QUARTER, None, "'nobody' was ever scored"),
        ("e000004", "2025Q1", None, "no quarter '2025Q1'; judged are 2026Q2, 2026Q3"),
        (None, bank.QUARTER, "m6_charm", "no measure 'm6_charm'"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    judged_bank: JudgedBank, employee: str, who: str | None, when: str, measure: str | None, said: str
) -> None:
    with pytest.raises(ExplainScoreError, match=re.escape(said)):
        read_scorecard(judged_bank.home, load_policies(judged_bank.policies), who or employee, when, measure)


def test_the_page_needs_nothing_from_elsewhere_and_names_no_customer(
    judged_bank: JudgedBank, employee: str, tmp_path: Path
) -> None:
    out = tmp_path / "card.html"
    written = CliRunner().invoke(
        app, ["scorecard", employee, bank.QUARTER, "--out", str(out), "--home", str(judged_bank.home.root)]
    )
    assert written.exit_code == 0, written.output
    page = out.read_text("utf-8")
    assert "http" not in page
    assert "src=" not in page
    customers = support.query(
        judged_bank.home,
        f"select distinct customer_id from appraisal.scorecard_evidence where employee_id = '{employee}'",
    )
    assert customers
    assert not [customer for (customer,) in customers if customer in page]
