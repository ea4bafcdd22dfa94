"""The dbt project as Dagster sees it. Its manifest is parsed here when there is none yet."""

from __future__ import annotations

from dagster_dbt import DbtProject

from orchestration.lib.dbt_manifest import MANIFEST, ensure_manifest
from orchestration.lib.home import DBT_PROJECT_DIR

ensure_manifest()
dbt_project = DbtProject(
    project_dir=DBT_PROJECT_DIR,
    profiles_dir=DBT_PROJECT_DIR,
    target_path=MANIFEST.parent.relative_to(DBT_PROJECT_DIR),
)
