"""policies/books.yml compiled to its tables of dbt's source ``policy``: one version's rows of each."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from orchestration.lib.policies.books import REASON_KINDS, BookVersion
from orchestration.lib.policies.versioned import VERSION_COLUMNS, version_values

_RATE = pa.decimal128(18, 8)
BOOK_SCHEMAS = {
    "book": pa.schema(
        [
            *VERSION_COLUMNS,
            ("go_live_date", pa.date32()),
            ("choice_days", pa.int64()),
            ("reassignment_days", pa.int64()),
            ("leave_days", pa.int64()),
            ("levels_up", pa.int64()),
            ("attribution_horizon_months", pa.int64()),
            ("referral_horizon_months", pa.int64()),
            ("move_cost", _RATE),
            ("move_cost_per_day", _RATE),
            ("tenure_cap_days", pa.int64()),
            ("customer_evenness_weight", _RATE),
            ("asset_evenness_weight", _RATE),
            ("gap_rate", _RATE),
            ("node_limit", pa.int64()),
            ("iteration_limit", pa.int64()),
            ("largest_pool", pa.int64()),
        ]
    ),
    "book_reason": pa.schema(
        [
            *VERSION_COLUMNS,
            ("reason_code", pa.string()),
            ("kind", pa.string()),
            ("rule_id", pa.string()),
            ("label_zh", pa.string()),
            ("owner_role_code", pa.string()),
        ]
    ),
    # Who may be B: preference 1 is asked first.
    "book_backup_role": pa.schema([*VERSION_COLUMNS, ("role_code", pa.string()), ("preference", pa.int64())]),
    # Shares of a situation that are no shadows add up to 1.
    "revenue_split": pa.schema(
        [
            *VERSION_COLUMNS,
            ("situation_code", pa.string()),
            ("credit_kind", pa.string()),
            ("share", _RATE),
            ("is_shadow", pa.bool_()),
            ("rule_id", pa.string()),
        ]
    ),
}


def book_rows(version: BookVersion) -> dict[str, list[dict[str, Any]]]:
    """Table -> rows of one version."""
    common = version_values("books", version)
    limits = version.rebalancing
    return {
        "book": [
            {
                **common,
                "go_live_date": version.go_live_date,
                "choice_days": version.choice,
                "reassignment_days": version.reassignment,
                "leave_days": version.leave,
                "levels_up": version.levels_up,
                "attribution_horizon_months": version.attribution_horizon,
                "referral_horizon_months": version.referral_horizon,
                "move_cost": limits.move_cost,
                "move_cost_per_day": limits.move_cost_per_day,
                "tenure_cap_days": limits.tenure_cap,
                "customer_evenness_weight": limits.customer_evenness_weight,
                "asset_evenness_weight": limits.asset_evenness_weight,
                "gap_rate": limits.gap,
                "node_limit": limits.node_limit,
                "iteration_limit": limits.iteration_limit,
                "largest_pool": limits.largest_pool,
            }
        ],
        "book_reason": [
            {
                **common,
                "reason_code": code,
                "kind": REASON_KINDS[code],
                "rule_id": reason.rule_id,
                "label_zh": reason.label_zh,
                "owner_role_code": reason.owner_role,
            }
            for code, reason in version.reasons.items()
        ],
        "book_backup_role": [
            {**common, "role_code": role, "preference": preference}
            for preference, role in enumerate(version.backup_roles, start=1)
        ],
        "revenue_split": [
            {
                **common,
                "situation_code": code,
                "credit_kind": share.credit_kind,
                "share": share.share,
                "is_shadow": share.is_shadow,
                "rule_id": split.rule_id,
            }
            for code, split in version.revenue_splits.items()
            for share in split.shares
        ],
    }
