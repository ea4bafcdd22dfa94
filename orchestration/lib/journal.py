"""The build journal: append-only, beside the landing archive; with the archive it is the input of record.

Events: ``begin`` (build_id, as_of_date, base, dirty_from, new batch ids, policy versions), ``published``
(build_id, version, hashes), ``failed`` (build_id, what). An override of a blocking check is an event too.
``dirty_from`` is the earliest date touched since the last published build; state from there on is never
a base.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any


class JournalCorrupt(RuntimeError):
    """A committed journal line cannot be read."""


@dataclass(frozen=True)
class Journal:
    """Append-only JSON lines; one writer at a time (the build lock)."""

    path: Path

    def events(self) -> Iterator[dict[str, Any]]:
        """All events in order. A torn last line was never committed and is passed over."""
        if not self.path.exists():
            return
        lines = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line:
                continue
            try:
                yield json.loads(line)
            except json.JSONDecodeError as error:
                if number == len(lines):
                    return
                raise JournalCorrupt(f"{self.path.name} line {number}: not JSON; restore it from a backup") from error

    def append(self, event: dict[str, Any]) -> None:
        """Append one event and fsync it; a torn last line is cut off first."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(event, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"
        with self.path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)
            file.seek(0, os.SEEK_END)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def last_published(self) -> dict[str, Any] | None:
        """The newest ``published`` event, or None before the first publish."""
        published = None
        for event in self.events():
            if event["event"] == "published":
                published = event
        return published

    def used_batches(self) -> set[str]:
        """Ids of all batches that published builds were made of."""
        begun: dict[str, list[str]] = {}
        used: set[str] = set()
        for event in self.events():
            if event["event"] == "begin":
                begun[event["build_id"]] = event["new_batches"]
            elif event["event"] == "published":
                used.update(begun[event["build_id"]])
        return used

    def dirty_from_unpublished(self) -> date | None:
        """Earliest date touched by builds that began after the last publish and never got there."""
        dirty: date | None = None
        for event in self.events():
            if event["event"] == "begin":
                touched = date.fromisoformat(event["dirty_from"])
                dirty = touched if dirty is None else min(dirty, touched)
            elif event["event"] == "published":
                dirty = None
        return dirty

    def overrides(self) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["event"] == "override"]
