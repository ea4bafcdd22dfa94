{%- set official_date = date_literal(plan()['official_evaluation_date'] or '0001-01-01') -%}
{%- set primary_code = "'" ~ plan()['primary_scheme'].scheme_code ~ "'" -%}
{{ config(
    schema='tiering',
    alias='customer_tier',
    materialized='range',
    partition_column='as_of_date',
    replaced_rows='replaced_tiers',
) }}

with primary_tiers as (
    select
        customer_id,
        scheme_code,
        {{ as_of_date() }} as as_of_date,
        tier_code,
        tier_rank,
        label_zh,
        measure_code,
        measure_value,
        indicative_tier_code,
        grace_months_below,
        decided_by,
        rule_id,
        valid_from,
        policy_version,
        evaluation_date,
        evaluated_measure_value
    from {{ ref('fct_customer_tier') }}
),

-- Money of a customer who was not delivered is kept, but nobody can be told to serve him.
customers as (
    select customer_id from {{ ref('dim_customer') }}
),

schemes as (
    select
        policy_version,
        measure_code
    from {{ source('policy', 'scheme') }}
    where not is_primary
),

tiers as (
    select
        policy_version,
        tier_code,
        label_zh
    from {{ source('policy', 'tier') }}
),

-- The other schemes are evaluated at month ends: their rows are of that day and stay as they are
-- until the next.
monthly_tiers as (
    select
        evaluations.customer_id,
        evaluations.scheme_code,
        evaluations.evaluation_date as as_of_date,
        evaluations.tier_code,
        evaluations.tier_rank,
        tiers.label_zh,
        schemes.measure_code,
        evaluations.measure_value,
        evaluations.indicative_tier_code,
        evaluations.grace_months_below,
        evaluations.decided_by,
        evaluations.rule_id,
        evaluations.valid_from,
        evaluations.policy_version,
        evaluations.evaluation_date,
        evaluations.measure_value as evaluated_measure_value
    from {{ ref('fct_tier_evaluation') }} as evaluations
    inner join schemes on evaluations.policy_version = schemes.policy_version
    inner join tiers
        on
            evaluations.policy_version = tiers.policy_version
            and evaluations.tier_code = tiers.tier_code
    where
        evaluations.evaluation_date = {{ official_date }}
        and (evaluations.tier_rank > 0 or evaluations.indicative_tier_rank > 0)
        and {{ not_there_yet('customer_tier', 'present.scheme_code != ' ~ primary_code) }}
),

final as (
    select primary_tiers.*
    from primary_tiers
    inner join customers on primary_tiers.customer_id = customers.customer_id
    union all
    select * from monthly_tiers
)

select * from final
