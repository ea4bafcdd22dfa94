-- Generated from contracts/crm/consents.yaml by `tierhouse docs`.
select
    customer_id,
    channel,
    allowed,
    since,
    business_date,
    batch_id
from {{ source('raw', 'crm__consents') }}
