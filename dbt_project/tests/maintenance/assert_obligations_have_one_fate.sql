-- An obligation is in the one state that its window, and what became of it, say.
with obligations as (
    select
        as_of_date,
        obligation_id,
        due_from_date,
        due_to_date,
        created_date,
        status,
        suppressed_reason_code,
        done_contact_id,
        done_date
    from {{ ref('fct_obligation') }}
    where as_of_date >= {{ decided_from() }}
),

fates as (
    select
        *,
        case
            when done_contact_id is not null then 'done'
            when suppressed_reason_code is not null then 'suppressed'
            when due_from_date > as_of_date then 'open'
            when due_to_date >= as_of_date then 'due'
            else 'overdue'
        end as fate
    from obligations
)

select * from fates
where
    status is null
    or status != fate
    or due_from_date is null
    or due_to_date is null
    or due_to_date < due_from_date
    or (status = 'done') != (done_date is not null)
    or done_date < due_from_date
    or done_date > due_to_date
    or done_date < created_date
