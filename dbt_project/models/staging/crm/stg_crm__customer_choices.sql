-- Generated from contracts/crm/customer_choices.yaml by `tierhouse docs`.
select
    choice_id,
    customer_id,
    employee_id,
    chosen_date,
    evidence_ref,
    business_date,
    batch_id
from {{ source('raw', 'crm__customer_choices') }}
