"""docs/landing_contract.md: what a bank writes, out of the contracts."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from orchestration.lib.column_rules import EXPECTED
from orchestration.lib.contracts import SQL_TYPES, Column, Feed

MANIFEST_FIELDS = {
    "system": "as in the path",
    "entity": "as in the path",
    "business_date": "as in the path",
    "sequence_no": "1 for the first delivery of the day, then 2, 3, ... for corrections",
    "mode": "`full`, `delta` or `events`; the feed says which it takes",
    "schema_version": "contract version the extract was written for; the major number must agree",
    "row_count": "rows over all files; 0 is taken only because it is said here",
    "files": "list of `{name, row_count, sha256}`; a file that is not listed is not read",
    "control_totals": ("`{column: {group: sum}}`, sums as decimal strings; each feed says which are compulsory"),
    "key_hash": (
        "optional: hex of the sum modulo 2^64 of the first 8 bytes (big-endian) of the sha256 of"
        " each row's primary key values, joined by 0x1F in utf-8"
    ),
    "produced_at": "when the source wrote it, with offset",
}

SEMANTICS = {
    "snapshot": "a row that is absent is gone",
    "upsert": "a row that is absent keeps its last value",
    "events": "each row is one event of the business date",
}
EXPECTATION = {
    "daily": "every calendar day",
    "business_days": "business days",
    "on_change": "when there is something to say",
}
COMPULSORY = {
    "daily": "every day",
    "first_run": "for the first run",
    "no": "no",
}

INTRODUCTION = """\
# Landing contract

Generated from the files in `contracts/` by `tierhouse docs`; change those, not this page.

A bank plugs in its systems by writing these files, and nothing else. `tierhouse land check PATH`
reads a delivery as the warehouse would and says what is wrong with it; it stores nothing.

## A delivery

    <landing root>/<system>/<entity>/<business date YYYY-MM-DD>/[<sequence_no>/]<data files>
                                                                             _manifest.json

- The manifest is written last. A folder without one is still being written and is not read.
- The first delivery of a day lies in the date folder itself. A correction lies in `2/`, `3/`, ...
  and replaces the earlier delivery of that day whole.
- Data files are CSV (`.csv`, `.csv.gz`), Parquet (`.parquet`) or Excel (`.xlsx`), told by their
  names. A delivery may have several.
- A CSV has the feed's delimiter, encoding and header, given below for each feed. With a header
  columns may come in any order; all of them are there and no other is. Fields are quoted by `"`
  where needed, a quote inside is doubled. A byte order mark and CRLF are accepted.
- `mode` `full` is the complete state at the close of the business date. `delta` holds the rows
  that changed since the delivery before, with one more column `is_deleted` (true/false). `events`
  holds what happened on the business date.

## The manifest

| field | meaning |
|---|---|
"""

ACCEPTANCE = """
## Whole batches, single rows

A delivery is accepted whole or rejected whole. It is rejected when the path and the manifest
disagree, a file is missing or its checksum, row count, control total or key hash differs, a
column is missing or unknown, the mode or major version is not the contract's, the system or
entity is unknown, or its sequence_no was accepted before with other content. The same content
twice is one delivery. A rejection changes nothing that is published; the next correct delivery
heals it.

In an accepted delivery single bad rows (wrong type, empty but required, not one of the values,
duplicate key) go to quarantine with their reason, up to the feed's limit; past it the delivery is
rejected. Control totals count all delivered rows. References to other feeds are judged later: a
balance of an unknown customer or branch is kept and reported as such.

## Types

An empty field is no value. Ids are text: leading zeros count. Codes are lower_snake_case.
What becomes of each way to write a value or a file: [how files may be written](landing_formats.md).

| type | stored as | how it is written |
|---|---|---|
"""


def render_landing_contract(contracts: Mapping[str, Feed]) -> str:
    """docs/landing_contract.md as text: rules for every delivery, then every feed's columns."""
    feeds = sorted(contracts.values(), key=lambda feed: (feed.system, feed.entity))
    parts = [INTRODUCTION]
    parts += [f"| {name} | {meaning} |\n" for name, meaning in MANIFEST_FIELDS.items()]
    parts.append(ACCEPTANCE)
    parts += [f"| {name} | {sql} | {EXPECTED[name]} |\n" for name, sql in SQL_TYPES.items()]
    parts.append("\n## Feeds\n\n| feed | modes | delivered | compulsory |\n|---|---|---|---|\n")
    parts += [
        f"| [{feed.feed_id}](#{_anchor(feed)}) | {', '.join(feed.modes)}"
        f" | {EXPECTATION[feed.expected]} | {COMPULSORY[feed.compulsory]} |\n"
        for feed in feeds
    ]
    parts.append("\nA feed that a bank does not have is left out: nothing has to be said.\n")
    for system, of_system in groupby(feeds, key=lambda feed: feed.system):
        parts.append(f"\n## {system}\n")
        parts += [_render_feed(feed) for feed in of_system]
    return "".join(parts)


def _anchor(feed: Feed) -> str:
    return feed.feed_id.replace(".", "")


def _render_feed(feed: Feed) -> str:
    header = "with" if feed.csv.header else "without"
    facts = [
        f"Modes {', '.join(feed.modes)}; {SEMANTICS[feed.semantics]}.",
        f"Delivered: {EXPECTATION[feed.expected]}. Compulsory: {COMPULSORY[feed.compulsory]}.",
        f"Key: {', '.join(feed.key)}. {_controls(feed)}",
        f"A late delivery {'restates past days' if feed.restates else 'acts from its arrival on'}.",
        f"CSV: {feed.csv.encoding}, delimiter `{_visible(feed.csv.delimiter)}`, {header} header.",
        f"At most {_rate(feed.quarantine_limit_rate)} of the rows in quarantine.",
        f"At most {_rate(feed.orphan_limit_rate)} of the rows with an unknown reference.",
        f"Version {feed.version}; owner: {feed.owner}.",
    ]
    rows = "".join(_render_column(column) for column in feed.columns)
    return (
        f"\n### {feed.feed_id}\n\n{feed.description} {feed.grain}\n\n"
        + "".join(f"- {fact}\n" for fact in facts)
        + "\n| column | type | empty | 中文 | meaning |\n|---|---|---|---|---|\n"
        + rows
    )


def _render_column(column: Column) -> str:
    name = f"**{column.name}**" if column.key_position is not None else column.name
    values = f" One of: {', '.join(f'`{value}`' for value in column.values)}." if column.values else ""
    identity = f" Identity: kept apart, never in a mart; models know `has_{column.name}`." if column.is_identity else ""
    meaning = f"{column.description}{values}{identity}".replace("|", "\\|")
    empty = "no" if column.required else "yes"
    return f"| {name} | {column.type} | {empty} | {column.label_zh} | {meaning} |\n"


def _controls(feed: Feed) -> str:
    if not feed.control_totals:
        return "No compulsory control total."
    totals = [
        f"{total.column} ({'over all rows, `*`' if total.by == '*' else f'by {total.by}'})"
        for total in feed.control_totals
    ]
    return f"Compulsory control totals: {', '.join(totals)}."


def _rate(rate: float) -> str:
    return f"{rate * 100:g} %"


def _visible(delimiter: str) -> str:
    return delimiter.encode("unicode_escape").decode("ascii")
