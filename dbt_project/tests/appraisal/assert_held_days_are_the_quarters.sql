-- The days of a customer of the cohort add up to those of the quarter to date, each held by one;
-- whoever came later has no more.
with periods as (
    {{ appraised_periods() }}
),

cohorts as (
    select
        periods.period_code,
        cohorts.customer_id
    from periods
    inner join {{ ref('fct_cohort') }} as cohorts on periods.start_date = cohorts.cohort_date
),

holdings as (
    select
        period_code,
        customer_id,
        sum(held_days) as held_days,
        min(held_days) as least_days,
        min(first_date) as first_date,
        max(last_date) as last_date
    from {{ ref('int_appraisal__holding') }}
    group by period_code, customer_id
)

select
    periods.period_code,
    coalesce(cohorts.customer_id, holdings.customer_id) as customer_id,
    holdings.held_days
from cohorts
full outer join holdings
    on cohorts.period_code = holdings.period_code and cohorts.customer_id = holdings.customer_id
inner join periods on periods.period_code = coalesce(cohorts.period_code, holdings.period_code)
where
    holdings.customer_id is null
    or holdings.least_days < 1
    or holdings.held_days > periods.day_count
    or holdings.first_date < periods.start_date
    or holdings.last_date > periods.through_date
    or (cohorts.customer_id is not null and holdings.held_days != periods.day_count)
