-- depends_on: {{ ref('int_assets__opening_balance') }}
{{ config(materialized='range', partition_column='as_of_date') }}

with legs as (
    select
        business_date,
        customer_id,
        product_code,
        value_cny
    from {{ ref('int_assets__leg_day') }}
),

calendar as (
    select
        business_date,
        account_segment_date
    from {{ source('build', 'calendar_day') }}
),

base as (
    {{ kept_partition('fct_customer_product_balance', [
        ('customer_id', 'string'), ('product_code', 'string'), ('balance_days_cny', 'decimal(28,2)'),
    ]) }}
    {%- if not has_base() %}
    union all
    select
        customer_id,
        product_code,
        cast(sum(balance_days_cny) as decimal(28, 2)) as balance_days_cny
    from {{ ref('int_assets__opening_balance') }}
    group by customer_id, product_code
    {%- endif %}
),

segment_increments as (
    select
        calendar.account_segment_date as segment_date,
        legs.customer_id,
        legs.product_code,
        sum(
            case
                when legs.business_date = calendar.account_segment_date then legs.value_cny
                else 0
            end
        ) as value_cny,
        sum(legs.value_cny) as balance_days_cny
    from legs
    inner join calendar on legs.business_date = calendar.business_date
    group by calendar.account_segment_date, legs.customer_id, legs.product_code
),

{% for date in plan_dates('account_dates') %}
increments_{{ loop.index }} as (
    {%- if loop.length == 1 %}
    select * from segment_increments
    {%- else %}
    select
        customer_id,
        product_code,
        sum(
            case when segment_date = {{ date_literal(date) }} then value_cny else 0 end
        ) as value_cny,
        sum(balance_days_cny) as balance_days_cny
    from segment_increments
    where segment_date <= {{ date_literal(date) }}
    group by customer_id, product_code
    {%- endif %}
),

{% endfor -%}

final as (
    {%- for date in plan_dates('account_dates') %}
    select
        {{ date_literal(date) }} as as_of_date,
        coalesce(increments.customer_id, base.customer_id) as customer_id,
        coalesce(increments.product_code, base.product_code) as product_code,
        cast(coalesce(increments.value_cny, 0) as decimal(18, 2)) as value_cny,
        cast(
            coalesce(base.balance_days_cny, 0) + coalesce(increments.balance_days_cny, 0)
            as decimal(28, 2)
        ) as balance_days_cny
    from base
    full outer join increments_{{ loop.index }} as increments
        on base.customer_id = increments.customer_id and base.product_code = increments.product_code
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- if plan()['opening_date'] %}
    union all
    select
        {{ date_literal(plan()['opening_date']) }} as as_of_date,
        customer_id,
        product_code,
        cast(0 as decimal(18, 2)) as value_cny,
        balance_days_cny
    from base
    {%- endif %}
)

select * from final
