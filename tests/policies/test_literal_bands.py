"""Bands copied word for word out of the sources, contradictions included."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.lib.policies import PolicyError
from orchestration.lib.policies.literal import literal_findings

FIXTURES = Path(__file__).with_name("fixtures")
BANDS = FIXTURES / "literal_bands.yaml"

ONE_BAND = """\
- scheme: one
  measure: assets
  floor: 0
  bands:
    - {id: X1-01, name: all, lo: 0, lo_inc: true, hi: null, hi_inc: false, owners: [teller]}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bands.yaml"
    path.write_text(text, "utf-8")
    return path


def findings(tmp_path: Path, text: str) -> list[str]:
    return [line.removeprefix("one").strip() for line in literal_findings(written(tmp_path, text))]


def test_the_command_prints_the_33_findings_and_fails():
    result = CliRunner().invoke(app, ["policy", "check", "--literal", str(BANDS)])
    assert result.exit_code == 1
    assert result.stdout_bytes == (FIXTURES / "literal_findings.txt").read_bytes()
    assert len(result.stdout.splitlines()) == 33


def test_bands_without_a_defect_have_no_finding(tmp_path: Path):
    assert findings(tmp_path, ONE_BAND) == []
    result = CliRunner().invoke(app, ["policy", "check", "--literal", str(written(tmp_path, ONE_BAND))])
    assert (result.exit_code, result.stdout) == (0, "bands.yaml: no findings\n")


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("lo: 0,", "lo: 0.01,", "GAP at 0万: []"),
        ("lo_inc: true", "lo_inc: false", "GAP at 0万: []"),
        ("hi: null", "hi: 20000", "GAP at 2万: []|GAP at just inside (2万, next): []"),
        ("hi: null, hi_inc: false", "hi: 20000, hi_inc: true", "GAP at just inside (2万, next): []"),
        ("[teller]}", "[teller], age_max: 60, age_inc: true}", "CONDITIONAL OWNER X1-01: no owner for age > 60"),
        ("[teller]}", "[teller], age_max: 60, age_inc: false}", "CONDITIONAL OWNER X1-01: no owner for age >= 60"),
        ("[teller]", "[teller, head]", "2 JOINT OWNERS, no primary: X1-01 ['teller', 'head']"),
        ("[teller]", "[]", "NO OWNER ROLE X1-01"),
    ],
)
def test_each_defect_is_found(tmp_path: Path, old: str, new: str, finding: str):
    assert "|".join(findings(tmp_path, ONE_BAND.replace(old, new))) == finding


@pytest.mark.rule("G1")
def test_two_bands_that_claim_a_cut_overlap_there_and_nowhere_else(tmp_path: Path):
    second = "    - {id: X1-02, name: more, lo: 5, lo_inc: true, hi: null, hi_inc: false, owners: [teller]}\n"
    text = ONE_BAND.replace("hi: null, hi_inc: false", "hi: 5, hi_inc: true") + second
    assert findings(tmp_path, text) == ["OVERLAP at 0.0005万: ['X1-01', 'X1-02']"]
    assert findings(tmp_path, text.replace("hi: 5, hi_inc: true", "hi: 5, hi_inc: false")) == []


def test_a_file_that_is_no_list_of_bands_is_refused_with_its_line(tmp_path: Path):
    with pytest.raises(PolicyError, match=r"^bands.yaml:5: \[0\].bands\[0\].lo: expected an amount .* found 'low'"):
        literal_findings(written(tmp_path, ONE_BAND.replace("lo: 0,", "lo: low,")))
    with pytest.raises(PolicyError, match=r"^bands.yaml:1: found no readable file"):
        literal_findings(tmp_path / "none" / "bands.yaml")
