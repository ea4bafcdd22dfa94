-- Generated from contracts/crm/surveys.yaml by `tierhouse docs`.
select
    survey_id,
    customer_id,
    employee_id,
    surveyed_date,
    method,
    score,
    manager_score,
    comment,
    has_complaint,
    business_date,
    batch_id
from {{ source('raw', 'crm__surveys') }}
