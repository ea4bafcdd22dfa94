{{ config(meta={'dagster': {'ref': {'name': 'mart_tiering__scheme_crosswalk'}}}) }}

-- A pair of tiers is counted from both sides, never with a tier of the same scheme, and no pair is
-- larger than either of its tiers.
with pairs as (
    select
        scheme_code,
        tier_code,
        other_scheme_code,
        other_tier_code,
        customer_count
    from {{ ref('mart_tiering__scheme_crosswalk') }}
    where month_end_date = {{ as_of_date() }}
),

tiers as (
    select
        scheme_code,
        to_tier_code as tier_code,
        sum(customer_count) as customer_count
    from {{ ref('mart_tiering__tier_transition') }}
    where month_end_date = {{ as_of_date() }}
    group by scheme_code, to_tier_code
)

select
    pairs.scheme_code,
    pairs.tier_code,
    pairs.other_scheme_code,
    pairs.other_tier_code
from pairs
left join pairs as mirrored
    on
        pairs.scheme_code = mirrored.other_scheme_code
        and pairs.tier_code = mirrored.other_tier_code
        and pairs.other_scheme_code = mirrored.scheme_code
        and pairs.other_tier_code = mirrored.tier_code
left join tiers
    on
        pairs.scheme_code = tiers.scheme_code
        and pairs.tier_code = tiers.tier_code
where
    pairs.scheme_code = pairs.other_scheme_code
    or pairs.customer_count is distinct from mirrored.customer_count
    or pairs.customer_count > coalesce(tiers.customer_count, 0)
