with product_days as (
    select
        business_date,
        product_code,
        product_family,
        aum_coefficient
    from {{ ref('int_assets__product_day') }}
),

products as (
    select
        products.product_code,
        products.product_name,
        products.product_grade,
        products.risk_level,
        products.is_agency_sale
    from {{ ref('stg_reference__products') }} as products
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'reference.products'
            and products.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ as_of_date() }}
),

final as (
    select
        product_days.product_code,
        coalesce(products.product_name, product_days.product_code) as product_name,
        product_days.product_family,
        products.product_grade,
        products.risk_level,
        coalesce(products.is_agency_sale, false) as is_agency_sale,
        product_days.aum_coefficient
    from product_days
    left join products on product_days.product_code = products.product_code
    where product_days.business_date = {{ as_of_date() }}
)

select * from final
