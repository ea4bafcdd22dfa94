-- Generated from contracts/card/card_transactions.yaml by `tierhouse docs`.
select
    transaction_id,
    card_id,
    posted_date,
    amount,
    currency,
    transaction_kind,
    merchant_category,
    business_date,
    batch_id
from {{ source('raw', 'card__card_transactions') }}
