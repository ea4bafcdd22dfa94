"""The CRM's feed: who maintains whom and what changed, as deliveries of the landing contract's own form.

Columns are those of the contracts in ``contracts/outgoing``. Files are made of published marts alone: the same
day gives the same bytes, in the version that published it and in a replay.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb

from orchestration.lib.contracts import Feed, load_contracts
from orchestration.lib.delivery import write_delivery
from orchestration.lib.home import CONTRACTS_DIR, Home
from orchestration.lib.planning import DAY

OUTGOING_DIR = CONTRACTS_DIR / "outgoing"
CHANGES = "crm.assignment_change"
STATES = ("crm.assignment", "crm.exception_queue")


class FeedError(ValueError):
    """Feed files were asked for that no published version has."""


def write_feeds(marts: Path, out: Path, *, after: date | None, through: date) -> list[Path]:
    """Write a version's feeds below ``out``; returns the folders, none before books are decided here.

    Changes: of every day after ``after`` (None: from the first) to ``through``, of that day in any case. The whole
    assignment and exception queue: of ``through``, the business date that ``marts`` (marts.duckdb) describes.
    """
    with duckdb.connect(str(marts), read_only=True) as con:
        live_from = first_change_date(con)
        if live_from is None or through < live_from:
            return []
        first = max(live_from, min(after + DAY, through) if after else live_from)
        return [*_write_changes(con, out, first, through), *(_write_state(con, out, name, through) for name in STATES)]


def replay_changes(home: Home, out: Path, first: date, through: date | None = None) -> list[Path]:
    """Write the change files of past days again, out of the published history; returns their folders.

    ``through``: the published business date if None. Raises FeedError for days that have no changes to tell of.
    """
    manifest = home.current / "manifest.json"
    if not manifest.exists():
        raise FeedError(f"{home.root}: nothing has been published yet; run `tierhouse run` first")
    as_of_date = date.fromisoformat(json.loads(manifest.read_text(encoding="utf-8"))["as_of_date"])
    last = through or as_of_date
    with duckdb.connect(str(home.current / "marts.duckdb"), read_only=True) as con:
        live_from = first_change_date(con)
        if live_from is None:
            raise FeedError(f"{home.root}: books have not gone live as of {as_of_date}; there are no changes to replay")
        if not live_from <= first <= last <= as_of_date:
            raise FeedError(
                f"{first} to {last}: expected days in order from {live_from}, the first with changes, through "
                f"{as_of_date}, the published business date; give --from and --through within them"
            )
        return _write_changes(con, out, first, last)


def first_change_date(con: duckdb.DuckDBPyConnection) -> date | None:
    """The first day on which somebody was given a customer; None before books go live."""
    row = con.execute(f"select min(business_date) from {CHANGES}").fetchone()
    return row[0] if row else None


def _write_changes(con: duckdb.DuckDBPyConnection, out: Path, first: date, through: date) -> list[Path]:
    days = [first + n * DAY for n in range((through - first).days + 1)]
    return [_write(con, out, CHANGES, day, "business_date = ?") for day in days]


def _write_state(con: duckdb.DuckDBPyConnection, out: Path, name: str, day: date) -> Path:
    return _write(con, out, name, day, "as_of_date = ?")


def _write(con: duckdb.DuckDBPyConnection, out: Path, name: str, day: date, condition: str) -> Path:
    feed: Feed = load_contracts(OUTGOING_DIR)[name]
    columns = ", ".join(column.name for column in feed.columns)
    rows = con.execute(f"select {columns} from {name} where {condition} order by {', '.join(feed.key)}", [day])
    return write_delivery(out, feed, day, rows.to_arrow_table(), file_format="csv.gz")
