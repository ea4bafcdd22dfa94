{{ config(materialized='range', partition_column='as_of_date') }}

with legs as (
    select
        business_date,
        customer_id,
        product_code,
        price_key,
        value_cny
    from {{ ref('int_assets__leg_day') }}
    where price_key is not null and value_cny != 0
),

kept_days as (
    select distinct account_segment_date
    from {{ source('build', 'calendar_day') }}
),

final as (
    select
        legs.business_date as as_of_date,
        legs.customer_id,
        legs.product_code,
        legs.price_key,
        cast(sum(legs.value_cny) as decimal(18, 2)) as value_cny
    from legs
    inner join kept_days on legs.business_date = kept_days.account_segment_date
    group by legs.business_date, legs.customer_id, legs.product_code, legs.price_key
)

select * from final
