{{ config(meta={'dagster': {'ref': {'name': 'int_assets__leg_day'}}}) }}

-- A missing exchange rate or price would turn an asset into NULL, and every sum over it into less.
select
    business_date,
    account_kind,
    account_id,
    currency
from {{ ref('int_assets__leg_day') }}
where value_cny is null or balance is null
