{{ config(schema='maintenance', alias='churn_backtest', materialized='view') }}

select
    month_end_date,
    segment_code,
    indicator_code,
    level,
    outcome_date,
    population_count,
    warned_count,
    churned_count,
    hit_count,
    precision_rate,
    recall_rate,
    lift,
    lead_days,
    policy_version
from {{ ref('fct_churn_backtest') }}
