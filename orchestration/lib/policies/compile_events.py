"""policies/events.yml compiled to its tables of dbt's source ``policy``: one version's rows of each."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from orchestration.lib.policies.events import EventsVersion
from orchestration.lib.policies.versioned import VERSION_COLUMNS, version_values

_RATE = pa.decimal128(18, 8)
_MONEY = pa.decimal128(18, 2)
# Column of event_rule -> parameter of a kind; a kind has those that it needs.
_PARAMETERS = {
    "lead_days": "lead",
    "min_amount_cny": "min_amount",
    "min_month_avg_cny": "min_month_average",
    "min_rate": "min_rate",
    "month_count": "months",
    "quiet_days": "quiet",
    "repeat_days": "repeat",
}
SCHEMAS: dict[str, pa.Schema] = {
    "event_rule": pa.schema(
        [
            *VERSION_COLUMNS,
            ("event_kind", pa.string()),
            ("rule_id", pa.string()),
            ("label_zh", pa.string()),
            ("lead_days", pa.int64()),
            ("min_amount_cny", _MONEY),
            ("min_month_avg_cny", _MONEY),
            ("min_rate", _RATE),
            ("month_count", pa.int64()),
            ("quiet_days", pa.int64()),
            ("repeat_days", pa.int64()),
        ]
    ),
    "event_fall": pa.schema([*VERSION_COLUMNS, ("month_count", pa.int64()), ("min_rate", _RATE)]),
    "archive": pa.schema(
        [
            *VERSION_COLUMNS,
            ("min_month_avg_cny", _MONEY),
            ("due_days", pa.int64()),
            ("unowned_role_code", pa.string()),
            ("rule_id", pa.string()),
        ]
    ),
    "archive_field": pa.schema(
        [*VERSION_COLUMNS, ("field_code", pa.string()), ("rule_id", pa.string()), ("label_zh", pa.string())]
    ),
}


def rows(version: EventsVersion) -> dict[str, list[dict[str, Any]]]:
    """Table -> rows of one version."""
    common = version_values("events", version)
    archive = version.archive
    fall = version.events.aum_fall
    return {
        "event_rule": [
            {
                **common,
                "event_kind": kind,
                "rule_id": rule.rule_id,
                "label_zh": rule.label_zh,
                **{column: getattr(rule, name, None) for column, name in _PARAMETERS.items()},
            }
            for kind, rule in version.events.stated().items()
        ],
        "event_fall": [
            {**common, "month_count": each.months, "min_rate": each.min_rate} for each in (fall.falls if fall else ())
        ],
        "archive": [
            {
                **common,
                "min_month_avg_cny": archive.min_month_average,
                "due_days": archive.due,
                "unowned_role_code": archive.unowned_role,
                "rule_id": archive.rule_id,
            }
        ],
        "archive_field": [
            {**common, "field_code": code, "rule_id": field.rule_id, "label_zh": field.label_zh}
            for code, field in archive.fields.items()
        ],
    }
