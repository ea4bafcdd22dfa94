-- Generated from contracts/brokerage/custody_accounts.yaml by `tierhouse docs`.
select
    custody_account_id,
    customer_id,
    broker_code,
    branch_id,
    currency,
    margin_balance,
    linked_date,
    status,
    business_date,
    batch_id
from {{ source('raw', 'brokerage__custody_accounts') }}
