"""policies/actions.yml compiled to its tables of dbt's source ``policy``: one version's rows of each."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from orchestration.lib.policies.actions import ActionsVersion

SCHEMAS: dict[str, pa.Schema] = {}


def rows(version: ActionsVersion) -> dict[str, list[dict[str, Any]]]:
    """Table -> rows of one version."""
    return {}
