"""`tierhouse explain`: why a customer has a tier, for a person at a counter, an auditor or the customer himself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

from orchestration.lib.explanation import NONE, Component, KeptFacts, divide_half_up, divisor_days, mart_components
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.policies import PolicyError, PolicySet
from orchestration.lib.policies.load import version_at
from orchestration.lib.policies.model import Measure, Rule, Scheme, SchemeVersion
from orchestration.lib.policies.yaml_file import Loc
from orchestration.lib.second_evaluator import ChosenBin, SecondEvaluator
from orchestration.lib.warehouse import connect

_DECISION = "tier_code, decided_by, rule_id, valid_from, policy_version, grace_months_below, measure_value"


class ExplainError(RuntimeError):
    """There is nothing to explain: an unknown customer, scheme or date, or state that cannot be read now."""


@dataclass(frozen=True)
class Explanation:
    """A customer's tier in a scheme and the facts that it follows from.

    ``evaluation_date``: the month end that decided, None before the first one. ``source``: where facts were read.
    ``tier_code`` and what follows are the decision; ``policy_version`` is scheme@version.
    """

    customer_id: str
    scheme: Scheme
    source: str
    as_of_date: date
    evaluation_date: date | None
    tier_code: str
    decided_by: str
    rule_id: str | None
    valid_from: date | None
    policy_version: str
    months_below: int
    measure_value: Decimal | None
    components: tuple[Component, ...]
    bins: tuple[ChosenBin, ...]

    @property
    def version(self) -> SchemeVersion | None:
        """The version that decided, when the policy files still have it."""
        label = self.policy_version.partition("@")[2]
        return next((v for v in self.scheme.versions if v.version == label), None)

    @property
    def label_zh(self) -> str:
        version = self.version
        if version is None:
            return self.tier_code
        labels = {tier.tier_code: tier.label_zh for tier in version.tiers}
        if version.door_tier:
            labels[version.door_tier.tier_code] = version.door_tier.label_zh
        return labels.get(self.tier_code, version.not_tiered_label_zh)

    @property
    def summary(self) -> Component | None:
        return next((each for each in self.components if each.component_kind == "tier"), None)

    @property
    def threshold(self) -> Decimal | None:
        """Where the tier begins; None for a tier without floor and for a matrix."""
        if self.summary is not None:
            return self.summary.threshold_value
        version = self.version
        if version is None or self.scheme.kind == "matrix":
            return None
        # Whoever has no tier is told where the lowest begins.
        wanted = version.tiers[0].tier_code if self.tier_code == NONE else self.tier_code
        tier = next((t for t in version.tiers if t.tier_code == wanted), None)
        lower = tier.household_lower if tier and self.decided_by == "household" else tier.lower if tier else None
        return lower.number(version.value_unit) if lower else None

    @property
    def compared_value(self) -> Decimal | None:
        """What the threshold is compared with: the customer's own value, or his household's."""
        household = next((each for each in self.components if each.component_kind == "household"), None)
        version = self.version
        if self.decided_by != "household" or household is None or version is None or version.household is None:
            return self.measure_value
        total = (self.measure_value or Decimal(0)) + (household.component_value or Decimal(0))
        if version.household.statistic == "sum" or not household.member_count:
            return total
        return divide_half_up(total, household.member_count)

    @property
    def sentence_zh(self) -> str:
        if self.summary is not None and self.summary.sentence_zh:
            return self.summary.sentence_zh
        if self.tier_code == NONE and self.compared_value is None:
            return f"{self.evaluation_date or self.as_of_date}未评定等级：没有可用的计量值。"
        if self.bins:
            what = "，".join(f"{each.factor.label_zh}为“{bin_label(each)}”" for each in self.bins)
        else:
            what = f"计量值{self.compared_value}" if self.compared_value is not None else "没有计量值"
        threshold = f"，起点{self.threshold}" if self.threshold is not None else ""
        grace = f"，已连续{self.months_below}个月未达标，宽限期内保留等级" if self.months_below else ""
        rule = f"依据规则{self.rule_id}。" if self.rule_id else ""
        return f"{self.evaluation_date}评定为“{self.label_zh}”：{what}{threshold}{grace}。{rule}"


def bin_label(chosen: ChosenBin) -> str:
    """Chinese name of a bin; groups of the population have their number."""
    labels = {each.bin_code: each.label_zh for each in chosen.factor.bins}
    return labels.get(chosen.bin_code, chosen.bin_code)


def explain(
    home: Home, policies: PolicySet, customer_id: str, scheme_code: str | None = None, day: date | None = None
) -> Explanation:
    """Explain a tier as of the published version, or as evaluated on ``day``. ``scheme_code``: default the primary.

    Tiers of explained schemes are read from the published marts; other schemes, customers without a tier and earlier
    evaluations from the warehouse, which no build may hold then. Raises ExplainError.
    """
    published = Journal(home.journal).last_published()
    if published is None or not home.current.exists():
        raise ExplainError(f"{home.root}: nothing has been published yet; run `tierhouse run` first")
    try:
        scheme = policies.scheme(scheme_code) if scheme_code else policies.primary
    except PolicyError as error:
        raise ExplainError(str(error)) from error
    if not scheme.is_enabled or scheme.subject != "customer":
        raise ExplainError(f"{scheme.scheme_code} is {'not enabled' if not scheme.is_enabled else 'of enterprises'}")
    as_of = date.fromisoformat(published["as_of_date"])
    with connect(home.current / "marts.duckdb", read_only=True) as con:
        known = con.execute("select 1 from assets.customer_assets where customer_id = ?", [customer_id]).fetchone()
        if known is None:
            raise ExplainError(
                f"no customer {customer_id!r} as of {as_of}; ids are the source's own, a merged customer has his "
                "successor's"
            )
        if scheme.is_primary or scheme.explain == "mart":
            row = con.execute("select max(evaluation_date) from tiering.tier_explanation").fetchone()
            evaluation_date: date | None = row[0] if row else None
            if day in (None, evaluation_date):
                source = f"published version {published['version']}"
                components = mart_components(con, [customer_id]).get((scheme.scheme_code, customer_id), [])
                found = _one(
                    con,
                    f"select {_DECISION.replace('measure_value', 'evaluated_measure_value as measure_value')} "
                    "from tiering.customer_tier where scheme_code = ? and customer_id = ?",
                    [scheme.scheme_code, customer_id],
                )
                if components or evaluation_date is None:
                    return _explained(
                        policies, scheme, customer_id, source, as_of, evaluation_date, found, tuple(components)
                    )
    return _from_warehouse(home, policies, scheme, customer_id, as_of, day)


def _from_warehouse(
    home: Home, policies: PolicySet, scheme: Scheme, customer_id: str, as_of: date, day: date | None
) -> Explanation:
    try:
        with connect(home.warehouse, read_only=True) as con:
            rows = con.execute(
                "select distinct evaluation_date from core.fct_tier_evaluation "
                "where scheme_code = ? and evaluation_date < ? "
                "and evaluation_date in (select evaluation_date from core.fct_month_measure) order by 1",
                [scheme.scheme_code, as_of],
            ).fetchall()
            kept = [kept_date for (kept_date,) in rows]
            is_explained = scheme.is_primary or scheme.explain == "mart"
            if is_explained:
                rows = con.execute("select distinct evaluation_date from core.fct_tier_explanation").fetchall()
                kept = [kept_date for kept_date in kept if (kept_date,) in rows]
            evaluation_date = day or max(kept, default=None)
            if evaluation_date is None or evaluation_date not in kept:
                dates = ", ".join(str(kept_date) for kept_date in kept) or "none"
                raise ExplainError(
                    f"{scheme.scheme_code} has no kept evaluation{f' on {day}' if day else ''}; kept are: {dates}"
                )
            found = _one(
                con,
                f"select {_DECISION} from core.fct_tier_evaluation "
                "where scheme_code = ? and customer_id = ? and evaluation_date = ?",
                [scheme.scheme_code, customer_id, evaluation_date],
            )
            components = []
            if is_explained:
                relation = f"(select * from core.fct_tier_explanation where evaluation_date = date '{evaluation_date}')"
                components = mart_components(con, [customer_id], relation).get((scheme.scheme_code, customer_id), [])
            if not components:
                components = KeptFacts(con, policies, evaluation_date, [customer_id]).components(scheme, customer_id)
    except duckdb.IOException as error:
        holder = home.lock.with_suffix(".holder")
        who = f": {holder.read_text(encoding='utf-8')}" if holder.exists() else ""
        raise ExplainError(
            f"{home.warehouse}: cannot be read while a build holds it{who}; wait for its end ({error})"
        ) from error
    return _explained(policies, scheme, customer_id, "warehouse", as_of, evaluation_date, found, tuple(components))


def _one(con: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any]) -> dict[str, Any]:
    cursor = con.execute(sql, parameters)
    names = [column[0] for column in cursor.description or []]
    row = cursor.fetchone()
    return dict(zip(names, row, strict=True)) if row else {}


def _explained(
    policies: PolicySet,
    scheme: Scheme,
    customer_id: str,
    source: str,
    as_of: date,
    evaluation_date: date | None,
    found: dict[str, Any],
    components: tuple[Component, ...],
) -> Explanation:
    version = version_at(scheme.versions, evaluation_date or as_of)
    bins = SecondEvaluator(policies).chosen_bins(scheme, components, evaluation_date) if evaluation_date else []
    measure_value = found.get("measure_value")
    if measure_value is None:
        measure_value = next((c.component_value for c in components if c.component_kind == "measure"), None)
    assets = next((c for c in components if c.component_kind == "assets"), None)
    if measure_value is None and assets and assets.contribution_cny is not None and assets.days:
        measure_value = divide_half_up(assets.contribution_cny, assets.days)
    return Explanation(
        customer_id=customer_id,
        scheme=scheme,
        source=source,
        as_of_date=as_of,
        evaluation_date=evaluation_date,
        tier_code=found.get("tier_code", NONE),
        decided_by=found.get("decided_by", "individual"),
        rule_id=found.get("rule_id"),
        valid_from=found.get("valid_from"),
        policy_version=found.get("policy_version") or f"{scheme.scheme_code}@{version.version if version else ''}",
        months_below=found.get("grace_months_below", 0),
        measure_value=measure_value,
        components=components,
        bins=tuple(bins),
    )


# --- on paper ----------------------------------------------------------------------------------------------


def print_explanation(explanation: Explanation, policies: PolicySet, console: Console) -> None:
    """Print an explanation: the decision, what it is made of, and the rule in its own words."""
    scheme = explanation.scheme
    head = Table(show_header=False, box=None, pad_edge=False)
    head.add_column(style="bold")
    head.add_column(overflow="fold")
    for name, value in _head(explanation):
        head.add_row(name, value)
    console.print(head)
    for table in (_accounts(explanation), _factors(explanation), _other_facts(explanation)):
        if table is not None:
            console.print()
            console.print(table)
    console.print()
    for line in _rule_lines(explanation, policies, scheme):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    console.print(explanation.sentence_zh, soft_wrap=True, highlight=False, markup=False)


def _amount(value: Decimal | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def _value(value: Decimal | None, measure: Measure | None) -> str:
    """A value in its unit: fen are shown of money alone."""
    if value is None:
        return "not known"
    return _amount(value) if measure is None or measure.unit == "cny" else f"{value.normalize():,f}"


def _head(explanation: Explanation) -> Iterator[tuple[str, str]]:
    version = explanation.version
    yield "customer", explanation.customer_id
    yield "scheme", f"{explanation.scheme.scheme_code} {explanation.scheme.label_zh}"
    yield "tier", f"{explanation.tier_code} {explanation.label_zh}"
    yield "decided by", explanation.decided_by
    if explanation.valid_from:
        yield "valid from", f"{explanation.valid_from}"
    evaluated = f"{explanation.evaluation_date}" if explanation.evaluation_date else "not yet"
    yield "evaluated on", f"{evaluated}, as of {explanation.as_of_date}, from the {explanation.source}"
    yield "policy version", explanation.policy_version
    if explanation.measure_value is not None and not explanation.bins:
        code = version.measure.code if version and version.measure else "measure"
        yield code, _value(explanation.measure_value, version.measure if version else None)
    elif explanation.bins and explanation.scheme.kind == "scorecard":
        yield "points", _amount(sum((each.points for each in explanation.bins), Decimal(0)))
    if explanation.threshold is not None:
        yield "threshold", _amount(explanation.threshold)
        value = explanation.compared_value
        if value is not None and explanation.decided_by == "household":
            yield "household", _amount(value)
        if value is not None:
            yield "margin", _amount(value - explanation.threshold)
    tier = next((t for t in version.tiers if t.tier_code == explanation.tier_code), None) if version else None
    if explanation.months_below and tier is not None:
        months = f"{explanation.months_below} of {tier.downgrade_after_months}"
        yield "grace", f"{months} months below; the tier is kept until the last of them"
    else:
        yield "grace", "none"


def _accounts(explanation: Explanation) -> Table | None:
    parts = [c for c in explanation.components if c.component_kind in ("account", "remainder", "assets")]
    if not parts:
        return None
    table = Table(title="Assets in the window (CNY x days)", title_justify="left")
    table.add_column("account", overflow="fold")
    table.add_column("product", overflow="fold")
    for name in ("balance-days", "coefficient", "contribution"):
        table.add_column(name, justify="right")
    table.add_column("delivery", overflow="fold")
    names = {"remainder": "(rounding of weights)", "assets": "(all accounts)"}
    for part in parts:
        table.add_row(
            part.account_id or names.get(part.component_kind, ""),
            part.product_code or "",
            _amount(part.balance_days_cny),
            "" if part.coefficient is None else f"{part.coefficient.normalize():f}",
            _amount(part.contribution_cny),
            part.source_batch_id or "",
        )
    total = sum((part.contribution_cny or Decimal(0) for part in parts), Decimal(0))
    days = next((part.days for part in parts if part.days), 1)
    average = divide_half_up(total, days)
    table.add_section()
    table.add_row("total", "", "", "", _amount(total), f"/ {days} days = {_amount(average)}")
    return table


def _factors(explanation: Explanation) -> Table | None:
    given = [c for c in explanation.components if c.component_kind == "factor"]
    if not given:
        return None
    bins = {each.factor.factor_code: each for each in explanation.bins}
    version = explanation.version
    factors = {factor.factor_code: factor for factor in version.factors} if version else {}
    is_scorecard = explanation.scheme.kind == "scorecard"
    table = Table(title="Factors", title_justify="left")
    table.add_column("factor", overflow="fold")
    table.add_column("measure", overflow="fold")
    table.add_column("value", justify="right")
    table.add_column("bin", overflow="fold")
    if is_scorecard:
        table.add_column("points", justify="right")
    for each in given:
        factor = factors.get(each.component_code or "")
        value = each.component_value
        if factor and each.contribution_cny is not None and explanation.evaluation_date:
            value = divide_half_up(each.contribution_cny, divisor_days(factor.measure, explanation.evaluation_date))
        chosen = bins.get(each.component_code or "")
        row = [
            f"{each.component_code} {factor.label_zh if factor else ''}",
            factor.measure.code if factor else "",
            _value(value, factor.measure if factor else None),
            " ".join(dict.fromkeys((chosen.bin_code, bin_label(chosen)))) if chosen else "none: not tiered",
        ]
        table.add_row(*row, *([_amount(chosen.points) if chosen else ""] if is_scorecard else []))
    return table


def _other_facts(explanation: Explanation) -> Table | None:
    shown = ("previous", "merged", "veto", "day_veto", "household", "measure", "past_measure", "cut", "door")
    parts = [each for each in explanation.components if each.component_kind in shown]
    if not parts:
        return None
    table = Table(title="Other facts", title_justify="left")
    for name in ("fact", "about", "value", "said"):
        table.add_column(name, overflow="fold", justify="right" if name == "value" else "left")
    for part in parts:
        about = " ".join(text for text in (part.rule_id, part.component_code, part.tier_code) if text)
        said = part.sentence_zh or _said(part)
        table.add_row(part.component_kind, about, _amount(part.component_value), said)
    return table


def _said(part: Component) -> str:
    if part.component_kind == "household":
        return f"{part.member_count} members, {part.member_without_consent_count} without consent; total of the others"
    if part.component_kind == "previous":
        return f"{part.months_below} months below by then"
    return ""


def _rules(version: SchemeVersion) -> Iterator[tuple[Rule, Loc, str | None]]:
    """Every rule of a version, where its file has it, and the tier it is of."""
    for number, tier in enumerate(version.tiers):
        yield tier, ("tiers", number), tier.tier_code
        if tier.household_rule:
            yield tier.household_rule, ("tiers", number, "household_rule"), tier.tier_code
    for number, door in enumerate(version.entry_doors):
        yield door, ("entry_doors", number), None
    if version.asset_door:
        yield version.asset_door, ("asset_door",), None


def _rule_lines(explanation: Explanation, policies: PolicySet, scheme: Scheme) -> Iterator[str]:
    version = explanation.version
    if explanation.rule_id is None:
        yield "rule: none applies"
        return
    if version is None:
        yield f"rule {explanation.rule_id}: the policy files no longer have {explanation.policy_version}"
        return
    rules = [each for each in _rules(version) if each[0].rule_id == explanation.rule_id]
    # One rule may give several tiers: the one of this tier comes first.
    rules.sort(key=lambda each: each[2] != explanation.tier_code)
    if not rules:
        yield f"rule {explanation.rule_id}: not in {scheme.scheme_code}.yml"
        return
    rule, loc, _ = rules[0]
    place = policies.line(scheme.scheme_code, ("versions", scheme.versions.index(version), *loc))
    yield f"rule {rule.rule_id} ({scheme.scheme_code}.yml:{place})"
    yield f"“{rule.quote}” ({scheme.source_file}, line {rule.source_line})"
