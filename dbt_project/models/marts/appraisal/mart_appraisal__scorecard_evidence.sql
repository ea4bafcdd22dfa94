{{ config(schema='appraisal', alias='scorecard_evidence', materialized='view') }}

with final as (
    {{ told('int_appraisal__evidence', 'closed_scorecard_evidence', [
        'period_code', 'employee_id', 'measure_code', 'customer_id', 'branch_id', 'cohort_role',
        'is_opening', 'is_longest_holder', 'held_days', 'day_count', 'weight', 'is_numerator',
        'value_cny', 'base_cny', 'price_effect_cny', 'exclusion_reason', 'cause_code', 'is_liable',
        'objection_action', 'evaluation_date', 'through_date', 'is_final', 'policy_version',
    ], is_archived=true) }}
)

select * from final
