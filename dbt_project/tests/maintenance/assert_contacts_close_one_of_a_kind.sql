with closed as (
    select
        obligation_id,
        kind,
        done_contact_id
    from {{ ref('fct_obligation') }}
    where done_contact_id is not null
),

closed_now as (
    select
        obligation_id,
        kind,
        done_contact_id
    from {{ ref('fct_obligation') }}
    where done_contact_id is not null and as_of_date >= {{ decided_from() }}
)

select closed_now.*
from closed_now
inner join closed
    on
        closed_now.done_contact_id = closed.done_contact_id
        and closed_now.kind = closed.kind
        and closed_now.obligation_id != closed.obligation_id
