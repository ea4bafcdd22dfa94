with periods as (
    {{ appraised_periods() }}
),

steps as (
    select
        period_code,
        customer_id,
        holder_id,
        valid_from,
        valid_to
    from {{ ref('int_appraisal__book_step') }}
),

closing as (
    select
        period_code,
        customer_id,
        holder_id
    from {{ ref('int_appraisal__closing_book') }}
),

cohorts as (
    select
        periods.period_code,
        cohorts.customer_id,
        cohorts.employee_id,
        cohorts.branch_id
    from {{ ref('fct_cohort') }} as cohorts
    inner join periods on cohorts.cohort_date = periods.start_date
),

-- The days of a customer of the cohort add up to the quarter's: those of nobody are his branch's.
spans as (
    select
        steps.period_code,
        steps.customer_id,
        case
            when steps.holder_id not like 'pool:%' then steps.holder_id
            else {{ pool_of('cohorts.branch_id') }}
        end as employee_id,
        cohorts.customer_id is not null as is_cohort,
        cohorts.employee_id as opening_employee_id,
        steps.valid_from as first_date,
        least(
            coalesce({{ add_days('steps.valid_to', -1) }}, periods.through_date),
            periods.through_date
        ) as last_date
    from (
        select
            period_code,
            customer_id,
            coalesce(holder_id, 'pool:') as holder_id,
            valid_from,
            valid_to
        from steps
    ) as steps
    inner join periods on steps.period_code = periods.period_code
    left join cohorts
        on steps.period_code = cohorts.period_code and steps.customer_id = cohorts.customer_id
    where steps.valid_from <= periods.through_date
),

holdings as (
    select
        period_code,
        customer_id,
        employee_id,
        is_cohort,
        max(opening_employee_id) as opening_employee_id,
        sum({{ days_between('first_date', 'last_date') }} + 1) as held_days,
        min(first_date) as first_date,
        max(last_date) as last_date
    from spans
    where employee_id is not null
    group by period_code, customer_id, employee_id, is_cohort
),

final as (
    select
        holdings.period_code,
        holdings.customer_id,
        holdings.employee_id,
        cast(holdings.held_days as bigint) as held_days,
        holdings.first_date,
        holdings.last_date,
        holdings.is_cohort,
        holdings.is_cohort
        and case
            when holdings.employee_id like 'pool:%' then holdings.opening_employee_id is null
            else coalesce(holdings.employee_id = holdings.opening_employee_id, false)
        end as is_opening_holder,
        coalesce(
            case
                when holdings.employee_id like 'pool:%' then closing.holder_id like 'pool:%'
                else holdings.employee_id = closing.holder_id
            end,
            false
        ) as is_closing_holder
    from holdings
    left join closing
        on
            holdings.period_code = closing.period_code
            and holdings.customer_id = closing.customer_id
)

select * from final
