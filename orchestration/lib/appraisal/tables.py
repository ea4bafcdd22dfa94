"""What a closed quarter holds, and what dbt is given of closed quarters and objections: columns of record."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

_TEXT, _DATE, _COUNT, _FLAG = pa.string(), pa.date32(), pa.int64(), pa.bool_()
_RATE, _SCORE, _QUANTITY = pa.decimal128(18, 8), pa.decimal128(18, 4), pa.decimal128(28, 8)
_MONEY, _TOTAL = pa.decimal128(18, 2), pa.decimal128(28, 2)

_FINALITY = [
    ("evaluation_date", _DATE),
    ("through_date", _DATE),
    ("is_final", _FLAG),
    ("policy_version", _TEXT),
    ("is_frozen", _FLAG),
]


@dataclass(frozen=True)
class FrozenMart:
    """A mart of which a closed quarter keeps the rows. ``key`` orders them in the file."""

    name: str
    key: tuple[str, ...]
    schema: pa.Schema

    @property
    def relation(self) -> str:
        return f"appraisal.{self.name}"

    @property
    def source(self) -> str:
        """Table of dbt's source ``build`` with the rows of all closed quarters."""
        return f"closed_{self.name}"

    @property
    def file(self) -> str:
        return f"{self.name}.parquet"


_FLOW = ("opening", "new", "transferred_in", "transferred_out", "lost", "closing")

FROZEN_MARTS = (
    FrozenMart(
        "scorecard",
        ("period_code", "employee_id", "measure_code"),
        pa.schema(
            [
                ("period_code", _TEXT),
                ("employee_id", _TEXT),
                ("measure_code", _TEXT),
                ("branch_id", _TEXT),
                ("role_code", _TEXT),
                ("peer_group_code", _TEXT),
                ("numerator", _QUANTITY),
                ("denominator", _QUANTITY),
                ("value_rate", _RATE),
                ("target_rate", _RATE),
                ("score", _SCORE),
                ("weight", _RATE),
                ("gate_code", _TEXT),
                ("evidence_count", _COUNT),
                ("numerator_count", _COUNT),
                ("excluded_count", _COUNT),
                ("liable_count", _COUNT),
                ("market_effect_cny", _MONEY),
                *_FINALITY,
            ]
        ),
    ),
    FrozenMart(
        "scorecard_total",
        ("period_code", "employee_id"),
        pa.schema(
            [
                ("period_code", _TEXT),
                ("employee_id", _TEXT),
                ("branch_id", _TEXT),
                ("role_code", _TEXT),
                ("peer_group_code", _TEXT),
                ("cohort_count", _COUNT),
                ("total_score", _SCORE),
                ("rank_in_peer_group", _COUNT),
                ("gate_code", _TEXT),
                ("complaint_count", _COUNT),
                ("cadence_rate", _RATE),
                ("archive_rate", _RATE),
                ("conduct_count", _COUNT),
                ("liable_count", _COUNT),
                ("revenue_credit_cny", _MONEY),
                ("carried_adjustment", _SCORE),
                ("total_with_adjustment", _SCORE),
                *_FINALITY,
            ]
        ),
    ),
    FrozenMart(
        "branch_scorecard",
        ("period_code", "branch_id", "measure_code"),
        pa.schema(
            [
                ("period_code", _TEXT),
                ("branch_id", _TEXT),
                ("measure_code", _TEXT),
                ("branch_level", _TEXT),
                ("numerator", _QUANTITY),
                ("denominator", _QUANTITY),
                ("value_rate", _RATE),
                ("target_rate", _RATE),
                ("score", _SCORE),
                ("weight", _RATE),
                ("mid_high_growth_count", _COUNT),
                *_FINALITY,
            ]
        ),
    ),
    FrozenMart(
        "scorecard_evidence",
        ("period_code", "employee_id", "measure_code", "customer_id"),
        pa.schema(
            [
                ("period_code", _TEXT),
                ("employee_id", _TEXT),
                ("measure_code", _TEXT),
                ("customer_id", _TEXT),
                ("branch_id", _TEXT),
                ("cohort_role", _TEXT),
                ("is_opening", _FLAG),
                ("is_longest_holder", _FLAG),
                ("held_days", _COUNT),
                ("day_count", _COUNT),
                ("weight", _RATE),
                ("is_numerator", _FLAG),
                ("value_cny", _MONEY),
                ("base_cny", _MONEY),
                ("price_effect_cny", _MONEY),
                ("exclusion_reason", _TEXT),
                ("cause_code", _TEXT),
                ("is_liable", _FLAG),
                ("objection_action", _TEXT),
                *_FINALITY,
            ]
        ),
    ),
    FrozenMart(
        "integrity_flag",
        ("period_code", "flag_id"),
        pa.schema(
            [
                ("flag_id", _TEXT),
                ("period_code", _TEXT),
                ("employee_id", _TEXT),
                ("customer_id", _TEXT),
                ("flag_kind", _TEXT),
                ("value", _QUANTITY),
                ("evidence_zh", _TEXT),
                *_FINALITY,
            ]
        ),
    ),
    FrozenMart(
        "book_flow",
        ("period_code", "subject_kind", "subject_id"),
        pa.schema(
            [
                ("period_code", _TEXT),
                ("subject_kind", _TEXT),
                ("subject_id", _TEXT),
                ("as_of_date", _DATE),
                ("through_date", _DATE),
                ("is_final", _FLAG),
                *[(f"{name}_count", _COUNT) for name in _FLOW],
                *[(f"{name}_aum_cny", _MONEY) for name in _FLOW],
                ("change_aum_cny", _MONEY),
                ("is_frozen", _FLAG),
            ]
        ),
    ),
    FrozenMart(
        "cohort",
        ("period_code", "customer_id"),
        pa.schema(
            [
                ("period_code", _TEXT),
                ("customer_id", _TEXT),
                ("cohort_date", _DATE),
                ("tier_code", _TEXT),
                ("tier_rank", _COUNT),
                ("tier_policy_version", _TEXT),
                ("employee_id", _TEXT),
                ("branch_id", _TEXT),
                ("queue_reason_code", _TEXT),
            ]
        ),
    ),
)
# The cohort is a decision: it is in the warehouse and never computed again.
GIVEN_BACK = tuple(mart for mart in FROZEN_MARTS if mart.name != "cohort")

CLOSED_QUARTER = pa.schema(
    [
        ("period_code", _TEXT),
        ("start_date", _DATE),
        ("end_date", _DATE),
        ("evaluation_date", _DATE),
        ("closed_as_of", _DATE),
        ("version", _COUNT),
        ("content_hash", _TEXT),
    ]
)
OBJECTION = pa.schema(
    [
        ("period_code", _TEXT),
        ("employee_id", _TEXT),
        ("measure_code", _TEXT),
        ("customer_id", _TEXT),
        ("action", _TEXT),
        ("reason", _TEXT),
    ]
)
CONDUCT_FINDING = pa.schema(
    [("period_code", _TEXT), ("employee_id", _TEXT), ("finding_date", _DATE), ("reason", _TEXT)]
)
RESTATEMENT = pa.schema(
    [
        ("restatement_id", _TEXT),
        ("as_of_date", _DATE),
        ("period_code", _TEXT),
        ("employee_id", _TEXT),
        ("measure_code", _TEXT),
        ("old_value", _RATE),
        ("new_value", _RATE),
        ("old_score", _SCORE),
        ("new_score", _SCORE),
        ("delta_score", _SCORE),
        ("cause_batch_id", _TEXT),
        ("from_version", _COUNT),
    ]
)
