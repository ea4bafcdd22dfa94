"""What a deployment has acknowledged, and what readers see of it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb

from orchestration.lib.content_hash import content_hash
from orchestration.lib.home import Home
from orchestration.lib.json_lines import read_lines
from orchestration.lib.ledger import Ledger
from orchestration.lib.marts import MARTS, hash_rows
from orchestration.lib.publish import RESTORED

# --- what may not be lost ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Acknowledged:
    """What was accepted, published, filed or closed: committed lines, and the files that they name."""

    lines: dict[str, tuple[int, str]]
    files: dict[str, tuple[int, int]]
    pointer: str
    versions: frozenset[str]

    def lost(self, home: Home) -> list[str]:
        """What is no more as it was."""
        gone = []
        for name, (count, digest) in self.lines.items():
            kept = read_lines(home.root / name)[:count]
            if _digest(kept) != digest:
                gone.append(f"{name}: {len(kept)} of {count} lines, or other ones")
        gone += [name for name, known in self.files.items() if _state(home.root / name) != known]
        if int(str(home.current.readlink())) < int(self.pointer):
            gone.append(f"readers were at version {self.pointer}")
        # Old ones may be dropped; the one that readers were on and the one below it may not.
        kept_ones = self.versions & _newest_versions(read_lines(home.publish_log))
        gone += [f"version {name}" for name in kept_ones if not (home.published / name / "marts.duckdb").exists()]
        return gone


def acknowledged(home: Home) -> Acknowledged:
    names = ("lake/ledger.jsonl", "lake/journal.jsonl", "published/publish_log.jsonl")
    lines = {name: read_lines(home.root / name) for name in names}
    files: list[Path] = []
    for batch in Ledger(home.ledger).accepted():
        files += (
            path
            for part in (batch.path, batch.identity_path, batch.quarantine_path)
            if part
            for path in (home.lake / part).iterdir()
        )
    for line in lines["lake/journal.jsonl"]:
        event = json.loads(line)
        if event["event"] == "objection_filed":
            files.append(home.objections / event["file"])
        elif event["event"] == "quarter_closed":
            files += (home.quarters / event["period_code"]).iterdir()
        elif event["event"] in ("books_allocated", "books_proposed"):
            files.append(home.books / event["file"])
    return Acknowledged(
        {name: (len(known), _digest(known)) for name, known in lines.items()},
        {str(path.relative_to(home.root)): _state(path) for path in files},
        str(home.current.readlink()),
        _newest_versions(lines["published/publish_log.jsonl"]),
    )


def _newest_versions(log: list[bytes]) -> frozenset[str]:
    return frozenset(str(json.loads(line)["version"]) for line in log[-2:])


def names_in(folder: Path) -> list[str]:
    """Names in a folder, but the warehouse's log, which comes and goes while a model is written in another thread."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".wal")


def _digest(lines: list[bytes]) -> str:
    return hashlib.sha256(b"\n".join(lines)).hexdigest()


def _state(path: Path) -> tuple[int, int]:
    try:
        known = path.stat()
    except FileNotFoundError:
        return (-1, 0)
    return (known.st_size, known.st_mtime_ns)


def fingerprint(home: Home) -> str:
    """Everything that the next run depends on: lines, versions, files, every table and view of the working file."""
    said: list[Any] = [read_lines(home.root / name) for name in ("lake/ledger.jsonl", "lake/journal.jsonl")]
    said += [read_lines(home.publish_log), str(home.current.readlink()), names_in(home.published)]
    for folder in (home.policy, home.books, home.objections, home.builds):
        files = sorted(path for path in folder.rglob("*") if path.is_file() and "data_docs" not in path.parts)
        said += [(str(path.relative_to(home.root)), path.stat().st_size) for path in files]
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        tables = con.execute("select schema_name, table_name from duckdb_tables() order by all").fetchall()
        said += [(name, content_hash(con, '"{}"."{}"'.format(*name))) for name in tables]
        views = con.execute("select sql from duckdb_views() where not internal order by all").fetchall()
        said += [sql.replace(str(home.root), "") for (sql,) in views]
    return hashlib.sha256(repr(said).encode()).hexdigest()


# --- what readers see ----------------------------------------------------------------------------------------


def problems_of_version(home: Home) -> tuple[int, list[str]]:
    """Number of the version that `current` names, and in what its marts are not those that its manifest describes."""
    folder = home.current.resolve()
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    problems = []
    if folder.name != str(manifest["version"]):
        problems.append(f"folder {folder.name} has the manifest of version {manifest['version']}")
    described = {name.split("/", 1)[0] for name in manifest["partition_hashes"]}
    with duckdb.connect(str(folder / "marts.duckdb"), read_only=True, config={"threads": 1}) as con:
        tables = con.execute("select schema_name || '.' || table_name, schema_name from duckdb_tables()").fetchall()
        found = {name for name, schema in tables if schema != "quality"}
        # A partitioned mart without rows has no partition that could be described.
        filled = {name for name in found - described if con.table(name).limit(1).fetchall()}
        if described - found or filled:
            problems.append(f"marts {sorted(found ^ described)} are there or described, not both")
        hashes = {
            m.partition(label): digest
            for m in MARTS
            if m.relation in found
            for label, digest in hash_rows(con, m, "").items()
        }
        changed = {
            name for name in hashes.keys() | manifest["partition_hashes"].keys()
            if hashes.get(name) != manifest["partition_hashes"].get(name)
        }  # fmt: skip
        problems += [f"{name} is not as described" for name in sorted(changed)]
        if ("quality.publish_log", "quality") in tables:
            last = con.execute("select max(version) from quality.publish_log").fetchall()
            # A version that is shown again is the older one to the byte: its log ends where it ended then.
            if last != [(manifest.get(RESTORED, manifest["version"]),)]:
                problems.append(f"quality.publish_log ends with {last}")
    return int(manifest["version"]), problems


@dataclass
class Seen:
    """What a reader saw while it looped."""

    reads: int = 0
    inconsistent: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)


def read_on(parent: Connection) -> None:
    """For a process of its own: read the published version of each home that is sent, until told to stop."""
    os.nice(10)
    while (home := parent.recv()) is not None:
        seen, is_last = Seen(), False
        while True:
            try:
                version, problems = problems_of_version(home)
            except Exception as error:
                seen.errors.append(f"{type(error).__name__}: {error}")
            else:
                seen.reads += 1
                seen.inconsistent += problems
                if seen.versions and version < seen.versions[-1]:
                    seen.inconsistent.append(f"version {version} after {seen.versions[-1]}")
                if version not in seen.versions:
                    seen.versions.append(version)
            if seen.reads + len(seen.errors) == 1:
                parent.send("reads")
            # Told to stop, it reads once more: what the run left is seen in any case.
            if is_last:
                break
            is_last = parent.poll()
        parent.recv()
        parent.send(seen)
