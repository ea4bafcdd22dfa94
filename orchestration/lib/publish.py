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
from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from orchestration.lib import fault
from orchestration.lib.action_feed import write_action_lists
from orchestration.lib.audit import Verdict, version_below
from orchestration.lib.build_record import BuildRecord
from orchestration.lib.confidentiality import mart_classes
from orchestration.lib.crm_feed import write_feeds
from orchestration.lib.files import fsync_path, fsync_tree
from orchestration.lib.home import Home
from orchestration.lib.hr_feed import write_hr_feeds
from orchestration.lib.journal import Journal
from orchestration.lib.json_lines import append_lines, read_lines
from orchestration.lib.marts import MARTS, Mart, hash_rows, outputs_hash
from orchestration.lib.quality import quality_tables

BEFORE_EXPORT = fault.declare("publish.before_export", "verdict read, nothing written")
BEFORE_FEEDS = fault.declare("publish.before_feeds", "marts written out of sight, no feed of other systems is")
BEFORE_MANIFEST = fault.declare("publish.before_manifest", "marts and feeds written out of sight, not described")
AFTER_EXPORT = fault.declare("publish.after_export", "version written under a temporary name")
AFTER_RENAME = fault.declare("publish.after_rename", "version in place, log says nothing")
AFTER_LOG = fault.declare("publish.after_log", "log says published, pointer not moved")
BEFORE_POINTER = fault.declare("publish.before_pointer", "the new pointer lies beside the old one")
AFTER_POINTER = fault.declare("publish.after_pointer", "readers see it, journal says nothing")
AFTER_JOURNAL = fault.declare("publish.after_journal", "journal says published, old versions still there")
BEFORE_DROP = fault.declare("publish.before_drop", "before one old version is dropped")
BEFORE_SWEEP = fault.declare("recover.before_sweep", "before a version that was cut off is swept")
BEFORE_REPOINT = fault.declare("recover.before_pointer", "the log says published, the pointer is an old one")
BEFORE_JOURNAL = fault.declare("recover.before_journal", "readers see it, the journal of a cut off publish does not")

VERSIONS_KEPT = 7
# Field of a log entry that shows an older version again: which.
RESTORED = "restored_version"


class NotPublishable(RuntimeError):
    """The build has no passed verdict, or is not the one that was audited."""


class PublishLogCorrupt(RuntimeError):
    """The publish log's hash chain is broken."""


def read_publish_log(home: Home) -> list[dict[str, Any]]:
    """All committed publishes, oldest first; the chain is verified. A torn last line was never committed."""
    entries: list[dict[str, Any]] = []
    previous = ""
    for line in read_lines(home.publish_log):
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


def last_built(log: list[dict[str, Any]]) -> dict[str, Any]:
    """The newest entry that a build made: what the next build stands on. An older version shown again is none."""
    return next(entry for entry in reversed(log) if RESTORED not in entry)


def _entry_hash(body: dict[str, Any]) -> str:
    """Hash of a log entry without its own: what the next entry names as its previous one."""
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _move_pointer(home: Home, version: int) -> None:
    """Let readers see a version that is in place and in the log."""
    temporary = home.published / ".current.tmp"
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(str(version))
    fault.point(BEFORE_POINTER)
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
                fault.point(BEFORE_SWEEP)
                shutil.rmtree(path)
    if last is None:
        return
    if not home.current.is_symlink() or str(home.current.readlink()) != str(last["version"]):
        fault.point(BEFORE_REPOINT)
        _move_pointer(home, last["version"])
    built = last_built(log)
    published = Journal(home.journal).last_published()
    if published is None or published["version"] < built["version"]:
        fault.point(BEFORE_JOURNAL)
        _journal_published(home, built)


def _copy_parquet(con: duckdb.DuckDBPyConnection, query: str, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    con.execute(f"copy ({query}) to '{file}' (format parquet, compression zstd)")


def _drop_all_but(con: duckdb.DuckDBPyConnection, marts: Collection[str]) -> None:
    tables = con.execute("select schema_name, table_name from duckdb_tables() where database_name = 'p'").fetchall()
    for schema, table in tables:
        if f"{schema}.{table}" not in marts:
            con.execute(f"drop table p.{schema}.{table}")
    con.execute("checkpoint p")  # what was dropped makes room for what is written next


def _export_mart(
    con: duckdb.DuckDBPyConnection,
    mart: Mart,
    folder: Path,
    below: Path | None,
    old: dict[str, str],
    kept: set[str],
    audited: dict[str, str],
    archived: set[str],
) -> dict[str, str]:
    """Write a mart's table and files; returns the content hash of every partition that is not kept.

    Kept partitions are in the table already. A file whose content is the published one's is hard-linked.
    ``old``, ``audited``: hash by partition of the version below and of the build. ``archived``: labels of the
    partitions that the warehouse has let go; their file stays the published one.
    """
    rows = f"select * from warehouse.{mart.relation}"
    order = f"order by {', '.join(mart.key)}"
    if kept:
        written, replaced = (mart.labels(hashes) - kept for hashes in (audited, old))
        con.execute(f"delete from p.{mart.relation} where {mart.rows(replaced)}")
        con.execute(f"insert into p.{mart.relation} {rows} where {mart.rows(written)} {order}")
        hashes = hash_rows(con, mart, "p.", written | replaced)
    else:
        con.execute(f"create table p.{mart.relation} as {rows} {order}")
        hashes = hash_rows(con, mart, "p.")
    for label in sorted(kept | hashes.keys() | archived):
        file = folder / mart.file(label)
        known = below / mart.file(label) if below else None
        is_same = label in kept | archived or old.get(mart.partition(label)) == hashes[label]
        if label in archived and not (known and known.exists()):
            raise NotPublishable(
                f"{mart.partition(label)}: expected its archived file in the version below, found none; restore "
                f"{mart.file(label)} of that version from a backup"
            )
        if known is not None and known.exists() and is_same:
            file.parent.mkdir(parents=True, exist_ok=True)
            os.link(known, file)
        else:
            _copy_parquet(con, f"select * from p.{mart.relation} where {mart.rows([label])}", file)
    return {mart.partition(label): digest for label, digest in hashes.items()}


def _export(home: Home, record: BuildRecord, verdict: Verdict, folder: Path, quality: dict[str, pa.Table]) -> None:
    """Write marts.duckdb and Parquet into ``folder``.

    Raises NotPublishable when what was written is not what was audited. Kept partitions come with the published
    version's file, proven when they were written; the audit saw that the warehouse has them still.
    """
    below = version_below(home, record)
    old: dict[str, str] = {}
    if below is not None:
        old = json.loads((below / "manifest.json").read_text(encoding="utf-8"))["partition_hashes"]
    kept = {relation: set(labels) for relation, labels in verdict.partitions.kept.items() if labels}
    if below is not None and kept:
        shutil.copyfile(below / "marts.duckdb", folder / "marts.duckdb")
    audited = verdict.partitions.hashes
    hashes = {name: audited[name] for mart in MARTS for name in map(mart.partition, kept.get(mart.relation, ()))}
    con = duckdb.connect()
    try:
        con.execute("set threads = 2")
        con.execute("set memory_limit = '3GB'")
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"attach '{home.warehouse}' as warehouse (read_only)")
        con.execute(f"attach '{folder / 'marts.duckdb'}' as p")
        _drop_all_but(con, kept.keys())
        for mart in MARTS:
            con.execute(f"create schema if not exists p.{mart.schema}")
            archived = mart.labels(verdict.partitions.archived)
            hashes |= _export_mart(con, mart, folder, below, old, kept.get(mart.relation, set()), audited, archived)
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
        con.execute("detach p")
    finally:
        con.close()
    if hashes != audited:
        changed = sorted(n for n in hashes.keys() | audited.keys() if hashes.get(n) != audited.get(n))
        raise NotPublishable(
            f"build {verdict.build_id}: {', '.join(changed)} changed after the audit; run the build again"
        )


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
    if record.published_version != (last_built(log)["version"] if log else 0):
        raise NotPublishable(
            f"build {build_id} stands on version {record.published_version or 'none'}, which is no longer the last; "
            "run the build again"
        )
    fault.point(BEFORE_EXPORT)

    version = log[-1]["version"] + 1 if log else 1
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
        "archives_hash": outputs_hash(verdict.partitions.archived),
        "overrides": verdict.overrides(),
        "previous_hash": log[-1]["entry_hash"] if log else "",
    }
    entry["entry_hash"] = _entry_hash(entry)

    home.published.mkdir(parents=True, exist_ok=True)
    folder = home.published / f".build-{build_id}"
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    _export(home, record, verdict, folder, quality_tables(home, record, verdict, [*log, entry]))
    fault.point(BEFORE_FEEDS)
    write_feeds(folder / "marts.duckdb", folder / "feeds", after=record.published_as_of, through=record.as_of_date)
    write_action_lists(folder / "marts.duckdb", folder / "feeds", record.as_of_date)
    below = version_below(home, record)
    write_hr_feeds(folder / "marts.duckdb", folder / "feeds" / "hr", below / "feeds" / "hr" if below else None)
    fault.point(BEFORE_MANIFEST)
    (folder / "verdict.json").write_text(verdict.to_json(), encoding="utf-8")
    manifest = {
        **entry,
        "mart_hashes": verdict.mart_hashes,
        "mart_bases": verdict.partitions.bases,
        "partition_hashes": verdict.partitions.hashes,
        "archived_hashes": verdict.partitions.archived,
        "inputs": record.inputs,
        "column_classes": mart_classes(),
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
    append_lines(home.publish_log, [entry])
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
    keep = newest | {last_built(log)["version"]} | set(quarter_closes.values())
    for path in home.published.iterdir():
        if path.name.isdigit() and int(path.name) not in keep:
            fault.point(BEFORE_DROP)
            shutil.rmtree(path)
