-- Generated from contracts/core_banking/opening_balance_days.yaml by `tierhouse docs`.
select
    account_id,
    customer_id,
    as_of_date,
    balance_days,
    business_date,
    batch_id
from {{ source('raw', 'core_banking__opening_balance_days') }}
