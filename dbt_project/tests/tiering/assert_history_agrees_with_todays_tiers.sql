{{ config(meta={'dagster': {'ref': {'name': 'mart_tiering__customer_tier_history'}}}) }}

-- The primary scheme's open interval of every customer is his tier of today.
with open_tiers as (
    select
        customer_id,
        tier_code
    from {{ ref('mart_tiering__customer_tier_history') }}
    where
        scheme_code = '{{ plan()['primary_scheme'].scheme_code }}'
        and valid_to is null
),

tiers as (
    select
        customer_id,
        tier_code
    from {{ ref('fct_customer_tier') }}
)

select
    coalesce(open_tiers.customer_id, tiers.customer_id) as customer_id,
    open_tiers.tier_code as open_tier_code,
    tiers.tier_code
from open_tiers
full outer join tiers on open_tiers.customer_id = tiers.customer_id
where coalesce(open_tiers.tier_code, 'none') != coalesce(tiers.tier_code, 'none')
