"""The dbt project as Dagster sees it. Its manifest is parsed here when there is none yet."""

from __future__ import annotations

import importlib.metadata
import sys
from functools import cached_property
from pathlib import Path

from dagster_dbt import DbtCliResource, DbtProject
from packaging.version import Version, parse

from orchestration.lib.dbt_manifest import ensure_manifest
from orchestration.lib.home import DBT_PROJECT_DIR

ensure_manifest()
dbt_project = DbtProject(project_dir=DBT_PROJECT_DIR, profiles_dir=DBT_PROJECT_DIR)


class OfflineDbtCliResource(DbtCliResource):
    """dbt without the `dbt --version` call before each run: it took 4 s and asks the package index."""

    @cached_property
    def _cli_version(self) -> Version:
        return parse(importlib.metadata.version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: object) -> None:
        """None: dagster-dbt's adapter serves row counts and column metadata that are not fetched here, for 1.4 s."""


def offline_dbt() -> OfflineDbtCliResource:
    """Dbt of the environment that runs this, whether or not that environment is activated."""
    return OfflineDbtCliResource(project_dir=dbt_project, dbt_executable=str(Path(sys.executable).with_name("dbt")))
