-- Generated from contracts/enterprise/enterprises.yaml by `tierhouse docs`.
select
    enterprise_id,
    enterprise_name,
    branch_id,
    fiscal_year,
    annual_revenue_cny,
    business_date,
    batch_id
from {{ source('raw', 'enterprise__enterprises') }}
