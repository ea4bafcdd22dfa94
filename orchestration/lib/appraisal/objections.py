"""Objections to an open quarter, and findings of conduct: a dated file of two names, kept word for word."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from orchestration.lib.files import file_sha256
from orchestration.lib.home import Home

CONDUCT = "conduct"
ACTIONS = ("exclude", "count", "not_count", CONDUCT)
_CELL = {"employee_id", "measure_code", "customer_id", "action", "reason"}
_FINDING = {"employee_id", "action", "date", "reason"}


class ObjectionError(ValueError):
    """A file of objections cannot be used: which entry, what was expected, what was found, what to do."""


@dataclass(frozen=True)
class Objection:
    """What is done to a cell's customer (``action`` exclude, count or not_count), or a finding of conduct."""

    period_code: str
    employee_id: str
    measure_code: str | None
    customer_id: str | None
    action: str
    finding_date: date | None
    reason: str


def parse_objections(period_code: str, content: bytes, name: str) -> list[Objection]:
    """Entries of a file of objections; ``name`` tells its notation (.csv, .yml or .yaml), the columns are the same.

    An objection has employee_id, measure_code, customer_id, action and reason; a finding of conduct has employee_id,
    action ``conduct``, date and reason. Raises ObjectionError.
    """
    suffix = Path(name).suffix.lower()
    try:
        text = content.decode("utf-8-sig")
        if suffix == ".csv":
            rows: Any = [{k: v for k, v in row.items() if v} for row in csv.DictReader(io.StringIO(text))]
        elif suffix in (".yml", ".yaml"):
            rows = yaml.safe_load(text)
        else:
            raise ObjectionError(f"{name}: expected a file that ends in .csv, .yml or .yaml; rename or convert it")
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ObjectionError(f"{name}: cannot be read as UTF-8 {suffix[1:]}: {error}; write it again") from error
    if not isinstance(rows, list) or not rows:
        raise ObjectionError(f"{name}: expected a list of objections, found none; add at least one")
    entries = [_entry(period_code, row, f"{name} entry {number}") for number, row in enumerate(rows, start=1)]
    seen: set[tuple[str, str | None, str | None, date | None]] = set()
    for number, entry in enumerate(entries, start=1):
        key = (entry.employee_id, entry.measure_code, entry.customer_id, entry.finding_date)
        if key in seen and entry.action != CONDUCT:
            raise ObjectionError(
                f"{name} entry {number}: {entry.employee_id}, {entry.measure_code}, {entry.customer_id} is there "
                "twice; keep one"
            )
        seen.add(key)
    return entries


def _entry(period_code: str, row: Any, where: str) -> Objection:
    if not isinstance(row, dict):
        raise ObjectionError(f"{where}: expected columns with values, found {row!r}; write it as `name: value`")
    action = row.get("action")
    if action not in ACTIONS:
        raise ObjectionError(f"{where}: action {action!r}; expected one of {', '.join(ACTIONS)}; correct it")
    wanted = _FINDING if action == CONDUCT else _CELL
    found = {k for k, v in row.items() if v is not None and str(v).strip()}
    if found != wanted:
        raise ObjectionError(
            f"{where}: expected {', '.join(sorted(wanted))}, found {', '.join(sorted(map(str, found)))}; complete it"
        )
    texts = {k: str(v).strip() for k, v in row.items() if v is not None}
    finding_date = None
    if action == CONDUCT:
        try:
            finding_date = date.fromisoformat(texts["date"])
        except ValueError as error:
            raise ObjectionError(
                f"{where}: date {texts['date']!r}; expected a date such as 2026-05-12; correct it"
            ) from error
    return Objection(
        period_code=period_code,
        employee_id=texts["employee_id"],
        measure_code=texts.get("measure_code"),
        customer_id=texts.get("customer_id"),
        action=action,
        finding_date=finding_date,
        reason=texts["reason"],
    )


def read_objections(home: Home, event: dict[str, Any]) -> list[Objection]:
    """Entries of a file that the journal names (``objection_filed``). Raises ObjectionError when it is not that one."""
    path = home.objections / event["file"]
    found = file_sha256(path) if path.exists() else "none"
    if found != event["sha256"]:
        raise ObjectionError(
            f"{path}: expected the objections with sha256 {event['sha256']}, as the journal has it, found {found}; "
            "restore the file from a backup"
        )
    return parse_objections(event["period_code"], path.read_bytes(), path.name)
