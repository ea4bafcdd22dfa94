with periods as (
    select
        *,
        case when is_final then next_start_date else through_date end as close_date
    from (
        {{ appraised_periods() }}
    ) as appraised
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

cohorts as (
    select
        periods.period_code,
        cohorts.customer_id,
        cohorts.branch_id,
        successors.new_customer_id
    from {{ ref('fct_cohort') }} as cohorts
    inner join periods on cohorts.cohort_date = periods.start_date
    left join successors on cohorts.customer_id = successors.old_customer_id
),

steps as (
    select
        period_code,
        customer_id,
        case when holder_id not like 'pool:%' then holder_id end as employee_id,
        valid_from,
        coalesce(valid_to, {{ date_literal('9999-12-31') }}) as valid_to
    from {{ ref('int_appraisal__book_step') }}
),

-- Who was merged since is with whoever holds his successor as soon as nobody holds himself.
merged_points as (
    select
        cohorts.period_code,
        cohorts.customer_id,
        cohorts.new_customer_id,
        steps.valid_from
    from cohorts
    inner join steps
        on
            cohorts.period_code = steps.period_code
            and steps.customer_id in (cohorts.customer_id, cohorts.new_customer_id)
    where cohorts.new_customer_id is not null
    group by
        cohorts.period_code, cohorts.customer_id, cohorts.new_customer_id, steps.valid_from
),

merged_steps as (
    select
        points.period_code,
        points.customer_id,
        coalesce(own.employee_id, heirs.employee_id) as employee_id,
        points.valid_from,
        lead(points.valid_from, 1, {{ date_literal('9999-12-31') }}) over (
            partition by points.period_code, points.customer_id order by points.valid_from
        ) as valid_to
    from merged_points as points
    left join steps as own
        on
            points.period_code = own.period_code
            and points.customer_id = own.customer_id
            and points.valid_from >= own.valid_from
            and points.valid_from < own.valid_to
    left join steps as heirs
        on
            points.period_code = heirs.period_code
            and points.new_customer_id = heirs.customer_id
            and points.valid_from >= heirs.valid_from
            and points.valid_from < heirs.valid_to
),

all_steps as (
    select
        steps.*,
        cohorts.branch_id,
        cohorts.customer_id is not null as is_cohort
    from steps
    left join cohorts
        on steps.period_code = cohorts.period_code and steps.customer_id = cohorts.customer_id
    where cohorts.new_customer_id is null
    union all
    select
        merged_steps.*,
        cohorts.branch_id,
        true as is_cohort
    from merged_steps
    inner join cohorts
        on
            merged_steps.period_code = cohorts.period_code
            and merged_steps.customer_id = cohorts.customer_id
),

-- The days of a customer of the cohort add up to the quarter's: those of nobody are his branch's.
spans as (
    select
        steps.period_code,
        steps.customer_id,
        steps.is_cohort,
        coalesce(steps.employee_id, {{ pool_of('steps.branch_id') }}) as employee_id,
        steps.valid_from as first_date,
        least({{ add_days('steps.valid_to', -1) }}, periods.through_date) as last_date,
        steps.is_cohort and steps.valid_from = periods.start_date as is_opening,
        steps.valid_from <= periods.close_date and steps.valid_to > periods.close_date as is_closing
    from all_steps as steps
    inner join periods on steps.period_code = periods.period_code
),

holdings as (
    select
        period_code,
        customer_id,
        employee_id,
        is_cohort,
        sum(
            case
                when first_date <= last_date
                    then {{ days_between('first_date', 'last_date') }} + 1
                else 0
            end
        ) as held_days,
        min(first_date) as first_date,
        max(last_date) as last_date,
        max(is_opening) as is_opening_holder,
        max(is_closing) as is_closing_holder
    from spans
    where employee_id is not null
    group by period_code, customer_id, employee_id, is_cohort
),

final as (
    select
        period_code,
        customer_id,
        employee_id,
        cast(held_days as bigint) as held_days,
        first_date,
        last_date,
        is_cohort,
        is_opening_holder,
        is_closing_holder
    from holdings
    where held_days > 0
)

select * from final
