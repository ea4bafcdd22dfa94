{{ config(meta={'dagster': {'ref': {'name': 'mart_tiering__customer_tier'}}}) }}

-- is_in_scope of customer_assets and the tier of the primary scheme say the same of every known
-- customer.
with tiers as (
    select
        tiers.customer_id,
        tiers.tier_rank
    from {{ ref('mart_tiering__customer_tier') }} as tiers
    inner join {{ source('policy', 'scheme') }} as schemes
        on tiers.scheme_code = schemes.scheme_code and tiers.policy_version = schemes.policy_version
    where schemes.is_primary
)

select assets.customer_id
from {{ ref('mart_assets__customer_assets') }} as assets
left join tiers on assets.customer_id = tiers.customer_id
where
    assets.is_in_scope is distinct from (coalesce(tiers.tier_rank, 0) > 0)
    or assets.is_in_scope is distinct from (assets.entry_doors is not null)
