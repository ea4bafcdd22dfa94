{{ config(materialized='view') }}

with objections as (
    select
        period_code,
        employee_id,
        measure_code,
        customer_id,
        action
    from {{ source('build', 'objection') }}
),

final as (
    select
        evidence.evaluation_date,
        evidence.period_code,
        evidence.is_final,
        evidence.through_date,
        evidence.day_count,
        evidence.employee_id,
        evidence.measure_code,
        evidence.customer_id,
        evidence.branch_id,
        case when objections.action = 'exclude' then 'excluded' else evidence.cohort_role end
            as cohort_role,
        evidence.is_opening,
        evidence.is_longest_holder,
        evidence.held_days,
        evidence.weight,
        case
            when evidence.exclusion_reason is not null then false
            when objections.action = 'count' then true
            when objections.action in ('not_count', 'exclude') then false
            else evidence.is_numerator
        end as is_numerator,
        evidence.value_cny,
        evidence.base_cny,
        evidence.price_effect_cny,
        coalesce(
            evidence.exclusion_reason,
            case when objections.action = 'exclude' then 'objection' end
        ) as exclusion_reason,
        evidence.cause_code,
        evidence.is_liable
        and coalesce(objections.action not in ('not_count', 'exclude'), true) as is_liable,
        objections.action as objection_action,
        evidence.policy_version
    from {{ ref('fct_score_evidence') }} as evidence
    inner join {{ ref('int_appraisal__newest_evaluation') }} as newest
        on
            evidence.period_code = newest.period_code
            and evidence.evaluation_date = newest.evaluation_date
    left join objections
        on
            evidence.period_code = objections.period_code
            and evidence.employee_id = objections.employee_id
            and evidence.measure_code = objections.measure_code
            and evidence.customer_id = objections.customer_id
)

select * from final
