"""Every cell of a judged quarter as readers see it, against the oracle's; a difference is a line for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from tests.oracle.measures import MEASURES, Appraisal, Row

Key = tuple[str, ...]
EVIDENCE = (
    "cohort_role",
    "held_days",
    "is_numerator",
    "value_cny",
    "base_cny",
    "exclusion_reason",
    "cause_code",
    "is_liable",
)
CELLS = ("numerator", "denominator", "value_rate")


def read(marts: Path, sql: str, key: tuple[str, ...], columns: tuple[str, ...]) -> dict[Key, Row]:
    with duckdb.connect(str(marts), read_only=True) as con:
        rows = con.execute(sql).to_arrow_table().to_pylist()
    return {tuple(row[name] for name in key): {name: row[name] for name in columns} for row in rows}


def differences(what: str, found: Mapping[Key, Row], expected: Mapping[Key, Row]) -> list[str]:
    """One line per row that only one side has, and per cell that differs."""
    lines = [f"{what} {key}: only in the mart {found[key]}" for key in sorted(found.keys() - expected.keys())]
    lines += [f"{what} {key}: only in the oracle {expected[key]}" for key in sorted(expected.keys() - found.keys())]
    for key in sorted(found.keys() & expected.keys()):
        lines += [
            f"{what} {key} {name}: {found[key][name]} in the mart, {value} in the oracle"
            for name, value in expected[key].items()
            if found[key][name] != value
        ]
    return lines


def told(marts: Path, code: str) -> tuple[dict[Key, Row], dict[Key, Row], dict[Key, Row]]:
    """Evidence, cells and totals of a quarter."""
    where = f"where period_code = '{code}'"
    return (
        read(
            marts,
            f"select * from appraisal.scorecard_evidence {where}",
            ("employee_id", "measure_code", "customer_id"),
            EVIDENCE,
        ),
        read(
            marts,
            f"select * from appraisal.scorecard {where}",
            ("employee_id", "measure_code"),
            (*CELLS, "target_rate", "score", "gate_code"),
        ),
        read(marts, f"select * from appraisal.scorecard_total {where}", ("employee_id",), ("total_score",)),
    )


def judged(appraisal: Appraisal, prior: Appraisal | None) -> tuple[dict[Key, Row], dict[Key, Row], dict[Key, Row]]:
    """The same, by the oracle. ``prior``: the quarter before, finally judged; None for the first one."""
    evidence = appraisal.evidence()
    values = appraisal.values_of(evidence)
    before: dict[tuple[str, str], Row] | None = None
    peers: dict[str, str] = {}
    if prior is not None:
        before = prior.values_of(prior.evidence())
        peers = {employee: prior.peer_group(employee) for employee, _ in before}
    targets = appraisal.targets(values, before, peers)
    cells: dict[Key, Row] = {}
    totals: dict[Key, Row] = {}
    for employee in sorted({employee for employee, _ in values}):
        failed = appraisal.gates(employee)
        scores = []
        for measure in MEASURES:
            value, target = values[employee, measure], targets[employee, measure]
            scores.append(appraisal.score(measure, value["value_rate"], target))
            said: dict[str, Any] = {"target_rate": target, "score": scores[-1], "gate_code": ",".join(failed) or None}
            cells[employee, measure] = {**value, **said}
        totals[(employee,)] = {"total_score": appraisal.total(scores, failed)}
    return {key: asdict(cell) for key, cell in evidence.items()}, cells, totals


def all_differences(marts: Path, appraisal: Appraisal, prior: Appraisal | None) -> list[str]:
    names = ("evidence", "scorecard", "total")
    pairs = zip(names, told(marts, appraisal.period.code), judged(appraisal, prior), strict=True)
    return [line for name, found, expected in pairs for line in differences(name, found, expected)]
