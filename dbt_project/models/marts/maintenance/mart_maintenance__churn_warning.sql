{{ config(schema='maintenance', alias='churn_warning') }}

select
    customer_id,
    as_of_date,
    level,
    score,
    indicators,
    reason_zh,
    since_date,
    policy_version
from {{ ref('fct_churn_warning') }}
where as_of_date = {{ as_of_date() }}
