-- depends_on: {{ ref('fct_customer_product_balance') }}
-- depends_on: {{ ref('int_customer__successor') }}
-- depends_on: {{ ref('int_assets__asset_set_weight') }}
{{ config(materialized='range', partition_column='evaluation_date') }}

with {% for asset_set in evaluated_asset_sets() -%}
weighted_{{ loop.index }} as (
    {{ weighted_balances('int_assets__asset_set_weight', 'coefficient', asset_set) }}
),

sums_{{ loop.index }} as (
    select
        customer_id,
        sum(
            case when as_of_date = {{ as_of_date() }} then weighted_value_cny else 0 end
        ) as aum_cny,
        {{ window_balance_days('weighted_balance_days_cny') }}
    from weighted_{{ loop.index }}
    group by customer_id
),

{% endfor -%}

-- Money of a customer who was not delivered is kept, but he is not tiered.
customers as (
    select customer_id from {{ ref('dim_customer') }}
),

measures as (
    select
        measure_date as evaluation_date,
        'standard' as asset_set,
        customer_id,
        aum_cny,
        aum_month_avg_cny,
        month_balance_days_cny,
        aum_quarter_avg_cny,
        quarter_balance_days_cny,
        aum_year_avg_cny,
        year_balance_days_cny
    from {{ ref('fct_customer_measure') }}
    where measure_date = {{ date_literal(plan()['evaluation_date'] or '0001-01-01') }}
    {%- for asset_set in evaluated_asset_sets() %}
    union all
    select
        {{ as_of_date() }} as evaluation_date,
        '{{ asset_set }}' as asset_set,
        customer_id,
        cast(aum_cny as decimal(18, 2)) as aum_cny,
        {{ window_averages('sums_' ~ loop.index) }}
    from sums_{{ loop.index }}
    {%- endfor %}
),

final as (
    select measures.*
    from measures
    inner join customers on measures.customer_id = customers.customer_id
)

select * from final
