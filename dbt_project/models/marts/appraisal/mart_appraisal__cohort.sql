{{ config(schema='appraisal', alias='cohort', materialized='view') }}

select
    period_code,
    customer_id,
    cohort_date,
    tier_code,
    tier_rank,
    tier_policy_version,
    employee_id,
    branch_id,
    queue_reason_code
from {{ ref('fct_cohort') }}
