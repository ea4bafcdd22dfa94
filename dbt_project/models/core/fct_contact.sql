{{ config(materialized='range', partition_column='business_date', late_feed='crm.contacts') }}

with delivered as (
    select
        business_date,
        contact_id,
        customer_id,
        employee_id,
        contacted_at,
        channel,
        purpose,
        outcome,
        batch_id
    from {{ ref('stg_crm__contacts') }}
    where business_date > {{ base_date() }} or {{ is_late('crm.contacts', 'business_date') }}
),

final as (
    select
        business_date,
        contact_id,
        customer_id,
        employee_id,
        contacted_at,
        channel,
        purpose,
        outcome,
        batch_id
    from delivered
)

select * from final
