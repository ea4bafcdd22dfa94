with products as (
    select
        business_date,
        product_code,
        product_family
    from {{ ref('int_assets__product_day') }}
    where business_date = {{ as_of_date() }}
),

weights as (
    select
        asset_set,
        product_family,
        product_code,
        coefficient
    from {{ source('policy', 'asset_weight') }}
    where
        asset_set != 'standard'
        and effective_from <= {{ as_of_date() }}
        and effective_to > {{ as_of_date() }}
),

asset_sets as (
    select distinct asset_set from weights
),

final as (
    select
        asset_sets.asset_set,
        products.business_date,
        products.product_code,
        products.product_family,
        cast(
            coalesce(product_weights.coefficient, family_weights.coefficient, 0) as decimal(18, 8)
        ) as coefficient
    from products
    cross join asset_sets
    left join weights as product_weights
        on
            asset_sets.asset_set = product_weights.asset_set
            and products.product_code = product_weights.product_code
    left join weights as family_weights
        on
            asset_sets.asset_set = family_weights.asset_set
            and products.product_family = family_weights.product_family
            and family_weights.product_code is null
)

select * from final
