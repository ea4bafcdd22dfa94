"""A deployment made again after its disk was lost: from the landing archive and the build journal, build by build.

The journal says which deliveries each published build was the first to use, and what people decided between builds.
Both are brought in in that order, so that every decision is taken on what was known then; the published content of
each build must be that of the lost one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.lib.delivery import MANIFEST
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.json_lines import append_lines

BUILD_EVENTS = ("begin", "published", "failed")
Run = Callable[[Home, Path, date], str]


class RebuildError(RuntimeError):
    """The new home is not empty, something of the archive is not there, or a build came out otherwise."""


@dataclass(frozen=True)
class Step:
    """A published build: the deliveries that it was the first to use, and the acts of record since the one before."""

    as_of_date: date
    batch_ids: tuple[str, ...]
    acts: tuple[dict[str, Any], ...]
    outputs_hash: str


def steps(journal: Journal) -> tuple[list[Step], tuple[dict[str, Any], ...]]:
    """The published builds of a journal in order, and the acts after the last of them."""
    begun: dict[str, list[str]] = {}
    acts: list[dict[str, Any]] = []
    found: list[Step] = []
    for event in journal.events():
        if event["event"] == "begin":
            begun[event["build_id"]] = event["new_batches"]
        elif event["event"] == "published":
            day = date.fromisoformat(event["as_of_date"])
            found.append(Step(day, tuple(begun[event["build_id"]]), tuple(acts), event["outputs_hash"]))
            acts = []
        elif event["event"] not in BUILD_EVENTS:
            acts.append(event)
    return found, tuple(acts)


def rebuild(home: Home, backup: Home, archive: Path, run: Run, progress: Callable[[str], None] = lambda _: None) -> int:
    """Make ``home`` again from the backup's records and the archive's deliveries; returns the number of builds.

    ``backup``: has ``lake/journal.jsonl``, ``lake/books``, ``lake/objections`` and ``published/quarters``; ``archive``:
    landing root with every delivery; ``run``: lands a root into a home and builds through a day, returns what failed.
    A rebuild that was cut off is begun anew in an empty home. Raises RebuildError.
    """
    if home.journal.exists():
        raise RebuildError(f"{home.root}: expected an empty home, found a journal; name another folder, or empty it")
    found, after = steps(Journal(backup.journal))
    if not found:
        raise RebuildError(f"{backup.journal}: expected a journal with published builds; restore it from a backup")
    for source, target in (
        (backup.books, home.books),
        (backup.objections, home.objections),
        (backup.quarters, home.quarters),
    ):
        if source.exists():
            shutil.copytree(source, target)
    landing = home.root / ".rebuild"
    for number, step in enumerate(found, start=1):
        append_lines(home.journal, step.acts)
        for batch_id in step.batch_ids:
            _bring(archive, landing, batch_id)
        failure = run(home, landing, step.as_of_date)
        published = Journal(home.journal).last_published()
        if failure or published is None or published["outputs_hash"] != step.outputs_hash:
            what = failure or f"its content is not that of the lost version as of {step.as_of_date}"
            raise RebuildError(f"build {number} of {len(found)}, as of {step.as_of_date}: {what}")
        progress(f"{number} of {len(found)} builds, as of {step.as_of_date}: same content")
    append_lines(home.journal, after)
    shutil.rmtree(landing, ignore_errors=True)
    return len(found)


def _bring(archive: Path, landing: Path, batch_id: str) -> None:
    """Link a delivery's files from the archive to where the next run looks."""
    system, entity, day, number = batch_id.split(".")
    folder = Path(system, entity, day) if number == "1" else Path(system, entity, day, number)
    source = archive / folder
    if number == "1" and not (source / MANIFEST).exists() and (source / "1" / MANIFEST).exists():
        folder, source = folder / "1", source / "1"
    if not (source / MANIFEST).exists():
        raise RebuildError(f"{source}: expected the delivery {batch_id}, found none; restore it from a backup")
    (landing / folder).mkdir(parents=True, exist_ok=True)
    for file in sorted(path for path in source.iterdir() if path.is_file()):
        target = landing / folder / file.name
        try:
            os.link(file, target)
        except OSError:  # another file system
            shutil.copyfile(file, target)
