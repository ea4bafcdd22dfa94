-- What was not closed on a day stands on the next one.
with days as (
    {{ live_days() }}
),

left_open as (
    select
        {{ add_days('obligations.as_of_date', 1) }} as business_date,
        obligations.obligation_id
    from {{ ref('fct_obligation') }} as obligations
    inner join days on days.business_date = {{ add_days('obligations.as_of_date', 1) }}
    where not obligations.is_closed
),

standing as (
    select
        obligations.as_of_date,
        obligations.obligation_id
    from {{ ref('fct_obligation') }} as obligations
    inner join days on obligations.as_of_date = days.business_date
)

select left_open.*
from left_open
left join standing
    on
        left_open.business_date = standing.as_of_date
        and left_open.obligation_id = standing.obligation_id
where standing.obligation_id is null
