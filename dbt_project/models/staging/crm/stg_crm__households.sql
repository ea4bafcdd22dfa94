-- Generated from contracts/crm/households.yaml by `tierhouse docs`.
select
    household_id,
    customer_id,
    member_role,
    consent_date,
    valid_from,
    valid_to,
    business_date,
    batch_id
from {{ source('raw', 'crm__households') }}
