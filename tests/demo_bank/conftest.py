"""One small demo bank for all tests, and a reader that shares nothing with the writer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from orchestration.lib.demo_bank import generate

START = date(2026, 4, 1)
THROUGH = date(2026, 5, 12)
GO_LIVE = date(2026, 5, 6)
CUSTOMERS = 300


@dataclass(frozen=True)
class DeliveredBank:
    """Reads deliveries as text, the way a bank's engineer would with pandas."""

    root: Path

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @cached_property
    def folders(self) -> list[Path]:
        return sorted(path.parent for path in self.landing.glob("*/*/*/_manifest.json"))

    def days(self, feed_id: str) -> list[str]:
        folder = self.landing / feed_id.replace(".", "/")
        return sorted(path.name for path in folder.iterdir())

    def manifest(self, feed_id: str, day: str) -> dict[str, Any]:
        path = self.landing / feed_id.replace(".", "/") / day / "_manifest.json"
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return content

    def table(self, feed_id: str, day: str) -> pd.DataFrame:
        return read_folder(self.landing / feed_id.replace(".", "/") / day)

    def newest(self, feed_id: str, day: str) -> pd.DataFrame:
        """The delivery in force on ``day``."""
        return self.table(feed_id, max(d for d in self.days(feed_id) if d <= day))

    def events(self, feed_id: str) -> pd.DataFrame:
        frames = [self.table(feed_id, day).assign(day=day) for day in self.days(feed_id)]
        return pd.concat(frames, ignore_index=True)

    def truth(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.root / "truth" / f"{name}.parquet")


def read_folder(folder: Path) -> pd.DataFrame:
    (path,) = (p for p in folder.iterdir() if p.name != "_manifest.json")
    if path.suffix == ".parquet":
        return pd.read_parquet(path).astype(str)
    if path.suffix == ".xlsx":
        return pd.read_excel(path, dtype=str, keep_default_na=False)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory) -> DeliveredBank:
    root = tmp_path_factory.mktemp("demo_bank")
    generate(root, customers=CUSTOMERS, start=START, through=THROUGH, seed=7, go_live=GO_LIVE)
    return DeliveredBank(root)
