{{ config(materialized='range', partition_column='business_date') }}

with final as (
    select
        business_date,
        revenue_id,
        posted_date,
        customer_id,
        seller_employee_id
    from {{ ref('stg_finance__revenue') }}
    where business_date > {{ base_date() }} and seller_employee_id is not null
)

select * from final
