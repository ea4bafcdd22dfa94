{{ config(materialized='range', partition_column='business_date', late_feed='crm.life_events') }}

with delivered as (
    select
        business_date,
        event_id,
        customer_id,
        event_date,
        event_kind,
        batch_id
    from {{ ref('stg_crm__life_events') }}
    where business_date > {{ base_date() }} or {{ is_late('crm.life_events', 'business_date') }}
),

final as (
    select
        business_date,
        event_id,
        customer_id,
        event_date,
        event_kind,
        batch_id
    from delivered
)

select * from final
