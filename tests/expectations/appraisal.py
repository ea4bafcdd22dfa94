"""Healthy tables of the quarters' books, and the defects that their suites find."""

from __future__ import annotations

from datetime import date

FLOWS = "marts.appraisal__book_flow"
COHORTS = "marts.appraisal__cohort"


def tables(as_of: date) -> str:
    """SQL that makes cohorts and book flows in the schema ``appraisal`` and fills them."""
    return f"""
create table appraisal.book_flow (
    period_code varchar, subject_kind varchar, subject_id varchar, as_of_date date, through_date date,
    opening_count bigint, new_count bigint, transferred_in_count bigint, transferred_out_count bigint,
    lost_count bigint, closing_count bigint, opening_aum_cny decimal(18,2), new_aum_cny decimal(18,2),
    transferred_in_aum_cny decimal(18,2), transferred_out_aum_cny decimal(18,2), lost_aum_cny decimal(18,2),
    change_aum_cny decimal(18,2), closing_aum_cny decimal(18,2)
);
insert into appraisal.book_flow
select
    '2026Q3', kind, id, date '{as_of}', date '2026-09-30', opening, new, came, went, lost, closing,
    opening * 10, new * 20.01, came * 10, went * 10, lost * 10, change,
    opening * 10 + new * 20.01 + (came - went - lost) * 10 + change
from (values
    ('employee', 'e1', 4, 1, 0, 1, 0, 4, -1.01),
    ('employee', 'pool:b1', 1, 0, 1, 0, 1, 1, 0),
    ('branch', 'b1', 5, 1, 0, 0, 1, 5, -1.01),
    ('bank', 'bank', 5, 1, 0, 0, 1, 5, -1.01)
) as t(kind, id, opening, new, came, went, lost, closing, change);

create table appraisal.cohort (
    period_code varchar, customer_id varchar, cohort_date date, tier_code varchar, tier_rank bigint,
    tier_policy_version varchar, employee_id varchar, branch_id varchar, queue_reason_code varchar
);
insert into appraisal.cohort
select '2026Q4', customer_id, date '{as_of}', 'gold', 2, 'main@1', employee_id, 'b1', reason
from (values
    ('001', 'e1', null), ('002', 'e1', null), ('003', 'e2', null), ('004', null, 'owner_left')
) as t(customer_id, employee_id, reason);
"""


E1 = "subject_id = 'e1'"
# suite, defect ({t} is the suite's table), the expectations that it trips, and no others.
DEFECTS: list[tuple[str, str, set[str]]] = [
    (
        FLOWS,
        "insert into {t} select * from {t} where subject_kind = 'branch'",
        {"subject_appears_once_in_a_quarter"},
    ),
    (FLOWS, f"update {{t}} set subject_id = null where {E1}", {"subject_appears_once_in_a_quarter"}),
    *(
        (FLOWS, f"update {{t}} set {name}_count = {name}_count + 1 where subject_kind = 'branch'", {"customers_add_up"})
        for name in ("opening", "new", "transferred_in", "transferred_out", "lost", "closing")
    ),
    (FLOWS, "update {t} set closing_count = null where subject_kind = 'branch'", {"customers_add_up"}),
    *(
        (FLOWS, f"update {{t}} set {name}_aum_cny = {name}_aum_cny + 0.01 where {E1}", {"assets_add_up"})
        for name in ("opening", "new", "transferred_in", "transferred_out", "lost", "change", "closing")
    ),
    (FLOWS, f"update {{t}} set change_aum_cny = null where {E1}", {"assets_add_up"}),
    *(
        (
            FLOWS,
            f"update {{t}} set {side}_count = {side}_count + 1, {other} = {other} + 1 where {E1}",
            {"books_and_queues_are_the_bank"},
        )
        for side, other in (("opening", "lost_count"), ("closing", "new_count"))
    ),
    (FLOWS, "delete from {t} where subject_kind = 'bank'", {"books_and_queues_are_the_bank"}),
    (FLOWS, "update {t} set subject_kind = 'team' where subject_kind = 'branch'", {"kinds_are_known"}),
    (
        FLOWS,
        "update {t} set transferred_in_count = 1, transferred_out_count = 1 where subject_kind = 'bank'",
        {"kinds_are_known"},
    ),
    (
        FLOWS,
        "update {t} set lost_count = 2, new_count = 2 where subject_kind = 'bank'",
        {"few_customers_are_lost"},
    ),
    (
        COHORTS,
        "insert into {t} select * from {t} where customer_id = '001'",
        {"customer_appears_once_in_a_quarter"},
    ),
    (COHORTS, "update {t} set customer_id = null where customer_id = '001'", {"customer_appears_once_in_a_quarter"}),
    (COHORTS, "update {t} set employee_id = null where customer_id = '001'", {"customer_is_maintained_or_waits"}),
    (COHORTS, "update {t} set queue_reason_code = null", {"customer_is_maintained_or_waits"}),
    (COHORTS, "update {t} set tier_rank = 0 where customer_id = '001'", {"customer_is_in_scope"}),
    *(
        (COHORTS, f"update {{t}} set {name} = null where customer_id = '001'", {"customer_is_in_scope"})
        for name in ("tier_rank", "tier_code", "tier_policy_version", "branch_id")
    ),
    (COHORTS, "delete from {t} where customer_id = '001'", {"few_wait_in_the_queue"}),
]
