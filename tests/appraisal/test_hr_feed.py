"""The feed for HR: final and closed quarters, in the contract's columns, and a workbook with a sheet per branch."""

from __future__ import annotations

import csv
import gzip
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

from orchestration.lib.hr_feed import write_hr_feeds

MEASURES = ("m1_retention", "m5_growth")
# Employee, branch, total, flags; one branch has a name that no sheet can have.
EMPLOYEES = [("e1", "0010", "90.5000", 2), ("e2", "0010", "101.2500", 0), ("e3", "网点[2]/a", None, 1)]


def marts(file: Path, *, score: str = "80.0000", growth: int = 7) -> Path:
    """Marts with a final quarter, and one that is still running."""
    with duckdb.connect(str(file)) as con:
        con.execute("create schema appraisal")
        con.execute(
            "create table appraisal.scorecard (period_code varchar, employee_id varchar, measure_code varchar, "
            "branch_id varchar, role_code varchar, numerator decimal(28,8), denominator decimal(28,8), "
            "value_rate decimal(18,8), target_rate decimal(18,8), score decimal(18,4), weight decimal(18,8), "
            "evidence_count bigint, numerator_count bigint, excluded_count bigint, is_frozen boolean, "
            "policy_version varchar)"
        )
        con.execute(
            "create table appraisal.scorecard_total (period_code varchar, employee_id varchar, branch_id varchar, "
            "role_code varchar, peer_group_code varchar, cohort_count bigint, total_score decimal(18,4), "
            "rank_in_peer_group bigint, gate_code varchar, liable_count bigint, revenue_credit_cny decimal(18,2), "
            "carried_adjustment decimal(18,4), total_with_adjustment decimal(18,4), evaluation_date date, "
            "is_final boolean, is_frozen boolean, policy_version varchar)"
        )
        con.execute(
            "create table appraisal.branch_scorecard (period_code varchar, branch_id varchar, measure_code varchar, "
            "value_rate decimal(18,8), score decimal(18,4), mid_high_growth_count bigint)"
        )
        con.execute("create table appraisal.integrity_flag (period_code varchar, employee_id varchar)")
        for period, is_final in (("2026Q2", True), ("2026Q3", False)):
            for employee, branch, total, flags in EMPLOYEES:
                con.execute(
                    "insert into appraisal.scorecard_total values (?, ?, ?, 'wealth_manager', 'wealth_manager@outlet', "
                    "21, ?, 1, null, 0, 12.30, 0, ?, ?, ?, false, 'appraisal@1')",
                    [period, employee, branch, total, total, date(2026, 7, 31), is_final],
                )
                con.executemany(
                    "insert into appraisal.integrity_flag values (?, ?)",
                    [[period, employee] for _ in range(flags)] or [["2025Q1", employee]],
                )
                for measure in MEASURES:
                    con.execute(
                        "insert into appraisal.scorecard values (?, ?, ?, ?, 'wealth_manager', 1.12345678, 2.5, "
                        "0.44938271, 0.5, ?, 0.2, 21, 4, 1, false, 'appraisal@1')",
                        [period, employee, measure, branch, score],
                    )
            for branch in ("0001", "0010"):
                con.execute(
                    "insert into appraisal.branch_scorecard values (?, ?, 'm1_retention', 0.1, 95, ?)",
                    [period, branch, growth],
                )
    return file


def rows(folder: Path, entity: str) -> list[dict[str, str]]:
    (file,) = (folder / entity).glob("*.csv.gz")
    return list(csv.DictReader(gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()))


def sheets(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    book = openpyxl.load_workbook(folder / "scorecards_2026Q2.xlsx", read_only=True)
    return {sheet.title: list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets}


@pytest.mark.rule("A9-16")
def test_only_quarters_that_are_final_or_closed_are_told_to_hr(tmp_path: Path) -> None:
    folders = write_hr_feeds(marts(tmp_path / "marts.duckdb"), tmp_path / "hr", None)
    assert folders == [tmp_path / "hr" / "2026Q2"]
    totals = rows(folders[0], "scorecard_total")
    assert [(row["employee_id"], row["flag_count"]) for row in totals] == [("e1", "2"), ("e2", "0"), ("e3", "1")]
    assert totals[2]["total_score"] == ""
    cells = rows(folders[0], "scorecard")
    assert len(cells) == len(EMPLOYEES) * len(MEASURES)
    assert {(row["numerator"], row["value_rate"]) for row in cells} == {("1.123457", "0.44938271")}


@pytest.mark.rule("A9-16")
def test_the_workbook_has_a_sheet_of_branches_and_one_per_branch_best_total_first(tmp_path: Path) -> None:
    (folder,) = write_hr_feeds(marts(tmp_path / "marts.duckdb"), tmp_path / "hr", None)
    found = sheets(folder)
    assert list(found) == ["全部机构", "0010", "网点_2__a"]
    assert [row[0:2] for row in found["全部机构"][1:]] == [("0001", 7), ("0010", 7)]
    header, *employees = found["0010"]
    assert [row[0] for row in employees] == ["e2", "e1"]
    first = dict(zip(header, employees[0], strict=True))
    assert float(first["总分 total"]) == 101.25
    assert float(first["m1_retention 得分"]) == 80
    assert (first["m5_growth 佐证客户数"], first["复核迹象 flags"]) == (21, 0)


def test_what_has_not_changed_is_linked_and_what_has_is_written_anew(tmp_path: Path) -> None:
    (first,) = write_hr_feeds(marts(tmp_path / "a.duckdb"), tmp_path / "v1", None)
    (same,) = write_hr_feeds(marts(tmp_path / "b.duckdb"), tmp_path / "v2", tmp_path / "v1")
    (other,) = write_hr_feeds(marts(tmp_path / "c.duckdb", score="81.0000"), tmp_path / "v3", tmp_path / "v1")
    (grown,) = write_hr_feeds(marts(tmp_path / "d.duckdb", growth=8), tmp_path / "v4", tmp_path / "v1")
    book = "scorecards_2026Q2.xlsx"
    assert (first / book).samefile(same / book)
    assert not (first / book).samefile(other / book)
    assert len({(folder / book).read_bytes() for folder in (first, other, grown)}) == 3


def test_the_same_marts_make_the_same_bytes(tmp_path: Path) -> None:
    (first,) = write_hr_feeds(marts(tmp_path / "a.duckdb"), tmp_path / "v1", None)
    (again,) = write_hr_feeds(marts(tmp_path / "b.duckdb"), tmp_path / "v2", None)
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 7
    assert all((first / file).read_bytes() == (again / file).read_bytes() for file in files)
