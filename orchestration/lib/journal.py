"""The build journal: append-only, beside the landing archive; with the archive it is the input of record.

Events: ``begin`` (build_id, as_of_date, base, dirty_from, new batch ids, policy versions), ``published``
(build_id, version, hashes), ``failed`` (build_id, what). An override of a blocking check is an event too, and so are
results of the books optimiser, ``books_allocated`` and ``books_proposed`` (date, file, sha256), and
``proposal_accepted`` (proposed_date, effective_date, by, approved_by, sha256). So are ``objection_filed`` (period_code,
date, file, sha256, by, approved_by) and ``quarter_closed`` (period_code, start_date, through, evaluation_date,
closed_as_of, version, content_hash, manifest_sha256, by, approved_by): the line is the close.
``dirty_from`` is the earliest date touched since the last published build; state from there on is never
a base.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.lib.json_lines import append_lines, read_lines


class JournalCorrupt(RuntimeError):
    """A committed journal line cannot be read."""


@dataclass(frozen=True)
class JournalState:
    """What the events so far come to.

    ``last_begun``: id of the last build that began. ``last_published``: the newest ``published`` event, None
    before the first publish. ``used_batches``: ids of all batches that published builds were made of.
    ``dirty_from``: earliest date touched by builds that began after the last publish and never got there.
    ``frozen_through``: last day of the last closed quarter (event ``quarter_closed``), None before the first close.
    ``allocation``: the event of the allocation at go-live; ``proposals`` and ``acceptances``: those of rebalancing.
    ``closes``: quarters that are closed; ``objections``: those filed; ``unbuilt_objections``: how many of them no
    published build has read.
    """

    last_begun: str | None
    last_published: dict[str, Any] | None
    used_batches: frozenset[str]
    dirty_from: date | None
    overrides: tuple[dict[str, Any], ...]
    frozen_through: date | None
    allocation: dict[str, Any] | None = None
    proposals: tuple[dict[str, Any], ...] = ()
    acceptances: tuple[dict[str, Any], ...] = ()
    closes: tuple[dict[str, Any], ...] = ()
    objections: tuple[dict[str, Any], ...] = ()
    unbuilt_objections: int = 0


def two_names(by: str, approved_by: str) -> tuple[str, str] | None:
    """Who asks and who approves; None unless they are two persons."""
    by, approved_by = by.strip(), approved_by.strip()
    return (by, approved_by) if by and approved_by and by.casefold() != approved_by.casefold() else None


@dataclass(frozen=True)
class Journal:
    """Append-only JSON lines; one writer at a time (the build lock)."""

    path: Path

    def events(self) -> Iterator[dict[str, Any]]:
        """All events in order. A torn last line was never committed and is passed over."""
        for number, line in enumerate(read_lines(self.path), start=1):
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                raise JournalCorrupt(f"{self.path.name} line {number}: not JSON; restore it from a backup") from error

    def append(self, event: dict[str, Any]) -> None:
        """Append one event and fsync it."""
        append_lines(self.path, [event])

    def read(self) -> JournalState:
        """The journal in one pass; its cost grows with history, so a step reads it once."""
        last_begun: str | None = None
        last_published: dict[str, Any] | None = None
        begun: dict[str, list[str]] = {}
        used: set[str] = set()
        dirty: date | None = None
        overrides = []
        frozen: date | None = None
        allocation: dict[str, Any] | None = None
        proposals, acceptances = [], []
        closes: list[dict[str, Any]] = []
        objections: list[dict[str, Any]] = []
        known_objections: dict[str, int] = {}
        built_objections = 0
        for event in self.events():
            if event["event"] == "begin":
                last_begun = event["build_id"]
                begun[event["build_id"]] = event["new_batches"]
                known_objections[event["build_id"]] = len(objections)
                touched = date.fromisoformat(event["dirty_from"])
                dirty = touched if dirty is None else min(dirty, touched)
            elif event["event"] == "published":
                last_published, dirty = event, None
                used.update(begun[event["build_id"]])
                built_objections = known_objections[event["build_id"]]
            elif event["event"] == "override":
                overrides.append(event)
            elif event["event"] == "quarter_closed":
                frozen = date.fromisoformat(event["through"])
                closes.append(event)
            elif event["event"] == "objection_filed":
                objections.append(event)
            elif event["event"] == "books_allocated":
                allocation = event
            elif event["event"] == "books_proposed":
                proposals.append(event)
            elif event["event"] == "proposal_accepted":
                acceptances.append(event)
        return JournalState(
            last_begun=last_begun,
            last_published=last_published,
            used_batches=frozenset(used),
            dirty_from=dirty,
            overrides=tuple(overrides),
            frozen_through=frozen,
            allocation=allocation,
            proposals=tuple(proposals),
            acceptances=tuple(acceptances),
            closes=tuple(closes),
            objections=tuple(objections),
            unbuilt_objections=len(objections) - built_objections,
        )

    def last_published(self) -> dict[str, Any] | None:
        """The newest ``published`` event, or None before the first publish."""
        return self.read().last_published
