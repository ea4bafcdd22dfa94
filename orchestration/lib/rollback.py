"""Rollback: an older version becomes the newest one again, whole and logged, by two people.

Nothing is computed and nothing is taken out of the log. The older version's files are linked into the folder of the
next number, one line in the hash-chained publish log commits it, and the pointer follows. The next build goes on from
the version that was built last, so that no decision is taken twice: readers are taken back, the bank is not.
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestration.lib import fault
from orchestration.lib.files import fsync_path, fsync_tree
from orchestration.lib.home import ROLLBACK_NOTE, Home
from orchestration.lib.journal import two_names
from orchestration.lib.json_lines import append_lines
from orchestration.lib.publish import (
    RESTORED,
    _entry_hash,
    _move_pointer,
    last_built,
    read_publish_log,
    recover,
)

BEFORE_LINKS = fault.declare("rollback.before_links", "the version may be shown again, nothing written")
AFTER_LINKS = fault.declare("rollback.after_links", "the version's files linked under a temporary name")
AFTER_RENAME = fault.declare("rollback.after_rename", "version in place, log says nothing")
AFTER_LOG = fault.declare("rollback.after_log", "log says rolled back, pointer not moved")
AFTER_POINTER = fault.declare("rollback.after_pointer", "readers see the older version")


class RollbackError(ValueError):
    """A version that cannot be shown again, or one name instead of two."""


def roll_back(home: Home, version: int, reason: str, by: str, approved_by: str) -> dict[str, Any]:
    """Publish an older version again under the next number; returns the log's entry. Under the build lock.

    Raises RollbackError: no reason, one name instead of two, a version that is not kept or that readers see.
    """
    names = two_names(by, approved_by)
    if not reason.strip() or names is None:
        raise RollbackError("a rollback needs a reason and two different names (--by, --approved-by)")
    recover(home)
    log = read_publish_log(home)
    entries = {entry["version"]: entry for entry in log}
    source = home.published / str(version)
    if version not in entries or not source.is_dir():
        kept = sorted(n for n in entries if (home.published / str(n)).is_dir())
        raise RollbackError(
            f"version {version}: expected one that is kept ({', '.join(map(str, kept))}); name one of them"
        )
    if version == log[-1]["version"]:
        raise RollbackError(f"version {version}: is the one that readers see; name an older one")
    fault.point(BEFORE_LINKS)

    number = log[-1]["version"] + 1
    entry = {k: v for k, v in entries[version].items() if k != "entry_hash"} | {
        "version": number,
        "published_at": datetime.now(UTC).isoformat(timespec="seconds"),
        RESTORED: version,
        "reason": reason.strip(),
        "by": names[0],
        "approved_by": names[1],
        "previous_hash": log[-1]["entry_hash"],
    }
    entry["entry_hash"] = _entry_hash(entry)
    folder = home.published / f".build-rollback-{number}"
    shutil.copytree(source, folder, copy_function=os.link)
    manifest = json.loads((source / "manifest.json").read_text(encoding="utf-8"))
    _write(folder / "manifest.json", {**manifest, **entry})
    _write(folder / ROLLBACK_NOTE, {"built_version": last_built(log)["version"]})
    fsync_tree(folder)
    fault.point(AFTER_LINKS)
    os.replace(folder, home.published / str(number))
    fsync_path(home.published)
    fault.point(AFTER_RENAME)
    append_lines(home.publish_log, [entry])
    fault.point(AFTER_LOG)
    _move_pointer(home, number)
    fault.point(AFTER_POINTER)
    return entry


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write a file anew: its name may be a link to the older version's."""
    path.unlink(missing_ok=True)
    path.write_text(json.dumps(content, sort_keys=True, indent=1), encoding="utf-8")
