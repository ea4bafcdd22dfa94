"""policies/obligations.yml compiled to its tables of dbt's source ``policy``: one version's rows of each."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa

from orchestration.lib.policies.obligations import ObligationsVersion
from orchestration.lib.policies.versioned import VERSION_COLUMNS, version_values

_MONEY = pa.decimal128(18, 2)
SCHEMAS: dict[str, pa.Schema] = {
    # One row per cadence and tier. Precedence 1 stands first in the file.
    "cadence": pa.schema(
        [
            *VERSION_COLUMNS,
            ("cadence_code", pa.string()),
            ("strategy_code", pa.string()),
            ("scheme_code", pa.string()),
            ("tier_code", pa.string()),
            ("kind", pa.string()),
            ("occasion_code", pa.string()),
            ("times", pa.int64()),
            ("days_before", pa.int64()),
            ("days_after", pa.int64()),
            ("lead_days", pa.int64()),
            ("sample_rate", pa.decimal128(18, 8)),
            ("sample_below", pa.string()),
            ("aum_min_cny", _MONEY),
            ("aum_max_cny", _MONEY),
            ("performer_role_code", pa.string()),
            ("rule_id", pa.string()),
            ("precedence", pa.int64()),
        ]
    ),
    "cadence_festival": pa.schema([*VERSION_COLUMNS, ("cadence_code", pa.string()), ("festival_code", pa.string())]),
    "obligation_kind": pa.schema(
        [*VERSION_COLUMNS, ("kind", pa.string()), ("label_zh", pa.string()), ("is_marketing", pa.bool_())]
    ),
    # Preference 1 is proposed first.
    "kind_channel": pa.schema(
        [
            *VERSION_COLUMNS,
            ("kind", pa.string()),
            ("channel", pa.string()),
            ("preference", pa.int64()),
            ("needs_consent", pa.bool_()),
        ]
    ),
    "kind_purpose": pa.schema([*VERSION_COLUMNS, ("kind", pa.string()), ("purpose", pa.string())]),
    "obligation": pa.schema([*VERSION_COLUMNS, ("late_contact_days", pa.int64()), ("leap_birthday", pa.string())]),
    "suppression_reason": pa.schema(
        [*VERSION_COLUMNS, ("reason_code", pa.string()), ("label_zh", pa.string()), ("rule_id", pa.string())]
    ),
}


def sample_below(rate: Decimal | None) -> str | None:
    """Who is drawn: those whose hash begins with eight hexadecimal digits below these; None draws everyone."""
    return None if rate is None or rate >= 1 else f"{int(rate * 2**32):08x}"


def rows(version: ObligationsVersion) -> dict[str, list[dict[str, Any]]]:
    """Table -> rows of one version."""
    common = version_values("obligations", version)
    cadences = [
        (each, code, cadence) for each in version.cadence_sets.values() for code, cadence in each.cadences.items()
    ]
    return {
        "cadence": [
            {
                **common,
                "cadence_code": code,
                "strategy_code": each.strategy,
                "scheme_code": each.scheme_code,
                "tier_code": tier_code,
                "kind": cadence.kind,
                "occasion_code": cadence.per,
                "times": cadence.times,
                "days_before": cadence.before,
                "days_after": cadence.after,
                "lead_days": cadence.lead,
                "sample_rate": cadence.sample_rate,
                "sample_below": sample_below(cadence.sample_rate),
                "aum_min_cny": cadence.aum_at_least,
                "aum_max_cny": cadence.aum_at_most,
                "performer_role_code": cadence.performer_role,
                "rule_id": cadence.rule_id,
                "precedence": precedence,
            }
            for precedence, (each, code, cadence) in enumerate(cadences, start=1)
            for tier_code in each.tiers
        ],
        "cadence_festival": [
            {**common, "cadence_code": code, "festival_code": festival}
            for _, code, cadence in cadences
            for festival in cadence.festivals
        ],
        "obligation_kind": [
            {**common, "kind": kind, "label_zh": said.label_zh, "is_marketing": said.is_marketing}
            for kind, said in version.kinds.items()
        ],
        "kind_channel": [
            {
                **common,
                "kind": kind,
                "channel": channel,
                "preference": preference,
                "needs_consent": channel in version.consent_channels,
            }
            for kind, said in version.kinds.items()
            for preference, channel in enumerate(said.channels, start=1)
        ],
        "kind_purpose": [
            {**common, "kind": kind, "purpose": purpose}
            for kind, said in version.kinds.items()
            for purpose in said.purposes
        ],
        "obligation": [{**common, "late_contact_days": version.late_contact, "leap_birthday": version.leap_birthday}],
        "suppression_reason": [
            {**common, "reason_code": code, "label_zh": reason.label_zh, "rule_id": reason.rule_id}
            for code, reason in version.suppressions.items()
        ],
    }
