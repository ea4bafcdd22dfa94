"""policies/appraisal.yml compiled to its tables of dbt's source ``policy``: one version's rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from orchestration.lib.policies.appraisal import AppraisalVersion
from orchestration.lib.policies.versioned import VERSION_COLUMNS, version_values

_RATE = pa.decimal128(18, 8)
_MONEY = pa.decimal128(18, 2)
SCHEMAS: dict[str, pa.Schema] = {
    # One row per version.
    "appraisal": pa.schema(
        [
            *VERSION_COLUMNS,
            ("floor_cny", _MONEY),
            ("kept_share", _RATE),
            ("fall_from_cny", _MONEY),
            ("liability_cny", _MONEY),
            ("liability_rule_id", pa.string()),
            ("mid_high_cny", _MONEY),
            ("mid_high_rule_id", pa.string()),
            ("guard_days", pa.int64()),
            ("close_after_days", pa.int64()),
            ("score_unit", _RATE),
            ("score_cap", _RATE),
            ("gate_cap", _RATE),
            ("least_ranked", pa.int64()),
        ]
    ),
    "appraisal_measure": pa.schema(
        [
            *VERSION_COLUMNS,
            ("measure_code", pa.string()),
            ("measure_no", pa.int64()),
            ("label_zh", pa.string()),
            ("label_en", pa.string()),
            ("is_inverse", pa.bool_()),
            ("weight", _RATE),
            ("fallback_target_rate", _RATE),
            ("rule_id", pa.string()),
        ]
    ),
    # Product families in use that a customer of a tier of the primary scheme must have.
    "appraisal_family_count": pa.schema(
        [*VERSION_COLUMNS, ("tier_code", pa.string()), ("least_families", pa.int64())],
    ),
    "appraisal_gate": pa.schema(
        [
            *VERSION_COLUMNS,
            ("gate_code", pa.string()),
            ("limit_value", _RATE),
            ("label_zh", pa.string()),
            ("label_en", pa.string()),
        ]
    ),
    # The first that applies, by place, is told.
    "appraisal_exclusion": pa.schema(
        [
            *VERSION_COLUMNS,
            ("exclusion_code", pa.string()),
            ("place", pa.int64()),
            ("label_zh", pa.string()),
            ("label_en", pa.string()),
        ]
    ),
    # Parameters that a flag has no use for are empty.
    "appraisal_flag": pa.schema(
        [
            *VERSION_COLUMNS,
            ("flag_kind", pa.string()),
            ("label_zh", pa.string()),
            ("rate_limit", _RATE),
            ("amount_cny", _MONEY),
            ("window_days", pa.int64()),
            ("least_count", pa.int64()),
            ("other_count", pa.int64()),
        ]
    ),
    # Reasons of handovers, channels of contacts or roles of employees that a flag looks at.
    "appraisal_flag_code": pa.schema([*VERSION_COLUMNS, ("flag_kind", pa.string()), ("code", pa.string())]),
}


def rows(version: AppraisalVersion) -> dict[str, list[dict[str, Any]]]:
    """Table -> rows of one version."""
    head = version_values("appraisal", version)
    return {
        "appraisal": [
            {
                **head,
                "floor_cny": version.loss.floor,
                "kept_share": version.loss.kept_share,
                "fall_from_cny": version.loss.fall_from,
                "liability_cny": version.liability.at_least,
                "liability_rule_id": version.liability.rule_id,
                "mid_high_cny": version.mid_high.at_least,
                "mid_high_rule_id": version.mid_high.rule_id,
                "guard_days": version.guard.after,
                "close_after_days": version.closing.after,
                "score_unit": version.scoring.full,
                "score_cap": version.scoring.cap,
                "gate_cap": version.scoring.gate_cap,
                "least_ranked": version.scoring.least_ranked,
            }
        ],
        "appraisal_measure": [
            {
                **head,
                "measure_code": code,
                "measure_no": number,
                "label_zh": measure.label_zh,
                "label_en": measure.label_en,
                "is_inverse": measure.curve == "inverse",
                "weight": measure.weight,
                "fallback_target_rate": measure.first_target,
                "rule_id": measure.rule_id,
            }
            for number, (code, measure) in enumerate(version.measures.items(), start=1)
        ],
        "appraisal_family_count": [
            {**head, "tier_code": tier, "least_families": count} for tier, count in version.families.items()
        ],
        "appraisal_gate": [
            {
                **head,
                "gate_code": code,
                "limit_value": gate.limit,
                "label_zh": gate.label_zh,
                "label_en": gate.label_en,
            }
            for code, gate in version.gates.items()
        ],
        "appraisal_exclusion": [
            {**head, "exclusion_code": code, "place": place, "label_zh": said.label_zh, "label_en": said.label_en}
            for place, (code, said) in enumerate(version.exclusions.items(), start=1)
        ],
        "appraisal_flag": [
            {
                **head,
                "flag_kind": kind,
                "label_zh": flag.label_zh,
                "rate_limit": flag.rate,
                "amount_cny": flag.amount,
                "window_days": flag.days,
                "least_count": flag.least,
                "other_count": flag.others,
            }
            for kind, flag in version.flags.items()
        ],
        "appraisal_flag_code": [
            {**head, "flag_kind": kind, "code": code}
            for kind, flag in version.flags.items()
            for code in flag.codes or ()
        ],
    }
