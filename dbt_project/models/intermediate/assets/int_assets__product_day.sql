with calendar as (
    select business_date from {{ source('build', 'calendar_day') }}
),

weights as (
    select
        effective_from,
        effective_to,
        product_family,
        product_code,
        coefficient
    from {{ source('policy', 'asset_weight') }}
    where asset_set = 'standard'
),

-- Positions that a bank books without a product code.
built_in_products as (
    select
        '_custody_margin' as product_code,
        'brokerage' as product_family
    union all
    select
        '_security' as product_code,
        'securities' as product_family
    union all
    select
        '_opening_deposit' as product_code,
        'deposit' as product_family
),

-- As last delivered: a product that was retired keeps its family, and its balance-days their place
-- in the windows that are open.
delivered_products as (
    select
        calendar.business_date,
        products.product_code,
        max_by(products.product_family, products.business_date) as product_family
    from calendar
    inner join {{ ref('stg_reference__products') }} as products
        on calendar.business_date >= products.business_date
    group by calendar.business_date, products.product_code
),

product_days as (
    select
        business_date,
        product_code,
        product_family
    from delivered_products
    union all
    select
        calendar.business_date,
        built_in_products.product_code,
        built_in_products.product_family
    from calendar
    cross join built_in_products
),

final as (
    select
        product_days.business_date,
        product_days.product_code,
        product_days.product_family,
        cast(
            coalesce(product_weights.coefficient, family_weights.coefficient, 0) as decimal(18, 8)
        ) as aum_coefficient
    from product_days
    left join weights as product_weights
        on
            product_days.product_code = product_weights.product_code
            and product_days.business_date >= product_weights.effective_from
            and product_days.business_date < product_weights.effective_to
    left join weights as family_weights
        on
            product_days.product_family = family_weights.product_family
            and family_weights.product_code is null
            and product_days.business_date >= family_weights.effective_from
            and product_days.business_date < family_weights.effective_to
)

select * from final
