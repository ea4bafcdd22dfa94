with cells as (
    select *
    from {{ ref('fct_score_value') }}
),

measures as (
    select
        policy_version,
        measure_code,
        weight,
        is_inverse,
        fallback_target_rate
    from {{ source('policy', 'appraisal_measure') }}
),

rules as (
    select
        policy_version,
        score_unit,
        score_cap
    from {{ source('policy', 'appraisal') }}
),

-- A quarter that is closed stays what it was when the next one is measured against it.
told_rates as (
    select
        cells.period_code,
        cells.employee_id as subject_id,
        cells.measure_code,
        cells.peer_group_code,
        cells.value_rate
    from cells
    left join {{ source('build', 'closed_quarter') }} as closed
        on cells.period_code = closed.period_code
    where closed.period_code is null and cells.value_rate is not null
    union all
    select
        period_code,
        employee_id as subject_id,
        measure_code,
        peer_group_code,
        value_rate
    from {{ source('build', 'closed_scorecard') }}
    where value_rate is not null
),

medians as (
    {{ median_rates('told_rates', ['period_code', 'measure_code', 'peer_group_code']) }}
),

gates as (
    select
        period_code,
        employee_id,
        gate_code
    from {{ ref('fct_score_gate') }}
),

targets as (
    select
        cells.*,
        measures.weight,
        measures.is_inverse,
        rules.score_unit,
        rules.score_cap,
        coalesce(medians.median_rate, measures.fallback_target_rate) as target_rate
    from cells
    inner join measures
        on
            cells.policy_version = measures.policy_version
            and cells.measure_code = measures.measure_code
    inner join rules on cells.policy_version = rules.policy_version
    left join medians
        on
            {{ quarter_before('cells.period_code') }} = medians.period_code
            and cells.measure_code = medians.measure_code
            and cells.peer_group_code = medians.peer_group_code
),

final as (
    select
        targets.period_code,
        targets.employee_id,
        targets.measure_code,
        targets.evaluation_date,
        targets.is_final,
        targets.through_date,
        targets.day_count,
        targets.branch_id,
        targets.role_code,
        targets.peer_group_code,
        targets.numerator,
        targets.denominator,
        targets.value_rate,
        targets.target_rate,
        {{ score_points(
            'targets.value_rate', 'targets.target_rate', 'targets.is_inverse', 'targets.score_unit',
            'targets.score_cap'
        ) }} as score,
        targets.weight,
        gates.gate_code,
        targets.evidence_count,
        targets.numerator_count,
        targets.excluded_count,
        targets.liable_count,
        targets.market_effect_cny,
        targets.policy_version
    from targets
    left join gates
        on
            targets.period_code = gates.period_code
            and targets.employee_id = gates.employee_id
)

select * from final
