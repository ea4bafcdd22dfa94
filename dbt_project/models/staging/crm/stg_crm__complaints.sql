-- Generated from contracts/crm/complaints.yaml by `tierhouse docs`.
select
    complaint_id,
    customer_id,
    employee_id,
    received_at,
    accepted_at,
    resolved_at,
    fed_back_at,
    severity,
    responsible_employee_id,
    business_date,
    batch_id
from {{ source('raw', 'crm__complaints') }}
