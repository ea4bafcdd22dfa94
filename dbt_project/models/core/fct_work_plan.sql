{{ config(materialized='range', partition_column='business_date', late_feed='crm.work_plans') }}

with delivered as (
    select
        business_date,
        plan_id,
        employee_id,
        customer_id,
        planned_for,
        created_at,
        action,
        completed_at,
        batch_id
    from {{ ref('stg_crm__work_plans') }}
    where business_date > {{ base_date() }} or {{ is_late('crm.work_plans', 'business_date') }}
),

final as (
    select
        business_date,
        plan_id,
        employee_id,
        customer_id,
        planned_for,
        created_at,
        action,
        completed_at,
        batch_id
    from delivered
)

select * from final
