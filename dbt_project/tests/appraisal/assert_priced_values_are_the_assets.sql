-- All securities and all foreign money move with a price or a rate, and what does is kept, to the
-- fen.
with legs as (
    select
        sum(
            case
                when price_key is null and (currency != 'CNY' or account_kind = 'security') then 1
                else 0
            end
        ) as unpriced_count,
        sum(case when price_key is not null then value_cny else 0 end) as value_cny
    from {{ ref('int_assets__leg_day') }}
    where business_date = {{ as_of_date() }}
),

kept as (
    select sum(value_cny) as value_cny
    from {{ ref('fct_priced_value') }}
    where as_of_date = {{ as_of_date() }}
)

select
    legs.unpriced_count,
    legs.value_cny,
    kept.value_cny as kept_value_cny
from legs
cross join kept
where legs.unpriced_count > 0 or coalesce(legs.value_cny, 0) != coalesce(kept.value_cny, 0)
