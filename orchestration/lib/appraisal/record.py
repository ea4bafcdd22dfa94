"""Closed quarters and objections as builds read them: what the journal names, and nothing else.

``published/quarters/<period>/`` is an input of record, as the journal is: no build writes it again.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.lib.appraisal.objections import CONDUCT, read_objections
from orchestration.lib.appraisal.tables import (
    CLOSED_QUARTER,
    CONDUCT_FINDING,
    FROZEN_MARTS,
    GIVEN_BACK,
    OBJECTION,
    RESTATEMENT,
)
from orchestration.lib.files import file_sha256
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal

MANIFEST = "manifest.json"
# Tables of dbt's source `build` that a close and objections make.
RECORD_TABLES = {
    "closed_quarter": CLOSED_QUARTER,
    "objection": OBJECTION,
    "conduct_finding": CONDUCT_FINDING,
    "told_restatement": RESTATEMENT,
}
CLOSED_TABLES = {mart.source: mart for mart in GIVEN_BACK}


class QuarterError(ValueError):
    """A quarter cannot be closed, objected to or read: where, what was expected, what was found, what to do."""


def quarter_folder(home: Home, period_code: str) -> Path:
    return home.quarters / period_code


def read_manifest(home: Home, close: dict[str, Any]) -> dict[str, Any]:
    """Manifest of a closed quarter; ``close``: the journal's event. Raises QuarterError when it is not that one."""
    path = quarter_folder(home, close["period_code"]) / MANIFEST
    found = file_sha256(path) if path.exists() else "none"
    if found != close["manifest_sha256"]:
        raise QuarterError(
            f"closed quarter {close['period_code']}, {path}: expected the manifest with sha256 "
            f"{close['manifest_sha256']}, as the journal has it, found {found}; restore the folder from a backup"
        )
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def frozen_files(home: Home, close: dict[str, Any]) -> dict[str, Path]:
    """Mart -> file of a closed quarter. Raises QuarterError when a file is not the one that was frozen."""
    folder = quarter_folder(home, close["period_code"])
    known = read_manifest(home, close)["files"]
    files = {}
    for mart in FROZEN_MARTS:
        path = folder / mart.file
        found = file_sha256(path) if path.exists() else "none"
        expected = known[mart.name]["sha256"]
        if found != expected:
            raise QuarterError(
                f"closed quarter {close['period_code']}, {path}: expected the file with sha256 {expected}, as its "
                f"manifest has it, found {found}; restore the folder from a backup"
            )
        files[mart.name] = path
    return files


def closed_files(home: Home) -> dict[str, list[Path]]:
    """Table of source ``build`` -> files of all closed quarters, oldest first. Raises QuarterError as frozen_files."""
    quarters = [frozen_files(home, close) for close in Journal(home.journal).read().closes]
    return {name: [files[mart.name] for files in quarters] for name, mart in CLOSED_TABLES.items()}


def record_tables(home: Home) -> dict[str, pa.Table]:
    """Tables of RECORD_TABLES as the journal has them now."""
    state = Journal(home.journal).read()
    quarters = [
        {
            "period_code": close["period_code"],
            "start_date": date.fromisoformat(close["start_date"]),
            "end_date": date.fromisoformat(close["through"]),
            "evaluation_date": date.fromisoformat(close["evaluation_date"]),
            "closed_as_of": date.fromisoformat(close["closed_as_of"]),
            "version": close["version"],
            "content_hash": close["content_hash"],
        }
        for close in state.closes
    ]
    filed = [entry for event in state.objections for entry in read_objections(home, event)]
    # Who objects twice to the same cell means the later.
    cells = {(e.period_code, e.employee_id, e.measure_code, e.customer_id): e for e in filed if e.action != CONDUCT}
    findings = {(e.period_code, e.employee_id, e.finding_date, e.reason): e for e in filed if e.action == CONDUCT}
    return {
        "closed_quarter": pa.Table.from_pylist(quarters, schema=CLOSED_QUARTER),
        "objection": _rows(list(cells.values()), OBJECTION),
        "conduct_finding": _rows(list(findings.values()), CONDUCT_FINDING),
        "told_restatement": _told_restatements(home),
    }


def _told_restatements(home: Home) -> pa.Table:
    """What the last build told of corrections of closed quarters."""
    file = home.last_built / "parquet" / "appraisal" / "restatement" / "part-0.parquet"
    return pq.read_table(file, schema=RESTATEMENT) if file.exists() else RESTATEMENT.empty_table()


def _rows(entries: list[Any], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist([{name: getattr(e, name) for name in schema.names} for e in entries], schema=schema)
