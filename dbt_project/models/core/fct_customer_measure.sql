{%- set families = [
    'deposit', 'wealth', 'fund', 'insurance', 'bond', 'precious_metal', 'securities', 'brokerage',
    'loan', 'card', 'payment',
] -%}

with balances as (
    select
        as_of_date,
        customer_id,
        product_code,
        value_cny,
        balance_days_cny
    from {{ ref('fct_customer_product_balance') }}
),

product_days as (
    select
        business_date,
        product_code,
        product_family,
        aum_coefficient
    from {{ ref('int_assets__product_day') }}
),

successors as (
    select
        measure_date,
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
),

{% for date in plan_dates('measure_dates') -%}
{%- set windows = plan()['windows'][date] %}
{%- set dates = [
    date, windows.month.base_date, windows.quarter.base_date, windows.year.base_date
] | reject('none') | unique %}
weighted_{{ loop.index }} as (
    select
        balances.as_of_date,
        coalesce(successors.new_customer_id, balances.customer_id) as customer_id,
        products.product_family,
        balances.value_cny,
        {{ multiply_money('balances.value_cny', 'products.aum_coefficient') }} as aum_cny,
        cast(
            case
                when products.aum_coefficient = 1 then balances.balance_days_cny
                else round(
                    cast(balances.balance_days_cny as decimal(22, 2))
                    * cast(products.aum_coefficient as decimal(15, 8)),
                    2
                )
            end as decimal(28, 2)
        ) as aum_balance_days_cny
    from balances
    left join successors
        on
            balances.customer_id = successors.old_customer_id
            and successors.measure_date = {{ date_literal(date) }}
    -- The policy in force at the window's end governs the whole window.
    inner join product_days as products
        on
            balances.product_code = products.product_code
            and products.business_date = {{ date_literal(date) }}
    where
        balances.as_of_date in (
            {%- for needed in dates %}
            {{ date_literal(needed) }}{{ ',' if not loop.last }}
            {%- endfor %}
        )
),

-- Values of the day and window sums are grouped apart: one pass over both took half as long again.
day_sums_{{ loop.index }} as (
    select
        customer_id,
        {%- for family in families %}
        sum(
            case when product_family = '{{ family }}' then value_cny else 0 end
        ) as {{ family }}_cny,
        {%- endfor %}
        count(distinct case when value_cny != 0 then product_family end) as product_family_count,
        sum(aum_cny) as aum_cny
    from weighted_{{ loop.index }}
    where as_of_date = {{ date_literal(date) }}
    group by customer_id
),

window_sums_{{ loop.index }} as (
    select
        {%- for code in ['month', 'quarter', 'year'] %}
        sum(
            case
                when as_of_date = {{ date_literal(date) }} then aum_balance_days_cny
                when as_of_date = {{ date_literal(windows[code].base_date or '0001-01-01') }}
                    then -aum_balance_days_cny
                else 0
            end
        ) as {{ code }}_balance_days_cny,
        {%- endfor %}
        customer_id
    from weighted_{{ loop.index }}
    group by customer_id
),

{% endfor -%}

final as (
    {%- for date in plan_dates('measure_dates') %}
    {%- set windows = plan()['windows'][date] %}
    select
        {{ date_literal(date) }} as measure_date,
        window_sums.customer_id,
        cast(coalesce(day_sums.aum_cny, 0) as decimal(18, 2)) as aum_cny,
        {%- for code in ['month', 'quarter', 'year'] %}
        {{ divide_half_up('window_sums.' ~ code ~ '_balance_days_cny', windows[code].days) }}
            as aum_{{ code }}_avg_cny,
        {%- endfor %}
        {%- for family in families %}
        cast(coalesce(day_sums.{{ family }}_cny, 0) as decimal(18, 2)) as {{ family }}_cny,
        {%- endfor %}
        cast(coalesce(day_sums.product_family_count, 0) as bigint) as product_family_count
    from window_sums_{{ loop.index }} as window_sums
    left join day_sums_{{ loop.index }} as day_sums
        on window_sums.customer_id = day_sums.customer_id
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from final
