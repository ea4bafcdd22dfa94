"""Policies broken on purpose: copies of the shipped files, and edits of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from orchestration.lib.home import POLICIES_DIR
from orchestration.lib.policies import PolicyError, load_policies
from orchestration.lib.policies.finding import Finding
from orchestration.lib.policies.lint import lint

PRIMARY = "branch_tiered_maintenance"
Edit = Callable[[dict[str, Any]], object]


def named(value: object) -> str | None:
    """Id of a parameter of a test: its text. A function has none that is the same in every process."""
    return None if callable(value) else str(value)[:40]


def copy_policies(folder: Path) -> Path:
    """The shipped policy files in a folder of their own."""
    return Path(shutil.copytree(POLICIES_DIR, folder / "policies"))


def edit(directory: Path, name: str, change: Edit) -> None:
    """Change a policy file's content; ``change`` gets it as a dict."""
    path = directory / f"{name}.yml"
    content = yaml.safe_load(path.read_text("utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=1000), "utf-8")


def findings(directory: Path) -> list[Finding]:
    return lint(load_policies(directory))


def kinds_found(all_found: list[Finding], edited: str) -> set[str]:
    """Kinds of what was found, but for rules of appraisal that name what an edit of another file took away."""
    return {f.kind for f in all_found if (f.file, f.kind) != ("appraisal.yml", "unknown") or edited == "appraisal"}


def problems(directory: Path) -> list[str]:
    """Lines of the error that reading a folder of policies ends in."""
    try:
        load_policies(directory)
    except PolicyError as error:
        return str(error).splitlines()
    return []


def line_text(directory: Path, file: str, line: int) -> str:
    return (directory / file).read_text("utf-8").splitlines()[line - 1].strip()


def first(content: dict[str, Any]) -> dict[str, Any]:
    """The first version of a policy file."""
    version: dict[str, Any] = content["versions"][0]
    return version


def tier(content: dict[str, Any], number: int) -> dict[str, Any]:
    found: dict[str, Any] = first(content)["tiers"][number]
    return found
