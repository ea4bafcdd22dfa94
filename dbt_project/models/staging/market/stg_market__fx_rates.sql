-- Generated from contracts/market/fx_rates.yaml by `tierhouse docs`.
select
    currency,
    rate_cny,
    business_date,
    batch_id
from {{ source('raw', 'market__fx_rates') }}
