"""A second way from the facts to the tier: plain Python over explanation components and the policy files.

It shares no code with the models and none with the compiler of policies, so that the two check each other. Facts
are read, never the answer: a component of kind ``tier`` is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from itertools import islice

import duckdb

from orchestration.lib.build_record import BuildRecord
from orchestration.lib.explanation import NONE, Component, KeptFacts, facts, mart_components
from orchestration.lib.policies import PolicySet
from orchestration.lib.policies.load import version_at
from orchestration.lib.policies.model import (
    CODE_LISTS,
    Bin,
    Bound,
    EntryDoor,
    Factor,
    Measure,
    MeasureRulesVersion,
    Scheme,
    SchemeVersion,
)

SAMPLE = 500
_CUSTOMERS_AT_ONCE = 20_000
_LISTED_FAILURES = 20
_CENT = Decimal("0.01")
# Every quotient of whole fen and at most 366 days is told from a half by far fewer digits.
_EXACT = Context(prec=60, rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class Decision:
    """A tier, and what decided it: individual, household, grace, veto or entry_door."""

    tier_code: str
    decided_by: str


@dataclass(frozen=True)
class ChosenBin:
    """A factor's value (None: not known), the bin that takes it, and what it adds in a scorecard."""

    factor: Factor
    value: Decimal | None
    bin_code: str
    points: Decimal


@dataclass(frozen=True)
class ExplanationCheck:
    """Customers of a scheme whom the second evaluator gives another tier than the mart, out of a sample."""

    check_name: str
    failed_count: int
    detail: str


class SecondEvaluator:
    """Decides tiers by the policies as they are written. One instance serves any number of customers."""

    def __init__(self, policies: PolicySet) -> None:
        self._policies = policies
        self._versions: dict[tuple[str, date], _Version] = {}

    def evaluate(
        self,
        scheme: Scheme,
        components: Iterable[Component],
        evaluation_date: date | None,
        as_of_date: date,
    ) -> Decision:
        """The tier that holds on ``as_of_date`` by facts of it and of the last evaluation.

        ``evaluation_date``: that evaluation, None before the first one. Raises ValueError for facts that no rule of
        the scheme can read.
        """
        by_kind: dict[str, list[Component]] = {}
        for each in facts(components):
            by_kind.setdefault(each.component_kind, []).append(each)
        decision = Decision(NONE, "individual")
        if evaluation_date is not None and (at_evaluation := self._version(scheme, evaluation_date)):
            decision = at_evaluation.best(
                [
                    (at_evaluation.evaluate(by_kind), 0),
                    *(
                        (Decision(_text(m.tier_code), _text(m.decided_by)), -(m.months_below or 0))
                        for m in by_kind.get("merged", [])
                    ),
                ]
            )
        of_day = self._version(scheme, as_of_date)
        if of_day is None:
            return decision
        if decision.tier_code == NONE and of_day.opens_door(by_kind.get("door", [])):
            decision = Decision(of_day.door_tier_code, "entry_door")
        if decision.tier_code != NONE and of_day.is_vetoed(by_kind.get("day_veto", [])):
            decision = Decision(decision.tier_code, "veto")
        return decision

    def chosen_bins(self, scheme: Scheme, components: Iterable[Component], evaluation_date: date) -> list[ChosenBin]:
        """The bin of every factor at an evaluation; none for whom the scheme cannot judge, and for bands."""
        version = self._version(scheme, evaluation_date)
        return version.chosen_bins(list(components)) if version else []

    def _version(self, scheme: Scheme, day: date) -> _Version | None:
        key = scheme.scheme_code, day
        if key not in self._versions:
            version = version_at(scheme.versions, day)
            rules = version_at(self._policies.measures.versions, day)
            if version is None or rules is None:
                return None
            self._versions[key] = _Version(scheme, version, rules)
        return self._versions[key]


class _Version:
    """The rules of one version, with the numbers that people wrote read once."""

    def __init__(self, scheme: Scheme, version: SchemeVersion, rules: MeasureRulesVersion) -> None:
        self.scheme = scheme
        self.version = version
        self.rules = rules
        door = [version.door_tier.tier_code] if version.door_tier else []
        # Lowest first: the tier of a door, which no band gives, stands below the bands.
        self.order = [NONE, *door, *(tier.tier_code for tier in version.tiers)]
        self.tiers = {tier.tier_code: tier for tier in version.tiers}
        self.door_tier_code = door[0] if door else NONE
        self._bands = [(t.tier_code, _within(t.lower, t.upper, version.value_unit)) for t in version.tiers]
        self._household_cuts = [
            (t.tier_code, _within(t.household_lower, None, version.value_unit))
            for t in version.tiers
            if t.household_lower is not None
        ]
        self._bins = {(f.factor_code, b.bin_code): self._takes(f, b) for f in version.factors for b in f.bins}
        self._doors = {door.rule_id: (door, self._door_threshold(door)) for door in version.entry_doors}

    def rank(self, tier_code: str) -> int:
        return self.order.index(tier_code)

    def best(self, candidates: Sequence[tuple[Decision, int]]) -> Decision:
        """Of merged customers the highest tier; of equal ones the one that is least in grace."""
        return max(candidates, key=lambda each: (self.rank(each[0].tier_code), each[1]))[0]

    def evaluate(self, components: dict[str, list[Component]]) -> Decision:
        """The official tier of a month-end evaluation."""
        individual = self._individual(components)
        household = self._household(components)
        indicative = max(individual or NONE, household, key=self.rank)
        official = self._after_grace(indicative, components.get("previous", []))
        if official != NONE and self.is_vetoed(components.get("veto", [])):
            return Decision(official, "veto")
        if self.rank(official) > self.rank(indicative):
            return Decision(official, "grace")
        if self.rank(household) > self.rank(individual or NONE):
            return Decision(official, "household")
        return Decision(official, "individual")

    def is_vetoed(self, vetoes: list[Component]) -> bool:
        veto = self.version.veto
        return veto is not None and any(each.component_code in veto.tier_codes for each in vetoes)

    def opens_door(self, doors: list[Component]) -> bool:
        """Whether any measure reaches what its door asks for. Raises ValueError for a door that is not there."""
        for each in doors:
            if each.rule_id not in self._doors:
                raise ValueError(f"{self.scheme.scheme_code} has no entry door {each.rule_id!r}")
            door, threshold = self._doors[each.rule_id]
            if each.component_code == door.measure and _number(each.component_value) >= threshold:
                return True
        return False

    # --- what the customer is by his own ---------------------------------------------------------------

    def _individual(self, components: dict[str, list[Component]]) -> str | None:
        """His tier by arithmetic alone; None for whom the scheme cannot judge."""
        if self.version.measure is not None:
            value = self._measure(self.version.measure, components)
            return None if value is None else self._band(value)
        chosen = self.chosen_bins([each for kind in ("factor", "cut") for each in components.get(kind, [])])
        if not chosen:
            return None
        if self.scheme.kind == "scorecard":
            return self._band(sum((each.points for each in chosen), Decimal(0)))
        bins = {each.factor.factor_code: each.bin_code for each in chosen}
        claims = [
            cell.tier_code
            for cell in self.version.cells
            if all(bins[axis] in codes for axis, codes in cell.when.items())
        ]
        if len(claims) != 1:
            raise ValueError(f"{self.scheme.scheme_code}: {len(claims)} cells take {bins}")
        return claims[0]

    def _measure(self, measure: Measure, components: dict[str, list[Component]]) -> Decimal | None:
        months = [_number(each.component_value) for each in components.get("past_measure", [])]
        months += [_number(each.component_value) for each in components.get("measure", [])]
        parts = [each for kind in ("account", "remainder", "assets") for each in components.get(kind, [])]
        if parts:
            months.append(_average(measure, parts))
        return max(months) if months else None

    def _band(self, value: Decimal) -> str:
        return next((code for code, holds in self._bands if holds(value)), NONE)

    def chosen_bins(self, components: Iterable[Component]) -> list[ChosenBin]:
        """The bin of every factor, or nothing when a factor has none for the customer."""
        given = {each.component_code: each for each in components if each.component_kind == "factor"}
        cuts = [each for each in components if each.component_kind == "cut"]
        chosen = []
        for factor in self.version.factors:
            if factor.factor_code not in given:
                return []
            value = _factor_value(factor, given[factor.factor_code])
            code = self._bin(factor, value, cuts)
            if code is None:
                return []
            chosen.append(ChosenBin(factor, value, code, self._points(factor, code)))
        return chosen

    def _bin(self, factor: Factor, value: Decimal | None, cuts: list[Component]) -> str | None:
        if value is None:
            return next((b.bin_code for b in factor.bins if b.takes_missing), None)
        if factor.bins:
            return next((b.bin_code for b in factor.bins if self._bins[factor.factor_code, b.bin_code](value)), None)
        lower = {each.component_code: _number(each.component_value) for each in cuts}
        reached = [
            code
            for code in factor.bin_codes
            if f"{factor.factor_code}:{code}" in lower and lower[f"{factor.factor_code}:{code}"] <= value
        ]
        return reached[-1] if reached else None

    def _points(self, factor: Factor, bin_code: str) -> Decimal:
        points = {b.bin_code: b.points for b in factor.bins}
        return factor.weight * points.get(bin_code, Decimal(bin_code) if bin_code.isdecimal() else Decimal(0))

    def _takes(self, factor: Factor, each: Bin) -> Callable[[Decimal], bool]:
        if not each.codes:
            return _within(each.lower, each.upper, factor.measure.unit)
        known = self.rules.codes[CODE_LISTS[factor.measure.quantity]]
        ranks = {Decimal(known.index(code) + 1) for code in each.codes}
        return lambda value: value in ranks

    def _door_threshold(self, door: EntryDoor) -> Decimal:
        if door.measure not in CODE_LISTS:
            return Bound(value=door.at_least, inclusive=True).number("cny")
        return Decimal(self.rules.codes[CODE_LISTS[door.measure]].index(door.at_least) + 1)

    # --- what he is by his household, and by what he was ---------------------------------------------------

    def _household(self, components: dict[str, list[Component]]) -> str:
        path = self.version.household
        households = components.get("household", [])
        if path is None or not households or self.version.measure is None:
            return NONE
        (household,) = households
        members = household.member_count or 0
        if members < path.minimum_members or household.member_without_consent_count:
            return NONE
        own = self._measure(self.version.measure, components) or Decimal(0)
        total = own + _number(household.component_value)
        value = _half_up(total, members) if path.statistic == "average" else total
        reached = [code for code, holds in self._household_cuts if holds(value)]
        return max(reached, key=self.rank, default=NONE)

    def _after_grace(self, indicative: str, previous: list[Component]) -> str:
        """The tier that stays, is given or is fallen back to, after what was held and seen before."""
        before = previous[0] if previous else Component("previous", tier_code=NONE)
        is_same_version = before.policy_version in (None, f"{self.scheme.scheme_code}@{self.version.version}")
        past = _pairs(before.recent_ranks or "") if is_same_version else []
        seen = [self.rank(indicative), *past]
        if self.version.best_tier_of_months > 1:
            return self.order[max(seen[: self.version.best_tier_of_months])]
        held = _text(before.tier_code)
        if held not in self.tiers or self.rank(indicative) >= self.rank(held):
            return indicative
        months = (before.months_below or 0) + 1
        if months < self.tiers[held].downgrade_after_months:
            return held
        if self.version.downgrade_level == "best":
            return self.order[max(seen[:months])]
        return indicative


def _within(lower: Bound | None, upper: Bound | None, unit: str) -> Callable[[Decimal], bool]:
    """Whether a value lies between two ends as they are written."""
    low = lower.number(unit) if lower else None
    high = upper.number(unit) if upper else None
    takes_low = lower is not None and lower.inclusive
    takes_high = upper is not None and upper.inclusive

    def holds(value: Decimal) -> bool:
        is_above = low is None or value > low or (takes_low and value == low)
        return is_above and (high is None or value < high or (takes_high and value == high))

    return holds


def _average(measure: Measure, parts: list[Component]) -> Decimal:
    total = sum((_number(each.contribution_cny) for each in parts), Decimal(0))
    if measure.window == "point":
        return total
    days = {each.days for each in parts}
    if measure.day_count == "thirty":
        days = {30 * {"month": 1, "quarter": 3, "year": 12}[measure.window]}
    if len(days) != 1 or None in days:
        raise ValueError(f"balance-days of one window are divided by one number of days, found {days}")
    return _half_up(total, next(day for day in days if day))


def _factor_value(factor: Factor, given: Component) -> Decimal | None:
    if factor.measure.quantity != "assets":
        return given.component_value
    return None if given.contribution_cny is None else _average(factor.measure, [given])


def _half_up(amount: Decimal, divisor: int) -> Decimal:
    return _EXACT.quantize(_EXACT.divide(amount, Decimal(divisor)), _CENT)


def _pairs(ranks: str) -> list[int]:
    return [int(ranks[at : at + 2]) for at in range(0, len(ranks), 2)]


def _number(value: Decimal | None) -> Decimal:
    if value is None:
        raise ValueError("an explanation's component lacks its number")
    return value


def _text(value: str | None) -> str:
    if value is None:
        raise ValueError("an explanation's component lacks its tier")
    return value


# --- the audit ---------------------------------------------------------------------------------------------


def explanation_checks(
    con: duckdb.DuckDBPyConnection, record: BuildRecord, policies: PolicySet, sample: int | None = SAMPLE
) -> list[ExplanationCheck]:
    """One check per customer scheme: the second evaluator gives the tier that tiering.customer_tier has.

    ``con``: a built warehouse. ``sample``: so many customers, others on every date; None for all of them.
    """
    day = record.as_of_date
    row = con.execute(
        "select max(evaluation_date) from core.fct_tier_evaluation where evaluation_date < ?", [day]
    ).fetchone()
    evaluation_date: date | None = row[0] if row else None
    limit = "" if sample is None else f"limit {int(sample)}"
    customers = con.execute(
        f"select customer_id from core.dim_customer order by sha256(customer_id || '{day}'), customer_id {limit}"
    ).fetchall()
    schemes = [s for s in policies.schemes if s.is_enabled and s.subject == "customer"]
    evaluator = SecondEvaluator(policies)
    failures: dict[str, list[str]] = {s.scheme_code: [] for s in schemes if version_at(s.versions, day)}
    for batch in _batches((customer for (customer,) in customers), _CUSTOMERS_AT_ONCE):
        for scheme_code, failure in _disagreements(con, evaluator, policies, schemes, batch, evaluation_date, day):
            failures[scheme_code].append(failure)
    return [
        ExplanationCheck(f"explanation.{scheme_code}", len(found), "; ".join(found[:_LISTED_FAILURES]))
        for scheme_code, found in failures.items()
    ]


def _batches(customers: Iterator[str], size: int) -> Iterator[list[str]]:
    while batch := list(islice(customers, size)):
        yield batch


def _disagreements(
    con: duckdb.DuckDBPyConnection,
    evaluator: SecondEvaluator,
    policies: PolicySet,
    schemes: list[Scheme],
    customers: list[str],
    evaluation_date: date | None,
    day: date,
) -> Iterator[tuple[str, str]]:
    """(scheme, what differs) of some customers."""
    given = {
        (scheme_code, customer_id): (tier_code, decided_by)
        for scheme_code, customer_id, tier_code, decided_by in con.execute(
            "select scheme_code, customer_id, tier_code, decided_by from tiering.customer_tier "
            "where customer_id in (select unnest(?))",
            [customers],
        ).fetchall()
    }
    explained = mart_components(con, customers)
    kept = KeptFacts(con, policies, evaluation_date, customers) if evaluation_date else None
    for scheme in schemes:
        for customer_id in customers:
            key = scheme.scheme_code, customer_id
            if scheme.is_primary or scheme.explain == "mart":
                components = explained.get(key, [])
            else:
                components = kept.components(scheme, customer_id) if kept else []
            tier_code, decided_by = given.get(key, (NONE, None))
            try:
                decision = evaluator.evaluate(scheme, components, evaluation_date, day)
            except ValueError as error:
                yield scheme.scheme_code, f"{customer_id}: {error}"
                continue
            # Of merged customers with equal tiers it is the one longest in it who says why; tiers have no date here.
            is_same_reason = (
                tier_code == NONE
                or decision.decided_by == decided_by
                or any(each.component_kind == "merged" for each in components)
            )
            if decision.tier_code != tier_code or not is_same_reason:
                found = f"{decision.tier_code} ({decision.decided_by}) by its explanation"
                yield scheme.scheme_code, f"{customer_id}: {tier_code} ({decided_by}) in the mart, {found}"
