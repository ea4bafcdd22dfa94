{{ config(meta={'dagster': {'ref': {'name': 'fct_tier_evaluation'}}}) }}

-- Every tier given today, official or indicative, is one of the policy version that gave it, with
-- its rank.
with given as (
    select
        policy_version,
        tier_code,
        tier_rank
    from {{ ref('fct_tier_evaluation') }}
    where evaluation_date = {{ as_of_date() }}
    union
    select
        policy_version,
        indicative_tier_code as tier_code,
        indicative_tier_rank as tier_rank
    from {{ ref('fct_tier_evaluation') }}
    where evaluation_date = {{ as_of_date() }}
    union
    select
        policy_version,
        tier_code,
        tier_rank
    from {{ ref('fct_customer_tier') }}
)

select
    given.policy_version,
    given.tier_code,
    given.tier_rank
from given
left join {{ source('policy', 'tier') }} as tiers
    on
        given.policy_version = tiers.policy_version
        and given.tier_code = tiers.tier_code
        and given.tier_rank = tiers.tier_rank
where tiers.tier_code is null
