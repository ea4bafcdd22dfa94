{{ config(materialized='range', partition_column='business_date') }}

with revenue as (
    select
        business_date,
        customer_id,
        amount_cny
    from {{ ref('stg_finance__revenue') }}
    where business_date > {{ base_date() }}
),

final as (
    select
        business_date,
        customer_id,
        cast(sum(amount_cny) as decimal(18, 2)) as revenue_cny
    from revenue
    group by business_date, customer_id
)

select * from final
