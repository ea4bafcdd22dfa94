-- Generated from contracts/reference/products.yaml by `tierhouse docs`.
select
    product_code,
    product_name,
    product_family,
    product_grade,
    risk_level,
    is_agency_sale,
    business_date,
    batch_id
from {{ source('raw', 'reference__products') }}
