"""Results of the optimiser as inputs of record: solved once, kept as Parquet, named in the journal with their hash."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.lib import fault
from orchestration.lib.books.propose import (
    MOVE_SCHEMA,
    PROPOSAL_SCHEMA,
    REBALANCING,
    propose_rebalancing,
    solve_go_live,
)
from orchestration.lib.files import file_sha256, write_atomically
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal, JournalState

BEFORE_FILE = fault.declare("books.before_file", "the optimiser is done, nothing is kept")
BEFORE_LINE = fault.declare("books.before_journal", "the result's file is kept, the journal does not name it")


class BooksError(ValueError):
    """A proposal, its acceptance or a kept result cannot be used."""


def ensure_results(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    base_date: date,
    decision_dates: Sequence[date],
    go_live_date: date,
) -> None:
    """Solve what the days to be decided need and no build solved before.

    ``con``: the warehouse with the state before the build, which starts from ``base_date``. The allocation, when books
    go live on the first of the days; a proposal, when one of the days begins a quarter after go-live; neither without
    the books of a day before. What the journal names is never solved again.
    """
    state = Journal(home.journal).read()
    if not decision_dates:
        return
    first = min(decision_dates)
    if first == go_live_date and state.allocation is None:
        eve = state_date(con, base_date, first)
        if eve is not None:
            keep_result(home, "books_allocated", first, solve_go_live(con, eve, first))
    known = {event["date"] for event in state.proposals}
    for day in sorted(decision_dates):
        begins_quarter = day.day == 1 and day.month % 3 == 1
        if begins_quarter and day > go_live_date and day.isoformat() not in known:
            eve = state_date(con, base_date, first)
            if eve is not None and eve >= go_live_date:
                keep_result(home, "books_proposed", day, propose_rebalancing(con, eve, day))


def book_moves(home: Home, decision_dates: Sequence[date]) -> pa.Table:
    """Moves (MOVE_SCHEMA) that take effect on the given days: of the allocation and of accepted proposals."""
    state = Journal(home.journal).read()
    tables = [MOVE_SCHEMA.empty_table()]
    if state.allocation is not None and date.fromisoformat(state.allocation["date"]) in decision_dates:
        tables.append(read_result(home, state.allocation))
    for accepted in state.acceptances:
        effective = date.fromisoformat(accepted["effective_date"])
        event = known_proposal(state, date.fromisoformat(accepted["proposed_date"]))
        if effective in decision_dates and event is not None:
            proposal = read_result(home, event)
            count = len(proposal)
            tables.append(
                pa.table(
                    [
                        pa.array([effective] * count, pa.date32()),
                        proposal["customer_id"],
                        proposal["from_employee_id"],
                        proposal["to_employee_id"],
                        pa.array([REBALANCING] * count, pa.string()),
                        proposal["proposal_id"],
                    ],
                    schema=MOVE_SCHEMA,
                )
            )
    return pa.concat_tables(tables)


def last_proposal(home: Home, as_of: date) -> pa.Table:
    """The newest proposal (PROPOSAL_SCHEMA) of a day up to ``as_of``; no rows when there is none."""
    state = Journal(home.journal).read()
    known = [event for event in state.proposals if date.fromisoformat(event["date"]) <= as_of]
    return read_result(home, max(known, key=lambda e: e["date"])) if known else PROPOSAL_SCHEMA.empty_table()


def proposal_of(home: Home, proposed_date: date) -> pa.Table:
    """Raises BooksError when it is not known."""
    event = known_proposal(Journal(home.journal).read(), proposed_date)
    if event is None:
        raise BooksError(f"no proposal of {proposed_date}")
    return read_result(home, event)


def known_proposal(state: JournalState, proposed_date: date) -> dict[str, Any] | None:
    return next((e for e in state.proposals if e["date"] == proposed_date.isoformat()), None)


def state_date(con: duckdb.DuckDBPyConnection, after: date, before: date) -> date | None:
    """Last day from ``after`` to before ``before`` on which the warehouse has books and the customers of that day."""
    is_there = con.execute(
        "select count(*) from information_schema.tables where (table_schema, table_name) in "
        "(('core', 'fct_book_entry'), ('intermediate', 'int_books__customer_day'))"
    ).fetchone()
    if is_there != (2,):
        return None
    found = con.execute(
        "select max(as_of_date) from core.fct_book_entry where as_of_date >= ? and as_of_date < ? and as_of_date in "
        "(select business_date from intermediate.int_books__customer_day)",
        [after, before],
    ).fetchone()
    return found[0] if found else None


def keep_result(home: Home, event: str, day: date, table: pa.Table) -> None:
    """The file first, then the line that names it: a file without its line is nobody's and is written over."""
    path = home.books / f"{event}_{day}.parquet"
    content = pa.BufferOutputStream()
    pq.write_table(table, content, compression="zstd")
    fault.point(BEFORE_FILE)
    write_atomically(path, content.getvalue().to_pybytes())
    fault.point(BEFORE_LINE)
    Journal(home.journal).append(
        {"event": event, "date": day.isoformat(), "file": path.name, "sha256": file_sha256(path)},
    )


def read_result(home: Home, event: dict[str, Any]) -> pa.Table:
    path = home.books / event["file"]
    if not path.is_file():
        raise BooksError(f"{path}: the journal names it, found no file; restore it from a backup")
    found = file_sha256(path)
    if found != event["sha256"]:
        raise BooksError(
            f"{path}: expected the file with sha256 {event['sha256'][:12]}... that the journal names, found "
            f"{found[:12]}...; restore it from a backup"
        )
    return pq.read_table(path)
