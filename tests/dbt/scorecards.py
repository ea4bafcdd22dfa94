"""Scorecards of the quarter in which nothing moved, with one customer won, and the defects their checks find."""

from __future__ import annotations

from tests.dbt.quarters import COHORTS, HOLDINGS, MONTH_END, one

EVIDENCE = "core.fct_score_evidence"
CARDS = "appraisal.scorecard"
TOTALS = "appraisal.scorecard_total"
BRANCHES = "appraisal.branch_scorecard"
MEASURES = "(values ('m1_retention'), ('m2_uplift'), ('m3_deepening'), ('m5_growth')) as measures (measure_code)"
POLICY = "(select max(policy_version) from policy.appraisal)"
PERIOD = (
    f"'2026Q3' as period_code, date '{MONTH_END}' as evaluation_date, date '{MONTH_END}' as through_date, "
    f"false as is_final, {POLICY} as policy_version"
)
ROW = f"{PERIOD}, 31 as day_count, 31 as held_days, 1 as weight, true as is_longest_holder, false as is_liable"
CELL = f"{PERIOD}, false as is_frozen, 0 as score, 0.1 as target_rate"
MONEY = "case when measure_code in ('m1_retention', 'm5_growth') then {} end"
# One of them won a customer; pools are scored nowhere.
AN_EMPLOYEE = f"(select min(employee_id) from {HOLDINGS} where employee_id not like 'pool:%')"
SUMS = (
    "count(*) filter (where measure_code = 'm4_acquisition') as won, "
    "count(*) filter (where measure_code = 'm1_retention') as cohort"
)
RATES = (
    "case when measure_code = 'm4_acquisition' then won else 0 end as numerator, "
    "case when measure_code = 'm5_growth' then 100 * cohort else cohort end as denominator, "
    "case when cohort = 0 then null when measure_code = 'm4_acquisition' then round(won / cohort, 8) else 0 end "
    "as value_rate"
)
ALL_MEASURES = f"(select measure_code from {MEASURES} union all select 'm4_acquisition')"
HEALTHY = (
    (
        f"insert into {EVIDENCE} by name select {ROW}, employee_id, measure_code, customer_id, branch_id, "
        "'opening' as cohort_role, true as is_opening, measure_code = 'm5_growth' as is_numerator, "
        f"{MONEY.format(0)} as value_cny, {MONEY.format(100)} as base_cny "
        f"from {HOLDINGS} inner join (select customer_id, branch_id from {COHORTS}) using (customer_id), {MEASURES}"
    ),
    (
        f"insert into {EVIDENCE} by name select {ROW}, {AN_EMPLOYEE} as employee_id, 'm4_acquisition' as measure_code, "
        "'newcomer' as customer_id, min(branch_id) as branch_id, 'new' as cohort_role, false as is_opening, "
        f"true as is_numerator from {COHORTS}"
    ),
    (
        f"insert into core.fct_score_branch by name select {PERIOD}, branch_id, branch_level, "
        "0 as mid_high_growth_count from core.dim_branch"
    ),
    (
        f"insert into {CARDS} by name select {CELL}, employee_id, measure_code, {RATES}, 0.2 as weight, "
        "case measure_code when 'm4_acquisition' then won else cohort end as evidence_count, "
        "case measure_code when 'm4_acquisition' then won when 'm5_growth' then cohort else 0 end as numerator_count "
        f"from (select employee_id, {SUMS} from {EVIDENCE} where employee_id not like 'pool:%' group by employee_id), "
        f"{ALL_MEASURES}"
    ),
    (
        f"insert into {TOTALS} by name select {PERIOD}, false as is_frozen, employee_id, 'peers' as peer_group_code, "
        "20 as cohort_count, 0 as total_score, 1 as rank_in_peer_group "
        f"from (select distinct employee_id from {CARDS})"
    ),
    (
        f"insert into {BRANCHES} by name select {CELL}, branch_id, measure_code, {RATES}, 0.2 as weight "
        f"from (select ancestor_id as branch_id, {SUMS} from {EVIDENCE} inner join "
        "intermediate.int_appraisal__branch_tree using (branch_id) group by ancestor_id), "
        f"{ALL_MEASURES}"
    ),
)


def a_row(measure: str) -> str:
    return one(EVIDENCE, f"measure_code = '{measure}'")


def a_cell(measure: str) -> str:
    return one(CARDS, f"measure_code = '{measure}' and denominator > 0")


A_TOTAL = one(TOTALS)
SCORED_GROWTH = "measure_code = 'm5_growth' and employee_id not like 'pool:%'"
OUTLET = one(BRANCHES, "measure_code = 'm1_retention'")
MONTH_END_DEFECTS: dict[str, list[str]] = {
    "assert_evidence_covers_the_cohort": [
        *(f"delete from {EVIDENCE} where {a_row(measure)}" for measure in ("m1_retention", "m5_growth")),
        f"delete from {COHORTS} where {one(COHORTS)}",
        f"update {EVIDENCE} set held_days = 30 where {a_row('m2_uplift')}",
        f"update {EVIDENCE} set is_longest_holder = false where {a_row('m2_uplift')}",
        f"update {EVIDENCE} set exclusion_reason = 'merged' where {a_row('m5_growth')}",
        f"update {EVIDENCE} set customer_id = 'stranger' where {a_row('m1_retention')}",
        f"update {EVIDENCE} set customer_id = (select min(customer_id) from {COHORTS}) where {a_row('m4_acquisition')}",
        (
            f"insert into {EVIDENCE} by name select * replace ('other' as employee_id, 0 as held_days, "
            f"false as is_longest_holder, true as is_numerator) from {EVIDENCE} where {a_row('m1_retention')}"
        ),
    ],
    "assert_scorecards_are_their_evidence": [
        f"update {EVIDENCE} set is_numerator = true where {a_row('m1_retention')}",
        f"update {EVIDENCE} set exclusion_reason = 'merged', is_numerator = false where {a_row('m5_growth')}",
        f"update {EVIDENCE} set value_cny = 0.31 where {one(EVIDENCE, SCORED_GROWTH)}",
        f"update {CARDS} set numerator = 0.00000001 where {a_cell('m1_retention')}",
        f"update {CARDS} set denominator = denominator + 0.00000001 where {a_cell('m4_acquisition')}",
        f"update {CARDS} set value_rate = value_rate + 0.00000002 where {a_cell('m4_acquisition')}",
        f"update {CARDS} set value_rate = 0.00000002 where {a_cell('m5_growth')}",
        f"update {CARDS} set value_rate = null where {a_cell('m5_growth')}",
        f"update {CARDS} set evidence_count = evidence_count + 1 where {a_cell('m3_deepening')}",
        f"update {CARDS} set numerator_count = numerator_count + 1 where {a_cell('m3_deepening')}",
        f"delete from {CARDS} where {a_cell('m3_deepening')}",
    ],
    "assert_branch_scorecards_are_their_evidence": [
        f"update {EVIDENCE} set is_numerator = true where {a_row('m1_retention')}",
        f"update {EVIDENCE} set base_cny = 100.01 where {a_row('m5_growth')}",
        f"update {EVIDENCE} set value_cny = 0.01 where {a_row('m5_growth')}",
        f"update {EVIDENCE} set is_longest_holder = false where {a_row('m2_uplift')}",
        f"update {EVIDENCE} set branch_id = 'nowhere' where {a_row('m4_acquisition')}",
        f"update {BRANCHES} set numerator = numerator + 1 where {OUTLET}",
        f"update {BRANCHES} set denominator = denominator + 1 where {OUTLET}",
        f"delete from {BRANCHES} where {OUTLET}",
    ],
    "assert_totals_follow_from_scores": [
        f"delete from {TOTALS} where {A_TOTAL}",
        f"delete from {CARDS} where employee_id = (select min(employee_id) from {CARDS})",
        *(
            f"update {CARDS} set {wrong} where {a_cell('m1_retention')}"
            for wrong in ("weight = 0.3", "score = 121", "score = -0.0001", "score = null", "score = 50")
        ),
        *(
            f"update {TOTALS} set {wrong} where {A_TOTAL}"
            for wrong in (
                "total_score = 0.0001",
                "total_score = null",
                "total_score = 60.0001, gate_code = 'conduct'",
                "total_score = 59, gate_code = 'conduct'",
                "cohort_count = 19",
                "rank_in_peer_group = null",
                "rank_in_peer_group = 2",
            )
        ),
    ],
}
