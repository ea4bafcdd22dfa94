"""Purge: a customer's identity leaves the deployment and its landing archive, as he may ask (PIPL, article 47).

What identifies him stands in the identity columns of the contracts, and no model reads those. Wherever they were
delivered each value becomes PURGED, so that what the warehouse does know, whether a value is there, stays as it was:
facts and decisions under his pseudonymous id do not change, and a rebuild from the archive gives the same content.
The journal's line is the act of record. A purge that was cut off is finished by running it again.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.lib import fault
from orchestration.lib.contracts import Feed
from orchestration.lib.delivery import IS_DELETED, MANIFEST
from orchestration.lib.files import write_atomically
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal, two_names
from orchestration.lib.ledger import Ledger
from orchestration.lib.manifest import Delivery, discover, parse_manifest

PURGED = "purged"
BEFORE_JOURNAL = fault.declare("purge.before_journal", "the customer is known, nothing written")
IN_LAKE = fault.declare("purge.in_lake", "before a file of the lake is replaced")
AFTER_LAKE = fault.declare("purge.after_lake", "the lake is purged, ledger and archive are not")
BEFORE_MANIFEST = fault.declare("purge.before_manifest", "before the manifest of a delivery of the archive is replaced")
BEFORE_FILE = fault.declare("purge.before_file", "the manifest tells of a purged file that is not there yet")


class PurgeError(ValueError):
    """One name instead of two, an unknown customer, or a file that cannot be purged."""


@dataclass(frozen=True)
class Purged:
    """What a purge did: values replaced in the archive's files and in the lake's."""

    archive_files: int
    lake_files: int


def purge(
    home: Home, landing_root: Path, contracts: dict[str, Feed], customer_id: str, by: str, approved_by: str
) -> Purged:
    """Replace a customer's identity values in the lake and the landing archive. Under the build lock.

    Raises PurgeError, before anything is written, when the names are not two, no identity feed knows the customer, or a
    file that may name him cannot be read.
    """
    names = two_names(by, approved_by)
    if names is None:
        raise PurgeError("a purge needs two different names (--by, --approved-by)")
    feeds = {feed_id: feed for feed_id, feed in contracts.items() if feed.identity_columns}
    lake = dict(_lake_files(home, feeds, customer_id))
    archive = list(_archive(landing_root, feeds, customer_id))
    journal = Journal(home.journal)
    is_known = any(e["event"] == "purge" and e["customer_id"] == customer_id for e in journal.events())
    if not lake and not archive and not is_known:
        raise PurgeError(
            f"customer {customer_id}: expected one that a feed with names delivered, found none; check the id"
        )
    fault.point(BEFORE_JOURNAL)
    journal.append({"event": "purge", "customer_id": customer_id, "by": names[0], "approved_by": names[1]})
    for path, table in lake.items():
        fault.point(IN_LAKE)
        write_atomically(path, _parquet(table))
        path.chmod(0o600)
    fault.point(AFTER_LAKE)
    _tell_ledger(home, archive)
    # The manifest comes first: a purge that is run again finds the values in the files that were not replaced.
    for delivery in archive:
        fault.point(BEFORE_MANIFEST)
        write_atomically(delivery.folder / MANIFEST, delivery.manifest)
        for name, content in delivery.files.items():
            fault.point(BEFORE_FILE)
            write_atomically(delivery.folder / name, content)
    return Purged(sum(len(d.files) for d in archive), len(lake))


# --- the lake ------------------------------------------------------------------------------------------


def _lake_files(home: Home, feeds: dict[str, Feed], customer_id: str) -> Iterator[tuple[Path, pa.Table]]:
    """Files of identity and quarantine that hold values of the customer, and what they shall hold."""
    for feed in feeds.values():
        for part in (home.identity, home.quarantine):
            for path in sorted((part / feed.system / feed.entity).rglob("*.parquet")):
                table = pq.ParquetFile(path).read()
                purged = _purged(table, feed, customer_id)
                if not purged.equals(table):
                    yield path, purged


def _purged(table: pa.Table, feed: Feed, customer_id: str) -> pa.Table:
    """The rows with the customer's identity values replaced; what is empty stays empty."""
    is_his = pc.fill_null(pc.equal(table["customer_id"].cast(pa.string()), customer_id), False)
    for column in feed.identity_columns:
        if column.name in table.column_names:
            old = table[column.name]
            new = pc.if_else(pc.and_(is_his, pc.is_valid(old)), pa.scalar(PURGED, old.type), old)
            table = table.set_column(table.column_names.index(column.name), column.name, new)
    return table


# --- the archive ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Delivery:
    """A delivery of the archive as it shall be: its new files and manifest, and the hashes before and after."""

    folder: Path
    batch_id: str
    files: dict[str, bytes]
    manifest: bytes
    old_sha256: str
    old_content: str
    new_content: str


def _archive(landing_root: Path, feeds: dict[str, Feed], customer_id: str) -> Iterator[_Delivery]:
    """Deliveries with values of the customer, accepted or not; files that no manifest names as well."""
    for delivery in discover(landing_root.resolve()).deliveries:
        feed = feeds.get(delivery.feed_id)
        if feed is None:
            continue
        files: dict[str, bytes] = {}
        for path in sorted(p for p in delivery.folder.iterdir() if p.is_file() and p.name != MANIFEST):
            old = path.read_bytes()
            new = _purged_file(path, old, feed, customer_id)
            if new is not None:
                files[path.name] = new
        if files:
            yield _with_manifest(delivery, files)


def _with_manifest(delivery: Delivery, files: dict[str, bytes]) -> _Delivery:
    """Checksums that were right stay right; one that was wrong stays wrong, and the delivery rejected."""
    data = (delivery.folder / MANIFEST).read_bytes()
    document: dict[str, Any] = json.loads(data.decode("utf-8-sig"))
    before, _ = parse_manifest(delivery, data)
    for entry in document.get("files", []):
        content = files.get(entry.get("name"))
        if content is not None:
            old = (delivery.folder / entry["name"]).read_bytes()
            if hashlib.sha256(old).hexdigest() == entry.get("sha256"):
                entry["sha256"] = hashlib.sha256(content).hexdigest()
    manifest = (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
    after, _ = parse_manifest(delivery, manifest)
    return _Delivery(
        folder=delivery.folder,
        batch_id=delivery.batch_id,
        files=files,
        manifest=manifest,
        old_sha256=hashlib.sha256(data).hexdigest(),
        old_content=before.content_hash if before else "",
        new_content=after.content_hash if after else "",
    )


def _purged_file(path: Path, content: bytes, feed: Feed, customer_id: str) -> bytes | None:
    """The file with the customer's values replaced, None when it has none. Raises PurgeError when it is unreadable."""
    try:
        if path.name.endswith(".parquet"):
            table = pq.read_table(pa.BufferReader(content))
            purged = _purged(table, feed, customer_id)
            return None if purged.equals(table) else _parquet(purged)
        if path.name.endswith(".csv.gz"):
            plain = _purged_csv(gzip.decompress(content), feed, customer_id)
            return None if plain is None else gzip.compress(plain, compresslevel=3, mtime=0)
        if path.name.endswith(".csv"):
            return _purged_csv(content, feed, customer_id)
    except (OSError, EOFError, ValueError, KeyError, csv.Error, pa.ArrowException) as error:
        raise PurgeError(
            f"{path}: cannot be read ({type(error).__name__}); remove it, or have it delivered again"
        ) from error
    raise PurgeError(f"{path}: expected .csv, .csv.gz or .parquet, found another kind of file; remove it")


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _purged_csv(content: bytes, feed: Feed, customer_id: str) -> bytes | None:
    encoding = "utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else feed.csv.encoding
    text = content.decode(encoding)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=feed.csv.delimiter, strict=True))
    names = rows[0] if feed.csv.header and rows else [*(c.name for c in feed.columns), IS_DELETED]
    key = names.index("customer_id")
    at = [names.index(column.name) for column in feed.identity_columns]
    is_changed = False
    for row in rows:
        if len(row) > key and row[key] == customer_id:
            for position in at:
                if position < len(row) and row[position] not in ("", PURGED):
                    row[position], is_changed = PURGED, True
    if not is_changed:
        return None
    sink = io.StringIO(newline="")
    end = "\r\n" if "\r\n" in text else "\n"
    csv.writer(sink, delimiter=feed.csv.delimiter, lineterminator=end).writerows(rows)
    return sink.getvalue().encode(encoding)


def _tell_ledger(home: Home, archive: list[_Delivery]) -> None:
    """The purged deliveries are the accepted ones: they are known by their new hashes from now on."""
    changed = {(d.batch_id, d.old_content): d for d in archive}
    lines = []
    for batch in Ledger(home.ledger).batches():
        delivery = changed.get((batch.batch_id, batch.content_hash)) if batch.is_accepted else None
        known = batch
        if delivery is not None:
            digest = hashlib.sha256(delivery.manifest).hexdigest()
            known = replace(batch, content_hash=delivery.new_content, manifest_sha256=digest)
        lines.append(json.dumps(vars(known) | {"business_date": batch.business_date.isoformat()}, ensure_ascii=False))
    write_atomically(home.ledger, "".join(f"{line}\n" for line in lines))
