-- Generated from contracts/crm/life_events.yaml by `tierhouse docs`.
select
    event_id,
    customer_id,
    event_date,
    event_kind,
    business_date,
    batch_id
from {{ source('raw', 'crm__life_events') }}
