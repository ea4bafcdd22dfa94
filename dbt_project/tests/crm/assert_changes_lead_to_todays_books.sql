-- The log of changes, replayed from go-live on, gives today's books: nothing moved without a line
-- in it, no line without a move.
with changes as (
    select
        customer_id,
        slot,
        slot_no,
        max_by(to_employee_id, business_date) as last_employee_id,
        max_by(case when to_employee_id is null then 1 else 0 end, business_date) as is_ended
    from {{ ref('fct_assignment_change') }}
    where business_date <= {{ as_of_date() }}
    group by customer_id, slot, slot_no
),

held as (
    select
        customer_id,
        slot,
        slot_no,
        last_employee_id as employee_id
    from changes
    where is_ended = 0
),

entries as (
    select
        customer_id,
        slot,
        slot_no,
        employee_id
    from {{ ref('fct_book_entry') }}
    where
        as_of_date = {{ as_of_date() }}
        and slot != 'queue'
        and as_of_date >= {{ date_literal(plan()['seed_date']) }}
)

select
    coalesce(held.customer_id, entries.customer_id) as customer_id,
    coalesce(held.slot, entries.slot) as slot,
    held.employee_id as replayed_employee_id,
    entries.employee_id as todays_employee_id
from held
full outer join entries
    on
        held.customer_id = entries.customer_id
        and held.slot = entries.slot
        and held.slot_no = entries.slot_no
where
    held.employee_id is null
    or entries.employee_id is null
    or held.employee_id != entries.employee_id
