"""The facts that a tier follows from, one component each: as explained in the mart, or gathered from kept state.

Whatever reads them decides nothing here: the second evaluator does, and a person.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb

from orchestration.lib.planning import DAY, window_start
from orchestration.lib.policies import PolicySet
from orchestration.lib.policies.load import version_at
from orchestration.lib.policies.model import Measure, Scheme, SchemeVersion

NONE = "none"


@dataclass(frozen=True)
class Component:
    """One fact: a row of tiering.tier_explanation. What a column holds depends on the kind, as the mart says.

    Amounts are CNY, contributions CNY x days. The component of kind ``tier`` is the answer, not a fact.
    """

    component_kind: str
    component_no: int = 0
    component_code: str | None = None
    component_value: Decimal | None = None
    account_kind: str | None = None
    account_id: str | None = None
    product_code: str | None = None
    balance_days_cny: Decimal | None = None
    coefficient: Decimal | None = None
    days: int | None = None
    contribution_cny: Decimal | None = None
    threshold_value: Decimal | None = None
    margin_value: Decimal | None = None
    tier_code: str | None = None
    decided_by: str | None = None
    months_below: int | None = None
    recent_ranks: str | None = None
    member_count: int | None = None
    member_without_consent_count: int | None = None
    rule_id: str | None = None
    source_batch_id: str | None = None
    policy_version: str | None = None
    sentence_zh: str | None = None


_COLUMNS = [field.name for field in fields(Component)]


def _rows(con: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any]) -> Iterator[dict[str, Any]]:
    cursor = con.execute(sql, parameters)
    names = [column[0] for column in cursor.description or []]
    for row in cursor.fetchall():
        yield dict(zip(names, row, strict=True))


def mart_components(
    con: duckdb.DuckDBPyConnection, customers: Collection[str], relation: str = "tiering.tier_explanation"
) -> dict[tuple[str, str], list[Component]]:
    """(scheme, customer) -> what ``relation`` says of it, in its order. ``relation`` may be a subquery."""
    found: dict[tuple[str, str], list[Component]] = {}
    for row in _rows(
        con,
        f"select scheme_code, customer_id, {', '.join(_COLUMNS)} from {relation} "
        "where customer_id in (select unnest(?)) order by scheme_code, customer_id, component_no",
        [list(customers)],
    ):
        key = row.pop("scheme_code"), row.pop("customer_id")
        found.setdefault(key, []).append(Component(**row))
    return found


class KeptFacts:
    """Facts of one month-end evaluation about some customers, out of the warehouse's kept state.

    Serves every scheme. Assets come in one sum, of kind ``assets``: which accounts they are made of is kept for the
    explained schemes alone.
    """

    def __init__(
        self, con: duckdb.DuckDBPyConnection, policies: PolicySet, evaluation_date: date, customers: Collection[str]
    ) -> None:
        self.policies = policies
        self.evaluation_date = evaluation_date
        wanted = [evaluation_date, list(customers)]
        of_customers = "where evaluation_date = ? and customer_id in (select unnest(?))"
        self._assets: dict[tuple[str, str], dict[str, Any]] = {
            (row["asset_set"], row["customer_id"]): row
            for row in _rows(con, f"select * from core.fct_month_measure {of_customers}", wanted)
        }
        self._quantities: dict[str, dict[str, Any]] = {
            row["customer_id"]: row
            for row in _rows(con, f"select * from core.fct_customer_factor {of_customers}", wanted)
        }
        self._evaluations: dict[tuple[str, str], dict[str, Any]] = {
            (row["scheme_code"], row["customer_id"]): row
            for row in _rows(
                con,
                "select scheme_code, customer_id, previous_tier_code, recent_ranks, indicative_tier_code "
                f"from core.fct_tier_evaluation {of_customers}",
                wanted,
            )
        }
        self._context: dict[tuple[str, str], dict[str, Any]] = {
            (row["scheme_code"], row["customer_id"]): row
            for row in _rows(con, f"select * from core.fct_tier_explanation_context {of_customers}", wanted)
        }
        self._cuts = list(
            _rows(con, "select * from core.fct_population_bin where evaluation_date = ?", [evaluation_date])
        )
        self._con = con

    def components(self, scheme: Scheme, customer_id: str) -> list[Component]:
        """The facts that a scheme's version in force at the evaluation judges a customer by, numbered from 1."""
        version = version_at(scheme.versions, self.evaluation_date)
        if version is None:
            return []
        label = f"{scheme.scheme_code}@{version.version}"
        found = [
            *self._earlier(scheme, customer_id),
            *self._vetoes(version, customer_id),
            *self._household(scheme, customer_id),
            *self._measured(version, customer_id),
            *self._factors(version, customer_id),
            *self._population_cuts(label),
        ]
        return [
            Component(**{**vars(each), "component_no": number, "policy_version": each.policy_version or label})
            for number, each in enumerate(found, start=1)
        ]

    def _earlier(self, scheme: Scheme, customer_id: str) -> Iterator[Component]:
        evaluation = self._evaluations.get((scheme.scheme_code, customer_id))
        if evaluation is None or (evaluation["previous_tier_code"] == NONE and not evaluation["recent_ranks"]):
            return
        context = self._context.get((scheme.scheme_code, customer_id), {})
        yield Component(
            "previous",
            tier_code=evaluation["previous_tier_code"],
            months_below=context.get("previous_months_below") or 0,
            # Two digits of this evaluation come first.
            recent_ranks=(evaluation["recent_ranks"] or "")[2:],
            rule_id=context.get("previous_rule_id"),
            policy_version=context.get("previous_policy_version"),
        )

    def _vetoes(self, version: SchemeVersion, customer_id: str) -> Iterator[Component]:
        if version.veto is None:
            return
        rated = self._evaluations.get((version.veto.scheme_code, customer_id))
        if rated is not None and rated["indicative_tier_code"] in version.veto.tier_codes:
            yield Component("veto", component_code=rated["indicative_tier_code"])

    def _household(self, scheme: Scheme, customer_id: str) -> Iterator[Component]:
        context = self._context.get((scheme.scheme_code, customer_id))
        if context is not None and context["member_count"] is not None:
            yield Component(
                "household",
                component_value=context["other_members_value"],
                member_count=context["member_count"],
                member_without_consent_count=context["member_without_consent_count"],
            )

    def _measured(self, version: SchemeVersion, customer_id: str) -> Iterator[Component]:
        measure = version.measure
        if measure is None:
            return
        if measure.best_of_months > 1:
            yield from self._past_measures(measure, customer_id)
        if measure.quantity != "assets":
            value = self._quantities.get(customer_id, {}).get(measure.quantity)
            if value is not None:
                yield Component("measure", component_code=measure.quantity, component_value=value)
        elif (measure.asset_set, customer_id) in self._assets:
            yield self._asset_component("assets", None, measure, customer_id)

    def _factors(self, version: SchemeVersion, customer_id: str) -> Iterator[Component]:
        if customer_id not in self._quantities:
            return
        for factor in version.factors:
            if factor.measure.quantity == "assets":
                yield self._asset_component("factor", factor.factor_code, factor.measure, customer_id)
            else:
                value = self._quantities[customer_id][factor.measure.quantity]
                yield Component("factor", component_code=factor.factor_code, component_value=value)

    def _asset_component(self, kind: str, code: str | None, measure: Measure, customer_id: str) -> Component:
        row = self._assets.get((measure.asset_set, customer_id))
        column = "aum_cny" if measure.window == "point" else f"{measure.window}_balance_days_cny"
        return Component(
            kind,
            component_code=code,
            days=divisor_days(measure, self.evaluation_date),
            contribution_cny=row[column] if row else None,
        )

    def _past_measures(self, measure: Measure, customer_id: str) -> Iterator[Component]:
        """Values of the evaluations before, of all customers who are this one today."""
        first = self.evaluation_date.replace(day=1)
        for _ in range(measure.best_of_months - 1):
            first = (first - DAY).replace(day=1)
        value = "measures.aum_cny" if measure.window == "point" else f"measures.{measure.window}_balance_days_cny"
        sums: dict[date, Decimal] = {}
        for row in _rows(
            self._con,
            f"select measures.evaluation_date, {value} as value from core.fct_month_measure as measures "
            "left join intermediate.int_customer__successor as successors "
            "on measures.customer_id = successors.old_customer_id "
            "where coalesce(successors.new_customer_id, measures.customer_id) = ? and measures.asset_set = ? "
            "and measures.evaluation_date >= ? and measures.evaluation_date < ? order by 1",
            [customer_id, measure.asset_set, first, self.evaluation_date],
        ):
            day = row["evaluation_date"]
            average = divide_half_up(row["value"], divisor_days(measure, day))
            sums[day] = sums.get(day, Decimal(0)) + average
        for day, total in sums.items():
            yield Component("past_measure", component_code=f"{day}", component_value=total)

    def _population_cuts(self, label: str) -> Iterator[Component]:
        for cut in self._cuts:
            if cut["policy_version"] == label:
                code = f"{cut['factor_code']}:{cut['bin_code']}"
                yield Component("cut", component_code=code, component_value=cut["lower_value"])


def divisor_days(measure: Measure, evaluation_date: date) -> int:
    """Days that the balance-days of an asset measure are divided by, in a whole window that ends on a date."""
    if measure.window == "point":
        return 1
    if measure.day_count == "thirty":
        return 30 * measure.months
    return (evaluation_date - window_start(evaluation_date, measure.window)).days + 1


def divide_half_up(amount: Decimal, divisor: int) -> Decimal:
    """A quotient rounded half up to the fen, away from zero below it: as averages are."""
    doubled, rest = divmod(abs(amount) * 200, 2 * divisor)
    return (doubled + (1 if rest >= divisor else 0)).scaleb(-2).copy_sign(amount)


def facts(components: Iterable[Component]) -> list[Component]:
    """Components without the answer."""
    return [each for each in components if each.component_kind != "tier"]
