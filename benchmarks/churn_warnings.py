"""Churn warnings of a demo bank against the churners that it planted: precision, recall and lead time.

    .venv/bin/python benchmarks/churn_warnings.py --bank DIR [--home DIR]

``--bank`` is the folder of `tierhouse demo-bank`; without a ``--home`` it is built up to its last delivery first.
Every kept month end is judged by the ranges of the policies in force (or of the folder in TIERHOUSE_POLICIES), so a
draft is measured on a home that is there already.

A churner is leaving from `churn_from` until his money is gone 40 days later; he can be warned of at the month ends from
then on until the one after it is gone. Precision: of the warned of a month end, the share that is leaving or has left
by the appraisal's definition three months later. Lead time: days from the first warning until the money is gone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.lib import warehouse
from orchestration.lib.home import Home
from orchestration.lib.policies import load_policies, policy_rows
from orchestration.lib.policies.churn import INDICATOR_UNITS, LEVELS

# The demo bank drains churners for so many days; a month end later nobody is left to warn of.
DRAINED_DAYS = 40
LATEST_DAYS = DRAINED_DAYS + 31

JUDGED = """
create temp table judged as
with hits as ({hits}),
scores as (select as_of_date, customer_id, segment_code, sum(points) as score from hits group by all)
select scores.as_of_date, scores.customer_id, levels.level_rank, scores.score
from scores inner join churn_level as levels
    on levels.segment_code = scores.segment_code
    and scores.score >= levels.lower_score and scores.score < levels.upper_score
    and scores.as_of_date >= levels.effective_from and scores.as_of_date < levels.effective_to
"""
HITS = """
select i.as_of_date, i.customer_id, i.segment_code, r.points
from month_ends as i inner join churn_range as r
    on r.segment_code = i.segment_code and r.indicator_code = '{code}'
    and i.{code} >= r.lower_value and i.{code} < r.upper_value
    and i.as_of_date >= r.effective_from and i.as_of_date < r.effective_to
"""
# Churners who were in scope at a month end on which they could be warned of, with each of these month ends.
CATCHABLE = """
create temp table catchable as
select c.customer_id, c.churn_from, i.as_of_date
from churners as c inner join month_ends as i
    on i.customer_id = c.customer_id and i.as_of_date >= c.churn_from
    and i.as_of_date < c.churn_from + {latest}
"""
BY_MONTH = """
select i.as_of_date, count(*) as in_scope,
    count(c.customer_id) as leaving,
    count(j.customer_id) as warned,
    count(j.customer_id) filter (c.customer_id is not null) as caught,
    count(j.customer_id) filter (o.is_churned) as left_later,
    count(j.customer_id) filter (c.customer_id is not null or o.is_churned) as right_to_warn,
    count(o.customer_id) > 0 as is_known
from month_ends as i
left join judged as j on j.as_of_date = i.as_of_date and j.customer_id = i.customer_id and j.level_rank >= {rank}
left join catchable as c on c.as_of_date = i.as_of_date and c.customer_id = i.customer_id
left join outcomes as o on o.month_end_date = i.as_of_date and o.customer_id = i.customer_id
group by 1 order by 1
"""
BY_CHURNER = """
with firsts as (
    select c.customer_id, c.churn_from, min(j.as_of_date) as first_warning
    from catchable as c
    left join judged as j on j.customer_id = c.customer_id and j.as_of_date = c.as_of_date and j.level_rank >= {rank}
    group by 1, 2
)
select count(*), count(first_warning), avg(churn_from + {drained} - first_warning),
    min(churn_from + {drained} - first_warning), max(churn_from + {drained} - first_warning)
from firsts
"""


@contextmanager
def history(home: Home, bank: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The home's month ends, judged by the policies in force, beside the truth."""
    with warehouse.connect(home.warehouse, read_only=True) as con:
        for table in ("churn_range", "churn_level"):
            con.register(table, pa.Table.from_pylist(policy_rows(load_policies())[table]))
        con.register("churners", pq.read_table(bank / "truth" / "churners.parquet"))
        con.execute(
            "create temp view month_ends as "
            "select * from core.fct_churn_indicator where as_of_date = last_day(as_of_date)"
        )
        con.execute("create temp view outcomes as select * from core.fct_churn_outcome")
        con.execute(JUDGED.format(hits=" union all ".join(HITS.format(code=code) for code in INDICATOR_UNITS)))
        con.execute(CATCHABLE.format(latest=LATEST_DAYS))
        yield con


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:3.0f} %" if whole else "    -"


def report(con: duckdb.DuckDBPyConnection) -> None:
    for rank, level in enumerate(LEVELS, start=1):
        print(f"\n{level} or higher")
        print("month end   in scope  warned  leaving  caught  recall  precision (planted)  precision (planted or left)")
        sums = [0, 0, 0, 0, 0]
        for day, in_scope, leaving, warned, caught, _, right, is_known in con.execute(
            BY_MONTH.format(rank=rank)
        ).fetchall():
            known = share(right, warned) if is_known else "not known yet"
            line = f"{day}  {in_scope:8,}  {warned:6,}  {leaving:7}  {caught:6}  {share(caught, leaving)}"
            print(f"{line}   {share(caught, warned):>17}   {known:>22}")
            sums = [
                a + b for a, b in zip(sums, (leaving, warned, caught, is_known * warned, is_known * right), strict=True)
            ]
        leaving, warned, caught, judged, right = sums
        print(f"all                   {warned:6,}  {leaving:7}  {caught:6}  {share(caught, leaving)}", end="")
        print(f"   {share(caught, warned):>17}   {share(right, judged):>22}")
        rows = con.execute(BY_CHURNER.format(rank=rank, drained=DRAINED_DAYS)).fetchall()
        churners, seen, mean, least, most = rows[0]
        lead = f"{mean:.0f} days before the money was gone ({least} to {most})" if seen else "-"
        print(
            f"churners: {seen} of {churners} warned of at a month end ({share(seen, churners).strip()}), first {lead}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    root = options.home or options.bank / "home"
    home = Home(root.resolve())
    if not home.warehouse.exists():
        command = [str(Path(sys.executable).with_name("tierhouse")), "run", "--home", str(home.root)]
        subprocess.run([*command, "--landing", str(options.bank / "landing")], check=True, env=dict(os.environ))
    with history(home, options.bank) as con:
        report(con)


if __name__ == "__main__":
    main()
