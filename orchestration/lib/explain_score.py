"""`tierhouse explain-score` and `tierhouse scorecard`: how each cell of an employee's quarter came to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment, FileSystemLoader
from rich.console import Console
from rich.table import Table

from orchestration.lib.home import Home
from orchestration.lib.policies import PolicySet
from orchestration.lib.policies.appraisal import AppraisalVersion
from orchestration.lib.warehouse import connect

TEMPLATES = Path(__file__).parent / "templates"
Row = dict[str, Any]
_MONEY_MEASURES = ("m1_retention", "m5_growth")


class ExplainScoreError(RuntimeError):
    """There is no such score: an unknown employee, quarter or measure, or nothing published."""


@dataclass(frozen=True)
class Cell:
    """A measure of an employee's quarter and the customers behind it, most telling first."""

    measure_code: str
    said: Row
    evidence: tuple[Row, ...]
    label_zh: str
    label_en: str

    @property
    def arithmetic(self) -> str:
        """The score as a sentence: value, target, points."""
        value, target, score = (self.said[name] for name in ("value_rate", "target_rate", "score"))
        if value is None:
            return "nobody to count: no value, no score, and the weight is the other measures'"
        parts = f"{shown(self.said['numerator'])} / {shown(self.said['denominator'])} = {percent(value)}"
        return f"{parts}, target {percent(target)}: {shown(score)} points, weight {percent(self.said['weight'])}"


@dataclass(frozen=True)
class Scorecard:
    """An employee's quarter: total, cells, flags and the flow of his book.

    ``version``: the rules that it was judged by, when the policy files still have them.
    """

    total: Row
    cells: tuple[Cell, ...]
    flags: tuple[Row, ...]
    flow: Row | None
    version: AppraisalVersion | None

    @property
    def state_zh(self) -> str:
        return "已关账" if self.total["is_frozen"] else "最终,待关账" if self.total["is_final"] else "季度进行中,暂估"

    @property
    def state(self) -> str:
        if self.total["is_frozen"]:
            return "closed"
        return "final, not closed yet" if self.total["is_final"] else "provisional: guards are not known yet"


def read_scorecard(
    home: Home, policies: PolicySet, employee: str, period: str, measure: str | None = None
) -> Scorecard:
    """An employee's quarter as readers see it; all measures, or one.

    Raises ExplainScoreError naming what there is instead.
    """
    marts = home.current / "marts.duckdb"
    if not marts.exists():
        raise ExplainScoreError(f"{home.root}: nothing has been published yet; run `tierhouse run` first")
    with connect(marts, read_only=True) as con:
        totals = _rows(con, "scorecard_total", period, employee)
        if not totals:
            raise ExplainScoreError(_why_not(con, employee, period))
        cells = _rows(con, "scorecard", period, employee, "measure_code")
        known = [row["measure_code"] for row in cells]
        if measure is not None and measure not in known:
            raise ExplainScoreError(f"no measure {measure!r}; {period} has {', '.join(known)}")
        evidence = _rows(con, "scorecard_evidence", period, employee, "measure_code, customer_id")
        flags = _rows(con, "integrity_flag", period, employee, "flag_kind, customer_id")
        flows = con.execute(
            "select * from appraisal.book_flow where period_code = ? and subject_kind = 'employee' and subject_id = ?",
            [period, employee],
        )
        flow = _dicts(flows)
    version = _version(policies, totals[0]["policy_version"])
    return Scorecard(
        total=totals[0],
        cells=tuple(
            _cell(row, [e for e in evidence if e["measure_code"] == row["measure_code"]], version)
            for row in cells
            if measure in (None, row["measure_code"])
        ),
        flags=tuple(flags),
        flow=flow[0] if flow else None,
        version=version,
    )


def _dicts(cursor: duckdb.DuckDBPyConnection) -> list[Row]:
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _rows(con: duckdb.DuckDBPyConnection, mart: str, period: str, employee: str, order: str = "1") -> list[Row]:
    sql = f"select * from appraisal.{mart} where period_code = ? and employee_id = ? order by {order}"
    return _dicts(con.execute(sql, [period, employee]))


def _why_not(con: duckdb.DuckDBPyConnection, employee: str, period: str) -> str:
    sql = "select distinct period_code from appraisal.scorecard_total {} order by all"
    periods = [code for (code,) in con.execute(sql.format("")).fetchall()]
    if not periods:
        return "no quarter has been judged yet; the first one begins with live books and has a whole quarter before it"
    if period not in periods:
        return f"no quarter {period!r}; judged are {', '.join(periods)}"
    his = [code for (code,) in con.execute(sql.format("where employee_id = ?"), [employee]).fetchall()]
    if his:
        return f"{employee} maintained no customer of the cohort of {period}; scored are {', '.join(his)}"
    return f"no employee {employee!r} was ever scored; ids are those of hr.employees"


def _version(policies: PolicySet, label: str) -> AppraisalVersion | None:
    number = label.partition("@")[2]
    return next((version for version in policies.appraisal.versions if version.version == number), None)


def _cell(row: Row, evidence: Sequence[Row], version: AppraisalVersion | None) -> Cell:
    measure = version.measures.get(row["measure_code"]) if version else None
    # Who counts first, the largest amounts first among them; who is left out last.
    ordered = sorted(
        evidence,
        key=lambda e: (
            e["exclusion_reason"] is not None,
            not e["is_numerator"],
            -abs(e["value_cny"] or Decimal(0)),
            e["customer_id"],
        ),
    )
    return Cell(
        measure_code=row["measure_code"],
        said=row,
        evidence=tuple(ordered),
        label_zh=measure.label_zh if measure else row["measure_code"],
        label_en=measure.label_en if measure else "",
    )


def shown(value: Decimal | int | None) -> str:
    """A number without zeros that say nothing; a dash for none."""
    if value is None:
        return "-"
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: Decimal | None) -> str:
    return "-" if value is None else f"{shown(value * 100)} %"


def money(value: Decimal | None) -> str:
    return "" if value is None else f"{value:,.2f}"


def print_scorecard(card: Scorecard, console: Console, *, with_customers: bool) -> None:
    """The total, then each cell in a sentence; with ``with_customers`` everybody behind it."""
    total = card.total
    console.print(
        f"{total['employee_id']} in {total['period_code']}: {total['role_code']} at branch {total['branch_id']}, "
        f"compared with {total['peer_group_code']}; {card.state}"
    )
    for line in _total_lines(card):
        console.print(line)
    for cell in card.cells:
        console.print()
        console.print(f"{cell.measure_code} {cell.label_zh}", style="bold")
        console.print(cell.arithmetic)
        console.print(_counts(cell))
        if with_customers:
            console.print(_customers(cell))
    if card.flags:
        console.print()
        console.print("Flags for a reviewer; they are no part of the score:")
        for flag in card.flags:
            console.print(f"  {flag['flag_kind']}: {flag['evidence_zh']}")
    console.print()
    console.print("Why a customer has his tier: tierhouse explain CUSTOMER")


def _total_lines(card: Scorecard) -> Iterator[str]:
    total = card.total
    scores = " + ".join(
        f"{shown(cell.said['weight'])} x {shown(cell.said['score'])}"
        for cell in card.cells
        if cell.said["score"] is not None
    )
    yield f"total {shown(total['total_score'])}" + (f" (weighted mean of {scores})" if len(card.cells) > 1 else "")
    if total["gate_code"]:
        cap = f" at {shown(card.version.scoring.gate_cap)}" if card.version else ""
        yield f"failed gates, which cap the total{cap}: {total['gate_code']}"
    rank = total["rank_in_peer_group"]
    few = card.version.scoring.least_ranked if card.version else None
    if rank is not None:
        yield f"place {rank} among its peers"
    elif total["total_score"] is None:
        yield "not ranked: no measure has a score"
    else:
        yield f"not ranked: a cohort of {total['cohort_count']} customers, {few or 'more'} are needed"
    if total["carried_adjustment"]:
        adjusted = shown(total["total_with_adjustment"])
        yield f"corrections of closed quarters carry {shown(total['carried_adjustment'])} points: {adjusted}"
    yield f"revenue credited: {money(total['revenue_credit_cny'])} CNY"


def _counts(cell: Cell) -> str:
    left_out: dict[str, int] = {}
    for row in cell.evidence:
        if row["exclusion_reason"]:
            left_out[row["exclusion_reason"]] = left_out.get(row["exclusion_reason"], 0) + 1
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
    counted = sum(bool(row["is_numerator"]) for row in cell.evidence)
    return f"{len(cell.evidence)} customers, {counted} count" + (f"; left out: {reasons}" if reasons else "")


def _customers(cell: Cell) -> Table:
    table = Table()
    has_money = cell.measure_code in _MONEY_MEASURES
    for name in ("customer", "role", "days", "counts", "why"):
        table.add_column(name, overflow="fold", justify="right" if name == "days" else "left")
    if has_money:
        for name in ("before CNY", "change CNY"):
            table.add_column(name, justify="right")
    for row in cell.evidence:
        amounts = [money(row["base_cny"]), money(row["value_cny"])] if has_money else []
        table.add_row(
            row["customer_id"],
            row["cohort_role"],
            str(row["held_days"]),
            "yes" if row["is_numerator"] else "",
            row["exclusion_reason"] or row["cause_code"] or "",
            *amounts,
        )
    return table


def scorecard_page(card: Scorecard) -> str:
    """One HTML page without anything from elsewhere; customers are counted, not named."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"shown": shown, "percent": percent, "money": money}
    labels = {code: gate.label_zh for code, gate in card.version.gates.items()} if card.version else {}
    kinds = {kind: flag.label_zh for kind, flag in card.version.flags.items()} if card.version else {}
    return environment.get_template("scorecard.html").render(card=card, gate_labels=labels, flag_labels=kinds)
