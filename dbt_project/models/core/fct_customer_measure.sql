{%- set families = [
    'deposit', 'wealth', 'fund', 'insurance', 'bond', 'precious_metal', 'securities', 'brokerage',
    'loan', 'card', 'payment',
] -%}

with weighted as (
    {{ weighted_balances('int_assets__product_day', 'aum_coefficient') }}
),

-- Values of the day and window sums are grouped apart: one pass over both took half as long again.
day_sums as (
    select
        customer_id,
        {%- for family in families %}
        sum(
            case when product_family = '{{ family }}' then value_cny else 0 end
        ) as {{ family }}_cny,
        {%- endfor %}
        count(distinct case when value_cny != 0 then product_family end) as product_family_count,
        sum(weighted_value_cny) as aum_cny
    from weighted
    where as_of_date = {{ as_of_date() }}
    group by customer_id
),

window_sums as (
    select
        customer_id,
        {{ window_balance_days('weighted_balance_days_cny') }}
    from weighted
    group by customer_id
),

final as (
    select
        {{ as_of_date() }} as measure_date,
        window_sums.customer_id,
        cast(coalesce(day_sums.aum_cny, 0) as decimal(18, 2)) as aum_cny,
        {{ window_averages('window_sums') }},
        {%- for family in families %}
        cast(coalesce(day_sums.{{ family }}_cny, 0) as decimal(18, 2)) as {{ family }}_cny,
        {%- endfor %}
        cast(coalesce(day_sums.product_family_count, 0) as bigint) as product_family_count
    from window_sums
    left join day_sums on window_sums.customer_id = day_sums.customer_id
)

select * from final
