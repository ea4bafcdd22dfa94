"""The feed for HR (A9-16): the scorecards of every quarter that is final or closed, as deliveries and as a workbook.

Columns of the deliveries are those of ``contracts/outgoing/hr``. Files are made of published marts alone and dated by
the day on which the quarter was judged: as long as nothing changes the bytes are the same, and a version links those
of the version below it. Customers and names of employees are not in them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from orchestration.lib.contracts import load_contracts
from orchestration.lib.crm_feed import OUTGOING_DIR
from orchestration.lib.delivery import MANIFEST, SOURCE_ZONE, write_delivery
from orchestration.lib.workbook import workbook_bytes

if TYPE_CHECKING:
    from openpyxl import Workbook

# Where a delivery's rows come from; what the contract counts more precisely than the feed's type holds is rounded.
_ROWS = {
    "hr.branch_scorecard": "select * from appraisal.branch_scorecard",
    "hr.scorecard": "select * replace (round(numerator, 6)::decimal(18,6) as numerator, "
    "round(denominator, 6)::decimal(18,6) as denominator) from appraisal.scorecard",
    "hr.scorecard_total": "select totals.*, coalesce(flags.flag_count, 0) as flag_count "
    "from appraisal.scorecard_total as totals left join ("
    "select period_code, employee_id, count(*) as flag_count from appraisal.integrity_flag group by all"
    ") as flags using (period_code, employee_id)",
}
_MEASURES = "select measure_code from appraisal.scorecard where period_code = ? group by all order by all"
# Excel allows a sheet's name so many characters, and none of these.
_SHEET_NAME = 31
_NO_SHEET_NAME = re.compile(r"[\[\]:*?/\\]")


def write_hr_feeds(marts: Path, out: Path, below: Path | None) -> list[Path]:
    """Write the feed of each quarter that is final or closed to ``out``/<period>/; returns the folders.

    ``marts``: marts.duckdb of a version. ``below``: the same folder of the version below, whose workbooks are linked
    where the deliveries are the same.
    """
    with duckdb.connect(str(marts), read_only=True) as con:
        periods = con.execute(
            "select period_code, max(evaluation_date) from appraisal.scorecard_total where is_final or is_frozen "
            "group by all order by all"
        ).fetchall()
        return [_write_period(con, out, below, period, judged_on) for period, judged_on in periods]


def _write_period(con: duckdb.DuckDBPyConnection, out: Path, below: Path | None, period: str, judged_on: date) -> Path:
    folder = out / period
    contracts = load_contracts(OUTGOING_DIR)
    for feed_id, rows in _ROWS.items():
        feed = contracts[feed_id]
        columns = ", ".join(column.name for column in feed.columns)
        table = con.execute(
            f"select {columns} from ({rows}) where period_code = ? order by {', '.join(feed.key)}", [period]
        ).to_arrow_table()
        write_delivery(out, feed, judged_on, table, file_format="csv.gz", folder=folder / feed.entity)
    file = folder / f"scorecards_{period}.xlsx"
    known = below / period if below else None
    if known is not None and _is_same(folder, known) and (known / file.name).is_file():
        os.link(known / file.name, file)
    else:
        produced_at = datetime.combine(judged_on + timedelta(days=1), time(2), SOURCE_ZONE)
        file.write_bytes(workbook_bytes(_workbook(con, period), produced_at))
    return folder


def _is_same(folder: Path, known: Path) -> bool:
    manifests = [path.relative_to(folder) for path in folder.glob(f"*/{MANIFEST}")]
    return all((known / m).is_file() and (known / m).read_bytes() == (folder / m).read_bytes() for m in manifests)


def _workbook(con: duckdb.DuckDBPyConnection, period: str) -> Workbook:
    """A sheet of all branches, then a sheet per branch with its employees, best total first."""
    from openpyxl import Workbook  # slow to import and needed once a quarter

    measures = [code for (code,) in con.execute(_MEASURES, [period]).fetchall()]
    book = Workbook(write_only=True)
    taken: set[str] = set()
    _append_sheet(book, _sheet_name("全部机构", taken), _branch_header(measures), _branch_rows(con, period, measures))
    for branch_id, rows in groupby(_employee_rows(con, period, measures), key=lambda row: row[0]):
        _append_sheet(book, _sheet_name(branch_id, taken), _employee_header(measures), (row[1:] for row in rows))
    return book


def _append_sheet(book: Workbook, name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    sheet = book.create_sheet(name)
    sheet.freeze_panes = "B2"
    sheet.append(header)
    for row in rows:
        sheet.append(row)


def _sheet_name(wanted: str, taken: set[str]) -> str:
    """A name that Excel takes, once per workbook whatever the case."""
    name = _NO_SHEET_NAME.sub("_", wanted)[:_SHEET_NAME] or "_"
    number = 1
    while name.casefold() in taken:
        number += 1
        ending = f"~{number}"
        name = name[: _SHEET_NAME - len(ending)] + ending
    taken.add(name.casefold())
    return name


def _measure_header(measures: Sequence[str]) -> Iterator[str]:
    for code in measures:
        yield from (f"{code} 指标值", f"{code} 目标", f"{code} 得分", f"{code} 佐证客户数", f"{code} 计入")


def _employee_header(measures: Sequence[str]) -> list[str]:
    return [
        "员工编号 employee_id",
        "岗位 role_code",
        "总分 total",
        "同类排名 rank",
        "未通过门槛 gates",
        "维护过的季初在册户数 cohort",
        *_measure_header(measures),
        "大额流失责任户数 liable",
        "收益归属 revenue_credit_cny",
        "结转调整 carried",
        "调整后总分 adjusted",
        "复核迹象 flags",
        "已关账 frozen",
    ]


def _branch_header(measures: Sequence[str]) -> list[str]:
    pairs = [name for code in measures for name in (f"{code} 指标值", f"{code} 得分")]
    return ["机构编号 branch_id", "中高端客户增长 mid_high_growth_count", *pairs]


def _pivot(measures: Sequence[str], columns: Sequence[str]) -> str:
    return ", ".join(
        f"max({column}) filter (where measure_code = '{code}') as {code}_{column}"
        for code in measures
        for column in columns
    )


def _employee_rows(con: duckdb.DuckDBPyConnection, period: str, measures: Sequence[str]) -> list[tuple[Any, ...]]:
    columns = ("value_rate", "target_rate", "score", "evidence_count", "numerator_count")
    return con.execute(
        f"""
        with cells as (
            select employee_id, {_pivot(measures, columns)}
            from appraisal.scorecard where period_code = $period group by employee_id
        )
        select totals.branch_id, totals.employee_id, totals.role_code, totals.total_score, totals.rank_in_peer_group,
            totals.gate_code, totals.cohort_count, cells.* exclude (employee_id), totals.liable_count,
            totals.revenue_credit_cny, totals.carried_adjustment, totals.total_with_adjustment, totals.flag_count,
            totals.is_frozen
        from ({_ROWS["hr.scorecard_total"]}) as totals
        inner join cells using (employee_id)
        where totals.period_code = $period
        order by totals.branch_id, totals.total_score desc nulls last, totals.employee_id
        """,
        {"period": period},
    ).fetchall()


def _branch_rows(con: duckdb.DuckDBPyConnection, period: str, measures: Sequence[str]) -> list[tuple[Any, ...]]:
    return con.execute(
        f"""
        select branch_id, max(mid_high_growth_count), {_pivot(measures, ("value_rate", "score"))}
        from appraisal.branch_scorecard where period_code = ? group by branch_id order by branch_id
        """,
        [period],
    ).fetchall()
