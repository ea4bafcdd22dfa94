"""dbt's manifest: parsed once per change of the project, without a network or a warehouse."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from orchestration.lib.home import DBT_PROJECT_DIR

MANIFEST = DBT_PROJECT_DIR / "target" / "manifest.json"
_SOURCES = ("models", "macros", "tests")


class DbtParseFailed(RuntimeError):
    """The dbt project does not parse."""


def _newest_source() -> float:
    files = [p for name in _SOURCES for p in (DBT_PROJECT_DIR / name).rglob("*") if p.is_file()]
    files += [DBT_PROJECT_DIR / "dbt_project.yml", DBT_PROJECT_DIR / "profiles.yml"]
    return max(p.stat().st_mtime for p in files)


def ensure_manifest() -> Path:
    """Path of the manifest, parsed anew when a source file is newer. Raises DbtParseFailed with dbt's words."""
    if not MANIFEST.exists() or MANIFEST.stat().st_mtime < _newest_source():
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
