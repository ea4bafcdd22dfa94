{%- set families = ['deposit', 'wealth', 'fund', 'insurance', 'bond', 'precious_metal', 'securities', 'brokerage', 'loan', 'card', 'payment'] -%}

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
{%- set bases = [windows.month.base_date, windows.quarter.base_date, windows.year.base_date] | reject('none') | unique | list %}
weighted_{{ loop.index }} as (
    select
        balances.as_of_date,
        balances.customer_id,
        products.product_family,
        balances.value_cny,
        {{ multiply_money('balances.value_cny', 'products.aum_coefficient') }} as aum_cny,
        cast(
            case
                when products.aum_coefficient = 1 then balances.balance_days_cny
                else round(cast(balances.balance_days_cny as decimal(22, 2)) * cast(products.aum_coefficient as decimal(15, 8)), 2)
            end as decimal(28, 2)
        ) as aum_balance_days_cny
    from balances
    -- The policy in force at the window's end governs the whole window.
    inner join product_days as products
        on balances.product_code = products.product_code and products.business_date = {{ date_literal(date) }}
    where balances.as_of_date in ({{ date_literal(date) }}{% for base in bases %}, {{ date_literal(base) }}{% endfor %})
),

customer_sums_{{ loop.index }} as (
    select
        coalesce(successors.new_customer_id, weighted.customer_id) as customer_id,
        {%- for family in families %}
        sum(case when as_of_date = {{ date_literal(date) }} and product_family = '{{ family }}' then value_cny else 0 end) as {{ family }}_cny,
        max(case when as_of_date = {{ date_literal(date) }} and product_family = '{{ family }}' and value_cny != 0 then 1 else 0 end) as has_{{ family }},
        {%- endfor %}
        sum(case when as_of_date = {{ date_literal(date) }} then aum_cny else 0 end) as aum_cny,
        {%- for code in ['month', 'quarter', 'year'] %}
        sum(
            case
                when as_of_date = {{ date_literal(date) }} then aum_balance_days_cny
                {%- if windows[code].base_date %}
                when as_of_date = {{ date_literal(windows[code].base_date) }} then -aum_balance_days_cny
                {%- endif %}
                else 0
            end
        ) as {{ code }}_balance_days_cny{{ ',' if not loop.last }}
        {%- endfor %}
    from weighted_{{ loop.index }} as weighted
    left join successors
        on weighted.customer_id = successors.old_customer_id and successors.measure_date = {{ date_literal(date) }}
    group by coalesce(successors.new_customer_id, weighted.customer_id)
),

{% endfor -%}

final as (
    {%- for date in plan_dates('measure_dates') %}
    {%- set windows = plan()['windows'][date] %}
    select
        {{ date_literal(date) }} as measure_date,
        customer_id,
        cast(aum_cny as decimal(18, 2)) as aum_cny,
        {%- for code in ['month', 'quarter', 'year'] %}
        {{ divide_half_up(code ~ '_balance_days_cny', windows[code].days) }} as aum_{{ code }}_avg_cny,
        {%- endfor %}
        {%- for family in families %}
        cast({{ family }}_cny as decimal(18, 2)) as {{ family }}_cny,
        {%- endfor %}
        cast({% for family in families %}has_{{ family }}{{ ' + ' if not loop.last }}{% endfor %} as bigint) as product_family_count
    from customer_sums_{{ loop.index }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from final
