"""policies/actions.yml compiled to its tables of dbt's source ``policy``: one version's rows of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from orchestration.lib.policies.actions import Action, ActionsVersion, UrgencyBin, ValueBin
from orchestration.lib.policies.versioned import VERSION_COLUMNS, version_values

_MONEY = pa.decimal128(18, 2)
SCHEMAS: dict[str, pa.Schema] = {
    "action_list": pa.schema(
        [
            *VERSION_COLUMNS,
            ("capacity", pa.int64()),
            ("overdue_days", pa.int64()),
            ("event_days", pa.int64()),
            ("quiet_days", pa.int64()),
        ]
    ),
    "action_capacity": pa.schema([*VERSION_COLUMNS, ("role_code", pa.string()), ("capacity", pa.int64())]),
    # One row per source and its code; points hold those of regulation.
    "action": pa.schema(
        [
            *VERSION_COLUMNS,
            ("source_kind", pa.string()),
            ("source_code", pa.string()),
            ("action_kind", pa.string()),
            ("rule_id", pa.string()),
            ("points", pa.int64()),
            ("is_marketing", pa.bool_()),
            ("within_days", pa.int64()),
            ("on_event_date", pa.bool_()),
            ("sentence_zh", pa.string()),
        ]
    ),
    "action_purpose": pa.schema(
        [*VERSION_COLUMNS, ("source_kind", pa.string()), ("source_code", pa.string()), ("purpose", pa.string())]
    ),
    "action_cover": pa.schema([*VERSION_COLUMNS, ("event_kind", pa.string()), ("obligation_kind", pa.string())]),
    # Bins are half open; NULL is without an end.
    "action_urgency": pa.schema(
        [*VERSION_COLUMNS, ("min_days", pa.int64()), ("below_days", pa.int64()), ("points", pa.int64())]
    ),
    "action_value": pa.schema(
        [*VERSION_COLUMNS, ("min_aum_cny", _MONEY), ("below_aum_cny", _MONEY), ("points", pa.int64())]
    ),
    "channel_label": pa.schema([*VERSION_COLUMNS, ("channel", pa.string()), ("label_zh", pa.string())]),
}


def rows(version: ActionsVersion) -> dict[str, list[dict[str, Any]]]:
    """Table -> rows of one version."""
    common = version_values("actions", version)
    dated = {"event": version.events, "churn_warning": version.churn_warnings}
    actions: list[tuple[str, str, Action]] = [
        *(("obligation", code, action) for code, action in version.obligations.items()),
        *((source, code, action) for source, said in dated.items() for code, action in said.items()),
        *(("complaint", code, action) for code, action in version.complaints.items()),
    ]
    return {
        "action_list": [
            {
                **common,
                "capacity": version.capacity,
                "overdue_days": version.overdue_shown,
                "event_days": version.event_shown,
                "quiet_days": version.quiet,
            }
        ],
        "action_capacity": [
            {**common, "role_code": role, "capacity": lines} for role, lines in version.role_capacities.items()
        ],
        "action": [
            {
                **common,
                "source_kind": source,
                "source_code": code,
                "action_kind": _kind(source, code),
                "rule_id": getattr(action, "rule_id", None),
                "points": action.points + (version.regulation_points if action.is_regulated else 0),
                "is_marketing": action.is_marketing,
                "within_days": getattr(action, "within", None),
                "on_event_date": getattr(action, "on_event_date", False),
                "sentence_zh": action.sentence_zh,
            }
            for source, code, action in actions
        ],
        "action_purpose": [
            {**common, "source_kind": source, "source_code": code, "purpose": purpose}
            for source, said in dated.items()
            for code, action in said.items()
            for purpose in action.purposes
        ],
        "action_cover": [
            {**common, "event_kind": code, "obligation_kind": kind}
            for code, action in version.events.items()
            for kind in action.covered_by
        ],
        "action_urgency": [
            {**common, "min_days": low, "below_days": high, "points": points}
            for low, high, points in _intervals(version.urgency)
        ],
        "action_value": [
            {**common, "min_aum_cny": low, "below_aum_cny": high, "points": points}
            for low, high, points in _intervals(version.value)
        ],
        "channel_label": [
            {**common, "channel": code, "label_zh": label} for code, label in version.channels_zh.items()
        ],
    }


def _kind(source: str, code: str) -> str:
    """What the list calls it. A warning is one thing to do, whatever its level."""
    return {"churn_warning": source, "complaint": f"{source}_{code}"}.get(source, code)


def _intervals(bins: Sequence[UrgencyBin | ValueBin]) -> list[tuple[Any, Any, int]]:
    """From, below and points of each bin: it ends where the next one begins."""
    ends = [*(each.at_least for each in bins[1:]), None]
    return [(each.at_least, end, each.points) for each, end in zip(bins, ends, strict=True)]
