{{ config(schema='appraisal', alias='attribution', materialized='view') }}

select
    revenue_id,
    recipient_id,
    credit_kind,
    business_date as as_of_date,
    business_date,
    posted_date,
    customer_id,
    situation_code,
    recipient_kind,
    is_shadow,
    share,
    amount_cny,
    rule_id,
    policy_version
from {{ ref('fct_revenue_credit') }}
