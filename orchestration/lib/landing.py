"""Land deliveries: judge each, store the good ones as typed immutable Parquet, note all.

Files are written to a hidden folder, flushed and renamed into place; one ledger append then
accepts the whole group. A run that dies before the append leaves folders that no ledger line
names: nobody reads them and the next run replaces them.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from orchestration.lib import fault
from orchestration.lib.contracts import Feed, load_contracts
from orchestration.lib.examine import Examination, Workbench
from orchestration.lib.files import fsync_path
from orchestration.lib.findings import Finding
from orchestration.lib.home import Home
from orchestration.lib.ledger import ACCEPTED, REJECTED, Batch, Ledger
from orchestration.lib.manifest import Delivery, Manifest, discover, parse_date, parse_manifest

GROUP = 200  # deliveries per ledger append
WORKERS = 2
FLUSHERS = 16
# Deliveries above this many bytes are judged alone, with all threads; below it two at a time.
BULK_BYTES = 24 << 20
SMALL_MEMORY = "400MB"
BULK_MEMORY = "1GB"
_MANY_FINDINGS = 12

JUDGING = fault.declare("landing.judging", "before a delivery is read and its files are written out of sight")
STAGED = fault.declare("landing.staged", "a group's files are written, none is in place")
PLACING = fault.declare("landing.placing", "before one folder of a group is put in place")
CLEARING = fault.declare("landing.clearing", "a folder that no ledger line names lies in the place of another")
PLACED = fault.declare("landing.placed", "a group's files are in place, the ledger does not know")
COMMITTED = fault.declare("landing.committed", "the ledger has accepted a group")


class LandingBusy(RuntimeError):
    """Another process is landing into the same home."""


class NoLandingRoot(FileNotFoundError):
    """The landing root is not there."""


@dataclass
class LandingReport:
    """What one run of ``land`` did. ``unchanged``: deliveries that it knew from before."""

    accepted: list[Batch] = field(default_factory=list)
    rejected: list[Batch] = field(default_factory=list)
    unchanged: int = 0


@dataclass(frozen=True)
class _Judged:
    batch: Batch
    staged: Path | None


def land(
    home: Home,
    landing_root: Path,
    *,
    contracts: Mapping[str, Feed] | None = None,
    through: date | None = None,
    progress: Callable[[str], None] | None = None,
) -> LandingReport:
    """Land every delivery under ``landing_root`` that the ledger does not know yet.

    Deliveries without a manifest and those of days after ``through`` are left alone. A rejected
    delivery is judged again when its manifest, its files or its contract changed.

    Raises LandingBusy when another process lands into ``home``, NoLandingRoot when there is no
    such folder.
    """
    contracts = load_contracts() if contracts is None else contracts
    if not landing_root.is_dir():
        raise NoLandingRoot(
            f"{landing_root}: no such folder; expected a landing root with <system>/<entity>/<business date>/ below it"
        )
    with _sole_lander(home):
        run = _Run(home, contracts, progress or (lambda _: None))
        pending = [
            delivery
            for delivery in discover(landing_root.resolve()).deliveries
            if not (through and delivery.business_date and delivery.business_date > through)
        ]
        pending.sort(key=lambda d: (d.date_text, d.system, d.entity, d.sequence_no or 0))
        try:
            run.land(pending)
        finally:
            run.close()
        return run.report


@contextmanager
def _sole_lander(home: Home) -> Iterator[None]:
    home.lake.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home.lake / ".landing.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise LandingBusy(f"{home.lake}: another process is landing into this home; wait for it to end") from error
    try:
        yield
    finally:
        lock.release()


class _Run:
    """State of one landing run: what the ledger knows, the workbenches, the report."""

    def __init__(self, home: Home, contracts: Mapping[str, Feed], progress: Callable[[str], None]) -> None:
        self.home = home
        self.contracts = contracts
        self.progress = progress
        self.ledger = Ledger(home.ledger)
        self.report = LandingReport()
        self.accepted: dict[str, Batch] = {}
        self.rejected: dict[str, str] = {}  # batch id -> fingerprint of the last rejection
        for batch in self.ledger.batches():
            self._remember(batch)
        self.staging = home.lake / ".landing"
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir(mode=0o700)
        self.benches = _Benches(self.staging)

    def close(self) -> None:
        self.benches.close()
        shutil.rmtree(self.staging, ignore_errors=True)

    def _remember(self, batch: Batch) -> None:
        if batch.is_accepted:
            self.accepted[batch.batch_id] = batch
        else:
            self.rejected[batch.batch_id] = batch.fingerprint

    def land(self, deliveries: Sequence[Delivery]) -> None:
        firsts = {delivery.batch_id: delivery for delivery in reversed(deliveries)}
        # A date folder and its subfolder 1/ may both claim number 1: judged after the first.
        twins = [d for d in deliveries if firsts[d.batch_id] is not d]
        self._land_once_each([d for d in deliveries if firsts[d.batch_id] is d])
        self._land_once_each(twins)

    def _land_once_each(self, deliveries: Sequence[Delivery]) -> None:
        complete = [(delivery, data) for delivery in deliveries if (data := delivery.manifest_bytes()) is not None]
        new = [(delivery, data) for delivery, data in complete if not self._is_known(delivery, data)]
        self.report.unchanged += len(complete) - len(new)
        for start in range(0, len(new), GROUP):
            group = new[start : start + GROUP]
            self._commit(self._judge_all(group))
            self.progress(f"landed {start + len(group):,} of {len(new):,} deliveries, to {group[-1][0].date_text}")

    def _is_known(self, delivery: Delivery, data: bytes) -> bool:
        digest = hashlib.sha256(data).hexdigest()
        accepted = self.accepted.get(delivery.batch_id)
        if accepted is not None:
            if accepted.manifest_sha256 == digest:
                return True
            manifest, _ = parse_manifest(delivery, data)
            if manifest is not None and manifest.content_hash == accepted.content_hash:
                return True
        if delivery.batch_id not in self.rejected:
            return False
        feed = self.contracts.get(delivery.feed_id)
        return delivery.fingerprint(digest, feed) == self.rejected[delivery.batch_id]

    # --- judge ---------------------------------------------------------------------------------

    def _judge_all(self, group: Sequence[tuple[Delivery, bytes]]) -> list[_Judged]:
        """Judge small deliveries side by side, then each bulky one with all threads."""
        is_bulk = [_size(delivery) > BULK_BYTES for delivery, _ in group]
        small = [
            None if bulk else self.benches.pool.submit(self._judge_small, *item)
            for item, bulk in zip(group, is_bulk, strict=True)
        ]
        wait([future for future in small if future is not None])
        return [
            future.result() if future else self._judge(*item, self.benches.bulk())
            for item, future in zip(group, small, strict=True)
        ]

    def _judge_small(self, delivery: Delivery, data: bytes) -> _Judged:
        return self._judge(delivery, data, self.benches.small())

    def _judge(self, delivery: Delivery, data: bytes, bench: Workbench) -> _Judged:
        fault.point(JUDGING)
        digest = hashlib.sha256(data).hexdigest()
        feed = self.contracts.get(delivery.feed_id)
        fingerprint = delivery.fingerprint(digest, feed)
        manifest, examination = examine(delivery, data, self.contracts, bench, self.accepted.get(delivery.batch_id))
        if delivery.fingerprint(digest, feed) != fingerprint:
            examination.findings.append(
                Finding(
                    "a file changed while it was read",
                    delivery.label,
                    "files that rest once the manifest is there",
                    "another size or time",
                    "Write the manifest last; the delivery is judged again in the next run.",
                )
            )
        business_date = delivery.business_date or (parse_date(manifest.business_date) if manifest else None)
        batch = Batch(
            batch_id=delivery.batch_id,
            system=delivery.system,
            entity=delivery.entity,
            business_date=business_date or date.min,
            sequence_no=delivery.sequence_no or 0,
            mode=manifest.mode if manifest else "",
            status=REJECTED,
            row_count=examination.row_count,
            quarantined_count=examination.quarantined_count,
            control_totals=examination.control_totals,
            content_hash=manifest.content_hash if manifest else "",
            manifest_sha256=digest,
            reason=_reason(examination.findings),
            fingerprint=fingerprint,
            landed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        if not examination.is_accepted or feed is None:
            return _Judged(batch, None)
        staged = self.staging / delivery.batch_id
        staged.mkdir(mode=0o700)
        bench.write(delivery, feed, examination, staged)
        raw, identity, quarantine = _paths(delivery, staged)
        accepted = replace(
            batch,
            status=ACCEPTED,
            path=raw,
            identity_path=identity,
            quarantine_path=quarantine,
        )
        return _Judged(accepted, staged)

    # --- commit --------------------------------------------------------------------------------

    def _commit(self, group: Sequence[_Judged]) -> None:
        """Put the accepted batches' folders in place, then accept all in one ledger append."""
        fault.point(STAGED)
        self._flush(path for j in group if j.staged for path in j.staged.rglob("*"))
        changed: set[Path] = set()
        for judged in group:
            if judged.staged is not None:
                self._place(judged.batch, judged.staged, changed)
        self._flush(changed)
        fault.point(PLACED)
        batches = [judged.batch for judged in group]
        self.ledger.append(batches)
        fault.point(COMMITTED)
        for batch in batches:
            self._remember(batch)
            (self.report.accepted if batch.is_accepted else self.report.rejected).append(batch)

    def _flush(self, paths: Iterable[Path]) -> None:
        """Make files and folders durable: many at once, so that the disk can merge its commits."""
        with ThreadPoolExecutor(FLUSHERS) as pool:
            list(pool.map(fsync_path, paths))

    def _place(self, batch: Batch, staged: Path, changed: set[Path]) -> None:
        assert batch.batch_id not in self.accepted, f"{batch.batch_id} is accepted and immutable"
        for part, relative in (
            ("raw", batch.path),
            ("identity", batch.identity_path),
            ("quarantine", batch.quarantine_path),
        ):
            if not relative:
                continue
            target = self.home.lake / relative
            private = part != "raw"
            _make_folders(self.home.lake, target.parent, changed, mode=0o700 if private else 0o755)
            if target.exists():  # left by a run that died before its ledger append
                fault.point(CLEARING)
                shutil.rmtree(target)
            fault.point(PLACING)
            (staged / part).rename(target)
            changed.add(target.parent)
        staged.rmdir()


class _Benches:
    """Workbenches: one per worker thread for small deliveries, one for bulk."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="landing")
        self._local = threading.local()
        self._made: list[Workbench] = []
        self._bulk: Workbench | None = None

    def small(self) -> Workbench:
        bench: Workbench | None = getattr(self._local, "bench", None)
        if bench is None:
            bench = self._make(threads=1, memory_limit=SMALL_MEMORY)
            self._local.bench = bench
        return bench

    def bulk(self) -> Workbench:
        if self._bulk is None:
            self._bulk = self._make(threads=WORKERS, memory_limit=BULK_MEMORY)
        return self._bulk

    def _make(self, *, threads: int, memory_limit: str) -> Workbench:
        scratch = Path(tempfile.mkdtemp(prefix=".bench-", dir=self.scratch))
        bench = Workbench(scratch, threads=threads, memory_limit=memory_limit)
        self._made.append(bench)
        return bench

    def close(self) -> None:
        self.pool.shutdown()
        for bench in self._made:
            bench.close()


def examine(
    delivery: Delivery,
    manifest_data: bytes,
    contracts: Mapping[str, Feed],
    bench: Workbench,
    accepted: Batch | None = None,
) -> tuple[Manifest | None, Examination]:
    """Judge one delivery against its contract; ``accepted`` is the batch that holds its number."""
    findings = _check_place(delivery, contracts)
    manifest, in_manifest = parse_manifest(delivery, manifest_data)
    findings += in_manifest
    if accepted is not None:
        findings.append(
            Finding(
                "this sequence_no was accepted before with other content",
                delivery.label,
                f"the files accepted as {accepted.batch_id}",
                "other files",
                f"Deliver a correction as a whole in the subfolder {accepted.sequence_no + 1}/, with that sequence_no.",
            )
        )
    if findings or manifest is None:
        return manifest, Examination(findings)
    return manifest, bench.examine(delivery, manifest, contracts[delivery.feed_id])


def _check_place(delivery: Delivery, contracts: Mapping[str, Feed]) -> list[Finding]:
    findings = []
    if delivery.feed_id not in contracts:
        systems = sorted({feed.system for feed in contracts.values()})
        entities = [feed.entity for feed in contracts.values() if feed.system == delivery.system]
        findings.append(
            Finding(
                "unknown entity" if entities else "unknown system",
                delivery.label,
                " or ".join(entities or systems),
                delivery.entity if entities else delivery.system,
                "Deliver into <system>/<entity>/ of a contract, or write the contract first.",
            )
        )
    if delivery.business_date is None:
        findings.append(
            Finding(
                "the folder's name is no business date",
                delivery.label,
                "YYYY-MM-DD",
                delivery.date_text,
                "Name the folder after the business date.",
            )
        )
    if delivery.sequence_no is None:
        findings.append(
            Finding(
                "the subfolder's name is no sequence number",
                delivery.label,
                "1, 2, 3, ...",
                delivery.sequence_text,
                "Name the subfolder after the sequence_no.",
            )
        )
    return findings


def _reason(findings: Sequence[Finding]) -> str:
    lines = [str(finding) for finding in findings[:_MANY_FINDINGS]]
    if len(findings) > _MANY_FINDINGS:
        lines.append(f"and {len(findings) - _MANY_FINDINGS} more findings")
    return "\n".join(lines)


def _size(delivery: Delivery) -> int:
    try:
        return sum(path.stat().st_size for path in delivery.folder.iterdir() if path.is_file())
    except FileNotFoundError:  # the source is writing it anew; judging will say so
        return 0


def _paths(delivery: Delivery, staged: Path) -> tuple[str, str, str]:
    """Ledger paths of raw, identity and quarantine; '' for a part that ``staged`` has not."""
    tail = f"{delivery.system}/{delivery.entity}/business_date={delivery.date_text}/sequence_no={delivery.sequence_no}"
    raw, identity, quarantine = (
        f"{part}/{tail}" if (staged / part).exists() else "" for part in ("raw", "identity", "quarantine")
    )
    return raw, identity, quarantine


def _make_folders(top: Path, folder: Path, changed: set[Path], *, mode: int) -> None:
    """Create ``folder`` below ``top``, every new level with ``mode``; notes what to flush."""
    missing = []
    while not folder.is_dir() and folder != top:
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=mode)
        changed.add(path.parent)


# --- check -------------------------------------------------------------------------------------


def check(path: Path, *, contracts: Mapping[str, Feed] | None = None) -> list[Finding]:
    """Everything that is wrong with the deliveries at ``path``; writes nothing in any home.

    ``path``: a landing root, or a system, entity, date or sequence folder in it. The list ends
    with one finding of level ``fine`` that counts the deliveries and rows without fault.
    """
    contracts = load_contracts() if contracts is None else contracts
    if not path.is_dir():
        return [
            Finding(
                "no such folder",
                str(path),
                "a landing root, or a system, entity, date or sequence folder in it",
                "nothing",
                "Name an existing folder.",
            )
        ]
    root, under = _split(path.resolve(), contracts)
    found = discover(root, under)
    findings = [
        Finding(
            "no manifest yet",
            label,
            "_manifest.json, written last",
            "none",
            "The delivery is ignored until its manifest is there.",
            "waiting",
        )
        for label in found.waiting
    ]
    fine = rows = 0
    with tempfile.TemporaryDirectory(prefix="land-check-") as scratch:
        bench = Workbench(Path(scratch), threads=WORKERS, memory_limit=BULK_MEMORY)
        try:
            for delivery in found.deliveries:
                data = delivery.manifest_bytes()
                if data is None:
                    continue
                _, result = examine(delivery, data, contracts, bench)
                findings += result.findings
                if result.is_accepted:
                    fine += 1
                    rows += result.row_count - result.quarantined_count
        finally:
            bench.close()
    if not found.deliveries and not found.waiting:
        findings.append(
            Finding(
                "no delivery here",
                str(path),
                "<system>/<entity>/<YYYY-MM-DD>/_manifest.json below it",
                "none",
                "Name the landing root or a folder in it.",
            )
        )
    what = f"{fine:,} of {len(found.deliveries):,} deliveries would be accepted, {rows:,} rows"
    return [*findings, Finding(what, str(path), level="fine")]


def _split(path: Path, contracts: Mapping[str, Feed]) -> tuple[Path, tuple[str, ...]]:
    """Landing root of ``path`` and the names below it, judged by dates and contract names."""
    parts = path.parts
    systems = {feed.system for feed in contracts.values()}
    for depth, name in ((4, parts[-2] if len(parts) > 1 else ""), (3, path.name)):
        if parse_date(name) and len(parts) > depth:
            return Path(*parts[:-depth]), parts[-depth:]
    if f"{path.parent.name}.{path.name}" in contracts:
        return path.parent.parent, parts[-2:]
    if path.name in systems and not any((path / system).is_dir() for system in systems):
        return path.parent, parts[-1:]
    return path, ()
