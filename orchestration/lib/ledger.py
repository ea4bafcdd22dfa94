"""The batch ledger: one JSON line per accepted or rejected delivery; the line is the commit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.lib.json_lines import append_lines, read_lines

ACCEPTED = "accepted"
REJECTED = "rejected"


@dataclass(frozen=True)
class Batch:
    """One delivery as it was judged.

    ``row_count`` counts all rows delivered, ``quarantined_count`` those of them set aside.
    ``control_totals``: {column: {value of the contract's ``by`` column or '*': decimal text}} over
    all rows delivered. ``path``, ``identity_path`` and ``quarantine_path`` are folders relative to
    ``home.lake``, empty when there is none. ``fingerprint`` tells whether a rejected delivery was
    touched since. ``landed_at`` (ISO 8601) is the only clock reading and stays in the ledger.
    """

    batch_id: str
    system: str
    entity: str
    business_date: date
    sequence_no: int
    mode: str
    status: str
    row_count: int
    quarantined_count: int
    control_totals: dict[str, dict[str, str]]
    content_hash: str
    manifest_sha256: str
    reason: str = ""
    path: str = ""
    identity_path: str = ""
    quarantine_path: str = ""
    fingerprint: str = ""
    landed_at: str = ""

    @property
    def feed_id(self) -> str:
        return f"{self.system}.{self.entity}"

    @property
    def is_accepted(self) -> bool:
        return self.status == ACCEPTED


class LedgerCorrupt(RuntimeError):
    """A committed ledger line cannot be read."""


def _from_record(record: dict[str, Any]) -> Batch:
    record["business_date"] = date.fromisoformat(record["business_date"])
    return Batch(**record)


@dataclass(frozen=True)
class Ledger:
    """Append-only file of batches. One writer at a time (``land`` holds the landing lock)."""

    path: Path

    def batches(self) -> list[Batch]:
        """All batches in the order they were judged. A torn last line was never committed."""
        batches = []
        for number, line in enumerate(read_lines(self.path), start=1):
            try:
                batches.append(_from_record(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                raise LedgerCorrupt(
                    f"{self.path} line {number} is not a batch record ({error}): restore the file "
                    "from its backup, or land the archive again into an empty home"
                ) from error
        return batches

    def accepted(self) -> list[Batch]:
        """Accepted batches in the order they were accepted."""
        return [batch for batch in self.batches() if batch.is_accepted]

    def append(self, batches: list[Batch]) -> None:
        """Commit ``batches`` in one fsynced write."""
        append_lines(self.path, (vars(b) | {"business_date": b.business_date.isoformat()} for b in batches))
