-- Generated from contracts/finance/gl_balances.yaml by `tierhouse docs`.
select
    branch_id,
    product_family,
    currency,
    balance,
    business_date,
    batch_id
from {{ source('raw', 'finance__gl_balances') }}
