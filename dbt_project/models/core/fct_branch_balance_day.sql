{{ config(materialized='range', partition_column='business_date') }}

with legs as (
    select
        business_date,
        branch_id,
        product_family,
        currency,
        customer_id,
        balance,
        value_cny
    from {{ ref('int_assets__leg_day') }}
),

final as (
    select
        business_date,
        branch_id,
        product_family,
        currency,
        cast(sum(balance) as decimal(18, 2)) as balance,
        cast(sum(value_cny) as decimal(18, 2)) as balance_cny,
        cast(count(distinct customer_id) as bigint) as customer_count
    from legs
    group by business_date, branch_id, product_family, currency
)

select * from final
