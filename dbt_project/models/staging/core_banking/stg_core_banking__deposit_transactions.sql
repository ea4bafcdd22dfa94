-- Generated from contracts/core_banking/deposit_transactions.yaml by `tierhouse docs`.
select
    transaction_id,
    account_id,
    posted_date,
    posted_at,
    amount,
    currency,
    transaction_kind,
    counterparty_bank,
    business_date,
    batch_id
from {{ source('raw', 'core_banking__deposit_transactions') }}
