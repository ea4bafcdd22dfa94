"""Scorecards of one quarter with their evidence, healthy, and the defect of each expectation about them."""

from __future__ import annotations

from datetime import date

CARDS = "marts.appraisal__scorecard"
TOTALS = "marts.appraisal__scorecard_total"
BRANCHES = "marts.appraisal__branch_scorecard"
EVIDENCE = "marts.appraisal__scorecard_evidence"


def tables(as_of: date) -> str:
    """SQL of the marts: two employees, three customers, one of whom changed hands, one new and one who died."""
    return f"""
create table appraisal.scorecard as
select
    '2026Q4' as period_code, employee_id, measure_code, numerator::decimal(28,8) as numerator,
    denominator::decimal(28,8) as denominator, rate::decimal(18,8) as value_rate, 0.1::decimal(18,8) as target_rate,
    score::decimal(18,4) as score, 0.2::decimal(18,8) as weight, false as is_frozen
from (values
    ('e1', 'm1_retention', 0.5, 2, 0.25, 40), ('e1', 'm2_uplift', 0, 2, 0, 0), ('e1', 'm3_deepening', 2, 2, 1, 120),
    ('e1', 'm4_acquisition', 1, 2, 0.5, 120), ('e1', 'm5_growth', -3.5, 100, -0.035, 0),
    ('e2', 'm1_retention', 0, 0.5, 0, 120), ('e2', 'm2_uplift', 0, 0, null, null),
    ('e2', 'm3_deepening', 0.5, 0.5, 1, 120), ('e2', 'm4_acquisition', 0, 0.5, 0, 0),
    ('e2', 'm5_growth', 1, 100, 0.01, 10)
) as t(employee_id, measure_code, numerator, denominator, rate, score);
create table appraisal.scorecard_total as
select
    '2026Q4' as period_code, employee_id, 'teller@outlet' as peer_group_code, total::decimal(18,4) as total_score,
    place::bigint as rank_in_peer_group, gate as gate_code, 1::decimal(18,4) as carried_adjustment,
    (total + 1)::decimal(18,4) as total_with_adjustment, false as is_frozen
from (values ('e1', 56, 2, 'archives,complaints'), ('e2', 62.5, 1, null), ('e3', null, null, null))
    as t(employee_id, total, place, gate);
create table appraisal.branch_scorecard as
select
    '2026Q4' as period_code, 'b1' as branch_id, measure_code, numerator::decimal(28,8) as numerator,
    denominator::decimal(28,8) as denominator, rate::decimal(18,8) as value_rate, 0.1::decimal(18,8) as target_rate,
    score::decimal(18,4) as score, -2::bigint as mid_high_growth_count, false as is_frozen
from (values
    ('m1_retention', 1, 2, 0.5, 20), ('m4_acquisition', 3, 2, 1.5, 120), ('m5_growth', -3.5, 100.5, -0.03482587, 0),
    ('m2_uplift', 0, 0, null, null)
) as t(measure_code, numerator, denominator, rate, score);
create table appraisal.scorecard_evidence as
select
    '2026Q4' as period_code, employee_id, measure_code, customer_id, role as cohort_role, days::bigint as held_days,
    30::bigint as day_count, (days / 30.0)::decimal(18,8) as weight, counts as is_numerator,
    value::decimal(18,2) as value_cny, base::decimal(18,2) as base_cny, reason as exclusion_reason, cause as cause_code,
    liable as is_liable, action as objection_action, date '{as_of}' as evaluation_date
from (values
    ('e1', 'm1_retention', '001', 'transferred_out', 10, true, -9, 10, null, 'fell', true, null),
    ('e2', 'm1_retention', '001', 'transferred_in', 20, true, -9, 10, null, 'fell', true, null),
    ('e1', 'm1_retention', '002', 'excluded', 30, false, -9, 10, 'deceased', null, false, null),
    ('e1', 'm1_retention', '003', 'opening', 30, true, -9, 10, null, null, false, 'count'),
    ('e1', 'm5_growth', '003', 'opening', 30, true, -9, 10, null, null, false, null),
    ('pool:b1', 'm4_acquisition', '004', 'new', 30, true, null, null, null, 'pool', false, null)
) as t(employee_id, measure_code, customer_id, role, days, counts, value, base, reason, cause, liable, action);
"""


_E1 = "employee_id = 'e1' and measure_code"
_C1 = "customer_id = '001' and employee_id = 'e1'"

# suite, defect ({t} is the suite's table), the expectations that it trips, and no others.
DEFECTS: list[tuple[str, str, set[str]]] = [
    (
        CARDS,
        f"insert into {{t}} select * replace (0 as weight) from {{t}} where {_E1} = 'm2_uplift'",
        {"cell_appears_once"},
    ),
    (CARDS, "update {t} set employee_id = null where employee_id = 'e1'", {"cell_appears_once"}),
    (
        CARDS,
        f"update {{t}} set measure_code = 'm6_sales' where {_E1} = 'm5_growth'",
        {"measure_is_known", "shares_are_shares"},
    ),
    (CARDS, f"update {{t}} set weight = 0.3 where {_E1} = 'm2_uplift'", {"weights_of_a_scorecard_sum_to_1"}),
    (CARDS, f"delete from {{t}} where {_E1} = 'm2_uplift'", {"weights_of_a_scorecard_sum_to_1"}),
    (CARDS, f"update {{t}} set numerator = 2.1 where {_E1} = 'm1_retention'", {"shares_are_shares"}),
    (CARDS, f"update {{t}} set value_rate = 1.1 where {_E1} = 'm3_deepening'", {"shares_are_shares"}),
    (CARDS, f"update {{t}} set numerator = -1 where {_E1} = 'm4_acquisition'", {"shares_are_shares"}),
    (CARDS, f"update {{t}} set score = null where {_E1} = 'm1_retention'", {"what_has_a_rate_is_scored"}),
    (CARDS, f"update {{t}} set score = -1 where {_E1} = 'm1_retention'", {"what_has_a_rate_is_scored"}),
    (CARDS, f"update {{t}} set target_rate = null where {_E1} = 'm1_retention'", {"what_has_a_rate_is_scored"}),
    (
        CARDS,
        "update {t} set value_rate = null, score = null where employee_id = 'e1'",
        {"most_employees_are_scored"},
    ),
    (TOTALS, "insert into {t} select * from {t} where employee_id = 'e3'", {"employee_appears_once"}),
    (TOTALS, "update {t} set period_code = null where employee_id = 'e3'", {"employee_appears_once"}),
    (
        TOTALS,
        "update {t} set total_score = -1, total_with_adjustment = 0 where employee_id = 'e1'",
        {"total_is_not_negative"},
    ),
    (TOTALS, "update {t} set total_with_adjustment = 56 where employee_id = 'e1'", {"adjustment_is_added"}),
    (TOTALS, "update {t} set total_with_adjustment = 0 where employee_id = 'e3'", {"adjustment_is_added"}),
    (TOTALS, "update {t} set carried_adjustment = null where employee_id = 'e3'", {"adjustment_is_added"}),
    (TOTALS, "update {t} set rank_in_peer_group = 3 where employee_id = 'e1'", {"peers_rank_from_1"}),
    (TOTALS, "update {t} set rank_in_peer_group = 2", {"peers_rank_from_1"}),
    (TOTALS, "update {t} set rank_in_peer_group = 3 where employee_id = 'e3'", {"peers_rank_from_1"}),
    (TOTALS, "update {t} set gate_code = 'mood' where employee_id = 'e1'", {"failed_gates_are_known"}),
    (TOTALS, "update {t} set gate_code = '' where employee_id = 'e1'", {"failed_gates_are_known"}),
    (TOTALS, "update {t} set gate_code = 'cadence' where employee_id = 'e2'", {"gates_are_mostly_passed"}),
    (BRANCHES, "insert into {t} select * from {t} where measure_code = 'm2_uplift'", {"cell_appears_once"}),
    (BRANCHES, "update {t} set branch_id = null", {"cell_appears_once"}),
    (BRANCHES, "update {t} set numerator = 0.5 where measure_code = 'm1_retention'", {"customers_are_counted_whole"}),
    (BRANCHES, "update {t} set denominator = 2.5 where measure_code = 'm1_retention'", {"customers_are_counted_whole"}),
    (BRANCHES, "update {t} set numerator = 3 where measure_code = 'm1_retention'", {"customers_are_counted_whole"}),
    (BRANCHES, "update {t} set numerator = -1 where measure_code = 'm4_acquisition'", {"customers_are_counted_whole"}),
    (BRANCHES, "update {t} set score = null where measure_code = 'm1_retention'", {"what_has_a_rate_is_scored"}),
    (BRANCHES, "update {t} set target_rate = null where measure_code = 'm1_retention'", {"what_has_a_rate_is_scored"}),
    (BRANCHES, "update {t} set score = -1 where measure_code = 'm1_retention'", {"what_has_a_rate_is_scored"}),
    (
        BRANCHES,
        "update {t} set mid_high_growth_count = 0 where measure_code = 'm1_retention'",
        {"mid_and_high_end_growth_is_one_number"},
    ),
    (
        BRANCHES,
        "update {t} set mid_high_growth_count = null where measure_code = 'm1_retention'",
        {"mid_and_high_end_growth_is_one_number"},
    ),
    (
        EVIDENCE,
        "insert into {t} select * from {t} where measure_code = 'm5_growth'",
        {"row_appears_once", "days_of_a_customer_add_up"},
    ),
    (EVIDENCE, "update {t} set customer_id = null where measure_code = 'm5_growth'", {"row_appears_once"}),
    (EVIDENCE, f"update {{t}} set cohort_role = 'stranger' where {_C1}", {"role_is_known"}),
    (EVIDENCE, f"update {{t}} set cohort_role = 'new' where {_C1}", {"role_is_known"}),
    (EVIDENCE, f"update {{t}} set cohort_role = 'excluded' where {_C1}", {"role_is_known"}),
    (EVIDENCE, f"update {{t}} set exclusion_reason = 'merged' where {_C1}", {"role_is_known"}),
    (EVIDENCE, "update {t} set is_numerator = true, cause_code = 'fell' where customer_id = '002'", {"role_is_known"}),
    (
        EVIDENCE,
        f"update {{t}} set held_days = 0, weight = 0 where {_C1}",
        {"days_are_within_the_quarter", "days_of_a_customer_add_up"},
    ),
    (
        EVIDENCE,
        f"update {{t}} set held_days = 31, weight = 31 / 30.0 where {_C1}",
        {"days_are_within_the_quarter", "days_of_a_customer_add_up"},
    ),
    (EVIDENCE, f"update {{t}} set weight = 0.34 where {_C1}", {"days_are_within_the_quarter"}),
    (EVIDENCE, f"update {{t}} set weight = null where {_C1}", {"days_are_within_the_quarter"}),
    (EVIDENCE, f"delete from {{t}} where {_C1}", {"days_of_a_customer_add_up"}),
    (EVIDENCE, f"update {{t}} set cause_code = null where {_C1}", {"loss_has_a_cause"}),
    (
        EVIDENCE,
        f"update {{t}} set value_cny = null, base_cny = null where {_C1}",
        {"money_is_known_where_it_is_measured"},
    ),
    (EVIDENCE, f"update {{t}} set base_cny = null where {_C1}", {"money_is_known_where_it_is_measured"}),
    (
        EVIDENCE,
        "update {t} set value_cny = 1, base_cny = 1 where customer_id = '004'",
        {"money_is_known_where_it_is_measured"},
    ),
    (EVIDENCE, "update {t} set is_liable = true where measure_code = 'm5_growth'", {"liability_is_for_losses"}),
    (EVIDENCE, "update {t} set is_liable = true where customer_id = '002'", {"liability_is_for_losses"}),
]
