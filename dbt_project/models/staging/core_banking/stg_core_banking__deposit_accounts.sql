-- Generated from contracts/core_banking/deposit_accounts.yaml by `tierhouse docs`.
select
    account_id,
    customer_id,
    product_code,
    branch_id,
    currency,
    balance,
    term_months,
    opened_date,
    maturity_date,
    status,
    business_date,
    batch_id
from {{ source('raw', 'core_banking__deposit_accounts') }}
