"""Every generated file of the repository: written by `tierhouse docs`, held fresh by `make check`."""

from __future__ import annotations

from pathlib import Path

from orchestration.lib.contracts import load_contracts
from orchestration.lib.docs import render_landing_contract
from orchestration.lib.home import DBT_PROJECT_DIR, POLICIES_DIR, PROJECT_ROOT
from orchestration.lib.mart_docs import render_marts
from orchestration.lib.policies.schema import render_schema
from orchestration.lib.rule_coverage import render_rule_coverage
from orchestration.lib.staging import render_staging

DOCS_DIR = PROJECT_ROOT / "docs"


def render_files() -> dict[Path, str]:
    """Path -> content of every generated file."""
    contracts = load_contracts()
    return {
        **{DBT_PROJECT_DIR / path: text for path, text in render_staging(contracts).items()},
        DOCS_DIR / "landing_contract.md": render_landing_contract(contracts),
        DOCS_DIR / "marts.md": render_marts(),
        DOCS_DIR / "rule_coverage.md": render_rule_coverage(),
        POLICIES_DIR / "schema.json": render_schema(),
    }


def _is_stale(path: Path, text: str) -> bool:
    return not path.exists() or path.read_text(encoding="utf-8") != text


def write_files() -> None:
    """Write the generated files that are not what their sources say; the others keep their time stamps."""
    for path, text in render_files().items():
        if _is_stale(path, text):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def stale_files() -> list[str]:
    """Generated files, relative to the repository, whose content is not what their sources say."""
    return [str(path.relative_to(PROJECT_ROOT)) for path, text in render_files().items() if _is_stale(path, text)]
