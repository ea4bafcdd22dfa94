-- An event is of a customer in the books of its day and of a kind that the policy of the day knows,
-- and is of no less money than that asks for.
with days as (
    {{ live_days() }}
)

select
    events.business_date,
    events.event_id
from {{ ref('fct_customer_event') }} as events
inner join days on events.business_date = days.business_date
left join {{ ref('int_maintenance__owner_day') }} as owners
    on
        events.business_date = owners.business_date
        and events.customer_id = owners.customer_id
left join {{ source('policy', 'event_rule') }} as rules
    on
        events.event_kind = rules.event_kind
        and events.rule_id = rules.rule_id
        and events.policy_version = rules.policy_version
        and events.business_date >= rules.effective_from
        and events.business_date < rules.effective_to
where
    owners.customer_id is null
    or rules.event_kind is null
    or coalesce(events.amount_cny, rules.min_amount_cny) < rules.min_amount_cny
    or (events.amount_cny is null and rules.min_amount_cny is not null)
