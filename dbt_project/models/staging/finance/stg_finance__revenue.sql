-- Generated from contracts/finance/revenue.yaml by `tierhouse docs`.
select
    revenue_id,
    customer_id,
    product_code,
    seller_employee_id,
    posted_date,
    amount_cny,
    revenue_kind,
    business_date,
    batch_id
from {{ source('raw', 'finance__revenue') }}
