{{ config(
    schema='tiering',
    alias='tier_transition',
    materialized='range',
    partition_column='month_end_date',
) }}

with evaluations as (
    select
        evaluation_date,
        scheme_code,
        customer_id,
        previous_tier_code,
        tier_code,
        policy_version
    from {{ ref('fct_tier_evaluation') }}
    where
        evaluation_date = {{ date_literal(plan()['evaluation_date'] or '0001-01-01') }}
        and (tier_code != 'none' or previous_tier_code != 'none')
),

measures as (
    select
        customer_id,
        aum_cny
    from {{ ref('fct_customer_measure') }}
    where measure_date = {{ as_of_date() }}
),

final as (
    select
        evaluations.scheme_code,
        evaluations.evaluation_date as month_end_date,
        evaluations.evaluation_date as as_of_date,
        evaluations.previous_tier_code as from_tier_code,
        evaluations.tier_code as to_tier_code,
        count(*) as customer_count,
        cast(sum(coalesce(measures.aum_cny, 0)) as decimal(18, 2)) as aum_cny,
        evaluations.policy_version
    from evaluations
    left join measures on evaluations.customer_id = measures.customer_id
    group by
        evaluations.scheme_code,
        evaluations.evaluation_date,
        evaluations.previous_tier_code,
        evaluations.tier_code,
        evaluations.policy_version
)

select * from final
