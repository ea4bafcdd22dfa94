{{ config(
    schema='assets',
    alias='customer_assets_monthly',
    materialized='range',
    partition_column='month_end_date',
) }}

with measures as (
    select
        measure_date,
        customer_id,
        aum_cny,
        aum_month_avg_cny,
        aum_quarter_avg_cny
    from {{ ref('fct_customer_measure') }}
),

final as (
    select
        customer_id,
        measure_date as month_end_date,
        aum_cny,
        aum_month_avg_cny,
        aum_quarter_avg_cny
    from measures
    where
        measure_date in (
            {%- for date in plan_dates('month_end_dates') %}
            {{ date_literal(date) }},
            {%- endfor %}
            cast('0001-01-01' as date)
        )
)

select * from final
