-- depends_on: {{ ref('fct_customer_product_balance') }}
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

product_days as (
    select
        business_date,
        product_code,
        aum_coefficient
    from {{ ref('int_assets__product_day') }}
),

calendar as (
    select
        business_date,
        customer_segment_date
    from {{ source('build', 'calendar_day') }}
),

base as (
    {{ kept_partition('fct_customer_balance', [
        ('customer_id', 'string'), ('aum_balance_days_cny', 'decimal(28,2)'),
    ]) }}
    {%- if not has_base() %}
    union all
    select
        customer_id,
        cast(sum(balance_days_cny) as decimal(28, 2)) as aum_balance_days_cny
    from {{ ref('int_assets__opening_balance') }}
    group by customer_id
    {%- endif %}
),

-- Weighted per customer and product: rounding must not depend on the number of accounts.
customer_product_days as (
    {%- if is_single_day() %}
    select
        as_of_date as business_date,
        customer_id,
        product_code,
        value_cny
    from {{ ref('fct_customer_product_balance') }}
    where as_of_date = {{ as_of_date() }}
    {%- else %}
    select
        business_date,
        customer_id,
        product_code,
        sum(value_cny) as value_cny
    from legs
    group by business_date, customer_id, product_code
    {%- endif %}
),

weighted_days as (
    select
        days.business_date,
        days.customer_id,
        {{ multiply_money('days.value_cny', 'product_days.aum_coefficient') }} as aum_cny
    from customer_product_days as days
    inner join product_days
        on
            days.product_code = product_days.product_code
            and days.business_date = product_days.business_date
    where product_days.aum_coefficient != 0
),

segment_increments as (
    select
        calendar.customer_segment_date as segment_date,
        days.customer_id,
        sum(
            case
                when days.business_date = calendar.customer_segment_date then days.aum_cny
                else 0
            end
        ) as aum_cny,
        sum(days.aum_cny) as aum_balance_days_cny
    from weighted_days as days
    inner join calendar on days.business_date = calendar.business_date
    group by calendar.customer_segment_date, days.customer_id
),

{% for date in plan_dates('customer_dates') %}
increments_{{ loop.index }} as (
    {%- if loop.length == 1 %}
    select * from segment_increments
    {%- else %}
    select
        customer_id,
        sum(case when segment_date = {{ date_literal(date) }} then aum_cny else 0 end) as aum_cny,
        sum(aum_balance_days_cny) as aum_balance_days_cny
    from segment_increments
    where segment_date <= {{ date_literal(date) }}
    group by customer_id
    {%- endif %}
),

{% endfor -%}

final as (
    {%- for date in plan_dates('customer_dates') %}
    select
        {{ date_literal(date) }} as as_of_date,
        coalesce(increments.customer_id, base.customer_id) as customer_id,
        cast(coalesce(increments.aum_cny, 0) as decimal(18, 2)) as aum_cny,
        cast(
            coalesce(base.aum_balance_days_cny, 0) + coalesce(increments.aum_balance_days_cny, 0)
            as decimal(28, 2)
        ) as aum_balance_days_cny
    from base
    full outer join increments_{{ loop.index }} as increments
        on base.customer_id = increments.customer_id
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from final
