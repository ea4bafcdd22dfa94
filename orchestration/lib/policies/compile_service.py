"""policies/service.yml compiled to its table of dbt's source ``policy``: one version's rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from orchestration.lib.policies.service import STEPS, ServiceVersion
from orchestration.lib.policies.versioned import VERSION_COLUMNS, version_values

SCHEMAS: dict[str, pa.Schema] = {
    # Working days after the day of receipt by which a step of a complaint is taken; step 1 comes first.
    "complaint_step": pa.schema(
        [
            *VERSION_COLUMNS,
            ("severity", pa.string()),
            ("step_code", pa.string()),
            ("step_no", pa.int64()),
            ("label_zh", pa.string()),
            ("working_days", pa.int64()),
            ("assistant_role_code", pa.string()),
            ("rule_id", pa.string()),
        ]
    ),
}


def rows(version: ServiceVersion) -> dict[str, list[dict[str, Any]]]:
    """Table -> rows of one version."""
    complaints = version.complaints
    return {
        "complaint_step": [
            {
                **version_values("service", version),
                "severity": severity,
                "step_code": step,
                "step_no": number,
                "label_zh": complaints.steps[step].label_zh if step in complaints.steps else step,
                "working_days": days[step],
                "assistant_role_code": complaints.assistant_role,
                "rule_id": complaints.rule_id,
            }
            for severity, days in complaints.deadlines.items()
            for number, step in enumerate(STEPS, start=1)
            if step in days
        ]
    }
