{{ config(materialized='range', partition_column='as_of_date') }}

with legs as (
    select
        business_date,
        customer_id,
        product_code,
        price_key,
        value_cny
    from {{ ref('int_assets__leg_day') }}
    where price_key is not null and value_cny != 0 and business_date < {{ as_of_date() }}
),

prices as (
    select
        as_of_date as business_date,
        'fx:' || currency as price_key,
        rate_cny as price
    from {{ ref('fct_fx_rate') }}
    where as_of_date >= {{ base_date() }} and currency != 'CNY'
    union all
    select
        as_of_date as business_date,
        'price:' || instrument_id as price_key,
        unit_price_cny as price
    from {{ ref('fct_instrument_price') }}
    where as_of_date >= {{ base_date() }}
),

product_days as (
    select
        business_date,
        product_code,
        aum_coefficient
    from {{ ref('int_assets__product_day') }}
    where aum_coefficient != 0
),

calendar as (
    select
        business_date,
        customer_segment_date
    from {{ source('build', 'calendar_day') }}
),

kept_values as (
    {{ kept_partition('fct_priced_value', [
        ('customer_id', 'string'), ('product_code', 'string'), ('price_key', 'string'),
        ('value_cny', 'decimal(18,2)'),
    ]) }}
),

base as (
    {{ kept_partition('fct_customer_price_effect', [
        ('customer_id', 'string'), ('price_effect_cny', 'decimal(18,2)'),
        ('price_effect_days_cny', 'decimal(28,2)'),
    ]) }}
),

-- What was held at the close of the eve of each day of this advance.
held as (
    select
        {{ add_days('business_date', 1) }} as business_date,
        customer_id,
        product_code,
        price_key,
        cast(sum(value_cny) as decimal(18, 2)) as value_cny
    from legs
    group by business_date, customer_id, product_code, price_key
    union all
    select
        {{ add_days(base_date(), 1) }} as business_date,
        customer_id,
        product_code,
        price_key,
        value_cny
    from kept_values
),

-- A day without a delivery carries the price of before: nothing moves. In hundred millionths.
price_moves as (
    select
        business_date,
        price_key,
        cast((price - earlier_price) * 100000000 as decimal(18, 0)) as rise,
        cast(earlier_price * 100000000 as decimal(18, 0)) as earlier_price
    from (
        select
            business_date,
            price_key,
            cast(price as decimal(28, 8)) as price,
            cast(
                lag(price) over (partition by price_key order by business_date) as decimal(28, 8)
            ) as earlier_price
        from prices
    ) as compared
    where earlier_price > 0 and price != earlier_price
),

revaluations as (
    select
        held.business_date,
        held.customer_id,
        product_days.aum_coefficient,
        {{ revaluation('held.value_cny', 'price_moves.rise', 'price_moves.earlier_price') }}
            as revaluation_cny
    from held
    inner join price_moves
        on held.business_date = price_moves.business_date and held.price_key = price_moves.price_key
    inner join product_days
        on
            held.business_date = product_days.business_date
            and held.product_code = product_days.product_code
),

effects as (
    select
        business_date,
        customer_id,
        {{ multiply_money('revaluation_cny', 'aum_coefficient') }} as effect_cny
    from revaluations
),

segment_effects as (
    select
        calendar.customer_segment_date as as_of_date,
        effects.customer_id,
        sum(effects.effect_cny) as effect_cny,
        sum(
            effects.effect_cny
            * (
                {{ days_between('effects.business_date', 'calendar.customer_segment_date') }} + 1
            )
        ) as effect_days_cny
    from effects
    inner join calendar on effects.business_date = calendar.business_date
    group by calendar.customer_segment_date, effects.customer_id
    -- Not a condition on the rows: it would be tested before and work each effect out twice.
    having sum(abs(effects.effect_cny)) > 0
),

first_effects as (
    select
        customer_id,
        min(as_of_date) as first_date
    from segment_effects
    group by customer_id
),

-- From his first effect on a customer has a level on every emitted date.
customers as (
    select
        coalesce(base.customer_id, first_effects.customer_id) as customer_id,
        case when base.customer_id is null then first_effects.first_date else {{ base_date() }} end
            as first_date,
        coalesce(base.price_effect_cny, 0) as price_effect_cny,
        coalesce(base.price_effect_days_cny, 0) as price_effect_days_cny
    from base
    full outer join first_effects on base.customer_id = first_effects.customer_id
),

emitted_dates as (
    {%- set earlier = namespace(date=plan()['base_date']) %}
    {%- for date in plan_dates('customer_dates') %}
    select
        {{ date_literal(date) }} as as_of_date,
        {{ days_between(date_literal(earlier.date or date), date_literal(date)) }} as day_count
    {%- set earlier.date = date %}
    {{- ' union all' if not loop.last }}
    {%- endfor %}
),

levels as (
    select
        emitted_dates.as_of_date,
        emitted_dates.day_count,
        customers.customer_id,
        customers.price_effect_days_cny as base_effect_days_cny,
        coalesce(segments.effect_cny, 0) as effect_cny,
        coalesce(segments.effect_days_cny, 0) as effect_days_cny,
        customers.price_effect_cny
        + {{ summed_to_date(
            'coalesce(segments.effect_cny, 0)', 'customers.customer_id', 'emitted_dates.as_of_date'
        ) }}
            as price_effect_cny
    from customers
    inner join emitted_dates on customers.first_date <= emitted_dates.as_of_date
    left join segment_effects as segments
        on
            customers.customer_id = segments.customer_id
            and emitted_dates.as_of_date = segments.as_of_date
),

-- The level of the date before holds on all days of a segment, what came in it from its day on.
final as (
    select
        as_of_date,
        customer_id,
        cast(price_effect_cny as decimal(18, 2)) as price_effect_cny,
        cast(
            base_effect_days_cny
            + {{ summed_to_date(
                '(price_effect_cny - effect_cny) * day_count + effect_days_cny', 'customer_id', 'as_of_date'
            ) }}
            as decimal(28, 2)
        ) as price_effect_days_cny
    from levels
)

select * from final
