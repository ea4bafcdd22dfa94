"""Alerts: who must act, once per root cause, out of the deployment's own records.

A cause is read from the ledger, the verdict of the last build, the publish log and the clock. What follows from it (a
build that stops, a version that is late) is no cause. Messages hold names and counts, never the text of an
error or of a check's detail, which may quote a row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path

from filelock import FileLock

from orchestration.lib.audit import DID_NOT_RUN, Verdict
from orchestration.lib.contracts import Feed
from orchestration.lib.delivery import MANIFEST
from orchestration.lib.files import write_atomically
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.ledger import Batch, Ledger
from orchestration.lib.publish import read_publish_log
from orchestration.lib.service_level import DAY, FEEDS_DUE, MARTS_DUE, is_expected, last_due

OPEN, CHANGED, RESOLVED = "open", "changed", "resolved"
REJECTED_BATCH, FAILED_CHECK, LATE_FEED, MISSED_SLA = "rejected_batch", "failed_check", "late_feed", "missed_sla"
WAREHOUSE = "warehouse"
ALL_FEEDS = "no feed of the day has come"


@dataclass(frozen=True)
class Cause:
    """Something that its owner must mend. ``key`` names it for as long as it lasts; ``subjects``: what it is about."""

    key: str
    kind: str
    owner: str
    business_date: str
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Alert:
    """A cause that began, changed or ended."""

    state: str
    cause: Cause

    @property
    def text(self) -> str:
        kind = self.cause.kind.replace("_", " ")
        return (
            f"Tierhouse: {kind} {self.state}, {self.cause.business_date}: {', '.join(self.cause.subjects)}. "
            f"Owner: {self.cause.owner}"
        )


class NotDelivered(RuntimeError):
    """An alert could not be handed over. The message never holds the address, which is a secret."""


def causes(home: Home, contracts: Mapping[str, Feed], now: datetime, landing: Path | None = None) -> list[Cause]:
    """What is wrong now, one entry per root cause. ``landing``: what lies there has arrived, read or not."""
    ledger = Ledger(home.ledger).batches()
    log = read_publish_log(home)
    rejected = _rejected_batches(ledger, contracts)
    failed = _failed_checks(home)
    found = [*rejected, *failed]
    if not log:
        return found
    built_as_of = max(date.fromisoformat(entry["as_of_date"]) for entry in log)
    late = _late_feeds(ledger, contracts, built_as_of, last_due(now, FEEDS_DUE), landing)
    found += late
    due = last_due(now, MARTS_DUE)
    shown = date.fromisoformat(log[-1]["as_of_date"])
    is_explained = failed or any(_stops_build(cause, contracts, built_as_of) for cause in [*rejected, *late])
    if shown < due and (shown < built_as_of or not is_explained):
        waiting = (shown + DAY).isoformat()
        found.append(Cause(f"{MISSED_SLA}:{waiting}", MISSED_SLA, WAREHOUSE, waiting, (f"readers see {shown}",)))
    return found


def _stops_build(cause: Cause, contracts: Mapping[str, Feed], built_as_of: date) -> bool:
    """Whether the next day cannot be built for it: a daily compulsory feed that did not come, or was rejected."""
    feed_ids = [s.rsplit(".", 2)[0] if cause.kind == REJECTED_BATCH else s for s in cause.subjects]
    is_stopping = any(f in contracts and contracts[f].compulsory == "daily" for f in feed_ids)
    return cause.business_date > built_as_of.isoformat() and (is_stopping or feed_ids == [ALL_FEEDS])


def _rejected_batches(ledger: list[Batch], contracts: Mapping[str, Feed]) -> list[Cause]:
    """Rejected deliveries with no accepted one of the same feed and day, or a later number, after them: one per day."""
    open_batches: dict[tuple[str, date], Batch] = {}
    for batch in ledger:
        place = (batch.feed_id, batch.business_date)
        known = open_batches.get(place)
        if not batch.is_accepted:
            open_batches[place] = batch
        elif known is not None and batch.sequence_no >= known.sequence_no:
            del open_batches[place]
    return [
        Cause(
            f"{REJECTED_BATCH}:{feed_id}:{day}",
            REJECTED_BATCH,
            contracts[feed_id].owner if feed_id in contracts else WAREHOUSE,
            day.isoformat(),
            (batch.batch_id,),
        )
        for (feed_id, day), batch in open_batches.items()
        if feed_id in contracts  # a folder of no feed may be named after anything, a person too
    ]


def _failed_checks(home: Home) -> list[Cause]:
    """Checks that stopped the last build: one cause per owner, since one wrong file makes many checks fail."""
    last = None
    for event in Journal(home.journal).events():
        if event["event"] in ("failed", "published"):
            last = event
    if last is None or last["event"] != "failed":
        return []
    verdict = Verdict.read(home, last["build_id"])
    by_owner: dict[str, list[str]] = {}
    for check in verdict.checks:
        if check.blocks and check.detail != DID_NOT_RUN:
            by_owner.setdefault(check.owner, []).append(f"{check.check_name} ({check.failed_count})")
    day = verdict.as_of_date.isoformat()
    return [
        Cause(f"{FAILED_CHECK}:{day}:{owner}", FAILED_CHECK, owner, day, tuple(sorted(names)))
        for owner, names in by_owner.items()
    ]


def _late_feeds(
    ledger: list[Batch], contracts: Mapping[str, Feed], built_as_of: date, due: date, landing: Path | None
) -> list[Cause]:
    """Feeds of a system that are due and not there: one cause per system and owner, or one when nothing came at all."""
    judged = {(batch.feed_id, batch.business_date) for batch in ledger}
    known = {batch.feed_id for batch in ledger}
    day = built_as_of + DAY if due > built_as_of else due

    def has_come(feed: Feed) -> bool:
        lies_there = landing is not None and (landing / feed.system / feed.entity / f"{day}" / MANIFEST).exists()
        return (feed.feed_id, day) in judged or lies_there

    expected = [f for f in contracts.values() if f.feed_id in known and is_expected(f, day)]
    late = [feed for feed in expected if not has_come(feed)]
    if late and len(late) == len(expected):
        return [Cause(f"{LATE_FEED}:all", LATE_FEED, WAREHOUSE, f"{day}", (ALL_FEEDS,))]
    groups: dict[tuple[str, str], list[str]] = {}
    for feed in late:
        groups.setdefault((feed.system, feed.owner), []).append(feed.feed_id)
    return [
        Cause(f"{LATE_FEED}:{system}:{owner}", LATE_FEED, owner, f"{day}", tuple(sorted(feeds)))
        for (system, owner), feeds in groups.items()
    ]


def _told(home: Home) -> dict[str, Cause]:
    """The open causes that somebody was told of."""
    if not home.alerts.exists():
        return {}
    known = json.loads(home.alerts.read_text(encoding="utf-8"))
    return {c["key"]: Cause(**{**c, "subjects": tuple(c["subjects"])}) for c in known}


def pending(home: Home, now_open: list[Cause]) -> list[Alert]:
    """What nobody was told yet: causes that began, changed or ended since."""
    told = _told(home)
    alerts = [
        Alert(CHANGED if cause.key in told else OPEN, cause)
        for cause in now_open
        if cause.key not in told or told[cause.key].subjects != cause.subjects  # the same on another day is no news
    ]
    still_open = {cause.key for cause in now_open}
    return alerts + [Alert(RESOLVED, cause) for key, cause in told.items() if key not in still_open]


def notify(home: Home, find: Callable[[], list[Cause]], deliver: Callable[[Alert], None]) -> list[Alert]:
    """Hand over every change since the last call; returns them. What was not taken is handed over the next time.

    Raises NotDelivered after the first alert that is not taken. One caller at a time; a call that is cut off between
    the handing over and its note repeats one alert rather than losing it.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    with FileLock(home.alerts.with_suffix(".lock")):
        told = _told(home)
        alerts = pending(home, find())
        for alert in alerts:
            deliver(alert)
            if alert.state == RESOLVED:
                del told[alert.cause.key]
            else:
                told[alert.cause.key] = alert.cause
            write_atomically(home.alerts, json.dumps([asdict(c) for c in told.values()], ensure_ascii=False, indent=1))
        return alerts
