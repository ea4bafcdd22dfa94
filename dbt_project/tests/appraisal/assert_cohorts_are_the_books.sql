-- A cohort is the books of the quarter's first day: every customer in scope once, with who
-- maintains him or why nobody does.
with days as (
    {%- for quarter in plan_dates('cohort_quarters') %}
    select {{ date_literal(quarter['start_date']) }} as business_date{{ ' union all' if not loop.last }}
    {%- else %}
    select {{ as_of_date() }} as business_date
    where 1 = 0
    {%- endfor %}
),

entries as (
    select
        entries.as_of_date as business_date,
        entries.customer_id,
        entries.employee_id,
        case when entries.slot = 'queue' then entries.reason_code end as queue_reason_code
    from {{ ref('fct_book_entry') }} as entries
    inner join days on entries.as_of_date = days.business_date
    where entries.slot in ('a', 'queue')
),

cohorts as (
    select
        cohorts.cohort_date as business_date,
        cohorts.customer_id,
        cohorts.employee_id,
        cohorts.queue_reason_code,
        cohorts.branch_id,
        cohorts.tier_rank
    from {{ ref('fct_cohort') }} as cohorts
    inner join days on cohorts.cohort_date = days.business_date
)

select
    coalesce(cohorts.business_date, entries.business_date) as business_date,
    coalesce(cohorts.customer_id, entries.customer_id) as customer_id
from cohorts
full outer join entries
    on
        cohorts.business_date = entries.business_date
        and cohorts.customer_id = entries.customer_id
where
    cohorts.customer_id is null
    or entries.customer_id is null
    or coalesce(cohorts.employee_id, '') != coalesce(entries.employee_id, '')
    or coalesce(cohorts.queue_reason_code, '') != coalesce(entries.queue_reason_code, '')
    or (cohorts.employee_id is null) = (cohorts.queue_reason_code is null)
    or cohorts.branch_id is null
    or cohorts.tier_rank < 1
