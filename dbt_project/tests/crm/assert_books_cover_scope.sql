-- Every customer in scope has one maintainer or one place in the queue, and nobody else has either.
with customers as (
    select
        business_date,
        customer_id
    from {{ ref('int_books__customer_day') }}
),

days as (
    {{ decision_days() }}
),

entries as (
    select
        entries.as_of_date as business_date,
        entries.customer_id,
        count(*) as row_count
    from {{ ref('fct_book_entry') }} as entries
    inner join days on entries.as_of_date = days.business_date
    where entries.slot in ('a', 'queue')
    group by entries.as_of_date, entries.customer_id
)

select
    coalesce(customers.business_date, entries.business_date) as business_date,
    coalesce(customers.customer_id, entries.customer_id) as customer_id,
    coalesce(entries.row_count, 0) as row_count
from customers
full outer join entries
    on
        customers.business_date = entries.business_date
        and customers.customer_id = entries.customer_id
where customers.customer_id is null or coalesce(entries.row_count, 0) != 1
