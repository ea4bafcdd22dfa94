{{ config(schema='tiering', alias='customer_tier') }}

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
