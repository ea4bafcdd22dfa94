"""Policies: a bank's rules as reviewed YAML, compiled to the dated tables that dbt joins.

Units are as people write them (``5万``) and are normalised once, here. Measures are whole fen, so a cut
that is exclusive below or inclusive above becomes the next fen: compiled bounds are half open.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from orchestration.lib.home import POLICIES_DIR

FEN = Decimal("0.01")
OPEN_END = date(9999, 12, 31)
LOWEST_CNY = Decimal("-9999999999999999.99")
HIGHEST_CNY = Decimal("9999999999999999.99")
_UNITS = {"": 1, "元": 1, "千": 1_000, "万": 10_000, "亿": 100_000_000}


class PolicyError(ValueError):
    """A policy file that cannot be used; the message names file, place, found value and the mend."""


def parse_money(value: Any) -> Decimal:
    """Yuan from a number or a text such as ``20万`` or ``2,000,000元``. Raises ValueError."""
    match = re.fullmatch(r"(-?[\d,]+(?:\.\d+)?)\s*([千万亿元]?)元?", str(value).strip())
    if match is None:
        raise ValueError(f"expected an amount such as 50000 or 5万, found {value!r}")
    amount = Decimal(match[1].replace(",", "")) * _UNITS[match[2]]
    if amount != amount.quantize(FEN):
        raise ValueError(f"expected an amount in whole fen, found {value!r}")
    return amount.quantize(FEN)


Money = Annotated[Decimal, BeforeValidator(parse_money)]
MeasureCode = Literal["aum_cny", "aum_month_avg_cny", "aum_quarter_avg_cny", "aum_year_avg_cny"]
DoorMeasureCode = Literal["card_spend_365d_cny", "loan_balance_cny", "custody_margin_cny", "highest_card_grade_rank"]


T = TypeVar("T", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bound(_Strict):
    value: Money
    inclusive: bool


class Rule(_Strict):
    rule_id: str
    quote: str
    source_line: int


class Band(Rule):
    """One tier of a banded scheme; without ``upper`` it is open above."""

    tier_code: str
    label_zh: str
    label_en: str
    lower: Bound
    upper: Bound | None = None
    downgrade_after_months: int = 0

    @property
    def lower_bound_cny(self) -> Decimal:
        return self.lower.value if self.lower.inclusive else self.lower.value + FEN

    @property
    def upper_bound_cny(self) -> Decimal:
        if self.upper is None:
            return HIGHEST_CNY
        return self.upper.value + FEN if self.upper.inclusive else self.upper.value


class EntryDoor(Rule):
    measure: DoorMeasureCode
    at_least: str


class DoorTier(_Strict):
    tier_code: str
    label_zh: str
    label_en: str


class SchemeVersion(_Strict):
    version: str
    effective_from: date
    effective_to: date = OPEN_END
    measure: MeasureCode
    asset_door: Rule
    bands: tuple[Band, ...]
    door_tier: DoorTier
    entry_doors: tuple[EntryDoor, ...]
    card_grades: tuple[str, ...]
    card_spend_kinds: tuple[str, ...]

    @model_validator(mode="after")
    def _bands_follow_on_one_another(self) -> SchemeVersion:
        if self.effective_from.day != 1:
            raise ValueError(f"effective_from must be the first day of a month, found {self.effective_from}")
        for lower, upper in zip(self.bands, self.bands[1:], strict=False):
            if lower.upper_bound_cny != upper.lower_bound_cny:
                kind = "overlap" if lower.upper_bound_cny > upper.lower_bound_cny else "leave a gap"
                raise ValueError(
                    f"bands {lower.rule_id} and {upper.rule_id} {kind}: {lower.tier_code} ends before "
                    f"{lower.upper_bound_cny}, {upper.tier_code} starts at {upper.lower_bound_cny}"
                )
        if self.bands[-1].upper is not None:
            raise ValueError(f"the highest band {self.bands[-1].rule_id} must have no upper end")
        for door in self.entry_doors:
            self.door_threshold(door)
        return self

    def door_threshold(self, door: EntryDoor) -> Decimal:
        """The number a door's measure must reach: yuan, or the rank of a card grade (1 = lowest)."""
        if door.measure != "highest_card_grade_rank":
            return parse_money(door.at_least)
        if door.at_least not in self.card_grades:
            raise ValueError(f"{door.rule_id}: unknown card grade {door.at_least!r}, known: {self.card_grades}")
        return Decimal(self.card_grades.index(door.at_least) + 1)

    @property
    def window(self) -> str | None:
        """The averaging window of the measure: month, quarter, year, or None for a point in time."""
        match = re.fullmatch(r"aum_(month|quarter|year)_avg_cny", self.measure)
        return match[1] if match else None


class Scheme(_Strict):
    scheme_code: str
    label_zh: str
    label_en: str
    is_primary: bool
    source_file: str
    versions: tuple[SchemeVersion, ...]


class Weight(_Strict):
    coefficient: Decimal
    label_zh: str = ""


class AssetClassVersion(_Strict):
    version: str
    effective_from: date
    effective_to: date = OPEN_END
    families: dict[str, Weight]
    products: dict[str, Weight] = {}


class AssetClasses(_Strict):
    versions: tuple[AssetClassVersion, ...]


@dataclass(frozen=True)
class PolicySet:
    """All policies of a deployment."""

    schemes: tuple[Scheme, ...]
    asset_classes: AssetClasses

    def holders(self) -> list[tuple[str, AssetClasses | Scheme]]:
        """Name and policy of everything that has dated versions."""
        return [("asset_classes", self.asset_classes), *((s.scheme_code, s) for s in self.schemes)]

    def version_hashes(self) -> dict[str, dict[str, str]]:
        """Per version: its first day and the hash of its content. A change of either restates from there."""
        versions: dict[str, dict[str, str]] = {}
        for name, holder in self.holders():
            for version in holder.versions:
                text = json.dumps(version.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
                versions[f"{name}@{version.version}"] = {
                    "effective_from": version.effective_from.isoformat(),
                    "sha256": hashlib.sha256(text.encode()).hexdigest(),
                }
        return versions

    @property
    def policy_hash(self) -> str:
        text = json.dumps(self.version_hashes(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def primary(self) -> Scheme:
        return next(s for s in self.schemes if s.is_primary)

    def version_at(self, scheme: Scheme, day: date) -> SchemeVersion | None:
        for version in scheme.versions:
            if version.effective_from <= day < version.effective_to:
                return version
        return None


def _read(path: Path, model: type[T]) -> T:
    try:
        return model.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise PolicyError(f"{path.name}: {error}") from error


def load_policies(directory: Path = POLICIES_DIR) -> PolicySet:
    """Read and validate every policy file. Raises PolicyError naming file and place."""
    asset_classes = _read(directory / "asset_classes.yml", AssetClasses)
    paths = [p for p in sorted(directory.glob("*.yml")) if p.name != "asset_classes.yml"]
    schemes = tuple(_read(path, Scheme) for path in paths)
    if sum(s.is_primary for s in schemes) != 1:
        raise PolicyError(f"{directory.name}: exactly one scheme must say is_primary: true")
    policies = PolicySet(schemes, asset_classes)
    for name, holder in policies.holders():
        versions: list[SchemeVersion | AssetClassVersion] = sorted(holder.versions, key=lambda v: v.effective_from)
        for earlier, later in itertools.pairwise(versions):
            if earlier.effective_to != later.effective_from:
                raise PolicyError(
                    f"{name}: version {earlier.version} ends {earlier.effective_to}, version {later.version} "
                    f"starts {later.effective_from}; set effective_to of the first to the start of the second"
                )
    return policies


_DATES = [("effective_from", pa.date32()), ("effective_to", pa.date32())]
_SCHEMAS = {
    "scheme": pa.schema(
        [
            ("scheme_code", pa.string()),
            ("policy_version", pa.string()),
            *_DATES,
            ("is_primary", pa.bool_()),
            ("measure_code", pa.string()),
            ("asset_door_rule_id", pa.string()),
        ]
    ),
    "tier_band": pa.schema(
        [
            ("scheme_code", pa.string()),
            ("policy_version", pa.string()),
            *_DATES,
            ("measure_code", pa.string()),
            ("tier_code", pa.string()),
            ("tier_rank", pa.int64()),
            ("label_zh", pa.string()),
            ("lower_bound_cny", pa.decimal128(18, 2)),
            ("upper_bound_cny", pa.decimal128(18, 2)),
            ("downgrade_after_months", pa.int64()),
            ("rule_id", pa.string()),
        ]
    ),
    "door_tier": pa.schema(
        [
            ("scheme_code", pa.string()),
            *_DATES,
            ("tier_code", pa.string()),
            ("tier_rank", pa.int64()),
            ("label_zh", pa.string()),
        ]
    ),
    "entry_door": pa.schema(
        [
            ("scheme_code", pa.string()),
            *_DATES,
            ("rule_id", pa.string()),
            ("measure_code", pa.string()),
            ("threshold", pa.decimal128(18, 2)),
        ]
    ),
    "card_grade": pa.schema([*_DATES, ("card_grade", pa.string()), ("grade_rank", pa.int64())]),
    "card_spend_kind": pa.schema([*_DATES, ("transaction_kind", pa.string())]),
    "asset_weight": pa.schema(
        [
            ("policy_version", pa.string()),
            *_DATES,
            ("product_family", pa.string()),
            ("product_code", pa.string()),
            ("coefficient", pa.decimal128(18, 8)),
        ]
    ),
}


def policy_table_names() -> list[str]:
    """Names of the compiled tables: dbt's source ``policy``."""
    return list(_SCHEMAS)


def policy_rows(policies: PolicySet) -> dict[str, list[dict[str, Any]]]:
    """The compiled tables as rows. Rank 0 is ``none``, rank 1 the tier of entry doors, bands follow."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _SCHEMAS}
    for scheme in policies.schemes:
        for version in scheme.versions:
            dates = {"effective_from": version.effective_from, "effective_to": version.effective_to}
            label = f"{scheme.scheme_code}@{version.version}"
            common = {"scheme_code": scheme.scheme_code, **dates}
            rows["scheme"].append(
                {
                    **common,
                    "policy_version": label,
                    "is_primary": scheme.is_primary,
                    "measure_code": version.measure,
                    "asset_door_rule_id": version.asset_door.rule_id,
                }
            )
            band = {**common, "policy_version": label, "measure_code": version.measure}
            rows["tier_band"].append(
                {
                    **band,
                    "tier_code": "none",
                    "tier_rank": 0,
                    "label_zh": "未入围",
                    "lower_bound_cny": LOWEST_CNY,
                    "upper_bound_cny": version.bands[0].lower_bound_cny,
                    "downgrade_after_months": 0,
                    "rule_id": version.asset_door.rule_id,
                }
            )
            for number, tier in enumerate(version.bands):
                rows["tier_band"].append(
                    {
                        **band,
                        "tier_code": tier.tier_code,
                        "tier_rank": number + 2,
                        "label_zh": tier.label_zh,
                        "lower_bound_cny": tier.lower_bound_cny,
                        "upper_bound_cny": tier.upper_bound_cny,
                        "downgrade_after_months": tier.downgrade_after_months,
                        "rule_id": tier.rule_id,
                    }
                )
            door_tier = version.door_tier
            rows["door_tier"].append(
                {
                    **common,
                    "tier_code": door_tier.tier_code,
                    "tier_rank": 1,
                    "label_zh": door_tier.label_zh,
                }
            )
            for door in version.entry_doors:
                rows["entry_door"].append(
                    {
                        **common,
                        "rule_id": door.rule_id,
                        "measure_code": door.measure,
                        "threshold": version.door_threshold(door),
                    }
                )
            if scheme.is_primary:
                for rank, grade in enumerate(version.card_grades, start=1):
                    rows["card_grade"].append({**dates, "card_grade": grade, "grade_rank": rank})
                for kind in version.card_spend_kinds:
                    rows["card_spend_kind"].append({**dates, "transaction_kind": kind})
    for weights in policies.asset_classes.versions:
        dates = {"effective_from": weights.effective_from, "effective_to": weights.effective_to}
        common = {"policy_version": weights.version, **dates}
        for family, weight in weights.families.items():
            rows["asset_weight"].append(
                {
                    **common,
                    "product_family": family,
                    "product_code": None,
                    "coefficient": weight.coefficient,
                }
            )
        for product, weight in weights.products.items():
            rows["asset_weight"].append(
                {
                    **common,
                    "product_family": None,
                    "product_code": product,
                    "coefficient": weight.coefficient,
                }
            )
    return rows


def compile_policies(policies: PolicySet, folder: Path) -> dict[str, Path]:
    """Write the compiled tables as Parquet under ``folder``/<policy_hash>/; returns table -> file."""
    target = folder / policies.policy_hash
    target.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, rows in policy_rows(policies).items():
        files[name] = target / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMAS[name]), files[name])
    return files
