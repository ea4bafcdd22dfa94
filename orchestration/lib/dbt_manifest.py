"""dbt's manifest: parsed once per change of the project, and the models' SQL, without a network or a warehouse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from orchestration.lib.build import environment
from orchestration.lib.home import DBT_PROJECT_DIR

MANIFEST = DBT_PROJECT_DIR / "target" / "manifest.json"
_SOURCES = ("models", "macros", "tests")


class DbtParseFailed(RuntimeError):
    """The dbt project does not parse, or a model does not compile."""


def _newest_source() -> float:
    files = [p for name in _SOURCES for p in (DBT_PROJECT_DIR / name).rglob("*") if p.is_file()]
    files += [DBT_PROJECT_DIR / "dbt_project.yml", DBT_PROJECT_DIR / "profiles.yml"]
    return max(p.stat().st_mtime for p in files)


def _is_fresh() -> bool:
    return MANIFEST.exists() and MANIFEST.stat().st_mtime >= _newest_source()


def ensure_manifest() -> Path:
    """Path of the manifest, parsed anew when a source file is newer. Raises DbtParseFailed with dbt's words."""
    if _is_fresh():
        return MANIFEST
    MANIFEST.parent.mkdir(exist_ok=True)
    # Processes that start together parse once.
    with FileLock(MANIFEST.with_suffix(".lock")):
        if _is_fresh():
            return MANIFEST
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "dbt.cli.main",
                "parse",
                "--quiet",
                "--project-dir",
                str(DBT_PROJECT_DIR),
            ],
            env={**os.environ, "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR), "DO_NOT_TRACK": "1"},
            cwd=DBT_PROJECT_DIR,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise DbtParseFailed(done.stdout + done.stderr)
    return MANIFEST


def compiled_manifests(plans: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The manifest with every model's SQL as dbt compiles it for each plan (JSON of ``advance_json``).

    Raises DbtParseFailed with dbt's words.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner

    with tempfile.TemporaryDirectory(prefix="tierhouse-compile-") as folder:
        settings = {
            "TIERHOUSE_WAREHOUSE": f"{folder}/warehouse.duckdb",
            "DBT_PROFILES_DIR": str(DBT_PROJECT_DIR),
            "DBT_LOG_PATH": folder,
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DO_NOT_TRACK": "1",
        }
        arguments = ["compile", "--select", "resource_type:model", "--indirect-selection", "empty", "--quiet"]
        arguments += ["--project-dir", str(DBT_PROJECT_DIR), "--target-path", folder, "--log-level-file", "none"]
        for plan in plans:
            try:
                # Which relations a model reads hangs on the plan: every plan is parsed for itself.
                with environment({**settings, "TIERHOUSE_PLAN": plan}):
                    done = dbtRunner().invoke(arguments)
            finally:
                # dbt keeps its connection for the life of the process.
                DuckDBConnectionManager.close_all_connections()  # type: ignore[no-untyped-call]
            if not done.success:
                results: list[Any] = getattr(done.result, "results", [])
                failed = [f"{r.node.name}: {r.message}" for r in results if r.status == "error"]
                raise DbtParseFailed("; ".join(failed) or str(done.exception)) from done.exception
            yield json.loads(Path(folder, "manifest.json").read_text(encoding="utf-8"))
