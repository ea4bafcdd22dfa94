"""Every generated file of the repository: written by `tierhouse docs`, held fresh by `make check`."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import date, timedelta
from pathlib import Path

from orchestration.lib.confidentiality import Content, annotated, derive_contents, render_classes
from orchestration.lib.contracts import load_contracts
from orchestration.lib.dbt_manifest import compiled_manifests
from orchestration.lib.docs import render_landing_contract
from orchestration.lib.files import write_atomically
from orchestration.lib.home import CONTRACTS_DIR, DBT_PROJECT_DIR, POLICIES_DIR, PROJECT_ROOT
from orchestration.lib.lineage import read_project
from orchestration.lib.mart_docs import render_marts
from orchestration.lib.planning import advance_json, plan_chunk
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.schema import render_schema
from orchestration.lib.rule_coverage import render_rule_coverage
from orchestration.lib.staging import render_staging

DOCS_DIR = PROJECT_ROOT / "docs"
# Advances whose SQL is all that models ever run: from nothing to a month end, over several to one on which every
# scheme is evaluated, and the one day after it.
_FIRST_DATE = date(2029, 1, 1)
_ADVANCES = (
    (None, date(2029, 1, 31)),
    (date(2030, 10, 15), date(2030, 12, 31)),
    (date(2030, 12, 31), date(2031, 1, 1)),
)
_CONTENTS = DBT_PROJECT_DIR / "target" / "column_contents.json"


def column_contents() -> dict[str, dict[str, Content]]:
    """Model -> column -> its class and whether it is personal, by the SQL of the shipped models and policies.

    Compiling takes twenty seconds: what came of it is kept beside dbt's manifest for as long as no source changes.
    """
    sources = _sources_hash()
    if _CONTENTS.exists():
        kept = json.loads(_CONTENTS.read_text(encoding="utf-8"))
        if kept["sources"] == sources:
            return {
                m: {c: Content(*content) for c, content in columns.items()} for m, columns in kept["models"].items()
            }
    contents = _derived_contents()
    models = {m: {c: dataclasses.astuple(content) for c, content in columns.items()} for m, columns in contents.items()}
    write_atomically(_CONTENTS, json.dumps({"sources": sources, "models": models}))
    return contents


def _sources_hash() -> str:
    """Hash of all that the SQL of models and the classes of columns follow from; not of the classes written there."""
    files = [
        path
        for folder in (DBT_PROJECT_DIR / "models", DBT_PROJECT_DIR / "macros", CONTRACTS_DIR, POLICIES_DIR)
        for path in folder.rglob("*")
        if path.suffix in {".sql", ".yml", ".yaml"}
    ]
    files += [DBT_PROJECT_DIR / "dbt_project.yml", *Path(__file__).parent.rglob("*.py")]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(PROJECT_ROOT)}\0{annotated(path.read_text(encoding='utf-8'), {})}\0".encode())
    return digest.hexdigest()


def _derived_contents() -> dict[str, dict[str, Content]]:
    policies = load_policies(POLICIES_DIR)
    opening = _FIRST_DATE - timedelta(days=1)
    plans = [
        advance_json(
            plan_chunk(base, end, end, _FIRST_DATE, opening, policies),
            first_date=_FIRST_DATE,
            opening_date=opening,
            is_merging=True,
        )
        for base, end in _ADVANCES
    ]
    return derive_contents(map(read_project, compiled_manifests(plans)), load_contracts())


def render_files() -> dict[Path, str]:
    """Path -> content of every generated file."""
    contracts = load_contracts()
    contents = column_contents()
    return {
        **{DBT_PROJECT_DIR / path: text for path, text in render_staging(contracts).items()},
        **{DBT_PROJECT_DIR / "models" / path: text for path, text in render_classes(contents).items()},
        DOCS_DIR / "landing_contract.md": render_landing_contract(contracts),
        DOCS_DIR / "marts.md": render_marts(contents),
        DOCS_DIR / "rule_coverage.md": render_rule_coverage(),
        POLICIES_DIR / "schema.json": render_schema(),
    }


def _is_stale(path: Path, text: str) -> bool:
    return not path.exists() or path.read_text(encoding="utf-8") != text


def write_files() -> None:
    """Write the generated files that are not what their sources say; the others keep their time stamps."""
    # Classes follow from the SQL of all models, so those of staging must be there first.
    _write({DBT_PROJECT_DIR / path: text for path, text in render_staging(load_contracts()).items()})
    _write(render_files())


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        if _is_stale(path, text):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def stale_files() -> list[str]:
    """Generated files, relative to the repository, whose content is not what their sources say."""
    return [str(path.relative_to(PROJECT_ROOT)) for path, text in render_files().items() if _is_stale(path, text)]
