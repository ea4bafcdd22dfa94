"""dbt's manifest: parsed once per change of the project, and the models' SQL, without a network or a warehouse."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from orchestration.lib.files import write_atomically
from orchestration.lib.home import DBT_PROJECT_DIR

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

# A folder of its own: a dbt call by hand writes to target/ what it parsed, for its own warehouse.
MANIFEST = DBT_PROJECT_DIR / "target" / "parsed" / "manifest.json"
_PARSED = MANIFEST.with_name("partial_parse.msgpack")
_SOURCES = ("models", "macros", "tests", "dbt_project.yml", "profiles.yml")
_STAMP = MANIFEST.with_name("sources.sha256")
# What parsing reads of the environment: a target says which adapter's macros count. The warehouse's path names the
# catalog, which is the same in every home.
_TARGET = "TIERHOUSE_DBT_TARGET"
_WAREHOUSE = "TIERHOUSE_WAREHOUSE"


class DbtParseFailed(RuntimeError):
    """The dbt project does not parse, or a model does not compile."""


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables for a while: dbt reads its plan from there, in this process or a child."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _sources_digest() -> str:
    """Of all that parsing reads. Content, not times: a release may be unpacked with those of its archive."""
    versions = [importlib.metadata.version(name) for name in ("dbt-core", "dbt-duckdb")]
    digest = hashlib.sha256(repr((versions, os.environ.get(_TARGET))).encode())
    for name in _SOURCES:
        top = DBT_PROJECT_DIR / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file():
                digest.update(f"{path.relative_to(DBT_PROJECT_DIR)}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_fresh(digest: str) -> bool:
    return _STAMP.exists() and _STAMP.read_text(encoding="utf-8") == digest


def ensure_manifest() -> Path:
    """Path of the manifest, parsed anew when a source file has changed. Raises DbtParseFailed with dbt's words."""
    digest = _sources_digest()
    if _is_fresh(digest):
        return MANIFEST
    MANIFEST.parent.mkdir(parents=True, exist_ok=True)
    # Processes that start together parse once.
    with FileLock(MANIFEST.with_suffix(".lock")):
        if _is_fresh(digest):
            return MANIFEST
        _STAMP.unlink(missing_ok=True)
        arguments = ["--quiet", "--project-dir", str(DBT_PROJECT_DIR), "--target-path", str(MANIFEST.parent)]
        done = subprocess.run(
            [sys.executable, "-m", "dbt.cli.main", "parse", *arguments],
            env={name: value for name, value in os.environ.items() if name != _WAREHOUSE}
            | {"DBT_PROFILES_DIR": str(DBT_PROJECT_DIR), "DO_NOT_TRACK": "1"},
            cwd=DBT_PROJECT_DIR,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise DbtParseFailed(done.stdout + done.stderr)
        write_atomically(_STAMP, digest)
    return MANIFEST


def read_manifest() -> Manifest:
    """The parsed project, for one dbt call: dbt writes into it what it compiled. Raises DbtParseFailed.

    Nothing that is parsed hangs on a home or a plan. dbt itself would parse all anew for a warehouse at another path
    (5 to 8 s), and write the manifest of an unchanged one again before it runs (1 s).
    """
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder

    ensure_manifest()
    return Manifest.from_msgpack(_PARSED.read_bytes(), decoder=extended_mashumuro_decoder)


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
