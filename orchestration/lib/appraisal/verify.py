"""Closed quarters proven again: the chain, the files, the marts that readers see, and every cell from its evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from orchestration.lib.appraisal import recompute
from orchestration.lib.appraisal.close import content_hash_of, describe_file
from orchestration.lib.appraisal.record import MANIFEST, quarter_folder
from orchestration.lib.appraisal.tables import FROZEN_MARTS
from orchestration.lib.content_hash import content_hashes
from orchestration.lib.files import file_sha256
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal

FINDINGS_SHOWN = 20


@dataclass(frozen=True)
class Verified:
    """What was proven of a closed quarter; ``findings``: what is not as it was frozen."""

    period_code: str
    content_hash: str
    cell_count: int
    findings: tuple[str, ...]


def verify_quarters(home: Home, period_code: str | None = None) -> list[Verified]:
    """Verify one closed quarter, or all; those of the journal, in order. Reads only."""
    verified = []
    previous_hash, previous = "", ""
    for close in Journal(home.journal).read().closes:
        if period_code in (None, close["period_code"]):
            verified.append(_verify(home, close, previous_hash, previous))
        previous_hash, previous = close["content_hash"], close["period_code"]
    return verified


def unnamed_folders(home: Home) -> list[str]:
    """Folders of quarters that the journal does not name."""
    closed = {close["period_code"] for close in Journal(home.journal).read().closes}
    return sorted(p.name for p in home.quarters.iterdir() if p.name not in closed) if home.quarters.exists() else []


def _verify(home: Home, close: dict[str, Any], previous_hash: str, previous: str) -> Verified:
    folder = quarter_folder(home, close["period_code"])
    path = folder / MANIFEST
    if not path.exists():
        return Verified(close["period_code"], close["content_hash"], 0, (f"{path}: is not there; restore the folder",))
    findings = []
    if file_sha256(path) != close["manifest_sha256"]:
        findings.append(f"{path}: expected sha256 {close['manifest_sha256']} of the journal, found {file_sha256(path)}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        content = manifest["content"]
        if content_hash_of(content) != close["content_hash"]:
            findings.append(
                f"{path}: expected content with hash {close['content_hash']} of the journal, found "
                f"{content_hash_of(content)}"
            )
        if content["previous_hash"] != previous_hash:
            findings.append(
                f"{path}: expected to follow {previous_hash or 'no quarter'}, found {content['previous_hash']}"
            )
        findings += _files(folder, content)
        rows = {m.name: pq.read_table(folder / m.file) for m in FROZEN_MARTS if m.name != "scorecard_evidence"}
        tables = {name: table.to_pylist() for name, table in rows.items()}
        before = quarter_folder(home, previous)
        targets = {
            name: pq.read_table(before / f"{name}.parquet").to_pylist() if previous else None
            for name in ("scorecard", "branch_scorecard")
        }
        cells = [*_cells(folder / "scorecard_evidence.parquet", content["policy"], tables, targets)]
        differing = [finding for finding in cells if finding]
        findings += differing[:FINDINGS_SHOWN]
        if len(differing) > FINDINGS_SHOWN:
            findings.append(f"{folder}: {len(differing) - FINDINGS_SHOWN} more cells differ")
        findings += _marts(home, close, content)
    except Exception as error:  # a tampered file may be anything; what it is said to be is a finding
        return Verified(
            close["period_code"], close["content_hash"], 0, (*findings, f"{folder}: cannot be read: {error}")
        )
    return Verified(close["period_code"], close["content_hash"], len(cells), tuple(findings))


def _files(folder: Path, content: dict[str, Any]) -> Iterator[str]:
    for mart in FROZEN_MARTS:
        found = describe_file(folder / mart.file)
        for name, expected in content["marts"][mart.name].items():
            if found[name] != expected:
                yield f"{folder / mart.file}: expected {name} {expected}, found {found[name]}; restore it from a backup"


def _marts(home: Home, close: dict[str, Any], content: dict[str, Any]) -> Iterator[str]:
    """Whether readers see what was frozen, if a version was published since."""
    manifest = json.loads((home.current / "manifest.json").read_text(encoding="utf-8"))
    if manifest["version"] <= close["version"]:
        return
    with duckdb.connect(str(home.current / "marts.duckdb"), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        for mart in FROZEN_MARTS:
            selected = f"(select {', '.join(mart.schema.names)} from {mart.relation})"
            found = content_hashes(con, selected, "period_code", f"period_code = '{close['period_code']}'")
            expected = content["marts"][mart.name]
            if found.get(close["period_code"]) != expected["content_hash"] and expected["row_count"]:
                yield (
                    f"version {manifest['version']}, {mart.relation}: expected the frozen rows of "
                    f"{close['period_code']}, found others; run `tierhouse run`, and report it if they stay"
                )


# --- cells from their evidence ----------------------------------------------------------------------------


def _evidence(file: Path) -> Iterator[dict[str, Any]]:
    for batch in pq.ParquetFile(file).iter_batches(batch_size=65_536):
        yield from batch.to_pylist()


def _cells(
    evidence_file: Path,
    policy: dict[str, list[dict[str, Any]]],
    tables: dict[str, list[dict[str, Any]]],
    before: dict[str, list[dict[str, Any]] | None],
) -> Iterator[str]:
    """One text per cell: empty where it is what its evidence and the policy make of it."""
    rules = policy["appraisal"][0]
    measures = {row["measure_code"]: row for row in policy["appraisal_measure"]}
    weights = {code: Decimal(row["weight"]) for code, row in measures.items()}
    unit, cap = Decimal(rules["score_unit"]), Decimal(rules["score_cap"])
    sums = recompute.employee_sums(_evidence(evidence_file))
    day_count = next((row["day_count"] for row in _evidence(evidence_file)), 1)
    employees = sorted({row["employee_id"] for row in tables["scorecard_total"]})
    known = {(row["employee_id"], row["measure_code"]): row for row in tables["scorecard"]}
    targets = _targets(before["scorecard"], ("measure_code", "peer_group_code"), measures)
    scores: dict[str, dict[str, Decimal | None]] = {}
    for employee in employees:
        values = recompute.values(sums.get(employee, {}), measures, day_count)
        for code, (numerator, denominator, rate) in values.items():
            row = known.pop((employee, code), None)
            if row is None:
                yield f"scorecard of {employee}, {code}: expected the cell, found none"
                continue
            target = row["target_rate"]
            if targets is not None:
                target = targets.get((code, row["peer_group_code"]), Decimal(measures[code]["fallback_target_rate"]))
            points = recompute.score(rate, target, measures[code]["is_inverse"], unit, cap)
            scores.setdefault(employee, {})[code] = points
            made = {
                "numerator": numerator,
                "denominator": denominator,
                "value_rate": rate,
                "target_rate": target,
                "score": points,
                "weight": weights[code],
            }
            yield from _compared(f"scorecard of {employee}, {code}", made, row)
    for employee, code in known:
        yield f"scorecard of {employee}, {code}: expected no such cell, found one"
    ranks = recompute.ranks(tables["scorecard_total"], int(rules["least_ranked"]))
    for row in tables["scorecard_total"]:
        employee = row["employee_id"]
        gate_code = recompute.failed_gates(row, policy["appraisal_gate"])
        total = recompute.total_score(scores[employee], weights, gate_code, Decimal(rules["gate_cap"]))
        adjustment = row["carried_adjustment"]
        made = {
            "cohort_count": sums.get(employee, {}).get(recompute.KEPT, recompute.Sums()).customers,
            "gate_code": gate_code,
            "total_score": total,
            "total_with_adjustment": None if total is None else total + adjustment,
            "rank_in_peer_group": ranks.get(employee),
        }
        yield from _compared(f"scorecard_total of {employee}", made, row)
    yield from _branch_cells(tables, measures, unit, cap, before["branch_scorecard"])
    for row in tables["book_flow"]:
        yield from _compared(f"book_flow of {row['subject_kind']} {row['subject_id']}", _flow_ends(row), row)


def _branch_cells(
    tables: dict[str, list[dict[str, Any]]],
    measures: dict[str, dict[str, Any]],
    unit: Decimal,
    cap: Decimal,
    before: list[dict[str, Any]] | None,
) -> Iterator[str]:
    targets = _targets(before, ("measure_code", "branch_level"), measures)
    for row in tables["branch_scorecard"]:
        code = row["measure_code"]
        rate = None
        if row["denominator"] > 0:
            rate = recompute.rounded(Fraction(row["numerator"]) / Fraction(row["denominator"]), 8)
        target = row["target_rate"]
        if targets is not None:
            target = targets.get((code, row["branch_level"]), Decimal(measures[code]["fallback_target_rate"]))
        points = recompute.score(rate, target, measures[code]["is_inverse"], unit, cap)
        made = {"value_rate": rate, "target_rate": target, "score": points}
        yield from _compared(f"branch_scorecard of {row['branch_id']}, {code}", made, row)


def _targets(
    before: list[dict[str, Any]] | None, group: tuple[str, str], measures: dict[str, dict[str, Any]]
) -> dict[tuple[str, str], Decimal] | None:
    """Median of the closed quarter before by measure and group; None when no quarter was closed before."""
    if before is None:
        return None
    rates: dict[tuple[str, str], list[Decimal]] = {}
    for row in before:
        if row["value_rate"] is not None and row[group[1]] is not None:
            rates.setdefault((row[group[0]], row[group[1]]), []).append(row["value_rate"])
    return {key: found for key, some in rates.items() if (found := recompute.median(some)) is not None}


def _flow_ends(row: dict[str, Any]) -> dict[str, Any]:
    """Closing count and assets as the flows have them."""
    counts, money = (
        row[f"opening{unit}"]
        + row[f"new{unit}"]
        + row[f"transferred_in{unit}"]
        - row[f"transferred_out{unit}"]
        - row[f"lost{unit}"]
        for unit in ("_count", "_aum_cny")
    )
    return {"closing_count": counts, "closing_aum_cny": money + row["change_aum_cny"]}


def _compared(where: str, made: dict[str, Any], row: dict[str, Any]) -> Iterator[str]:
    for name, expected in made.items():
        found = row.get(name)
        yield "" if found == expected else f"{where}: expected {name} {expected}, found {found}"
