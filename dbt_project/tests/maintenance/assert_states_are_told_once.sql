-- A state that goes on is not told again before its time.
with days as (
    {{ live_days() }}
)

select
    events.business_date,
    events.event_id
from {{ ref('fct_customer_event') }} as events
inner join days on events.business_date = days.business_date
inner join {{ source('policy', 'event_rule') }} as rules
    on
        events.event_kind = rules.event_kind
        and events.business_date >= rules.effective_from
        and events.business_date < rules.effective_to
inner join {{ ref('fct_customer_event') }} as earlier
    on
        events.customer_id = earlier.customer_id
        and events.event_kind = earlier.event_kind
        and coalesce(events.scheme_code, '') = coalesce(earlier.scheme_code, '')
        and coalesce(events.detail_code, '') = coalesce(earlier.detail_code, '')
        and events.business_date > earlier.business_date
        and {{ add_days('events.business_date', '-rules.repeat_days') }}
        < earlier.business_date
where rules.repeat_days is not null
