-- Generated from contracts/brokerage/security_positions.yaml by `tierhouse docs`.
select
    custody_account_id,
    instrument_id,
    quantity,
    business_date,
    batch_id
from {{ source('raw', 'brokerage__security_positions') }}
