with periods as (
    {{ appraised_periods() }}
),

customers as (
    select
        customer_id,
        home_branch_id
    from {{ ref('dim_customer') }}
),

-- A quarter that is over ends with the cohort of the next one, to the customer.
next_cohorts as (
    select
        periods.period_code,
        cohorts.customer_id,
        cohorts.employee_id,
        cohorts.branch_id
    from {{ ref('fct_cohort') }} as cohorts
    inner join periods on cohorts.cohort_date = periods.next_start_date
    where periods.is_final
),

todays_books as (
    select
        periods.period_code,
        entries.customer_id,
        entries.employee_id,
        coalesce(customers.home_branch_id, 'unknown_branch') as branch_id
    from {{ ref('fct_book_entry') }} as entries
    inner join periods on entries.as_of_date = periods.through_date
    left join customers on entries.customer_id = customers.customer_id
    where not periods.is_final and periods.has_books and entries.slot in ('a', 'queue')
),

closing as (
    select * from next_cohorts
    union all
    select * from todays_books
),

final as (
    select
        period_code,
        customer_id,
        coalesce(employee_id, {{ pool_of('branch_id') }}) as holder_id,
        branch_id
    from closing
)

select * from final
