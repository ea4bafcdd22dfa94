"""The shape of policy files: pydantic models, and nothing about where they are stored or how they are compiled.

Three kinds of scheme say every rule book. ``bands``: tiers are intervals of one measure. ``scorecard``: bins of
several factors give points, tiers are intervals of their sum. ``matrix``: bins of several axes, a tier per cell.
Compiled, all three are one thing: a value per customer, and intervals of it (``orchestration.lib.policies.compile``).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from orchestration.lib.policies.units import (
    CENT,
    HIGHEST,
    LOWEST,
    OPEN_END,
    Rate,
    Years,
    parse_count,
    parse_money,
)

# Quantities that models compute for every customer (columns of fct_customer_factor), with their unit.
QUANTITY_UNITS: dict[str, str] = {
    "card_spend_365d_cny": "cny",
    "spend_365d_count": "count",
    "days_since_spend": "day",
    "loan_balance_cny": "cny",
    "custody_margin_cny": "cny",
    "deposit_cny": "cny",
    "deposit_tenor_months": "month",
    "revenue_365d_cny": "cny",
    "days_past_due": "day",
    "loan_class_rank": "code",
    "product_family_count": "count",
    "highest_card_grade_rank": "code",
    "risk_result_rank": "code",
    "special_flag_rank": "code",
    "aml_class_rank": "code",
    "risk_appetite_rank": "code",
    "annual_income_cny": "cny",
    "age_years": "year",
    "relationship_years": "year",
    "known_field_count": "count",
}
# The measure itself refuses what is unknown; the schema lists the names for editors.
QuantityName = Annotated[str, Field(json_schema_extra={"enum": ["assets", "annual_revenue_cny", *QUANTITY_UNITS]})]
# The list of codes (measures.yml) that ranks a quantity with unit `code`.
CODE_LISTS: dict[str, str] = {
    "loan_class_rank": "loan_class",
    "highest_card_grade_rank": "card_grade",
    "risk_result_rank": "risk_result",
    "special_flag_rank": "special_flag",
    "aml_class_rank": "aml_class",
    "risk_appetite_rank": "risk_appetite",
}


class Strict(BaseModel):
    """A part of a policy file: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(Strict):
    """Where a rule comes from: its id in the catalogue, the verbatim words, and their place in the source."""

    rule_id: str
    quote: str
    source_line: int


class SourcedRule(Rule):
    """A rule in a file that takes its rules from several sources: ``source_file`` is the title of the source."""

    source_file: str


class DatedVersion(Strict):
    """A version of rules that decide from day to day; in force from ``effective_from`` until before ``effective_to``.

    ``rules``: the words of the sources, which the version's parts name by their id.
    """

    version: str
    effective_from: date
    effective_to: date = OPEN_END
    author: str
    approved_by: str
    rules: tuple[SourcedRule, ...]


class Measure(Strict):
    """What is measured. Assets take the parameters below; any other quantity is taken as it stands.

    ``window``: point (the day's balance) or the daily average of month, quarter or year to date. ``day_count``:
    ``actual`` days, or ``thirty`` for every month. ``asset_set``: which assets count and with what weight
    (asset_classes.yml; loans at -1 make it net of loans). ``best_of_months``: the best of the last n evaluations.
    """

    quantity: QuantityName = "assets"
    window: Literal["point", "month", "quarter", "year"] = "month"
    day_count: Literal["actual", "thirty"] = "actual"
    asset_set: str = "standard"
    best_of_months: Annotated[int, Field(ge=1, le=13)] = 1

    @model_validator(mode="after")
    def _parameters_belong_to_assets(self) -> Measure:
        if self.quantity != "assets":
            if self.quantity not in QUANTITY_UNITS and self.quantity != "annual_revenue_cny":
                raise ValueError(f"unknown measure {self.quantity!r}; known: assets, {', '.join(QUANTITY_UNITS)}")
            if self.model_fields_set - {"quantity"}:
                raise ValueError(f"{self.quantity} takes no window, day_count, asset_set or best_of_months")
        elif self.window == "point" and self.day_count == "thirty":
            raise ValueError("a point in time has no day count")
        return self

    @property
    def unit(self) -> str:
        return "cny" if self.quantity in ("assets", "annual_revenue_cny") else QUANTITY_UNITS[self.quantity]

    @property
    def months(self) -> int:
        """Months of the window: what `thirty` is multiplied by."""
        return {"point": 0, "month": 1, "quarter": 3, "year": 12}[self.window]

    @property
    def averaging_window(self) -> str | None:
        return None if self.quantity != "assets" or self.window == "point" else self.window

    @property
    def code(self) -> str:
        """Name of the measure as published, such as aum_month_avg_cny."""
        if self.quantity != "assets":
            return self.quantity
        parts = ["aum"] if self.window == "point" else ["aum", self.window, "avg"]
        parts += ["30"] if self.day_count == "thirty" else []
        parts += [self.asset_set] if self.asset_set != "standard" else []
        parts += [f"best_of_{self.best_of_months}"] if self.best_of_months > 1 else []
        return "_".join([*parts, "cny"])


def _measure(value: Any) -> Any:
    """A measure may be written as the name of a plain quantity."""
    return {"quantity": value} if isinstance(value, str) else value


MeasureSpec = Annotated[Measure, BeforeValidator(_measure, json_schema_input_type=QuantityName | Measure)]


def _number_as_text(value: Any) -> Any:
    """Numbers keep their digits until their unit is known."""
    return value if isinstance(value, bool) or not isinstance(value, int | float) else str(value)


class Bound(Strict):
    """One end of an interval: ``{value: 5万, inclusive: true}``."""

    value: Annotated[str, BeforeValidator(_number_as_text, json_schema_input_type=str | float)]
    inclusive: bool

    def number(self, unit: str) -> Decimal:
        """The value in the unit of its measure. Raises ValueError when the unit does not fit."""
        if unit == "cny":
            return parse_money(self.value)
        number, written = parse_count(self.value)
        if written and written != unit:
            raise ValueError(f"expected {unit}s, found {self.value!r}")
        return number


class Interval(Strict):
    """An interval of a measure with both ends said; an end that is left out is open to infinity."""

    lower: Bound | None = None
    upper: Bound | None = None

    def lower_value(self, unit: str) -> Decimal:
        """First hundredth that belongs to the interval: measures are whole fen, so bounds compile half open."""
        if self.lower is None:
            return LOWEST
        number = self.lower.number(unit)
        return number if self.lower.inclusive else number + CENT

    def upper_value(self, unit: str) -> Decimal:
        """First hundredth above the interval."""
        if self.upper is None:
            return HIGHEST
        number = self.upper.number(unit)
        return number + CENT if self.upper.inclusive else number


OwnedAs = Literal["employee", "queue"]


class Owner(Strict):
    """Who maintains the customers of a tier: one primary role, and who works with it (G24).

    ``age_max``: completed years at the evaluation date, inclusive (G3); older customers go to ``fallback_role``.
    ``primary_as`` and ``fallback_as``: one employee of the role owns each customer, or the role's queue owns them all.
    """

    primary_role: str
    primary_as: OwnedAs = "employee"
    team_roles: tuple[str, ...] = ()
    age_max: Years | None = None
    fallback_role: str | None = None
    fallback_as: OwnedAs = "employee"

    @model_validator(mode="after")
    def _no_age_is_without_an_owner(self) -> Owner:
        if (self.age_max is None) != (self.fallback_role is None):
            raise ValueError("an age limit needs a fallback_role for older customers, and only then")
        if self.fallback_role is None and "fallback_as" in self.model_fields_set:
            raise ValueError("fallback_as says how a fallback_role owns customers; name the role or remove it")
        return self

    def role_at(self, age_years: int | None) -> str:
        """The role that owns a customer of this age in completed years; an unknown age is no reason to fall back."""
        is_older = self.age_max is not None and age_years is not None and age_years > self.age_max
        return self.fallback_role if is_older and self.fallback_role else self.primary_role


class Tier(Rule):
    """One tier, lowest first in its file. ``downgrade_after_months``: grace (0 = at once)."""

    tier_code: str
    label_zh: str
    label_en: str
    owner: Owner | None = None
    downgrade_after_months: Annotated[int, Field(ge=0, le=12)] = 0
    # bands and scorecard: the interval of the measure or of the points
    lower: Bound | None = None
    upper: Bound | None = None
    # the same tier by way of the household (C2-05): what its measure must reach
    household_lower: Bound | None = None
    household_rule: Rule | None = None

    @property
    def interval(self) -> Interval:
        return Interval(lower=self.lower, upper=self.upper)


class Bin(Strict):
    """A bin of a factor: an interval, or codes of an ordered list; ``points`` in a scorecard."""

    bin_code: str
    label_zh: str
    lower: Bound | None = None
    upper: Bound | None = None
    codes: tuple[str, ...] = ()
    points: Decimal = Decimal(0)
    # Customers without the measure fall into this bin; without such a bin they are not tiered.
    takes_missing: bool = False

    @property
    def interval(self) -> Interval:
        return Interval(lower=self.lower, upper=self.upper)


class Factor(Strict):
    """One factor of a scorecard or axis of a matrix.

    Bins are written out, or made out of the population at each evaluation: ``quantile_groups`` (cut one unit above
    R's quantiles of type 7, as the R package rfm does; a value on a cut belongs to the higher group) or
    ``share_cuts`` (customers in order of the measure, largest first, until they hold each share of its sum). Groups
    are numbered 1.. from low to high, or from high to low when ``is_reversed``; in a scorecard a group's number is
    its points.
    """

    factor_code: str
    label_zh: str
    measure: MeasureSpec
    weight: Rate = Decimal(1)
    bins: tuple[Bin, ...] = ()
    quantile_groups: Annotated[int, Field(ge=2, le=20)] | None = None
    share_cuts: tuple[Rate, ...] = ()
    is_reversed: bool = False

    @model_validator(mode="after")
    def _one_way_to_bin(self) -> Factor:
        ways = [bool(self.bins), self.quantile_groups is not None, bool(self.share_cuts)]
        if sum(ways) != 1:
            raise ValueError(f"factor {self.factor_code}: give exactly one of bins, quantile_groups, share_cuts")
        if self.measure.best_of_months > 1:
            raise ValueError(f"factor {self.factor_code}: best_of_months belongs to the measure of bands; leave it out")
        return self

    @property
    def group_count(self) -> int:
        """Number of bins, however they are made."""
        if self.quantile_groups is not None:
            return self.quantile_groups
        return len(self.share_cuts) + 1 if self.share_cuts else len(self.bins)

    @property
    def bin_codes(self) -> tuple[str, ...]:
        """Codes of the bins in ascending order of the measure; population groups are their numbers as text."""
        if self.bins:
            return tuple(b.bin_code for b in self.bins)
        numbers = [str(n) for n in range(1, self.group_count + 1)]
        return tuple(reversed(numbers) if self.is_reversed else numbers)


class Cell(Strict):
    """Cells of a matrix that give one tier: for each axis the bins it takes; an axis left out takes all."""

    tier_code: str
    when: dict[str, tuple[str, ...]]


class EntryDoor(Rule):
    """A door into scope beside the assets (A9-01b..e): the measure must reach ``at_least``."""

    measure: Literal["card_spend_365d_cny", "loan_balance_cny", "custody_margin_cny", "highest_card_grade_rank"]
    at_least: str


class DoorTier(Strict):
    tier_code: str
    label_zh: str
    label_en: str
    owner: Owner | None = None


class Household(Strict):
    """The household path (C2-05, G33): the measure over its members, all of whom consent, each with his own shares."""

    statistic: Literal["average", "sum"]
    minimum_members: Annotated[int, Field(ge=1)] = 2


class Veto(Strict):
    """Customers of these tiers of another scheme are vetoed (G35): the tier stays, marketing and owner do not."""

    scheme_code: str
    tier_codes: tuple[str, ...]


class SchemeVersion(Strict):
    """One dated version of a rule book; in force from ``effective_from`` until before ``effective_to``."""

    version: str
    effective_from: date
    effective_to: date = OPEN_END
    author: str
    approved_by: str
    measure: MeasureSpec | None = None
    factors: tuple[Factor, ...] = ()
    cells: tuple[Cell, ...] = ()
    tiers: tuple[Tier, ...]
    # What customers below the lowest tier are called; a scheme without floor leaves it out.
    not_tiered_label_zh: str = "未入围"
    # level of a downgrade after grace: that of the last month, or the best of the grace months
    downgrade_level: Literal["last", "best"] = "last"
    # grace months from this one on are a watch period; it is shown, it decides nothing
    watch_from_month: int | None = None
    # stateless: the official tier is the best indicative one of the last n evaluations
    best_tier_of_months: Annotated[int, Field(ge=1, le=12)] = 1
    household: Household | None = None
    veto: Veto | None = None
    asset_door: Rule | None = None
    door_tier: DoorTier | None = None
    entry_doors: tuple[EntryDoor, ...] = ()
    near_threshold_rate: Rate = Decimal("0.1")

    @model_validator(mode="after")
    def _dates_and_approval(self) -> SchemeVersion:
        if self.effective_from.day != 1:
            raise ValueError(f"effective_from must be the first day of a month, found {self.effective_from}")
        if self.author.strip().lower() == self.approved_by.strip().lower():
            raise ValueError(f"author and approved_by must differ, found {self.author!r} twice")
        return self

    @property
    def value_unit(self) -> str:
        """Unit of what the tiers are intervals of."""
        return self.measure.unit if self.measure else "points"


class Scheme(Strict):
    """One rule book. ``subject`` enterprise: tiers enterprises, not customers."""

    scheme_code: str
    label_zh: str
    label_en: str
    kind: Literal["bands", "scorecard", "matrix"]
    subject: Literal["customer", "enterprise"] = "customer"
    is_primary: bool = False
    is_enabled: bool = True
    # tiers without owners classify only; with owners the linter wants exactly one primary role for everyone
    assigns_owners: bool = False
    # `mart`: every tiered customer's explanation and distance to the next tier are published each evaluation
    explain: Literal["mart", "on_request"] = "on_request"
    source: Literal["numeric", "qualitative"] = "numeric"
    source_file: str
    versions: tuple[SchemeVersion, ...]


class Weight(Strict):
    coefficient: Decimal
    label_zh: str = ""


class AssetSet(Strict):
    families: dict[str, Weight]
    products: dict[str, Weight] = {}


class AssetClassVersion(Strict):
    """Which assets count, per named set; ``standard`` is the one of the published AUM (G5)."""

    version: str
    effective_from: date
    effective_to: date = OPEN_END
    author: str
    approved_by: str
    asset_sets: dict[str, AssetSet]


class AssetClasses(Strict):
    versions: tuple[AssetClassVersion, ...]


class MeasureRulesVersion(Strict):
    """What measures are made of: ordered lists of codes (lowest first) and which card transactions are spend (G8)."""

    version: str
    effective_from: date
    effective_to: date = OPEN_END
    author: str
    approved_by: str
    codes: dict[str, tuple[str, ...]]
    card_spend_kinds: tuple[str, ...]


class MeasureRules(Strict):
    versions: tuple[MeasureRulesVersion, ...]


class Role(Strict):
    """A role of the bank's staff; ``synonyms``: other names of the sources (G25)."""

    label_zh: str
    label_en: str
    needs_nda: bool
    default_capacity: int | None = None
    synonyms: tuple[str, ...] = ()


class Roles(Strict):
    roles: dict[str, Role]
