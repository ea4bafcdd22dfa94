-- Generated from contracts/crm/maintainers.yaml by `tierhouse docs`.
select
    customer_id,
    slot,
    slot_no,
    employee_id,
    valid_from,
    is_initial,
    business_date,
    batch_id
from {{ source('raw', 'crm__maintainers') }}
