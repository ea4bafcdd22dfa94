with enterprises as (
    select
        enterprises.enterprise_id,
        enterprises.branch_id,
        enterprises.fiscal_year,
        enterprises.annual_revenue_cny,
        row_number() over (
            partition by enterprises.enterprise_id order by enterprises.fiscal_year desc
        ) as standing
    from {{ ref('stg_enterprise__enterprises') }} as enterprises
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'enterprise.enterprises'
            and enterprises.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ as_of_date() }}
),

schemes as (
    select policy_version
    from {{ source('policy', 'scheme') }}
    where
        measure_code = 'annual_revenue_cny'
        and effective_from <= {{ as_of_date() }}
        and effective_to > {{ as_of_date() }}
),

bands as (
    select
        bands.scheme_code,
        bands.policy_version,
        bands.tier_code,
        bands.tier_rank,
        bands.lower_value,
        bands.upper_value
    from {{ source('policy', 'tier_band') }} as bands
    inner join schemes on bands.policy_version = schemes.policy_version
),

tiers as (
    select
        policy_version,
        tier_code,
        label_zh,
        rule_id
    from {{ source('policy', 'tier') }}
),

final as (
    select
        enterprises.enterprise_id,
        bands.scheme_code,
        {{ as_of_date() }} as as_of_date,
        bands.tier_code,
        bands.tier_rank,
        tiers.label_zh,
        enterprises.branch_id,
        enterprises.fiscal_year,
        enterprises.annual_revenue_cny as measure_value,
        tiers.rule_id,
        bands.policy_version
    from enterprises
    inner join bands
        on
            enterprises.annual_revenue_cny >= bands.lower_value
            and enterprises.annual_revenue_cny < bands.upper_value
    inner join tiers
        on bands.policy_version = tiers.policy_version and bands.tier_code = tiers.tier_code
    where enterprises.standing = 1
)

select * from final
