{{ config(schema='tiering', alias='customer_tier') }}

with tiers as (
    select
        customer_id,
        scheme_code,
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

final as (
    select
        tiers.customer_id,
        tiers.scheme_code,
        {{ as_of_date() }} as as_of_date,
        tiers.tier_code,
        tiers.tier_rank,
        tiers.label_zh,
        tiers.measure_code,
        tiers.measure_value,
        tiers.indicative_tier_code,
        tiers.grace_months_below,
        tiers.decided_by,
        tiers.rule_id,
        tiers.valid_from,
        tiers.policy_version,
        tiers.evaluation_date,
        tiers.evaluated_measure_value
    from tiers
    inner join customers on tiers.customer_id = customers.customer_id
)

select * from final
