-- Generated from contracts/crm/contacts.yaml by `tierhouse docs`.
select
    contact_id,
    customer_id,
    employee_id,
    contacted_at,
    channel,
    purpose,
    outcome,
    business_date,
    batch_id
from {{ source('raw', 'crm__contacts') }}
