"""Daily assignment of a large bank: wall and CPU seconds of the models that decide books, for a go-live day and the
ordinary days after it, beside the same new customers dealt one by one from a heap in Python.

    .venv/bin/python benchmarks/books_daily.py --work DIR

Lays one million customers (a third of them in scope), 3,000 outlets and 20,000 employees into a scratch warehouse and
runs the very models with dbt. On go-live nobody has an owner yet: all are dealt by the SQL rule. On each day after it
0.5 % of the customers in scope are new, 0.5 % leave scope, 0.2 % rise, and ten employees leave the bank.
"""

from __future__ import annotations

import argparse
import heapq
import resource
import shutil
import time
from datetime import date, timedelta
from pathlib import Path

from orchestration.lib.planning import advance_json, plan_chunk
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.trial import Trial

MODELS = ("fct_book_entry", "fct_assignment_change", "mart_crm__assignment", "mart_crm__exception_queue")
OUTLETS = 3_000
EMPLOYEES = 20_000
ROLES = ("outlet_head", "lobby_manager", "wealth_manager", "wealth_manager", "teller", "teller")
EMPTY = ("stg_core_banking__customer_merges", "stg_crm__maintainers", "stg_crm__customer_choices", "stg_crm__referrals")


def lay(trial: Trial, customers: int, days: list[date]) -> None:
    """Branches, employees and the customers in scope on each day."""
    for model in (
        *EMPTY,
        "int_customer__successor",
        "dim_branch",
        "int_books__branch_unit",
        "int_books__employee_day",
        "int_books__customer_day",
    ):
        trial.put(model, [])
    first, last = days[0], days[-1]
    with trial.connect() as con:
        con.execute("create schema if not exists build")
        con.execute("create table build.batch_day (feed_id varchar, business_date date, batch_id varchar)")
        con.execute(
            "create table build.book_move (effective_date date, customer_id varchar, from_employee_id varchar, "
            "employee_id varchar, reason_code varchar, proposal_id varchar)"
        )
        # Outlets under sub-branches of ten, those under cities of thirty, a wealth centre in each city.
        con.execute(
            "create table outlet as select n, 'o' || n as branch_id, 's' || n // 10 as sub_id, "
            f"'c' || n // 300 as city_id from range({OUTLETS}) as outlets (n)"
        )
        con.execute(
            "insert into core.dim_branch by name "
            "select branch_id, branch_id as acting_branch_id, 'outlet' as branch_level from outlet "
            "union all by name select distinct city_id as branch_id, city_id as acting_branch_id from outlet"
        )
        con.execute(
            "insert into intermediate.int_books__branch_unit by name "
            "select branch_id, 0 as level_no, branch_id as unit_id from outlet "
            "union all by name select branch_id, 1 as level_no, sub_id as unit_id from outlet "
            "union all by name select branch_id, 2 as level_no, city_id as unit_id from outlet"
        )
        con.execute(
            f"create table staff as select 'e' || (n * {len(ROLES)} + place) as employee_id, branch_id, "
            f"branch_id as unit_id, role_code "
            f"from outlet, (select unnest({list(ROLES)}) as role_code, unnest(range({len(ROLES)})) as place) "
            f"union all select 'p' || n, 'c' || n % 10, 'c' || n % 10, 'private_wealth_manager' "
            f"from range({EMPLOYEES - OUTLETS * len(ROLES)}) as managers (n)"
        )
        con.execute(
            "insert into intermediate.int_books__employee_day by name "
            "select d as business_date, employee_id, branch_id, unit_id, role_code, "
            f"case when d > date '{first}' and hash(employee_id) % 2000 < d - date '{first}' then 'left' "
            "else 'active' end as status, "
            "true as has_nda, 200 as capacity, status = 'active' as is_eligible "
            f"from staff, (select unnest(generate_series(date '{first}', date '{last}', interval 1 day))::date as d)"
        )
        # Of the bank's customers a third is in scope: as ranks fall, ten times fewer each.
        con.execute(
            "insert into intermediate.int_books__customer_day by name "
            "select d as business_date, 'k' || n as customer_id, "
            "case when tier = 5 then 'private_wealth' when tier = 4 then 'wealth_manager' "
            "when tier = 3 then 'lobby_adopted' when tier = 2 then 'staff_maintained' "
            "else 'special_entry' end as tier_code, tier as tier_rank, "
            f"'o' || n % {OUTLETS} as branch_id, "
            "case when tier = 5 then 'private_wealth_manager' when tier = 4 then 'wealth_manager' "
            "when tier = 3 then 'outlet_head' when tier = 2 then 'teller' "
            "else 'lobby_manager' end as required_role_code, tier = 1 as is_queue_role, "
            "false as is_above_age, case when hash(n) % 1000 = 0 then 'risk_veto' end as exclusion_code, "
            "'p@1' as policy_version from (select d, n, "
            "least(5, case when hash(n + 1) % 1000 < 4 then 5 when hash(n + 1) % 1000 < 300 then 4 "
            "when hash(n + 1) % 1000 < 500 then 3 when hash(n + 1) % 1000 < 850 then 2 else 1 end "
            f"+ case when hash(n + 2) % 1000 < 2 * (d - date '{first}') then 1 else 0 end) as tier "
            f"from range({customers // 3} * 105 // 100) as people (n), "
            f"(select unnest(generate_series(date '{first}', date '{last}', interval 1 day))::date as d) "
            f"where hash(n + 3) % 1000 >= 5 * (d - date '{first}') "
            f"and hash(n + 4) % 1000 < 950 + 5 * (d - date '{first}'))"
        )


def deal_one_by_one(trial: Trial, day: date) -> float:
    """Seconds in which Python deals the day's new customers from a heap per outlet and role, reading included."""
    started = time.perf_counter()
    with trial.connect() as con:
        staff = con.execute(
            "select e.employee_id, unit_id, e.role_code, capacity, count(b.customer_id) "
            "from intermediate.int_books__employee_day as e left join core.fct_book_entry as b "
            "on e.employee_id = b.employee_id and b.slot = 'a' and b.as_of_date = ? - 1 "
            "where e.business_date = ? and is_eligible group by all",
            [day, day],
        ).fetchall()
        rows = con.execute(
            "select c.customer_id, c.branch_id, c.required_role_code from intermediate.int_books__customer_day as c "
            "left join core.fct_book_entry as b "
            "on b.customer_id = c.customer_id and b.as_of_date = ? - 1 and b.slot = 'a' "
            "where c.business_date = ? and exclusion_code is null and not is_queue_role and b.customer_id is null "
            "order by c.tier_rank desc, c.customer_id",
            [day, day],
        ).fetchall()
    heaps: dict[tuple[str, str], list[tuple[int, str, int, int]]] = {}
    for employee, unit, role, capacity, load in staff:
        heaps.setdefault((unit, role), []).append(((load + 1) * 1_000_000 // capacity, employee, load, capacity))
    for heap in heaps.values():
        heapq.heapify(heap)
    for _, branch, role in rows:
        heap = heaps.get((branch, role), [])
        if heap and heap[0][2] < heap[0][3]:
            _, employee, load, capacity = heap[0]
            heapq.heapreplace(heap, ((load + 2) * 1_000_000 // capacity, employee, load + 1, capacity))
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=4)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    folder = options.work / "books_daily"
    shutil.rmtree(folder, ignore_errors=True)
    policies = load_policies()
    first = policies.book_version(date.max.replace(year=9998)).go_live_date
    days = [first + timedelta(days=n) for n in range(options.days)]
    trial = Trial(folder, first_date=first)
    trial.lay_policies(policies)
    lay(trial, options.customers, days)
    print("| day | wall s | CPU s | in scope | with owner | queued | changes | heap in Python s |")
    print("|---|---|---|---|---|---|---|---|")
    for day in days:
        base = day - timedelta(days=1)
        chunk = plan_chunk(base, day, day, first, None, policies, base)
        plan = advance_json(chunk, first_date=first, opening_date=None, is_merging=False)
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        trial.run(MODELS, [plan])
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        with trial.connect() as con:
            scope, owned, queued = con.execute(
                "select count(*) filter (where slot in ('a', 'queue')), count(*) filter (where slot = 'a'), "
                "count(*) filter (where slot = 'queue') from core.fct_book_entry where as_of_date = ?",
                [day],
            ).fetchall()[0]
            (changes,) = con.execute(
                "select count(*) from core.fct_assignment_change where business_date = ?", [day]
            ).fetchall()[0]
        heap = deal_one_by_one(trial, day) if day > first else float("nan")
        print(
            f"| {day} | {wall:.1f} | {cpu:.1f} | {scope:,} | {owned:,} | {queued:,} | {changes:,} | {heap:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
