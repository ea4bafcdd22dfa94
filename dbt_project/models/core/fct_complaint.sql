{{ config(materialized='range', partition_column='business_date', late_feed='crm.complaints') }}

with delivered as (
    select
        business_date,
        complaint_id,
        customer_id,
        employee_id,
        received_at,
        accepted_at,
        resolved_at,
        fed_back_at,
        severity,
        responsible_employee_id,
        batch_id
    from {{ ref('stg_crm__complaints') }}
    where business_date > {{ base_date() }} or {{ is_late('crm.complaints', 'business_date') }}
),

final as (
    select
        business_date,
        complaint_id,
        customer_id,
        employee_id,
        received_at,
        accepted_at,
        resolved_at,
        fed_back_at,
        severity,
        responsible_employee_id,
        batch_id
    from delivered
)

select * from final
