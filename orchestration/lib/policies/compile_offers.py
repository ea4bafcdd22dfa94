"""policies/offers.yml compiled to its tables of dbt's source ``policy``: one version's rows of each."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from orchestration.lib.policies.offers import OffersVersion
from orchestration.lib.policies.versioned import VERSION_COLUMNS, version_values

_RATE = pa.decimal128(18, 8)
SCHEMAS: dict[str, pa.Schema] = {
    "offer": pa.schema(
        [
            *VERSION_COLUMNS,
            ("most_offers", pa.int64()),
            ("maturity_days", pa.int64()),
            ("minimum_support", _RATE),
            ("minimum_confidence", _RATE),
            ("minimum_lift", _RATE),
            ("senior_age", pa.int64()),
            ("senior_highest", pa.string()),
            ("unknown_appetite", pa.string()),
            ("suitability_rule_id", pa.string()),
        ]
    ),
    # Preference 1 holds before the others.
    "offer_kind": pa.schema(
        [
            *VERSION_COLUMNS,
            ("offer_kind", pa.string()),
            ("preference", pa.int64()),
            ("label_zh", pa.string()),
            ("rule_id", pa.string()),
        ]
    ),
    "offer_family": pa.schema([*VERSION_COLUMNS, ("product_family", pa.string()), ("label_zh", pa.string())]),
    "offer_appetite": pa.schema([*VERSION_COLUMNS, ("risk_appetite", pa.string()), ("highest_risk", pa.string())]),
    "offer_reason": pa.schema([*VERSION_COLUMNS, ("reason_code", pa.string()), ("label_zh", pa.string())]),
}


def rows(version: OffersVersion) -> dict[str, list[dict[str, Any]]]:
    """Table -> rows of one version."""
    common = version_values("offers", version)
    suitability = version.suitability
    return {
        "offer": [
            {
                **common,
                "most_offers": version.most_offers,
                "maturity_days": version.maturity,
                "minimum_support": version.minimum_support,
                "minimum_confidence": version.minimum_confidence,
                "minimum_lift": version.minimum_lift,
                "senior_age": suitability.senior_age,
                "senior_highest": suitability.senior_highest,
                "unknown_appetite": suitability.unknown_appetite,
                "suitability_rule_id": suitability.rule_id,
            }
        ],
        "offer_kind": [
            {**common, "offer_kind": code, "preference": n, "label_zh": kind.label_zh, "rule_id": kind.rule_id}
            for n, (code, kind) in enumerate(version.kinds.items(), start=1)
        ],
        "offer_family": [
            {**common, "product_family": family, "label_zh": label} for family, label in version.families.items()
        ],
        "offer_appetite": [
            {**common, "risk_appetite": appetite, "highest_risk": level}
            for appetite, level in suitability.appetites.items()
        ],
        "offer_reason": [
            {**common, "reason_code": code, "label_zh": reason.label_zh} for code, reason in suitability.reasons.items()
        ],
    }
