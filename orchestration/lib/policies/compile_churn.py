"""policies/churn.yml compiled to its tables of dbt's source ``policy``: one version's rows of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from orchestration.lib.policies.churn import INDICATOR_UNITS, LEVELS, UNITS_ZH, ChurnVersion, Range, Unit
from orchestration.lib.policies.versioned import VERSION_COLUMNS, version_values

_RATE = pa.decimal128(18, 8)
_VALUE = pa.decimal128(18, 4)
_HIGHEST_VALUE = Decimal("99999999999999.9999")
_HIGHEST_SCORE = 2**31
SCHEMAS: dict[str, pa.Schema] = {
    "churn": pa.schema(
        [
            *VERSION_COLUMNS,
            ("outcome_months", pa.int64()),
            ("floor_cny", pa.decimal128(18, 2)),
            ("kept_share", _RATE),
            ("salary_days", pa.int64()),
            ("activity_days", pa.int64()),
            ("activity_before_days", pa.int64()),
            ("activity_minimum", pa.int64()),
        ]
    ),
    "churn_indicator": pa.schema(
        [
            *VERSION_COLUMNS,
            ("indicator_code", pa.string()),
            ("label_zh", pa.string()),
            ("unit_zh", pa.string()),
            ("rule_id", pa.string()),
        ]
    ),
    # Place 1 is asked first; customers of no row are of the segment `other`.
    "churn_segment": pa.schema(
        [
            *VERSION_COLUMNS,
            ("segment_code", pa.string()),
            ("place", pa.int64()),
            ("scheme_code", pa.string()),
            ("tier_code", pa.string()),
        ]
    ),
    # Half open; a value below the lowest range gives no points.
    "churn_range": pa.schema(
        [
            *VERSION_COLUMNS,
            ("segment_code", pa.string()),
            ("indicator_code", pa.string()),
            ("lower_value", _VALUE),
            ("upper_value", _VALUE),
            ("level", pa.string()),
            ("level_rank", pa.int64()),
            ("points", pa.int64()),
        ]
    ),
    "churn_level": pa.schema(
        [
            *VERSION_COLUMNS,
            ("segment_code", pa.string()),
            ("level", pa.string()),
            ("level_rank", pa.int64()),
            ("lower_score", pa.int64()),
            ("upper_score", pa.int64()),
        ]
    ),
}


def level_rank(level: str) -> int:
    """1 for the lowest level."""
    return [str(each) for each in LEVELS].index(level) + 1


def spans(ranges: Sequence[Range], unit: Unit) -> Iterator[tuple[Decimal, Decimal, Range]]:
    """[lower, upper) of each range in the order of the file."""
    lowers = [each.lower_value(unit) for each in ranges]
    yield from zip(lowers, [*lowers[1:], _HIGHEST_VALUE], ranges, strict=True)


def rows(version: ChurnVersion) -> dict[str, list[dict[str, Any]]]:
    """Table -> rows of one version."""
    common = version_values("churn", version)
    judgements = version.judgements()
    return {
        "churn": [
            {
                **common,
                "outcome_months": version.outcome.months,
                "floor_cny": version.outcome.floor,
                "kept_share": version.outcome.kept_share,
                "salary_days": version.salary_within,
                "activity_days": version.activity.days,
                "activity_before_days": version.activity.before,
                "activity_minimum": version.activity.minimum,
            }
        ],
        "churn_indicator": [
            {
                **common,
                "indicator_code": code,
                "label_zh": indicator.label_zh,
                "unit_zh": UNITS_ZH[code],
                "rule_id": indicator.rule_id,
            }
            for code, indicator in version.indicators.items()
        ],
        "churn_segment": [
            {
                **common,
                "segment_code": segment.segment_code,
                "place": place,
                "scheme_code": segment.scheme_code,
                "tier_code": tier_code,
            }
            for place, segment in enumerate(version.segments, start=1)
            for tier_code in segment.tier_codes
        ],
        "churn_range": [
            {
                **common,
                "segment_code": segment_code,
                "indicator_code": code,
                "lower_value": lower,
                "upper_value": upper,
                "level": each.level,
                "level_rank": level_rank(each.level),
                "points": each.points,
            }
            for segment_code, judgement in judgements.items()
            for code, ranges in judgement.ranges.items()
            for lower, upper, each in spans(ranges, INDICATOR_UNITS[code])
        ],
        "churn_level": [
            {
                **common,
                "segment_code": segment_code,
                "level": level,
                "level_rank": level_rank(level),
                "lower_score": judgement.levels[level],
                "upper_score": upper,
            }
            for segment_code, judgement in judgements.items()
            for level, upper in zip(
                LEVELS, [*(judgement.levels[level] for level in LEVELS[1:]), _HIGHEST_SCORE], strict=True
            )
        ],
    }
