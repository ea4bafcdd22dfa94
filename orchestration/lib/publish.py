"""Publish: an audited build becomes the version readers see, all of it or nothing.

``published/<version>/`` holds marts.duckdb, Parquet, verdict and manifest. The line in the hash-chained
publish log is the commit; the pointer ``published/current`` follows by ``os.replace``. Whatever was cut off
between the two is mended by ``recover`` at the start of the next run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from orchestration.lib import fault
from orchestration.lib.audit import Verdict
from orchestration.lib.build_record import BuildRecord
from orchestration.lib.content_hash import content_hash
from orchestration.lib.files import fsync_path, fsync_tree
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.marts import MARTS, Mart, mart_hashes, outputs_hash
from orchestration.lib.quality import quality_tables

BEFORE_EXPORT = fault.declare("publish.before_export", "verdict read, nothing written")
AFTER_EXPORT = fault.declare("publish.after_export", "version written under a temporary name")
AFTER_RENAME = fault.declare("publish.after_rename", "version in place, log says nothing")
AFTER_LOG = fault.declare("publish.after_log", "log says published, pointer not moved")
AFTER_POINTER = fault.declare("publish.after_pointer", "readers see it, journal says nothing")
AFTER_JOURNAL = fault.declare("publish.after_journal", "journal says published, old versions still there")

VERSIONS_KEPT = 7


class NotPublishable(RuntimeError):
    """The build has no passed verdict, or is not the one that was audited."""


class PublishLogCorrupt(RuntimeError):
    """The publish log's hash chain is broken."""


def read_publish_log(home: Home) -> list[dict[str, Any]]:
    """All committed publishes, oldest first; the chain is verified. A torn last line was never committed."""
    if not home.publish_log.exists():
        return []
    entries: list[dict[str, Any]] = []
    previous = ""
    for line in home.publish_log.read_bytes().split(b"\n")[:-1]:
        entry = json.loads(line)
        body = {k: v for k, v in entry.items() if k != "entry_hash"}
        if entry["previous_hash"] != previous or entry["entry_hash"] != _entry_hash(body):
            raise PublishLogCorrupt(
                f"{home.publish_log.name}: the entry of version {entry.get('version')} does not follow from the one "
                "before it; restore the log from a backup"
            )
        previous = entry["entry_hash"]
        entries.append(entry)
    return entries


def _entry_hash(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _append_log(home: Home, entry: dict[str, Any]) -> None:
    line = json.dumps(entry, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    with home.publish_log.open("ab+") as file:
        file.seek(0)
        committed = file.read()
        whole = committed.rfind(b"\n") + 1
        if whole != len(committed):
            file.truncate(whole)
        file.seek(0, os.SEEK_END)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _move_pointer(home: Home, version: int) -> None:
    temporary = home.published / ".current.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(str(version))
    os.replace(temporary, home.current)
    fsync_path(home.published)


def _journal_published(home: Home, entry: dict[str, Any]) -> None:
    Journal(home.journal).append(
        {
            "event": "published",
            **{
                name: entry[name]
                for name in (
                    "version",
                    "build_id",
                    "as_of_date",
                    "first_date",
                    "policy_versions",
                    "inputs_hash",
                    "outputs_hash",
                )
            },
        }
    )


def recover(home: Home) -> None:
    """Finish a publish that was cut off after its commit, and sweep what was cut off before it."""
    log = read_publish_log(home)
    last = log[-1] if log else None
    if home.published.exists():
        for path in home.published.iterdir():
            is_orphan = path.name.isdigit() and (last is None or int(path.name) > last["version"])
            if path.name.startswith(".build-") or is_orphan:
                shutil.rmtree(path)
    if last is None:
        return
    if not home.current.is_symlink() or str(home.current.readlink()) != str(last["version"]):
        _move_pointer(home, last["version"])
    published = Journal(home.journal).last_published()
    if published is None or published["version"] < last["version"]:
        _journal_published(home, last)


def _months(con: duckdb.DuckDBPyConnection, mart: Mart) -> list[date]:
    rows = con.execute(
        f"select distinct last_day({mart.partition}) as month_end from warehouse.{mart.relation} order by month_end"
    ).fetchall()
    return [row[0] for row in rows]


def _copy_parquet(con: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"copy ({query}) to '{file}' (format parquet, compression zstd)")


def _export_history(
    con: duckdb.DuckDBPyConnection,
    mart: Mart,
    folder: Path,
    previous: Path | None,
    old: dict[str, str],
) -> Iterator[tuple[str, str]]:
    """Month files of a history mart; a month whose content is unchanged is hard-linked, not written again."""
    for month in _months(con, mart):
        where = f"last_day({mart.partition}) = date '{month}'"
        digest = content_hash(con, f"p.{mart.relation}", where)
        name = f"{mart.relation}/month={month:%Y-%m}"
        file = folder / "parquet" / mart.schema / mart.name / f"month={month:%Y-%m}" / "part-0.parquet"
        known = previous / file.relative_to(folder) if previous else None
        if known is not None and known.exists() and old.get(name) == digest:
            file.parent.mkdir(parents=True, exist_ok=True)
            os.link(known, file)
        else:
            _copy_parquet(
                con,
                f"select * from p.{mart.relation} where {where} order by {', '.join(mart.key)}",
                file,
            )
        yield name, digest


def _export(home: Home, verdict: Verdict, folder: Path, quality: dict[str, Any]) -> dict[str, str]:
    """Write marts.duckdb and Parquet into ``folder``; returns the content hash of every mart."""
    previous = home.current.resolve() if home.current.exists() else None
    old: dict[str, str] = {}
    if previous is not None:
        old = json.loads((previous / "manifest.json").read_text(encoding="utf-8"))["partition_hashes"]
    con = duckdb.connect()
    partition_hashes: dict[str, str] = {}
    try:
        con.execute("set threads = 2")
        con.execute("set memory_limit = '3GB'")
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"attach '{home.warehouse}' as warehouse (read_only)")
        con.execute(f"attach '{folder / 'marts.duckdb'}' as p")
        for mart in MARTS:
            con.execute(f"create schema if not exists p.{mart.schema}")
            con.execute(
                f"create table p.{mart.relation} as select * from warehouse.{mart.relation} "
                f"order by {', '.join(mart.key)}"
            )
            if mart.partition:
                partition_hashes.update(_export_history(con, mart, folder, previous, old))
            else:
                file = folder / "parquet" / mart.schema / mart.name / "part-0.parquet"
                _copy_parquet(con, f"select * from p.{mart.relation}", file)
        con.execute("create schema if not exists p.quality")
        for name, table in quality.items():
            con.register("quality_rows", table)
            con.execute(f"create table p.quality.{name} as select * from quality_rows")
            con.unregister("quality_rows")
            _copy_parquet(
                con,
                f"select * from p.quality.{name}",
                folder / "parquet" / "quality" / name / "part-0.parquet",
            )
        hashes = mart_hashes(con, "p")
        con.execute("detach p")
    finally:
        con.close()
    if hashes != verdict.mart_hashes:
        changed = sorted(name for name in hashes if hashes[name] != verdict.mart_hashes.get(name))
        raise NotPublishable(
            f"build {verdict.build_id}: {', '.join(changed)} changed after the audit; run the build again"
        )
    return partition_hashes


def publish(home: Home, build_id: str) -> int:
    """Publish an audited build; returns its version. Idempotent by build id.

    Re-reads the verdict of that very build: raises NotPublishable when it is missing or did not pass.
    """
    log = read_publish_log(home)
    if log and log[-1]["build_id"] == build_id:
        recover(home)
        return int(log[-1]["version"])
    verdict = Verdict.read(home, build_id)
    if not verdict.is_passed:
        raise NotPublishable(
            f"build {build_id} failed its audit: {', '.join(verdict.blocking())}; readers stay on the last version"
        )
    record = BuildRecord.read(home, build_id)
    fault.point(BEFORE_EXPORT)

    version = (log[-1]["version"] if log else 0) + 1
    published_at = datetime.now(UTC).isoformat(timespec="seconds")
    inputs_hash = hashlib.sha256(
        json.dumps([record.inputs, record.policy_versions], sort_keys=True).encode()
    ).hexdigest()
    entry: dict[str, Any] = {
        "version": version,
        "build_id": build_id,
        "as_of_date": record.as_of_date.isoformat(),
        "first_date": record.first_date.isoformat(),
        "published_at": published_at,
        "policy_version": record.policy_hash,
        "policy_versions": record.policy_versions,
        "inputs_hash": inputs_hash,
        "outputs_hash": outputs_hash(verdict.mart_hashes),
        "overrides": verdict.overrides(),
        "previous_hash": log[-1]["entry_hash"] if log else "",
    }
    entry["entry_hash"] = _entry_hash(entry)

    home.published.mkdir(parents=True, exist_ok=True)
    folder = home.published / f".build-{build_id}"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    partition_hashes = _export(home, verdict, folder, quality_tables(home, record, verdict, [*log, entry]))
    (folder / "verdict.json").write_text(verdict.to_json(), encoding="utf-8")
    manifest = {
        **entry,
        "mart_hashes": verdict.mart_hashes,
        "partition_hashes": partition_hashes,
        "inputs": record.inputs,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, sort_keys=True, indent=1), encoding="utf-8")
    docs = home.builds / build_id / "data_docs"
    if docs.exists():
        shutil.copytree(docs, folder / "data_docs")
    fsync_tree(folder)
    fault.point(AFTER_EXPORT)
    target = home.published / str(version)
    os.replace(folder, target)
    fsync_path(home.published)
    fault.point(AFTER_RENAME)
    _append_log(home, entry)
    fault.point(AFTER_LOG)
    _move_pointer(home, version)
    fault.point(AFTER_POINTER)
    _journal_published(home, entry)
    fault.point(AFTER_JOURNAL)
    _drop_old_versions(home, [*log, entry])
    return version


def _drop_old_versions(home: Home, log: list[dict[str, Any]]) -> None:
    """Keep the newest versions and the last one of every quarter end."""
    newest = {e["version"] for e in log[-VERSIONS_KEPT:]}
    quarter_closes: dict[str, int] = {}
    for entry in log:
        day = date.fromisoformat(entry["as_of_date"])
        if (day + timedelta(days=1)).day == 1 and day.month % 3 == 0:
            quarter_closes[entry["as_of_date"]] = entry["version"]
    keep = newest | set(quarter_closes.values())
    for path in home.published.iterdir():
        if path.name.isdigit() and int(path.name) not in keep:
            shutil.rmtree(path)
