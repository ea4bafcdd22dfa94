"""Healthy tables of the subject maintenance, and the defects that their suites find."""

from __future__ import annotations

from datetime import date

OBLIGATIONS = "marts.maintenance__obligation"
EVENTS = "marts.maintenance__event"
WARNINGS = "marts.maintenance__churn_warning"
BACKTEST = "marts.maintenance__churn_backtest"
ARCHIVES = "marts.maintenance__archive_completeness"
OFFERS = "marts.maintenance__product_offer"
COMPLAINTS = "marts.maintenance__complaint"
SURVEYS = "marts.maintenance__survey_summary"
ACTIONS = "marts.maintenance__action_list"
COMPLIANCE = "marts.maintenance__cadence_compliance"


def tables(as_of: date) -> str:
    """SQL that makes the marts of the schema ``maintenance`` and fills them."""
    return f"""
create table maintenance.obligation (
    as_of_date date, obligation_id varchar, customer_id varchar, kind varchar, employee_id varchar,
    owner_role_code varchar, due_from_date date, due_to_date date, status varchar, suppressed_reason_code varchar,
    done_contact_id varchar, done_date date, is_closed boolean, created_date date, rule_id varchar,
    policy_version varchar
);
insert into maintenance.obligation
select
    date '{as_of}', obligation_id, '001', kind, employee_id, role, due_from, due_to, status, reason, contact, done_on,
    done_on is not null, created, 'E6-10', 'obligations@1'
from (values
    ('o1', 'festival_greeting', 'e1', 'wealth_manager', date '2026-11-01', date '2026-11-03', 'open', null, null, null,
        date '2026-10-30'),
    ('o2', 'contact', 'e1', 'wealth_manager', date '2026-10-01', date '2026-10-31', 'due', null, null, null,
        date '2026-10-01'),
    ('o3', 'contact', 'e1', 'wealth_manager', date '2026-10-01', date '2026-10-31', 'done', null, 'n1',
        date '2026-10-31', date '2026-10-01'),
    ('o4', 'portfolio_review', 'e1', 'wealth_manager', date '2026-07-01', date '2026-12-31', 'done', null, 'n1',
        date '2026-10-31', date '2026-10-01'),
    ('o5', 'birthday_greeting', null, 'outlet_head', date '2026-10-28', date '2026-10-29', 'overdue', null, null, null,
        date '2026-10-21'),
    ('o6', 'product_message', 'e1', 'wealth_manager', date '2026-10-01', date '2026-10-31', 'suppressed', 'no_consent',
        null, null, date '2026-10-01')
) as t(obligation_id, kind, employee_id, role, due_from, due_to, status, reason, contact, done_on, created);

create table maintenance.event (
    event_id varchar, business_date date, customer_id varchar, event_kind varchar, amount_cny decimal(18,2),
    account_id varchar, event_date date, rule_id varchar, policy_version varchar
);
insert into maintenance.event
select event_id, date '{as_of}', '001', kind, amount, account, event_date, 'A8-10', 'events@1'
from (values
    ('v1', 'maturity', 20000.00, 'a2', date '2026-11-07'),
    ('v2', 'maturity', 10000.00, 'h1', date '{as_of}'),
    ('v3', 'large_inflow', 80000.00, null, date '{as_of}'),
    ('v4', 'missing_contact_data', null, null, date '{as_of}')
) as t(event_id, kind, amount, account, event_date);

create table maintenance.churn_warning (
    customer_id varchar, as_of_date date, level varchar, score decimal(9,2), indicators varchar, since_date date,
    policy_version varchar
);
insert into maintenance.churn_warning values
    ('001', '{as_of}', 'red', 9, 'aum_fall_1m,outflow_ratio', '2026-10-20', 'churn@1'),
    ('003', '{as_of}', 'yellow', 3, 'no_contact', '{as_of}', 'churn@1');
insert into maintenance.churn_warning
select 'x' || range, '{as_of}', 'orange', 5, 'outflow_ratio', '2026-10-20', 'churn@1' from range(98);

create table maintenance.churn_backtest (
    month_end_date date, segment_code varchar, indicator_code varchar, level varchar, warned_count bigint,
    churned_count bigint, precision_rate decimal(5,4), recall_rate decimal(5,4), lift decimal(9,4), lead_days bigint
);
insert into maintenance.churn_backtest values
    ('2026-06-30', 'bank', 'score', 'red', 2, 5, 0.5, 0.2, 4.0, 31),
    ('2026-06-30', 'bank', 'score', 'orange', 4, 5, 0.5, 0.4, 4.0, 30),
    ('2026-06-30', 'bank', 'score', 'yellow', 4, 5, 0.5, 0.4, 4.0, 30),
    ('2026-06-30', 'bank', 'salary_stop', 'yellow', 0, 0, null, null, null, null);

create table maintenance.archive_completeness (
    customer_id varchar, as_of_date date, missing_fields varchar, completeness_rate decimal(5,4),
    collector_employee_id varchar, collector_role_code varchar, due_to_date date
);
insert into maintenance.archive_completeness values
    ('001', '{as_of}', null, 1, 'e1', 'wealth_manager', null),
    ('003', '{as_of}', 'address,mobile', 0.8, null, 'teller', '2026-11-30');
insert into maintenance.archive_completeness
select 'x' || range, '{as_of}', 'address', 0.9, 'e1', 'wealth_manager', '2026-11-30' from range(98);

create table maintenance.product_offer (
    customer_id varchar, product_family varchar, as_of_date date, offer_kind varchar, offer_rank bigint,
    support decimal(9,4), confidence decimal(9,4), lift decimal(9,4), reason_zh varchar, is_suitable boolean,
    unsuitable_reason_code varchar, rule_id varchar, policy_version varchar
);
insert into maintenance.product_offer values
    ('001', 'deposit', '{as_of}', 'repeat_sell', 1, null, null, null, '到期', true, null, 'D1-09', 'offers@1'),
    ('001', 'bond', '{as_of}', 'cross_sell', 2, 0.02, 0.3, 1.5, '同类客户', true, null, 'D1-09', 'offers@1'),
    ('001', 'fund', '{as_of}', 'up_sell', 3, null, null, null, '升级', false, 'risk_level', 'D1-09', 'offers@1');

create table maintenance.complaint (
    complaint_id varchar, as_of_date date, severity varchar, received_date date, accepted_date date,
    resolved_date date, fed_back_date date, next_step_code varchar, due_date date, is_overdue boolean,
    handler_employee_id varchar
);
insert into maintenance.complaint values
    ('q1', '{as_of}', 'low', '2026-10-09', '2026-10-10', '2026-10-15', '2026-10-15', null, null, false, 'e1'),
    ('q2', '{as_of}', 'high', '2026-10-29', '2026-10-29', null, null, 'resolved', '2026-11-03', false, 'e1'),
    ('q3', '{as_of}', 'medium', '2026-10-01', null, null, null, 'accepted', '2026-10-08', true, 'e1');
insert into maintenance.complaint
select 'x' || range, '{as_of}', 'low', '{as_of}', '{as_of}', null, null, 'resolved', '2026-11-11', false, 'e2'
from range(18);

create table maintenance.survey_summary (
    month_end_date date, subject_kind varchar, subject_id varchar, as_of_date date, survey_count bigint,
    phone_count bigint, visit_count bigint, online_count bigint, score_avg decimal(18,2),
    manager_score_avg decimal(18,2), complaint_count bigint
);
insert into maintenance.survey_summary values
    ('2026-10-31', 'bank', 'bank', '{as_of}', 5, 2, 2, 1, 4.2, 4, 1),
    ('2026-10-31', 'employee', 'e1', '{as_of}', 5, 2, 2, 1, 1, null, 1),
    ('2026-10-31', 'employee', 'e2', '{as_of}', 0, 0, 0, 0, null, null, 0);

create table maintenance.action_list (
    business_date date, employee_id varchar, rank bigint, customer_id varchar, action_kind varchar,
    source_kind varchar, source_id varchar, reason_zh varchar, points bigint, left_out_count bigint,
    planned_for_date date, rule_id varchar, policy_version varchar
);
insert into maintenance.action_list
select
    date '{as_of}', employee_id, rank, customer_id, action_kind, source_kind, 's1', '应于今日联系', points,
    left_out_count, date '2026-11-02', 'E6-10', 'actions@1'
from (values
    ('e1', 1, '001', 'complaint', 'complaint', 120, 3),
    ('e1', 2, '001', 'contact', 'obligation', 60, 3),
    ('e1', 3, '003', 'contact', 'obligation', 60, 3),
    ('e2', 1, '003', 'maturity', 'event', 70, 0)
) as t(employee_id, rank, customer_id, action_kind, source_kind, points, left_out_count);
insert into maintenance.action_list
select '{as_of}', 'x' || range, 1, '001', 'churn_warning_red', 'churn_warning', '001', '预警', 90, 0, '2026-11-02',
    'E12-01', 'actions@1'
from range(20);

create table maintenance.cadence_compliance (
    as_of_date date, employee_id varchar, month_end_date date, kind varchar, due_count bigint, done_count bigint,
    overdue_count bigint, pending_count bigint, suppressed_count bigint
);
insert into maintenance.cadence_compliance values
    ('{as_of}', 'e1', '2026-10-31', 'contact', 110, 60, 40, 10, 5),
    ('{as_of}', 'e1', '2026-10-31', 'work_plan_made', 4, 3, 1, 0, 0),
    ('{as_of}', 'e2', '2026-09-30', 'contact', 0, 0, 0, 0, 1);
"""


# As DEFECTS of test_suites.
DEFECTS: list[tuple[str, str, set[str]]] = [
    (OBLIGATIONS, "update {t} set obligation_id = 'o1' where status = 'due'", {"obligation_appears_once"}),
    (OBLIGATIONS, "update {t} set obligation_id = null where status = 'due'", {"obligation_appears_once"}),
    (OBLIGATIONS, "update {t} set status = 'late' where status = 'due'", {"status_is_one_of_five"}),
    (OBLIGATIONS, "update {t} set status = null where status = 'due'", {"status_is_one_of_five"}),
    (OBLIGATIONS, "update {t} set due_to_date = due_from_date - 1 where status = 'open'", {"window_is_in_order"}),
    (OBLIGATIONS, "update {t} set created_date = due_to_date + 1 where status = 'overdue'", {"window_is_in_order"}),
    (OBLIGATIONS, "update {t} set created_date = as_of_date + 1 where status = 'open'", {"window_is_in_order"}),
    (OBLIGATIONS, "update {t} set due_from_date = null where status = 'suppressed'", {"window_is_in_order"}),
    (OBLIGATIONS, "update {t} set status = 'open' where status = 'due'", {"status_agrees_with_the_day"}),
    (OBLIGATIONS, "update {t} set status = 'due' where status = 'open'", {"status_agrees_with_the_day"}),
    (OBLIGATIONS, "update {t} set status = 'overdue' where status = 'due'", {"status_agrees_with_the_day"}),
    (
        OBLIGATIONS,
        "update {t} set done_contact_id = null where obligation_id = 'o3'",
        {"done_by_a_contact_in_the_window"},
    ),
    (OBLIGATIONS, "update {t} set status = 'due' where obligation_id = 'o4'", {"done_by_a_contact_in_the_window"}),
    (
        OBLIGATIONS,
        "update {t} set done_date = due_to_date + 1 where obligation_id = 'o3'",
        {"done_by_a_contact_in_the_window"},
    ),
    (OBLIGATIONS, "update {t} set kind = 'contact' where obligation_id = 'o4'", {"contact_does_one_of_a_kind"}),
    (OBLIGATIONS, "update {t} set suppressed_reason_code = null", {"suppressed_says_why"}),
    (OBLIGATIONS, "update {t} set suppressed_reason_code = 'deceased' where status = 'due'", {"suppressed_says_why"}),
    (OBLIGATIONS, "update {t} set employee_id = null, owner_role_code = null", {"somebody_owes_it"}),
    (OBLIGATIONS, "update {t} set rule_id = null", {"rule_and_policy_version_are_known"}),
    (OBLIGATIONS, "update {t} set policy_version = null", {"rule_and_policy_version_are_known"}),
    (EVENTS, "update {t} set event_id = 'v1'", {"event_appears_once"}),
    (EVENTS, "update {t} set event_kind = 'rumour' where event_id = 'v4'", {"kind_is_known"}),
    (EVENTS, "update {t} set amount_cny = null where event_id = 'v3'", {"money_is_said_where_it_is_about_money"}),
    (EVENTS, "update {t} set amount_cny = 0 where event_id = 'v1'", {"money_is_said_where_it_is_about_money"}),
    (EVENTS, "update {t} set account_id = null where event_id = 'v1'", {"maturity_names_its_account"}),
    (EVENTS, "update {t} set event_date = business_date - 1 where event_id = 'v2'", {"maturity_names_its_account"}),
    (EVENTS, "update {t} set event_kind = 'large_inflow' where event_id = 'v2'", {"customer_has_one_of_a_day"}),
    (EVENTS, "update {t} set rule_id = null", {"rule_and_policy_version_are_known"}),
    (WARNINGS, "update {t} set customer_id = '001' where level = 'yellow'", {"customer_is_warned_of_once"}),
    (WARNINGS, "update {t} set level = 'black' where level = 'orange'", {"level_is_known"}),
    (WARNINGS, "update {t} set score = 0 where level = 'orange'", {"score_comes_from_indicators"}),
    (WARNINGS, "update {t} set indicators = '' where level = 'orange'", {"score_comes_from_indicators"}),
    (WARNINGS, "update {t} set score = 3 where level = 'red'", {"higher_levels_have_higher_scores"}),
    (WARNINGS, "update {t} set since_date = as_of_date + 1 where level = 'red'", {"warned_since_today_at_the_latest"}),
    (WARNINGS, "update {t} set level = 'red' where level = 'orange'", {"red_is_rare"}),
    (WARNINGS, "update {t} set policy_version = null", {"policy_version_is_known"}),
    (BACKTEST, "update {t} set segment_code = null", {"result_appears_once"}),
    (BACKTEST, "insert into {t} select * from {t} where indicator_code = 'salary_stop'", {"result_appears_once"}),
    (BACKTEST, "update {t} set level = 'black' where indicator_code = 'salary_stop'", {"level_is_known"}),
    (BACKTEST, "update {t} set precision_rate = 1.5 where level = 'red'", {"rates_are_shares"}),
    (BACKTEST, "update {t} set precision_rate = 0 where warned_count = 0", {"rates_are_shares"}),
    (BACKTEST, "update {t} set recall_rate = null where level = 'red'", {"rates_are_shares"}),
    (BACKTEST, "update {t} set churned_count = null where level = 'red'", {"counts_are_known"}),
    (BACKTEST, "update {t} set warned_count = 5 where level = 'red'", {"higher_levels_warn_of_fewer"}),
    (BACKTEST, "update {t} set warned_count = 5 where level = 'orange'", {"higher_levels_warn_of_fewer"}),
    (BACKTEST, "update {t} set lead_days = -1 where level = 'red'", {"lead_is_not_negative"}),
    (ARCHIVES, "update {t} set customer_id = '001' where customer_id = '003'", {"customer_appears_once"}),
    (
        ARCHIVES,
        "update {t} set completeness_rate = 0.9 where customer_id = '001'",
        {"completeness_agrees_with_what_is_missing"},
    ),
    (
        ARCHIVES,
        "update {t} set completeness_rate = 1.1 where customer_id = '003'",
        {"completeness_agrees_with_what_is_missing"},
    ),
    (
        ARCHIVES,
        "update {t} set collector_role_code = null where customer_id = '003'",
        {"somebody_collects_what_is_missing"},
    ),
    (
        ARCHIVES,
        "update {t} set completeness_rate = 0.1 where missing_fields is not null",
        {"archives_are_mostly_complete"},
    ),
    (ARCHIVES, "update {t} set due_to_date = null", {"missing_data_have_a_day"}),
    (ARCHIVES, "update {t} set due_to_date = as_of_date where customer_id = '001'", {"missing_data_have_a_day"}),
    (OFFERS, "insert into {t} select * from {t} where offer_rank = 1", {"offer_appears_once"}),
    (OFFERS, "update {t} set product_family = null where offer_rank = 1", {"offer_appears_once"}),
    (OFFERS, "update {t} set offer_kind = 'hard_sell' where offer_rank = 1", {"kind_is_known"}),
    (OFFERS, "update {t} set lift = 1", {"cross_sell_is_held_together_oftener_than_by_chance"}),
    (OFFERS, "update {t} set support = 2", {"cross_sell_is_held_together_oftener_than_by_chance"}),
    (OFFERS, "update {t} set confidence = null", {"cross_sell_is_held_together_oftener_than_by_chance"}),
    (OFFERS, "update {t} set unsuitable_reason_code = null", {"unsuitable_says_why"}),
    (OFFERS, "update {t} set unsuitable_reason_code = 'senior_duty' where offer_rank = 1", {"unsuitable_says_why"}),
    (OFFERS, "update {t} set offer_rank = 0 where offer_rank = 3", {"suitable_comes_first"}),
    (OFFERS, "update {t} set reason_zh = ''", {"reason_is_said"}),
    (OFFERS, "update {t} set policy_version = null", {"reason_is_said"}),
    (COMPLAINTS, "update {t} set complaint_id = 'q2' where complaint_id = 'q3'", {"complaint_appears_once"}),
    (COMPLAINTS, "update {t} set severity = 'mild' where complaint_id = 'q3'", {"severity_is_known"}),
    (
        COMPLAINTS,
        "update {t} set resolved_date = accepted_date - 1 where complaint_id = 'q1'",
        {"steps_follow_on_one_another"},
    ),
    (
        COMPLAINTS,
        "update {t} set next_step_code = null where complaint_id = 'q2'",
        {"open_complaint_has_a_next_step"},
    ),
    (
        COMPLAINTS,
        "update {t} set next_step_code = 'fed_back' where complaint_id = 'q1'",
        {"open_complaint_has_a_next_step"},
    ),
    (COMPLAINTS, "update {t} set is_overdue = false", {"overdue_is_past_its_day"}),
    (COMPLAINTS, "update {t} set is_overdue = true where complaint_id = 'q2'", {"overdue_is_past_its_day"}),
    (COMPLAINTS, "update {t} set handler_employee_id = null where complaint_id = 'q2'", {"somebody_sees_to_it"}),
    (
        COMPLAINTS,
        "update {t} set is_overdue = true, due_date = '2026-10-30' where complaint_id like 'x%'",
        {"few_complaints_wait_too_long"},
    ),
    (SURVEYS, "update {t} set subject_id = null", {"summary_appears_once"}),
    (SURVEYS, "insert into {t} select * from {t} where subject_kind = 'bank'", {"summary_appears_once"}),
    (SURVEYS, "update {t} set score_avg = 5.5 where subject_kind = 'bank'", {"scores_are_from_1_to_5"}),
    (SURVEYS, "update {t} set score_avg = null where subject_kind = 'bank'", {"scores_are_from_1_to_5"}),
    (SURVEYS, "update {t} set online_count = 0", {"ways_of_asking_add_up"}),
    (SURVEYS, "update {t} set complaint_count = 6", {"complaints_are_answers"}),
    (SURVEYS, "update {t} set score_avg = 2.9 where subject_kind = 'bank'", {"customers_are_content"}),
    (ACTIONS, "update {t} set rank = 4 where rank = 3", {"list_counts_from_1_without_gaps"}),
    (ACTIONS, "update {t} set rank = rank + 1 where employee_id = 'e2'", {"list_counts_from_1_without_gaps"}),
    (ACTIONS, "update {t} set rank = null where employee_id = 'e2'", {"list_counts_from_1_without_gaps"}),
    (ACTIONS, "update {t} set points = 130 where rank = 2", {"most_points_come_first"}),
    (ACTIONS, "update {t} set points = null where rank = 3", {"most_points_come_first"}),
    (ACTIONS, "update {t} set customer_id = '001' where rank = 3", {"customer_is_listed_once_per_kind"}),
    (ACTIONS, "update {t} set action_kind = null where rank = 3", {"customer_is_listed_once_per_kind"}),
    (ACTIONS, "update {t} set source_kind = 'idea' where rank = 3", {"source_is_known"}),
    (ACTIONS, "update {t} set source_id = null where rank = 3", {"source_is_known"}),
    (ACTIONS, "update {t} set reason_zh = '' where rank = 3", {"reason_is_said"}),
    (ACTIONS, "update {t} set rule_id = null where rank = 3", {"reason_is_said"}),
    (ACTIONS, "update {t} set left_out_count = 2 where rank = 3", {"left_out_is_counted"}),
    (ACTIONS, "update {t} set left_out_count = null where employee_id = 'e2'", {"left_out_is_counted"}),
    (ACTIONS, "update {t} set planned_for_date = business_date where rank = 3", {"list_is_for_a_later_day"}),
    (ACTIONS, "update {t} set left_out_count = 1", {"lists_are_mostly_long_enough"}),
    (COMPLIANCE, "update {t} set kind = null where due_count = 4", {"employee_month_and_kind_appear_once"}),
    (COMPLIANCE, "insert into {t} select * from {t} where due_count = 4", {"employee_month_and_kind_appear_once"}),
    (COMPLIANCE, "update {t} set pending_count = 1 where due_count = 4", {"what_is_due_adds_up"}),
    (COMPLIANCE, "update {t} set due_count = null where due_count = 4", {"what_is_due_adds_up"}),
    (COMPLIANCE, "update {t} set suppressed_count = -1 where due_count = 4", {"counts_are_not_negative"}),
    (
        COMPLIANCE,
        "update {t} set done_count = -1, overdue_count = 5 where due_count = 4",
        {"counts_are_not_negative"},
    ),
    (COMPLIANCE, "update {t} set month_end_date = '2026-10-30' where due_count = 4", {"month_is_a_month"}),
    (COMPLIANCE, "update {t} set done_count = 40, overdue_count = 60 where due_count = 110", {"most_is_done_in_time"}),
]
