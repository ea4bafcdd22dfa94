-- Every cell of a quarter that is not closed is what its rows of evidence add up to, and no row is
-- without a cell. Rates are compared as products: nothing is rounded here.
with cells as (
    select *
    from {{ ref('mart_appraisal__scorecard') }}
    where not is_frozen
),

evidence as (
    select
        period_code,
        employee_id,
        measure_code,
        max(day_count) as day_count,
        count(*) as evidence_count,
        sum(case when is_numerator then 1 else 0 end) as numerator_count,
        sum(case when is_numerator then held_days else 0 end) as numerator_days,
        sum(case when exclusion_reason is null then held_days else 0 end) as denominator_days,
        sum(case when is_numerator then held_days * value_cny else 0 end) as value_days_cny,
        sum(case when exclusion_reason is null then held_days * base_cny else 0 end)
            as base_days_cny
    from {{ ref('mart_appraisal__scorecard_evidence') }}
    where not is_frozen and employee_id not like 'pool:%'
    group by period_code, employee_id, measure_code
),

compared as (
    select
        cells.period_code,
        cells.employee_id,
        cells.measure_code,
        evidence.employee_id as evidence_employee_id,
        cells.numerator,
        cells.denominator,
        cells.value_rate,
        cells.evidence_count,
        cells.numerator_count,
        coalesce(evidence.evidence_count, 0) as found_count,
        coalesce(evidence.numerator_count, 0) as found_numerator_count,
        coalesce(evidence.day_count, retention.day_count, 1) as day_count,
        case
            when cells.measure_code = 'm5_growth' then coalesce(evidence.value_days_cny, 0)
            else cast(coalesce(evidence.numerator_days, 0) as decimal(28, 2))
        end as numerator_days,
        case
            when cells.measure_code = 'm5_growth' then coalesce(evidence.base_days_cny, 0)
            when cells.measure_code = 'm4_acquisition'
                then cast(coalesce(retention.denominator_days, 0) as decimal(28, 2))
            else cast(coalesce(evidence.denominator_days, 0) as decimal(28, 2))
        end as denominator_days,
        -- Half the last decimal that the cell has.
        case
            when cells.measure_code = 'm5_growth' then cast(0.005 as decimal(10, 9))
            else cast(0.000000005 as decimal(10, 9))
        end as half_unit
    from cells
    left join evidence
        on
            cells.period_code = evidence.period_code
            and cells.employee_id = evidence.employee_id
            and cells.measure_code = evidence.measure_code
    left join evidence as retention
        on
            cells.period_code = retention.period_code
            and cells.employee_id = retention.employee_id
            and retention.measure_code = 'm1_retention'
)

select
    period_code,
    employee_id,
    measure_code
from compared
where
    evidence_count != found_count
    or numerator_count != found_numerator_count
    or abs(numerator * day_count - numerator_days) > half_unit * day_count
    or abs(denominator * day_count - denominator_days) > half_unit * day_count
    or (value_rate is null) != (denominator <= 0)
    or (
        measure_code = 'm5_growth'
        and abs(value_rate * denominator - numerator) > 0.000000005 * denominator
    )
    or (
        measure_code != 'm5_growth'
        and abs(value_rate * denominator_days - numerator_days) > 0.000000005 * denominator_days
    )
union all
select
    evidence.period_code,
    evidence.employee_id,
    evidence.measure_code
from evidence
left join cells
    on
        evidence.period_code = cells.period_code
        and evidence.employee_id = cells.employee_id
        and evidence.measure_code = cells.measure_code
where cells.employee_id is null
