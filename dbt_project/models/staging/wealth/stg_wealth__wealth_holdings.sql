-- Generated from contracts/wealth/wealth_holdings.yaml by `tierhouse docs`.
select
    holding_id,
    customer_id,
    product_code,
    branch_id,
    instrument_id,
    currency,
    units,
    cost_amount,
    opened_date,
    maturity_date,
    status,
    business_date,
    batch_id
from {{ source('raw', 'wealth__wealth_holdings') }}
