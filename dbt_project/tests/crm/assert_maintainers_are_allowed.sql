-- From go-live on nobody holds a slot who has left or did not sign the agreement (A9-19); A and B
-- of a customer are two people (A9-20); customers whom nobody may maintain have neither.
with days as (
    {{ decision_days() }}
),

entries as (
    select
        entries.as_of_date,
        entries.customer_id,
        entries.slot,
        entries.employee_id
    from {{ ref('fct_book_entry') }} as entries
    inner join days on entries.as_of_date = days.business_date
    where entries.slot != 'queue' and entries.as_of_date >= {{ date_literal(plan()['seed_date']) }}
),

employees as (
    select
        business_date,
        employee_id,
        status,
        has_nda
    from {{ ref('int_books__employee_day') }}
),

customers as (
    select
        business_date,
        customer_id,
        exclusion_code
    from {{ ref('int_books__customer_day') }}
),

owners as (
    select
        as_of_date,
        customer_id,
        employee_id
    from entries
    where slot = 'a'
)

select
    entries.as_of_date,
    entries.customer_id,
    entries.slot,
    entries.employee_id
from entries
left join employees
    on
        entries.as_of_date = employees.business_date
        and entries.employee_id = employees.employee_id
left join customers
    on
        entries.as_of_date = customers.business_date
        and entries.customer_id = customers.customer_id
left join owners
    on
        entries.as_of_date = owners.as_of_date
        and entries.customer_id = owners.customer_id
where
    employees.employee_id is null
    or employees.status = 'left'
    or not employees.has_nda
    or customers.exclusion_code is not null
    or (entries.slot != 'a' and owners.employee_id = entries.employee_id)
