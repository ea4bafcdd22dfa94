with employees as (
    select
        employees.evaluation_date,
        employees.period_code,
        employees.is_final,
        employees.through_date,
        employees.day_count,
        employees.employee_id,
        employees.branch_id,
        employees.role_code,
        employees.peer_group_code,
        employees.policy_version
    from {{ ref('fct_score_employee') }} as employees
    inner join {{ ref('int_appraisal__newest_evaluation') }} as newest
        on
            employees.period_code = newest.period_code
            and employees.evaluation_date = newest.evaluation_date
),

measures as (
    select
        policy_version,
        measure_code
    from {{ source('policy', 'appraisal_measure') }}
),

sums as (
    select
        period_code,
        employee_id,
        measure_code,
        count(*) as evidence_count,
        sum(case when is_numerator then 1 else 0 end) as numerator_count,
        sum(case when exclusion_reason is not null then 1 else 0 end) as excluded_count,
        sum(case when is_liable then 1 else 0 end) as liable_count,
        cast(sum(case when is_numerator then held_days else 0 end) as bigint) as numerator_days,
        cast(sum(case when exclusion_reason is null then held_days else 0 end) as bigint)
            as denominator_days,
        cast(sum(case when is_numerator then value_cny * held_days else 0 end) as decimal(28, 2))
            as value_days_cny,
        cast(
            sum(case when exclusion_reason is null then base_cny * held_days else 0 end)
            as decimal(28, 2)
        ) as base_days_cny,
        cast(
            sum(case when exclusion_reason is null then price_effect_cny * held_days else 0 end)
            as decimal(28, 2)
        ) as effect_days_cny
    from {{ ref('int_appraisal__evidence') }}
    where employee_id not like 'pool:%'
    group by period_code, employee_id, measure_code
),

cells as (
    select
        employees.*,
        measures.measure_code,
        coalesce(sums.evidence_count, 0) as evidence_count,
        coalesce(sums.numerator_count, 0) as numerator_count,
        coalesce(sums.excluded_count, 0) as excluded_count,
        coalesce(sums.liable_count, 0) as liable_count,
        coalesce(sums.numerator_days, 0) as numerator_days,
        -- Who is won is measured against the customers who were there.
        coalesce(
            case
                when measures.measure_code = 'm4_acquisition' then retention.denominator_days
                else sums.denominator_days
            end, 0
        ) as denominator_days,
        {{ divide_half_up('coalesce(sums.value_days_cny, 0)', 'employees.day_count') }}
            as value_cny,
        {{ divide_half_up('coalesce(sums.base_days_cny, 0)', 'employees.day_count') }} as base_cny,
        {{ divide_half_up('sums.effect_days_cny', 'employees.day_count') }} as effect_cny
    from employees
    inner join measures on employees.policy_version = measures.policy_version
    left join sums
        on
            employees.period_code = sums.period_code
            and employees.employee_id = sums.employee_id
            and measures.measure_code = sums.measure_code
    left join sums as retention
        on
            employees.period_code = retention.period_code
            and employees.employee_id = retention.employee_id
            and retention.measure_code = 'm1_retention'
),

final as (
    select
        cells.period_code,
        cells.employee_id,
        cells.measure_code,
        cells.evaluation_date,
        cells.is_final,
        cells.through_date,
        cells.day_count,
        cells.branch_id,
        cells.role_code,
        cells.peer_group_code,
        {{ measured_value('cells') }},
        cells.evidence_count,
        cast(cells.numerator_count as bigint) as numerator_count,
        cast(cells.excluded_count as bigint) as excluded_count,
        cast(cells.liable_count as bigint) as liable_count,
        case when cells.measure_code = 'm5_growth' then coalesce(cells.effect_cny, 0) end
            as market_effect_cny,
        cells.policy_version
    from cells
)

select * from final
