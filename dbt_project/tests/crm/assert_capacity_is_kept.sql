-- Nobody who is full is given another customer by the daily rule.
with days as (
    {{ decision_days() }}
),

books as (
    select
        entries.as_of_date,
        entries.employee_id,
        count(*) as customer_count,
        sum(
            case
                when
                    entries.valid_from = entries.as_of_date
                    and entries.reason_code not in (
                        'old_crm', 'rebalancing', 'allocation', 'merged_customer'
                    )
                    then 1
                else 0
            end
        ) as new_count
    from {{ ref('fct_book_entry') }} as entries
    inner join days on entries.as_of_date = days.business_date
    where entries.slot = 'a' and entries.as_of_date >= {{ date_literal(plan()['seed_date']) }}
    group by entries.as_of_date, entries.employee_id
),

employees as (
    select
        business_date,
        employee_id,
        capacity
    from {{ ref('int_books__employee_day') }}
)

select
    books.as_of_date,
    books.employee_id,
    books.customer_count,
    employees.capacity
from books
inner join employees
    on
        books.as_of_date = employees.business_date
        and books.employee_id = employees.employee_id
where books.new_count > 0 and books.customer_count > employees.capacity
