"""A quarter that began with the books of the built day, in which nothing moved, and the defects its checks find."""

from __future__ import annotations

from datetime import date

from tests.conftest import AS_OF_DATE

START, MONTH_END = date(2026, 7, 1), date(2026, 7, 31)
ENTRIES = "core.fct_book_entry"
COHORTS = "core.fct_cohort"
FLOWS = "core.fct_book_flow"
HOLDINGS = "intermediate.int_appraisal__holding"
HELD = f"{ENTRIES} as entries where as_of_date = date '{AS_OF_DATE}' and slot in ('a', 'queue')"
NOTHING = ", ".join(
    f"cast(0 as {sql_type}) as {flow}_{what}"
    for what, sql_type in (("count", "bigint"), ("aum_cny", "decimal(18, 2)"))
    for flow in ("new", "transferred_in", "transferred_out", "lost")
)
# Nobody was measured at the quarter's eve nor on the month end: books hold customers, and assets of 0.
COHORT_ROWS = (
    f"select date '{START}' as cohort_date, '2026Q3' as period_code, customer_id, tier_code, tier_rank, "
    "policy_version as tier_policy_version, employee_id, "
    "case when slot = 'queue' then reason_code end as queue_reason_code, "
    "coalesce((select home_branch_id from core.dim_customer as c where c.customer_id = entries.customer_id), "
    f"'unknown_branch') as branch_id from {HELD}"
)
SUBJECTS = (
    f"select 'employee' as subject_kind, coalesce(employee_id, 'pool:' || branch_id) as subject_id from {COHORTS} "
    "union all select 'branch', ancestor_id "
    f"from {COHORTS} inner join intermediate.int_appraisal__branch_tree using (branch_id) "
    f"union all select 'bank', 'bank' from {COHORTS}"
)
FLOW_ROWS = (
    f"select date '{MONTH_END}' as evaluation_date, '2026Q3' as period_code, subject_kind, subject_id, "
    f"date '{MONTH_END}' as through_date, false as is_final, count(*) as opening_count, count(*) as closing_count, "
    f"0 as opening_aum_cny, 0 as closing_aum_cny, 0 as change_aum_cny, {NOTHING} "
    f"from ({SUBJECTS}) group by subject_kind, subject_id"
)
HOLDING_ROWS = (
    "select period_code, customer_id, coalesce(employee_id, 'pool:' || branch_id) as employee_id, 31 as held_days, "
    f"date '{START}' as first_date, date '{MONTH_END}' as last_date, true as is_cohort, true as is_opening_holder, "
    f"true as is_closing_holder from {COHORTS}"
)
HEALTHY = (
    f"insert into {COHORTS} by name {COHORT_ROWS}",
    *(
        f"insert into {ENTRIES} by name select * replace (date '{day}' as as_of_date) from {HELD}"
        for day in (START, MONTH_END)
    ),
    f"insert into {FLOWS} by name {FLOW_ROWS}",
    f"insert into {HOLDINGS} by name {HOLDING_ROWS}",
)


def one(relation: str, condition: str = "true") -> str:
    return f"rowid = (select min(rowid) from {relation} where {condition})"


EMPLOYEE = one(FLOWS, "subject_kind = 'employee'")
BANK = "subject_kind = 'bank'"
OUTLET = one(FLOWS, "subject_kind = 'branch'")
A_MEASURE = (
    "insert into core.fct_month_measure by name select date '{day}' as evaluation_date, 'standard' as asset_set, "
    f"customer_id, 0.01 as aum_cny from {COHORTS} limit 1"
)
MONTH_END_DEFECTS: dict[str, list[str]] = {
    "assert_book_flows_balance": [
        *(
            f"update {FLOWS} set {flow}_{what} = {flow}_{what} + 1 where {OUTLET}"
            for flow in ("opening", "new", "transferred_in", "transferred_out", "lost", "closing")
            for what in ("count", "aum_cny")
        ),
        f"update {FLOWS} set change_aum_cny = 0.01 where {OUTLET}",
        f"update {FLOWS} set transferred_in_count = 1, transferred_out_count = 1 where {BANK}",
        f"update {FLOWS} set transferred_in_count = 1, closing_count = closing_count + 1 where {EMPLOYEE}",
        f"update {FLOWS} set new_count = 1, lost_count = 1 where {EMPLOYEE}",
        f"update {FLOWS} set new_aum_cny = 0.01, lost_aum_cny = 0.01 where {BANK}",
        f"update {FLOWS} set change_aum_cny = 0.01, lost_aum_cny = 0.01 where {EMPLOYEE}",
        f"delete from {FLOWS} where {BANK}",
        f"delete from {FLOWS} where subject_kind = 'employee'",
    ],
    "assert_book_flows_join_the_cohorts": [
        f"delete from {FLOWS} where {OUTLET}",
        f"insert into {FLOWS} by name select * replace ('nobody' as subject_id) from {FLOWS} where {EMPLOYEE}",
        f"update {FLOWS} set opening_count = opening_count + 1 where {EMPLOYEE}",
        f"update {FLOWS} set closing_aum_cny = 0.01 where {BANK}",
        f"delete from {COHORTS} where {one(COHORTS)}",
        f"delete from {ENTRIES} where {one(ENTRIES, f'as_of_date = date {MONTH_END.isoformat()!r}')}",
        A_MEASURE.format(day=date(2026, 6, 30)),
        A_MEASURE.format(day=MONTH_END),
    ],
    "assert_held_days_are_the_quarters": [
        f"delete from {HOLDINGS} where {one(HOLDINGS)}",
        f"update {HOLDINGS} set held_days = 30 where {one(HOLDINGS)}",
        (
            f"insert into {HOLDINGS} by name select * replace ('other' as employee_id, 1 as held_days) "
            f"from {HOLDINGS} where {one(HOLDINGS)}"
        ),
        *(
            f"insert into {HOLDINGS} by name select * replace ('new' as customer_id, {wrong}) from {HOLDINGS} limit 1"
            for wrong in (
                "0 as held_days",
                "32 as held_days",
                f"date '{START}' - 1 as first_date",
                f"date '{MONTH_END}' + 1 as last_date",
            )
        ),
    ],
}
A_MAINTAINED = one(COHORTS, "employee_id is not null")
A_WAITING = one(COHORTS, "employee_id is null")
FIRST_DAY_DEFECTS: dict[str, list[str]] = {
    "assert_cohorts_are_the_books": [
        f"delete from {COHORTS} where {one(COHORTS)}",
        f"delete from {ENTRIES} where {one(ENTRIES, f'as_of_date = date {START.isoformat()!r}')}",
        f"update {COHORTS} set employee_id = 'other' where {A_MAINTAINED}",
        f"update {COHORTS} set queue_reason_code = 'other' where {A_WAITING}",
        f"update {COHORTS} set queue_reason_code = null where {A_WAITING}",
        f"update {COHORTS} set branch_id = null where {A_MAINTAINED}",
        f"update {COHORTS} set tier_rank = 0 where {A_MAINTAINED}",
    ],
}
