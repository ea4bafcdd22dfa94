"""Integrity flags of a demo bank against what was planted: precision and recall per kind; and what parking moves.

    .venv/bin/python benchmarks/integrity_flags.py --bank DIR [--home DIR] [--customers 2000] [--seed 11]

The bank is made in ``--bank`` unless it is there: January to July 2026, books live from 1 April, so that the second
quarter is appraised after a whole one, finally on 31 July. Its home is built up to the ends of March, June and July
under the policies in force with that day of going live.

Recall is of what was planted and is on somebody's book when the quarter ends. Precision counts as right what was
planted alone: a customer whose own money comes and goes is a false alarm here. ``supervisor_as_b`` is planted by no
one: it is counted a second time from the published assignments and the delivered roles.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import duckdb
import yaml

from orchestration.lib import warehouse
from orchestration.lib.demo_bank import generate
from orchestration.lib.home import Home
from orchestration.lib.policies.load import policies_dir

GO_LIVE, BUILT = date(2026, 4, 1), (date(2026, 3, 31), date(2026, 6, 30), date(2026, 7, 31))
QUARTER_END = BUILT[1]
HEADS = ("outlet_head", "outlet_supervisor", "branch_president", "personal_finance_head")
PARKED = (
    "select customer_id from parked_at_quarter_ends union "
    "select customer_id from month_end_parkers inner join core.fct_month_measure using (customer_id) "
    f"where asset_set = 'standard' and evaluation_date = date '{QUARTER_END}' and aum_cny > 0"
)
# Kind -> what was planted, as employee or customer.
PLANTED = {
    "month_end_deviation": PARKED,
    "in_and_out": PARKED,
    "book_deviation": "select distinct employee_id from parked_at_quarter_ends",
    "bunching": "select distinct employee_id from kept_above_cuts",
    "opened_unused": "select distinct customer_id from unused_accounts",
    "family_shifting": "select distinct customer_id from shifted_in_families",
    "handover_timing": "select distinct customer_id from late_handovers",
    "contacts_in_bulk": "select distinct employee_id from bulk_contacts",
    "supervisor_as_b": (
        "select to_employee_id from (select *, "
        "row_number() over (partition by customer_id order by business_date desc) as place "
        f"from core.fct_assignment_change where slot = 'b' and business_date <= date '{QUARTER_END}') "
        f"where place = 1 and role_code in {HEADS}"
    ),
}
OF_EMPLOYEES = ("book_deviation", "bunching", "contacts_in_bulk", "supervisor_as_b")
HELD = (
    f"select customer_id, employee_id from core.fct_cohort where cohort_date = date '{QUARTER_END}' + 1 "
    "and employee_id is not null"
)
# What was parked is one day of the quarter's average, and the days until it was out of the average after it.
PARKING = f"""
with evidence as (
    select * from appraisal.scorecard_evidence where period_code = '2026Q2' and measure_code = 'm5_growth'
),
parked as (
    select customer_id, sum(amount_cny) as parked_cny,
        sum(amount_cny * (withdrawn_date - date '{QUARTER_END}' - 1)) as later_days_cny
    from parked_at_quarter_ends group by customer_id
),
days as (
    select customer_id,
        max(aum_balance_days_cny) filter (as_of_date = date '{QUARTER_END}') as at_end,
        max(aum_balance_days_cny) filter (as_of_date = date '2026-07-30') as after,
        max(aum_cny) filter (as_of_date = date '{QUARTER_END}') as aum_cny
    from core.fct_customer_balance group by customer_id
),
averages as (
    select p.*, m.aum_quarter_avg_cny as quarter_avg, (d.after - d.at_end) / 30 as after_avg, d.aum_cny,
        (select max(lower_value) from policy.tier_band as b
            where b.scheme_code = 'branch_tiered_maintenance' and b.effective_to > date '{QUARTER_END}'
            and b.lower_value <= d.aum_cny) as band_with,
        (select max(lower_value) from policy.tier_band as b
            where b.scheme_code = 'branch_tiered_maintenance' and b.effective_to > date '{QUARTER_END}'
            and b.lower_value <= d.aum_cny - p.parked_cny) as band_without
    from parked as p
    inner join days as d using (customer_id)
    inner join core.fct_month_measure as m
        on m.customer_id = p.customer_id and m.asset_set = 'standard' and m.evaluation_date = date '{QUARTER_END}'
),
effects as (
    select *, least(quarter_avg, after_avg)
        - least(quarter_avg - parked_cny / 91, after_avg - later_days_cny / 30) as growth_effect_cny
    from averages
)
select e.employee_id, count(f.customer_id), sum(f.parked_cny), any_value(s.denominator),
    count(*) filter (f.band_with > f.band_without), sum(f.growth_effect_cny * e.held_days / e.day_count),
    any_value(s.numerator)
from evidence as e
inner join appraisal.scorecard as s
    on s.period_code = e.period_code and s.employee_id = e.employee_id and s.measure_code = e.measure_code
left join effects as f on f.customer_id = e.customer_id
group by e.employee_id having count(f.customer_id) > 1 order by 1
"""


def build_bank(bank: Path, customers: int, seed: int) -> None:
    if not (bank / "truth").exists():
        generate(bank, customers=customers, start=date(2026, 1, 1), through=BUILT[-1], seed=seed, go_live=GO_LIVE)


def build_home(home: Home, bank: Path) -> None:
    """Land and publish the three month ends with a copy of the policies that goes live in April."""
    policies = bank / "policies"
    shutil.copytree(policies_dir(), policies, dirs_exist_ok=True)
    books = yaml.safe_load((policies / "books.yml").read_text("utf-8"))
    books["versions"][0]["go_live_date"] = GO_LIVE
    (policies / "books.yml").write_text(yaml.safe_dump(books, allow_unicode=True), "utf-8")
    command = [str(Path(sys.executable).with_name("tierhouse")), "run", "--home", str(home.root)]
    for day in BUILT:
        subprocess.run(
            [*command, "--landing", str(bank / "landing"), "--through", day.isoformat()],
            check=True,
            env={**os.environ, "TIERHOUSE_POLICIES": str(policies)},
        )


def report(con: duckdb.DuckDBPyConnection, truth: Path) -> None:
    for path in truth.glob("*.parquet"):
        con.execute(f"create temp view {path.stem} as select * from read_parquet('{path}')")
    con.execute(f"create temp view held as {HELD}")
    print("kind                 planted  on books  flagged  right  precision  recall")
    for kind, query in PLANTED.items():
        column = "employee_id" if kind in OF_EMPLOYEES else "customer_id"
        planted = {row[0] for row in con.execute(query).fetchall()}
        on_books = planted & {row[0] for row in con.execute(f"select distinct {column} from held").fetchall()}
        if kind in ("contacts_in_bulk", "supervisor_as_b"):
            on_books = planted
        flagged = {
            row[0]
            for row in con.execute(
                f"select {column} from appraisal.integrity_flag where period_code = '2026Q2' and flag_kind = ?", [kind]
            ).fetchall()
        }
        right = len(flagged & on_books)
        precision = f"{100 * right / len(flagged):.0f} %" if flagged else "-"
        recall = f"{100 * right / len(on_books):.0f} %" if on_books else "-"
        print(
            f"{kind:<20} {len(planted):>7} {len(on_books):>9} {len(flagged):>8} {right:>6} {precision:>10} {recall:>7}"
        )
    print("\nmoney parked on the last day: what it moved of the books that hold the customers")
    print("employee   customers  parked CNY  of the book  over a cut that day  growth CNY  m5_growth  without it")
    for employee, customers, parked, base, over, effect, growth in con.execute(PARKING).fetchall():
        amounts = (float(parked), float(growth), float(growth) - float(effect))
        shares = [f"{100 * amount / float(base):.3f} %" for amount in amounts]
        print(
            f"{employee:<10} {customers:>9} {parked:>11,.0f} {shares[0]:>12} {over:>20} {effect:>11,.2f} "
            f"{shares[1]:>10} {shares[2]:>11}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bank", type=Path, required=True)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--customers", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=11)
    options = parser.parse_args()
    bank = options.bank.resolve()
    home = Home((options.home or bank / "home").resolve())
    build_bank(bank, options.customers, options.seed)
    if not home.warehouse.exists():
        build_home(home, bank)
    with warehouse.connect(home.warehouse, read_only=True) as con:
        report(con, bank / "truth")


if __name__ == "__main__":
    main()
