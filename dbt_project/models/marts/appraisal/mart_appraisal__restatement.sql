{{ config(schema='appraisal', alias='restatement', materialized='view') }}

select
    restatement_id,
    as_of_date,
    period_code,
    employee_id,
    measure_code,
    old_value,
    new_value,
    old_score,
    new_score,
    delta_score,
    cause_batch_id,
    from_version
from {{ ref('fct_score_restatement') }}
