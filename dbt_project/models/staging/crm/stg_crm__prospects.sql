-- Generated from contracts/crm/prospects.yaml by `tierhouse docs`.
select
    prospect_id,
    met_date,
    met_where,
    branch_id,
    business_date,
    batch_id
from {{ source('raw', 'crm__prospects') }}
