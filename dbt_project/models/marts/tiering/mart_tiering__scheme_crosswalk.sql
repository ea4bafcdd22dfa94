{{ config(
    schema='tiering',
    alias='scheme_crosswalk',
    materialized='range',
    partition_column='month_end_date',
) }}

with evaluations as (
    select
        evaluation_date,
        customer_id,
        scheme_code,
        tier_code,
        tier_rank,
        policy_version
    from {{ ref('fct_tier_evaluation') }}
    where
        evaluation_date = {{ date_literal(plan()['evaluation_date'] or '0001-01-01') }}
        and tier_rank > 0
),

-- Pairs are counted by small numbers instead of names: tens of millions of them at a million
-- customers.
numbered_tiers as (
    select
        policy_version,
        scheme_code,
        tier_code,
        cast(row_number() over (order by policy_version, tier_rank) as smallint) as tier_no
    from {{ source('policy', 'tier') }}
    where
        tier_rank > 0
        and effective_from <= {{ as_of_date() }}
        and effective_to > {{ as_of_date() }}
),

customer_tiers as (
    select
        evaluations.customer_id,
        numbered_tiers.tier_no
    from evaluations
    inner join numbered_tiers
        on
            evaluations.policy_version = numbered_tiers.policy_version
            and evaluations.tier_code = numbered_tiers.tier_code
),

pair_counts as (
    select
        one.tier_no,
        other.tier_no as other_tier_no,
        count(*) as customer_count
    from customer_tiers as one
    inner join customer_tiers as other
        on one.customer_id = other.customer_id and one.tier_no < other.tier_no
    group by one.tier_no, other.tier_no
),

both_ways as (
    select
        tier_no,
        other_tier_no,
        customer_count
    from pair_counts
    union all
    select
        other_tier_no as tier_no,
        tier_no as other_tier_no,
        customer_count
    from pair_counts
),

final as (
    select
        one.scheme_code,
        one.tier_code,
        other.scheme_code as other_scheme_code,
        other.tier_code as other_tier_code,
        {{ as_of_date() }} as month_end_date,
        {{ as_of_date() }} as as_of_date,
        both_ways.customer_count,
        one.policy_version
    from both_ways
    inner join numbered_tiers as one on both_ways.tier_no = one.tier_no
    inner join numbered_tiers as other on both_ways.other_tier_no = other.tier_no
)

select * from final
