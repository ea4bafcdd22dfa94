"""Where a deployment keeps its data: the home folder and the paths inside it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parents[2]
CONTRACTS_DIR = PROJECT_ROOT / "contracts"
POLICIES_DIR = PROJECT_ROOT / "policies"
DBT_PROJECT_DIR = PROJECT_ROOT / "dbt_project"
# In the folder of a version that shows an older one again: which was built last.
ROLLBACK_NOTE = "rollback.json"


@dataclass(frozen=True)
class Home:
    """Paths of one deployment. ``TIERHOUSE_HOME`` or ``--home`` names the root, default ``./var``."""

    root: Path

    @classmethod
    def resolve(cls, root: str | Path | None = None) -> Home:
        return cls(Path(root or os.environ.get("TIERHOUSE_HOME") or "var").resolve())

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def raw(self) -> Path:
        """Accepted batches: <system>/<entity>/business_date=D/sequence_no=N/part.parquet."""
        return self.lake / "raw"

    @property
    def identity(self) -> Path:
        """Identity columns (name, id number, mobile, address), mode 0700, same layout as raw."""
        return self.lake / "identity"

    @property
    def quarantine(self) -> Path:
        return self.lake / "quarantine"

    @property
    def ledger(self) -> Path:
        """Batch ledger: one JSON line per accepted or rejected delivery; the line is the commit."""
        return self.lake / "ledger.jsonl"

    @property
    def journal(self) -> Path:
        """Build journal: one JSON line per build event (reliability of rebuilds rests on it)."""
        return self.lake / "journal.jsonl"

    @property
    def policy(self) -> Path:
        """Compiled policy tables, one folder per policy hash."""
        return self.lake / "policy"

    @property
    def books(self) -> Path:
        """Results of the books optimiser, one Parquet file each; the journal names them with their hashes."""
        return self.lake / "books"

    @property
    def objections(self) -> Path:
        """Files of objections to quarters, as they were filed; the journal names them with their hashes."""
        return self.lake / "objections"

    @property
    def warehouse(self) -> Path:
        """The working DuckDB file: one writer, never opened by a reader."""
        return self.root / "warehouse.duckdb"

    @property
    def builds(self) -> Path:
        """One folder per build id: inputs, verdict, Data Docs."""
        return self.root / "builds"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def current(self) -> Path:
        return self.published / "current"

    @property
    def last_built(self) -> Path:
        """Version that the next build stands on: the one that readers see, unless they were taken back to an older."""
        folder = self.current.resolve()
        note = folder / ROLLBACK_NOTE
        return self.published / str(json.loads(note.read_text("utf-8"))["built_version"]) if note.exists() else folder

    @property
    def quarters(self) -> Path:
        """One folder per closed quarter: with the journal an input of record, never written again."""
        return self.published / "quarters"

    @property
    def publish_log(self) -> Path:
        return self.published / "publish_log.jsonl"

    @property
    def alerts(self) -> Path:
        """Open causes that somebody was told of; without it they are told again."""
        return self.root / "alerts.json"

    @property
    def lock(self) -> Path:
        return self.root / "build.lock"

    @property
    def dagster(self) -> Path:
        return self.root / "dagster"

    @property
    def landing(self) -> Path:
        """Default landing root when none is given."""
        return self.root / "landing"
