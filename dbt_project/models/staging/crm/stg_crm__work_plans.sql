-- Generated from contracts/crm/work_plans.yaml by `tierhouse docs`.
select
    plan_id,
    employee_id,
    customer_id,
    planned_for,
    created_at,
    action,
    completed_at,
    business_date,
    batch_id
from {{ source('raw', 'crm__work_plans') }}
