"""Policies compiled to the tables of dbt's source ``policy``, and to the structure that the build plan carries.

Every scheme compiles to one thing: a value per customer and intervals of it. ``bands``: the value is the measure.
``scorecard``: the sum of the points of its factors' bins. ``matrix``: the number of the cell, as each bin of an
axis adds its place value. Bounds are half open: measures are whole hundredths, so an end that is exclusive below
or inclusive above becomes the next hundredth. Numbers go into the tables; the plan names columns and versions only.
"""

from __future__ import annotations

import itertools
import os
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.lib import fault
from orchestration.lib.policies import (
    compile_actions,
    compile_appraisal,
    compile_churn,
    compile_events,
    compile_obligations,
    compile_offers,
    compile_service,
)
from orchestration.lib.policies.compile_books import BOOK_SCHEMAS, book_rows
from orchestration.lib.policies.load import PolicySet, version_at
from orchestration.lib.policies.model import CODE_LISTS, EntryDoor, Factor, MeasureRules, Owner, Scheme, SchemeVersion
from orchestration.lib.policies.units import CENT, HIGHEST, LOWEST, parse_money

BEFORE_TABLE = fault.declare("policies.before_table", "a compiled table is written beside the one of before")

NONE_TIER = "none"
# An absent measure is compared as this value: below every bin but the one that takes it.
MISSING = LOWEST
MISSING_END = MISSING + CENT

_NUMBER = pa.decimal128(18, 2)
_VERSION = [
    ("scheme_code", pa.string()),
    ("policy_version", pa.string()),
    ("effective_from", pa.date32()),
    ("effective_to", pa.date32()),
]
_DATES = _VERSION[2:]
_SCHEMAS = {
    "scheme": pa.schema(
        [
            *_VERSION,
            ("is_primary", pa.bool_()),
            ("measure_code", pa.string()),
            ("asset_door_rule_id", pa.string()),
            ("near_threshold_rate", pa.decimal128(18, 8)),
        ]
    ),
    # Rank 0 is `none`; the rank of a tier is its place in the file, after the tier of entry doors if there is one.
    "tier": pa.schema(
        [
            *_VERSION,
            ("tier_code", pa.string()),
            ("tier_rank", pa.int64()),
            ("label_zh", pa.string()),
            ("rule_id", pa.string()),
            ("is_door_tier", pa.bool_()),
            ("downgrade_after_months", pa.int64()),
            ("primary_role_code", pa.string()),
            ("age_max", pa.int64()),
            ("fallback_role_code", pa.string()),
            ("is_primary_queue", pa.bool_()),
            ("is_fallback_queue", pa.bool_()),
        ]
    ),
    # Who works with the owner of a tier's customers, each in a specialist's slot (G24).
    "tier_team": pa.schema(
        [*_VERSION, ("tier_code", pa.string()), ("slot_no", pa.int64()), ("role_code", pa.string())]
    ),
    # Intervals of the value, one or more per tier, that cover the number line without overlap.
    "tier_band": pa.schema(
        [
            *_VERSION,
            ("tier_code", pa.string()),
            ("tier_rank", pa.int64()),
            ("lower_value", _NUMBER),
            ("upper_value", _NUMBER),
        ]
    ),
    "household_band": pa.schema(
        [
            *_VERSION,
            ("tier_code", pa.string()),
            ("tier_rank", pa.int64()),
            ("lower_value", _NUMBER),
            ("upper_value", _NUMBER),
            ("rule_id", pa.string()),
            ("minimum_members", pa.int64()),
        ]
    ),
    "factor_bin": pa.schema(
        [
            *_VERSION,
            ("factor_code", pa.string()),
            ("bin_code", pa.string()),
            ("lower_value", _NUMBER),
            ("upper_value", _NUMBER),
            ("points", _NUMBER),
        ]
    ),
    # Bins made out of the population: bin_no counts from the lowest value; cut_rate is where it starts.
    "population_bin": pa.schema(
        [
            *_VERSION,
            ("factor_code", pa.string()),
            ("statistic", pa.string()),
            ("bin_no", pa.int64()),
            ("bin_count", pa.int64()),
            ("cut_rate", pa.decimal128(18, 8)),
            ("bin_code", pa.string()),
            ("points", _NUMBER),
        ]
    ),
    "entry_door": pa.schema(
        [*_VERSION, ("rule_id", pa.string()), ("measure_code", pa.string()), ("threshold", _NUMBER)]
    ),
    "veto": pa.schema([*_VERSION, ("veto_scheme_code", pa.string()), ("veto_tier_code", pa.string())]),
    "code_rank": pa.schema([*_DATES, ("measure_code", pa.string()), ("code", pa.string()), ("code_rank", pa.int64())]),
    "card_spend_kind": pa.schema([*_DATES, ("transaction_kind", pa.string())]),
    "asset_weight": pa.schema(
        [
            ("asset_set", pa.string()),
            ("policy_version", pa.string()),
            *_DATES,
            ("product_family", pa.string()),
            ("product_code", pa.string()),
            ("coefficient", pa.decimal128(18, 8)),
        ]
    ),
    "role": pa.schema(
        [
            ("role_code", pa.string()),
            ("label_zh", pa.string()),
            ("needs_nda", pa.bool_()),
            ("default_capacity", pa.int64()),
        ]
    ),
    **BOOK_SCHEMAS,
    **compile_actions.SCHEMAS,
    **compile_appraisal.SCHEMAS,
    **compile_churn.SCHEMAS,
    **compile_events.SCHEMAS,
    **compile_obligations.SCHEMAS,
    **compile_offers.SCHEMAS,
    **compile_service.SCHEMAS,
}


def policy_table_names() -> list[str]:
    """Names of the compiled tables: dbt's source ``policy``."""
    return list(_SCHEMAS)


def door_threshold(door: EntryDoor, measures: MeasureRules, day: date) -> Decimal:
    """The number a door's measure must reach: yuan, or the rank of a code (1 = lowest). Raises ValueError."""
    if door.measure not in CODE_LISTS:
        return parse_money(door.at_least)
    return code_rank(measures, door.measure, door.at_least, day)


def code_rank(measures: MeasureRules, quantity: str, code: str, day: date) -> Decimal:
    """Rank of a code in the ordered list of its quantity (1 = lowest). Raises ValueError for an unknown code."""
    version = version_at(measures.versions, day)
    known = version.codes.get(CODE_LISTS[quantity], ()) if version else ()
    if code not in known:
        raise ValueError(f"unknown code {code!r} of {quantity}; known: {', '.join(known)}")
    return Decimal(known.index(code) + 1)


def tier_ranks(version: SchemeVersion) -> dict[str, int]:
    """Rank of every tier of a version, ``none`` (0) and the tier of entry doors included."""
    codes = [NONE_TIER, *([version.door_tier.tier_code] if version.door_tier else [])]
    return {code: rank for rank, code in enumerate([*codes, *(t.tier_code for t in version.tiers)])}


def factor_places(version: SchemeVersion) -> dict[str, int]:
    """Place value of each axis of a matrix: cell number = sum of bin number x place value."""
    places, place = {}, 1
    for factor in version.factors:
        places[factor.factor_code] = place
        place *= factor.group_count
    return places


def bin_points(kind: str, version: SchemeVersion, factor: Factor) -> list[Decimal]:
    """What each bin adds to the value, in ascending order of the measure."""
    if kind == "matrix":
        return [Decimal(number * factor_places(version)[factor.factor_code]) for number in range(factor.group_count)]
    points = [b.points for b in factor.bins] or [Decimal(code) for code in factor.bin_codes]
    return [factor.weight * p for p in points]


def bin_interval(factor: Factor, number: int, measures: MeasureRules, day: date) -> tuple[Decimal, Decimal]:
    """[lower, upper) of a written bin in the unit of its measure. Codes must follow on one another in their list."""
    chosen = factor.bins[number]
    if chosen.codes:
        ranks = [code_rank(measures, factor.measure.quantity, code, day) for code in chosen.codes]
        return min(ranks), max(ranks) + 1
    return chosen.interval.lower_value(factor.measure.unit), chosen.interval.upper_value(factor.measure.unit)


def cell_tiers(version: SchemeVersion) -> dict[int, list[str]]:
    """Tier codes that claim each cell of a matrix (exactly one, or the linter objects)."""
    places = factor_places(version)
    claims: dict[int, list[str]] = {}
    axes = [[(f.factor_code, n, code) for n, code in enumerate(f.bin_codes)] for f in version.factors]
    for combination in itertools.product(*axes):
        number = sum(n * places[axis] for axis, n, _ in combination)
        claims[number] = [
            cell.tier_code
            for cell in version.cells
            if all(code in cell.when.get(axis, (code,)) for axis, _, code in combination)
        ]
    return claims


def value_bands(kind: str, version: SchemeVersion) -> list[tuple[str, Decimal, Decimal]]:
    """(tier_code, lower, upper) of the value, ascending; ``none`` is what lies below the lowest tier."""
    if kind == "matrix":
        return [
            (codes[0], Decimal(number), Decimal(number + 1)) for number, codes in sorted(cell_tiers(version).items())
        ]
    unit = version.value_unit
    bands = [(t.tier_code, t.interval.lower_value(unit), t.interval.upper_value(unit)) for t in version.tiers]
    floor = bands[0][1]
    return bands if floor == LOWEST else [(NONE_TIER, LOWEST, floor), *bands]


def _household_bands(version: SchemeVersion) -> list[tuple[str, str, Decimal, Decimal]]:
    """(tier_code, rule_id, lower, upper) of the household's measure, ascending."""
    reached = [
        (tier, tier.household_lower.number(version.value_unit)) for tier in version.tiers if tier.household_lower
    ]
    uppers = [*(cut for _, cut in reached[1:]), HIGHEST]
    return [
        (tier.tier_code, (tier.household_rule or tier).rule_id, cut, upper)
        for (tier, cut), upper in zip(reached, uppers, strict=True)
    ]


def _version_rows(
    scheme: Scheme, version: SchemeVersion, measures: MeasureRules, rows: dict[str, list[dict[str, Any]]]
) -> None:
    day = version.effective_from
    common = {
        "scheme_code": scheme.scheme_code,
        "policy_version": f"{scheme.scheme_code}@{version.version}",
        "effective_from": day,
        "effective_to": version.effective_to,
    }
    ranks = tier_ranks(version)
    rows["scheme"].append(
        {
            **common,
            "is_primary": scheme.is_primary,
            "measure_code": version_measure_code(scheme, version),
            "asset_door_rule_id": version.asset_door.rule_id if version.asset_door else None,
            "near_threshold_rate": version.near_threshold_rate,
        }
    )
    none_rule = version.asset_door.rule_id if version.asset_door else version.tiers[0].rule_id
    listed: list[tuple[str, str, str | None, Owner | None, int]] = [
        (NONE_TIER, version.not_tiered_label_zh, none_rule, None, 0)
    ]
    if version.door_tier:
        listed.append((version.door_tier.tier_code, version.door_tier.label_zh, None, version.door_tier.owner, 0))
    listed += [(t.tier_code, t.label_zh, t.rule_id, t.owner, t.downgrade_after_months) for t in version.tiers]
    for code, label_zh, rule_id, owner, grace in listed:
        rows["tier"].append(
            {
                **common,
                "tier_code": code,
                "tier_rank": ranks[code],
                "label_zh": label_zh,
                "rule_id": rule_id,
                "is_door_tier": version.door_tier is not None and code == version.door_tier.tier_code,
                "downgrade_after_months": grace,
                "primary_role_code": owner.primary_role if owner else None,
                "age_max": owner.age_max if owner else None,
                "fallback_role_code": owner.fallback_role if owner else None,
                "is_primary_queue": owner is not None and owner.primary_as == "queue",
                "is_fallback_queue": owner is not None and owner.fallback_as == "queue",
            }
        )
        for slot_no, role in enumerate(owner.team_roles if owner else (), start=1):
            rows["tier_team"].append({**common, "tier_code": code, "slot_no": slot_no, "role_code": role})
    for code, lower, upper in value_bands(scheme.kind, version):
        rows["tier_band"].append(
            {**common, "tier_code": code, "tier_rank": ranks[code], "lower_value": lower, "upper_value": upper}
        )
    if version.household:
        for code, rule_id, lower, upper in _household_bands(version):
            rows["household_band"].append(
                {
                    **common,
                    "tier_code": code,
                    "tier_rank": ranks[code],
                    "lower_value": lower,
                    "upper_value": upper,
                    "rule_id": rule_id,
                    "minimum_members": version.household.minimum_members,
                }
            )
    for factor in version.factors:
        points = bin_points(scheme.kind, version, factor)
        named = {**common, "factor_code": factor.factor_code}
        for number, each in enumerate(factor.bins):
            lower, upper = bin_interval(factor, number, measures, day)
            entry = {**named, "bin_code": each.bin_code, "points": points[number]}
            rows["factor_bin"].append({**entry, "lower_value": max(lower, MISSING_END), "upper_value": upper})
            if each.takes_missing:
                rows["factor_bin"].append({**entry, "lower_value": MISSING, "upper_value": MISSING_END})
        if not factor.bins:
            rates = (
                [Decimal(n) / factor.quantile_groups for n in range(factor.quantile_groups)]
                if factor.quantile_groups
                else [Decimal(1), *reversed(factor.share_cuts)]
            )
            for number, code in enumerate(factor.bin_codes):
                rows["population_bin"].append(
                    {
                        **named,
                        "statistic": "quantile" if factor.quantile_groups else "share",
                        "bin_no": number,
                        "bin_count": factor.group_count,
                        "cut_rate": rates[number].quantize(Decimal("1e-8")),
                        "bin_code": code,
                        "points": points[number],
                    }
                )
    for door in version.entry_doors:
        rows["entry_door"].append(
            {
                **common,
                "rule_id": door.rule_id,
                "measure_code": door.measure,
                "threshold": door_threshold(door, measures, day),
            }
        )
    if version.veto:
        for code in version.veto.tier_codes:
            rows["veto"].append({**common, "veto_scheme_code": version.veto.scheme_code, "veto_tier_code": code})


def version_measure_code(scheme: Scheme, version: SchemeVersion) -> str:
    """Name of what the tiers of a version are intervals of, as published."""
    return version.measure.code if version.measure else {"scorecard": "points", "matrix": "cell"}[scheme.kind]


def policy_rows(policies: PolicySet) -> dict[str, list[dict[str, Any]]]:
    """The compiled tables as rows, of every enabled scheme and version."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _SCHEMAS}
    for scheme in policies.schemes:
        if scheme.is_enabled:
            for version in scheme.versions:
                _version_rows(scheme, version, policies.measures, rows)
    for rules in policies.measures.versions:
        dates = {"effective_from": rules.effective_from, "effective_to": rules.effective_to}
        for quantity, list_name in CODE_LISTS.items():
            for rank, code in enumerate(rules.codes.get(list_name, ()), start=1):
                rows["code_rank"].append({**dates, "measure_code": quantity, "code": code, "code_rank": rank})
        rows["card_spend_kind"] += [{**dates, "transaction_kind": kind} for kind in rules.card_spend_kinds]
    for classes in policies.asset_classes.versions:
        for name, asset_set in classes.asset_sets.items():
            common = {
                "asset_set": name,
                "policy_version": classes.version,
                "effective_from": classes.effective_from,
                "effective_to": classes.effective_to,
            }
            for column, other, weights in (
                ("product_family", "product_code", asset_set.families),
                ("product_code", "product_family", asset_set.products),
            ):
                for code, weight in weights.items():
                    entry = {**common, column: code, other: None, "coefficient": weight.coefficient}
                    rows["asset_weight"].append(entry)
    rows["role"] = [
        {
            "role_code": code,
            "label_zh": role.label_zh,
            "needs_nda": role.needs_nda,
            "default_capacity": role.default_capacity,
        }
        for code, role in policies.roles.roles.items()
    ]
    for book in policies.books.versions:
        for name, found in book_rows(book).items():
            rows[name] += found
    for tables in (
        *map(compile_actions.rows, policies.actions.versions),
        *map(compile_appraisal.rows, policies.appraisal.versions),
        *map(compile_churn.rows, policies.churn.versions),
        *map(compile_events.rows, policies.events.versions),
        *map(compile_obligations.rows, policies.obligations.versions),
        *map(compile_offers.rows, policies.offers.versions),
        *map(compile_service.rows, policies.service.versions),
    ):
        for name, found in tables.items():
            rows[name] += found
    return rows


def compile_policies(policies: PolicySet, folder: Path) -> dict[str, Path]:
    """Write the compiled tables as Parquet under ``folder``/<policy_hash>/; returns table -> file."""
    target = folder / policies.policy_hash
    target.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, rows in policy_rows(policies).items():
        files[name] = target / f"{name}.parquet"
        stream = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMAS[name]), stream)
        content = stream.getvalue().to_pybytes()
        if files[name].exists() and files[name].read_bytes() == content:
            continue
        # The rules of the published version are read until the next build: a table is the old or the new one. It is
        # not flushed, since the next compilation sees by the content what a power cut has left of it.
        temporary = target / f".{name}.tmp"
        temporary.write_bytes(content)
        fault.point(BEFORE_TABLE)
        os.replace(temporary, files[name])
    return files


def scheme_structures(policies: PolicySet, day: date) -> list[dict[str, Any]]:
    """What the models must know of the customer schemes in force on a day: columns and versions, no threshold."""
    structures = []
    for scheme in policies.schemes:
        version = version_at(scheme.versions, day)
        if not scheme.is_enabled or version is None or scheme.subject != "customer":
            continue
        measure = version.measure
        structures.append(
            {
                "scheme_code": scheme.scheme_code,
                "policy_version": f"{scheme.scheme_code}@{version.version}",
                "kind": scheme.kind,
                "is_primary": scheme.is_primary,
                "is_explained": scheme.is_primary or scheme.explain == "mart",
                "measure_code": version_measure_code(scheme, version),
                "measure": measure.model_dump() if measure else None,
                "factors": [
                    {
                        "factor_code": f.factor_code,
                        "label_zh": f.label_zh,
                        "measure": f.measure.model_dump(),
                        "is_population": not f.bins,
                    }
                    for f in version.factors
                ],
                "household": version.household.statistic if version.household else None,
                "has_grace": any(t.downgrade_after_months for t in version.tiers),
                "downgrade_level": version.downgrade_level,
                "best_tier_of_months": version.best_tier_of_months,
                "veto": version.veto.scheme_code if version.veto else None,
                "has_doors": bool(version.entry_doors),
            }
        )
    return structures
