"""A published version made by hand, without a build: every mart has rows of every customer, employee and branch.

Grants alone say who may see whom, so each is a case: handed over, left, standing in, called in, chosen, staff.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.lib.home import Home
from orchestration.lib.mart_contracts import MartColumn, mart_contracts
from orchestration.lib.marts import MARTS, hash_rows

AS_OF = date(2026, 5, 4)
CUSTOMERS = tuple(f"c{number:02}" for number in range(1, 10))
EMPLOYEES = ("e1", "e2", "e3", "e4", "e5")
BRANCHES = ("b1", "b2", "b3")
# Rows of marts that count customers: one too few to be told of, one just enough, one more.
CELLS = (9, 10, 30)
# Employee, customer, purpose, first day from the as-of date on, first day after it (None: in force).
Grant = tuple[str, str, str, int, int | None]
GRANTS: tuple[Grant, ...] = (
    ("e1", "c01", "maintenance", -30, None),
    ("e1", "c02", "maintenance", -30, 0),  # handed over today
    ("e2", "c02", "maintenance", 0, None),
    ("e3", "c03", "maintenance", -30, -2),  # has left the bank; the customer waits in the queue
    ("e4", "c03", "queue", -2, None),
    ("e1", "c04", "maintenance", -30, None),  # his B, e2, does not stand in
    ("e1", "c05", "maintenance", -30, -1),  # on leave: e2 stands in
    ("e2", "c05", "acting_backup", -1, 3),
    ("e5", "c06", "specialist", -5, None),
    ("e3", "c06", "maintenance", -30, -2),
    ("e1", "c07", "maintenance", -30, -9),  # the customer chose another
    ("e4", "c07", "maintenance", -9, None),
    # c08 lives with an employee: nobody maintains him.
    ("e2", "c09", "maintenance", 1, None),  # from tomorrow on
)
# What each employee sees by these grants, said by hand.
OWN_CUSTOMERS: dict[str, set[str]] = {
    "e1": {"c01", "c04"},
    "e2": {"c02", "c05"},
    "e3": set(),
    "e4": {"c03", "c07"},
    "e5": {"c06"},
}
SUBJECTS: dict[str, tuple[Any, ...]] = {
    "customer_id": CUSTOMERS,
    "employee_id": EMPLOYEES,
    "branch_id": BRANCHES,
    "home_branch_id": BRANCHES,
    "customer_count": CELLS,
}


def subjects(columns: Iterable[str]) -> list[str]:
    """Columns of a mart by which a row is of somebody."""
    return [name for name in columns if name in SUBJECTS]


def _filler(column: MartColumn, version: int, as_of: date) -> Any:
    if column.sql_type == "date":
        return as_of
    if column.sql_type == "boolean":
        return True
    if column.sql_type.startswith("timestamp"):
        return datetime(2026, 5, 5, 2, tzinfo=UTC)
    if column.sql_type == "varchar":
        return f"of {version}"
    # Told apart by version, so that a mix of two would show; rates have no room for it.
    return 1 if column.name.endswith("_rate") or column.sql_type == "decimal(5,4)" else version


def rows(relation: str, version: int, as_of: date = AS_OF, grants: Iterable[Grant] = GRANTS) -> list[dict[str, Any]]:
    """Rows of a mart: a row for every combination of the subjects that it has."""
    columns = mart_contracts()[relation]
    plain = {column.name: _filler(column, version, as_of) for column in columns}
    if relation == "crm.access_grant":
        return [
            plain
            | {
                "employee_id": employee,
                "customer_id": customer,
                "purpose": purpose,
                "valid_from": as_of + timedelta(days=begins),
                "valid_to": None if ends is None else as_of + timedelta(days=ends),
            }
            for employee, customer, purpose, begins, ends in grants
        ]
    names = subjects(plain)
    return [
        plain | dict(zip(names, values, strict=True)) for values in itertools.product(*(SUBJECTS[n] for n in names))
    ]


def write_version(
    home: Home, version: int, *, as_of: date = AS_OF, grants: Iterable[Grant] = GRANTS, like: int | None = None
) -> None:
    """Put a version below ``published`` and move the pointer to it. ``like``: with the rows of another."""
    folder = home.published / str(version)
    folder.mkdir(parents=True)
    hashes: dict[str, str] = {}
    con = duckdb.connect(str(folder / "marts.duckdb"))
    con.execute("set TimeZone = 'UTC'")
    for relation, columns in mart_contracts().items():
        con.execute(f"create schema if not exists {relation.split('.')[0]}")
        con.execute(f"create table {relation} ({', '.join(f'{c.name} {c.sql_type}' for c in columns)})")
        con.register("made", pa.Table.from_pylist(rows(relation, like or version, as_of, tuple(grants))))
        con.execute(f"insert into {relation} by name from made")
        con.unregister("made")
    for mart in MARTS:
        hashes |= {mart.partition(label): digest for label, digest in hash_rows(con, mart, "").items()}
    con.close()
    assert len(hashes) >= len(MARTS)
    manifest = {
        "version": version,
        "build_id": f"build-{version}",
        "as_of_date": as_of.isoformat(),
        "published_at": datetime(2026, 5, 5, 2, tzinfo=UTC).isoformat(),
        "partition_hashes": hashes,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    pointer = home.published / "next"
    pointer.symlink_to(str(version))
    pointer.replace(home.current)
