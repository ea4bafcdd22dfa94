-- Generated from contracts/market/instrument_prices.yaml by `tierhouse docs`.
select
    instrument_id,
    currency,
    price,
    business_date,
    batch_id
from {{ source('raw', 'market__instrument_prices') }}
