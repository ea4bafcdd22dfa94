"""Helpers: correct deliveries by the product's writer, odd ones written byte by byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.contracts import CsvFormat, Feed, load_contracts
from orchestration.lib.home import Home
from orchestration.lib.landing import LandingReport, land
from orchestration.lib.ledger import Batch, Ledger

DAY = date(2026, 10, 26)


@dataclass
class Bank:
    """A landing root, a home and the contracts, which a test may bend."""

    root: Path
    home: Home
    contracts: dict[str, Feed]

    def bend(self, feed_id: str, **changes: Any) -> Feed:
        self.contracts[feed_id] = replace(self.contracts[feed_id], **changes)
        return self.contracts[feed_id]

    def csv(self, feed_id: str, *, delimiter: str = ",", encoding: str = "utf-8",
            header: bool = True) -> Feed:  # fmt: skip
        return self.bend(feed_id, csv=CsvFormat(delimiter, encoding, header))

    def deliver(
        self,
        feed_id: str,
        files: dict[str, bytes],
        counts: Sequence[int] | int,
        totals: dict[str, dict[str, str]] | None = None,
        *,
        day: date = DAY,
        sequence_no: int = 1,
        folder: str | None = None,
        **fields: Any,
    ) -> Path:
        """Write files and a manifest that describes them; ``fields`` overwrite its fields."""
        system, entity = feed_id.split(".")
        path = self.root / system / entity / (folder or day.isoformat())
        if sequence_no > 1 and folder is None:
            path /= str(sequence_no)
        path.mkdir(parents=True, exist_ok=True)
        each = [counts] if isinstance(counts, int) else list(counts)
        for name, data in files.items():
            (path / name).write_bytes(data)
        feed = self.contracts.get(feed_id)
        manifest: dict[str, Any] = {
            "system": system,
            "entity": entity,
            "business_date": day.isoformat(),
            "sequence_no": sequence_no,
            "mode": feed.modes[0] if feed else "full",
            "schema_version": "1.0.0",
            "row_count": sum(each),
            "files": [
                {"name": name, "row_count": n, "sha256": hashlib.sha256(data).hexdigest()}
                for (name, data), n in zip(files.items(), each, strict=False)
            ],
            "control_totals": totals or {},
            "produced_at": "2026-10-27T02:00:00+08:00",
        } | fields
        manifest = {key: value for key, value in manifest.items() if value is not ...}
        (path / "_manifest.json").write_text(json.dumps(manifest), "utf-8")
        return path

    def land(self, **options: Any) -> LandingReport:
        return land(self.home, self.root, contracts=self.contracts, **options)

    def land_one(self) -> Batch:
        """Land a single new delivery and return how it was judged."""
        report = self.land()
        judged = report.accepted + report.rejected
        assert len(judged) == 1, judged
        return judged[0]

    def rejection(self) -> str:
        """Land a single new delivery that must be rejected; returns the reason."""
        batch = self.land_one()
        assert batch.status == "rejected", batch
        assert not list(self.home.raw.rglob("*.parquet"))
        assert not list(self.home.lake.glob(".landing/*"))
        return batch.reason

    def ledger(self) -> list[Batch]:
        return Ledger(self.home.ledger).batches()

    def rows(self, batch: Batch, columns: str = "*", part: str = "path") -> list[tuple[Any, ...]]:
        folder = self.home.lake / getattr(batch, part)
        source = f"read_parquet('{folder}/*.parquet', hive_partitioning=false)"
        query = f"select {columns} from {source}"
        with duckdb.connect() as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    root = tmp_path / "landing"
    root.mkdir()
    return Bank(root, Home(tmp_path / "home"), dict(load_contracts()))


@pytest.fixture
def day() -> date:
    return DAY


ACCOUNTS = (
    "account_id,customer_id,product_code,branch_id,currency,balance,term_months,opened_date,maturity_date,status\n"
)


@pytest.fixture
def accounts() -> Callable[..., bytes]:
    """CSV of deposit accounts with the given balances; further lines as they are."""

    def build(*balances: str, lines: Sequence[str] = (), currency: str = "CNY") -> bytes:
        rows = [f"A{i},C{i},d01,B1,{currency},{balance},0,2020-01-31,,open" for i, balance in enumerate(balances)]
        return (ACCOUNTS + "".join(f"{row}\n" for row in [*rows, *lines])).encode()

    return build
