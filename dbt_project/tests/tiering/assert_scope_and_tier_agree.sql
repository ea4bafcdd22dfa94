{{ config(meta={'dagster': {'ref': {'name': 'mart_tiering__customer_tier'}}}) }}

-- is_in_scope of customer_assets and the tier of the primary scheme say the same of every known
-- customer.
with tiers as (
    select
        customer_id,
        tier_rank
    from {{ ref('mart_tiering__customer_tier') }}
    where scheme_code = '{{ plan()['primary_scheme'].scheme_code }}'
)

select assets.customer_id
from {{ ref('mart_assets__customer_assets') }} as assets
left join tiers on assets.customer_id = tiers.customer_id
where
    assets.is_in_scope is distinct from (coalesce(tiers.tier_rank, 0) > 0)
    or assets.is_in_scope is distinct from (assets.entry_doors is not null)
