-- Generated from contracts/risk/customer_risk.yaml by `tierhouse docs`.
select
    customer_id,
    risk_result,
    special_flag,
    aml_class,
    aml_rated_date,
    funds_source_score,
    behaviour_score,
    business_date,
    batch_id
from {{ source('raw', 'risk__customer_risk') }}
