"""Acceptance: a proposal moves nobody until two people accept it for a day that is not decided yet."""

from __future__ import annotations

from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from orchestration.lib import fault
from orchestration.lib.books.propose import propose_rebalancing
from orchestration.lib.books.results import BooksError, keep_result, known_proposal, read_result, state_date
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal, two_names
from orchestration.lib.planning import DAY

BEFORE_ACCEPTANCE = fault.declare("books.before_acceptance", "a proposal may be accepted, the journal does not say so")


def propose(home: Home, con: duckdb.DuckDBPyConnection, go_live_date: date) -> tuple[date, pa.Table]:
    """Make a proposal beside the quarterly ones, for the day after the last decided one: that day and the proposal.

    Raises BooksError when books are not live or the day has its proposal.
    """
    state = state_date(con, date.min, date.max)
    if state is None or state < go_live_date:
        raise BooksError(
            f"books are decided from {go_live_date} on, found {state or 'nothing'} as the last decided day; "
            "build that day first"
        )
    day = state + DAY
    if any(event["date"] == day.isoformat() for event in Journal(home.journal).read().proposals):
        raise BooksError(f"{day} has its proposal already; see `tierhouse books show {day}`")
    table = propose_rebalancing(con, state, day)
    keep_result(home, "books_proposed", day, table)
    return day, table


def accept(home: Home, proposed_date: date, effective_date: date, by: str, approved_by: str) -> int:
    """Accept a proposal: its moves take effect on ``effective_date``; returns how many. Under the build lock.

    Raises BooksError: one name instead of two, an unknown or altered proposal, one accepted before, a day that is
    published.
    """
    names = two_names(by, approved_by)
    if names is None:
        raise BooksError("an acceptance needs two different names (--by, --approved-by)")
    journal = Journal(home.journal)
    state = journal.read()
    event = known_proposal(state, proposed_date)
    if event is None:
        known = ", ".join(e["date"] for e in state.proposals) or "none"
        raise BooksError(f"no proposal of {proposed_date}; known: {known}")
    for earlier in state.acceptances:
        if earlier["proposed_date"] == proposed_date.isoformat():
            raise BooksError(
                f"the proposal of {proposed_date} was accepted by {earlier['by']} and {earlier['approved_by']} "
                f"for {earlier['effective_date']}; it is accepted once"
            )
    table = read_result(home, event)
    published = state.last_published
    if published is not None and effective_date <= date.fromisoformat(published["as_of_date"]):
        raise BooksError(
            f"effective date {effective_date}: expected a day after {published['as_of_date']}, the last published one; "
            "decided days are not decided again"
        )
    if effective_date < proposed_date:
        raise BooksError(f"effective date {effective_date}: expected {proposed_date}, the proposal's day, or later")
    fault.point(BEFORE_ACCEPTANCE)
    journal.append(
        {
            "event": "proposal_accepted",
            "proposed_date": proposed_date.isoformat(),
            "effective_date": effective_date.isoformat(),
            "by": names[0],
            "approved_by": names[1],
            "sha256": event["sha256"],
        }
    )
    return len(table)


def summaries(home: Home) -> list[tuple[str, str, str, str]]:
    """Date, moves, units, and whether it was accepted, of every proposal."""
    state = Journal(home.journal).read()
    accepted = {e["proposed_date"]: e for e in state.acceptances}
    rows = []
    for event in state.proposals:
        table = read_result(home, event)
        done = accepted.get(event["date"])
        word = f"{done['effective_date']} ({done['by']}, {done['approved_by']})" if done else "open"
        rows.append((event["date"], str(len(table)), str(pc.count_distinct(table["branch_id"]).as_py()), word))
    return rows
