"""Loading a published version into PostgreSQL, in one transaction: readers see the old version or the new one."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import adbc_driver_manager
import duckdb
from adbc_driver_postgresql import dbapi

from orchestration.lib import fault
from orchestration.lib.home import Home
from orchestration.lib.mart_contracts import QUALITY_SCHEMAS
from orchestration.lib.marts import MARTS
from orchestration.lib.policies.access import Access
from orchestration.lib.policies.load import load_access
from orchestration.lib.postgres.setup import LOAD_COLUMN, LOADER, setup_hash, setup_statements

URL, ADMIN_URL, VERSIONS = "TIERHOUSE_POSTGRES_URL", "TIERHOUSE_POSTGRES_ADMIN_URL", "TIERHOUSE_POSTGRES_VERSIONS"
# The newest version, and the one that a reader may be in the midst of.
VERSIONS_KEPT = 2
# Any number that no other program of the bank takes.
_LOCK = 7_413_560_219
_BATCH_ROWS = 100_000

BEFORE_ROWS = fault.declare("postgres.before_rows", "version published in files, nothing of it in PostgreSQL")
BEFORE_COMMIT = fault.declare("postgres.before_commit", "all rows in PostgreSQL, none to be seen")
AFTER_COMMIT = fault.declare("postgres.after_commit", "readers of PostgreSQL see the version, the run does not know")


class PostgresError(RuntimeError):
    """PostgreSQL cannot be reached or used; what was published in files stands."""


@contextmanager
def connection(url: str) -> Iterator[dbapi.Connection]:
    """A connection that commits nothing by itself. Raises PostgresError; never tells the address, which may hold a
    password.
    """
    try:
        with dbapi.connect(url) as connected:
            yield connected
    except adbc_driver_manager.Error as error:
        raise PostgresError(f"PostgreSQL: {_said(error)}") from error


def _said(error: Exception) -> str:
    """What the server said, without the statement that the driver repeats before it."""
    text = str(error)
    said = re.search(r"(?:ERROR|FATAL):\s+(.+)", text) or re.search(r"(.+)", text)
    return said.group(1).strip() if said else type(error).__name__


def versions_kept(environment: Mapping[str, str]) -> int:
    """How many versions PostgreSQL holds. Raises PostgresError for what is no number from 1."""
    text = environment.get(VERSIONS, str(VERSIONS_KEPT))
    if not text.isdigit() or int(text) < 1:
        raise PostgresError(f"{VERSIONS}: expected a whole number from 1, found {text!r}; correct it or unset it")
    return int(text)


def set_up(url: str, access: Access | None = None) -> int:
    """Run the set-up as a superuser; returns the number of statements."""
    statements = setup_statements(access or load_access())
    with connection(url) as connected, connected.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connected.commit()
    return len(statements)


def load_version(home: Home, url: str, access: Access | None = None, *, kept: int = VERSIONS_KEPT) -> dict[str, int]:
    """Bring PostgreSQL to the version that readers of the files see; returns version, rows and partitions written.

    Nothing is done when it is there. Raises PostgresError when PostgreSQL is not set up for this release and these
    rules, and when nothing is published.
    """
    if not home.current.exists():
        raise PostgresError("nothing has been published yet; run `tierhouse run` first")
    folder = home.current.resolve()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    version = int(manifest["version"])
    with connection(url) as connected, connected.cursor() as cursor:
        _check_set_up(cursor, access or load_access())
        cursor.execute("select pg_advisory_xact_lock($1)", (_LOCK,))
        newest = _one(cursor, "select coalesce(max(version), 0) from publish.version")
        if newest >= version:
            return {"version": newest, "rows": 0, "partitions": 0}
        fault.point(BEFORE_ROWS)
        cursor.execute(
            "insert into publish.version (version, build_id, as_of_date, published_at) values ($1, $2, $3, $4)",
            (
                version,
                manifest["build_id"],
                date.fromisoformat(manifest["as_of_date"]),
                datetime.fromisoformat(manifest["published_at"]),
            ),
        )
        written = _write_rows(cursor, folder, manifest, version)
        _drop_old(cursor, kept)
        fault.point(BEFORE_COMMIT)
        connected.commit()
    fault.point(AFTER_COMMIT)
    return {"version": version, **written}


def load_when_set(home: Home, environment: Mapping[str, str]) -> dict[str, int] | None:
    """As ``load_version``, into the database that TIERHOUSE_POSTGRES_URL names; None when it names none."""
    url = environment.get(URL)
    return load_version(home, url, kept=versions_kept(environment)) if url else None


def read_readers(file: Path) -> list[tuple[str, str | None, str | None]]:
    """Rows (login_name, employee_id, branch_id) of a CSV file. Raises PostgresError naming file, line and mend."""
    columns = ["login_name", "employee_id", "branch_id"]
    rows: list[tuple[str, str | None, str | None]] = []
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        if reader.fieldnames != columns:
            raise PostgresError(
                f"{file.name}:1: expected the columns {', '.join(columns)}, found {', '.join(reader.fieldnames or [])}"
            )
        for row in reader:
            if None in row or not row["login_name"] or not (row["employee_id"] or row["branch_id"]):
                raise PostgresError(
                    f"{file.name}:{reader.line_num}: expected a login with an employee or a branch; complete the row"
                )
            rows.append((row["login_name"], row["employee_id"] or None, row["branch_id"] or None))
    return rows


def set_readers(url: str, rows: list[tuple[str, str | None, str | None]]) -> None:
    """Say anew which employee and which branches each login is; what was said before is forgotten."""
    with connection(url) as connected, connected.cursor() as cursor:
        cursor.execute("delete from access.reader")
        if rows:
            cursor.executemany("insert into access.reader values ($1, $2, $3)", rows)
        connected.commit()


def _one(cursor: dbapi.Cursor, query: str) -> Any:
    cursor.execute(query)
    row = cursor.fetchone()
    assert row is not None
    return row[0]


def _check_set_up(cursor: dbapi.Cursor, access: Access) -> None:
    mend = f"have a superuser run `tierhouse postgres setup` ({ADMIN_URL})"
    if not _one(cursor, "select to_regclass('publish.setup') is not null"):
        raise PostgresError(f"PostgreSQL: expected the tables of the marts, found none; {mend}")
    if not _one(cursor, "select rolbypassrls from pg_roles where rolname = current_user"):
        raise PostgresError(
            f"{URL}: expected to log in as {LOADER}, who may write past the readers' policies, found "
            f"{_one(cursor, 'select current_user')}; correct the address"
        )
    if _one(cursor, "select max(content_hash) from publish.setup") != setup_hash(access):
        raise PostgresError(
            "PostgreSQL: expected the tables and rules of this release and of policies/access.yml, found others; "
            + mend
        )


def _write_rows(cursor: dbapi.Cursor, folder: Path, manifest: dict[str, Any], version: int) -> dict[str, int]:
    cursor.execute("select partition, content_hash, load_id from publish.load")
    known = {(partition, digest): load_id for partition, digest, load_id in cursor.fetchall()}
    rows = partitions = 0
    con = duckdb.connect(str((folder / "marts.duckdb").resolve()), read_only=True)
    try:
        con.execute("set TimeZone = 'UTC'; set threads = 2; set memory_limit = '2GB'")
        wanted: list[tuple[str, str, str, str]] = [
            (mart.relation, mart.partition(label), mart.rows([label]), digest)
            for mart in MARTS
            for label, digest in _labels(manifest["partition_hashes"], mart.relation)
        ]
        wanted += [(f"quality.{name}", f"quality.{name}", "true", str(version)) for name in QUALITY_SCHEMAS]
        for relation, partition, condition, digest in wanted:
            load_id = known.get((partition, digest))
            if load_id is None:
                load_id = _new_load(cursor, relation, partition, digest)
                rows += _copy(cursor, con, relation, condition, load_id)
                partitions += 1
            cursor.execute("insert into publish.version_load values ($1, $2)", (version, load_id))
    finally:
        con.close()
    return {"rows": rows, "partitions": partitions}


def _labels(hashes: Mapping[str, str], relation: str) -> list[tuple[str, str]]:
    """Label and content hash of a mart's partitions."""
    found = []
    for name, digest in hashes.items():
        of, _, label = name.partition("/")
        if of == relation:
            found.append((label, digest))
    return found


def _new_load(cursor: dbapi.Cursor, relation: str, partition: str, digest: str) -> int:
    cursor.execute(
        "insert into publish.load (relation, partition, content_hash) values ($1, $2, $3) returning load_id",
        (relation, partition, digest),
    )
    row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def _copy(cursor: dbapi.Cursor, con: duckdb.DuckDBPyConnection, relation: str, condition: str, load_id: int) -> int:
    schema, table = relation.split(".")
    batches = con.execute(
        f"select *, {load_id}::integer as {LOAD_COLUMN} from {relation} where {condition}"
    ).to_arrow_reader(_BATCH_ROWS)
    return cursor.adbc_ingest(table, batches, mode="append", db_schema_name=schema)


def _drop_old(cursor: dbapi.Cursor, kept: int) -> None:
    """Let go of versions, and of the rows that none of the others is made of."""
    cursor.execute(
        "delete from publish.version where version not in (select version from publish.version order by version desc "
        f"limit {kept})"
    )
    cursor.execute(
        "select relation, load_id from publish.load where load_id not in (select load_id from publish.version_load)"
    )
    unused: dict[str, list[int]] = {}
    for relation, load_id in cursor.fetchall():
        unused.setdefault(relation, []).append(load_id)
    for relation, load_ids in unused.items():
        ids = ", ".join(map(str, load_ids))
        cursor.execute(f"delete from {relation} where {LOAD_COLUMN} in ({ids})")
        cursor.execute(f"delete from publish.load where load_id in ({ids})")
