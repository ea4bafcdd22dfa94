{{ config(schema='assets', alias='restatement', materialized='view') }}

select
    restatement_id,
    as_of_date,
    customer_id,
    scheme_code,
    measure_code,
    business_date,
    old_value,
    new_value,
    old_tier_code,
    new_tier_code,
    cause_batch_id
from {{ ref('fct_restatement') }}
