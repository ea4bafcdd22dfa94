-- Generated from contracts/card/card_accounts.yaml by `tierhouse docs`.
select
    card_id,
    customer_id,
    product_code,
    branch_id,
    card_kind,
    card_grade,
    currency,
    outstanding_balance,
    credit_limit,
    opened_date,
    status,
    business_date,
    batch_id
from {{ source('raw', 'card__card_accounts') }}
