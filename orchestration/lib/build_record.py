"""The record of a build that audit and publish work from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.lib.files import write_atomically
from orchestration.lib.home import Home
from orchestration.lib.planning import BuildPlan


@dataclass(frozen=True)
class BuildRecord:
    """What audit and publish need to know of a build; kept as builds/<build_id>/build.json."""

    build_id: str
    as_of_date: date
    first_date: date
    base_date: date | None
    dirty_from: date
    published_version: int
    published_as_of: date | None
    policy_hash: str
    policy_versions: dict[str, dict[str, str]]
    inputs: dict[str, str]

    @staticmethod
    def path(home: Home, build_id: str) -> Path:
        return home.builds / build_id / "build.json"

    @classmethod
    def of(cls, plan: BuildPlan) -> BuildRecord:
        inputs = {b.batch_id: b.content_hash for batches in plan.batches.values() for b in batches}
        return cls(
            build_id=plan.build_id,
            as_of_date=plan.as_of_date,
            first_date=plan.first_date,
            base_date=plan.base_date,
            dirty_from=plan.dirty_from,
            published_version=plan.published_version,
            published_as_of=plan.published_as_of,
            policy_hash=plan.policy_hash,
            policy_versions=plan.policy_versions,
            inputs=inputs,
        )

    @classmethod
    def read(cls, home: Home, build_id: str) -> BuildRecord:
        doc: dict[str, Any] = json.loads(cls.path(home, build_id).read_text(encoding="utf-8"))
        for name in ("as_of_date", "first_date", "base_date", "dirty_from", "published_as_of"):
            doc[name] = date.fromisoformat(doc[name]) if doc[name] else None
        return cls(**doc)

    def write(self, home: Home) -> None:
        doc = {k: v.isoformat() if isinstance(v, date) else v for k, v in self.__dict__.items()}
        write_atomically(self.path(home, self.build_id), json.dumps(doc, sort_keys=True, indent=1))
