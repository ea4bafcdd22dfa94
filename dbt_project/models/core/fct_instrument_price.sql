{{ config(materialized='range', partition_column='as_of_date') }}

with deliveries as (
    select
        instrument_id,
        currency,
        price,
        business_date
    from {{ ref('stg_market__instrument_prices') }}
    where business_date > {{ base_date() }}
),

base as (
    {{ kept_partition('fct_instrument_price', [
        ('instrument_id', 'string'), ('currency', 'string'), ('price', 'decimal(18,8)'),
    ]) }}
),

known_prices as (
    select
        instrument_id,
        currency,
        price,
        business_date
    from deliveries
    union all
    select
        instrument_id,
        currency,
        price,
        {{ base_date() }} as business_date
    from base
),

price_intervals as (
    select
        instrument_id,
        currency,
        price,
        business_date as valid_from,
        lead(business_date) over (partition by instrument_id order by business_date) as valid_to
    from known_prices
),

calendar as (
    select business_date from {{ source('build', 'calendar_day') }}
),

fx_rates as (
    select
        as_of_date,
        currency,
        rate_cny
    from {{ ref('fct_fx_rate') }}
    where as_of_date > {{ base_date() }}
),

daily_prices as (
    select
        calendar.business_date,
        price_intervals.instrument_id,
        price_intervals.currency,
        price_intervals.price
    from calendar
    inner join price_intervals
        on
            calendar.business_date >= price_intervals.valid_from
            and (
                price_intervals.valid_to is null
                or calendar.business_date < price_intervals.valid_to
            )
),

final as (
    select
        daily_prices.business_date as as_of_date,
        daily_prices.instrument_id,
        daily_prices.currency,
        daily_prices.price,
        cast(
            round(cast(daily_prices.price as decimal(19, 8)) * fx_rates.rate_cny, 8)
            as decimal(18, 8)
        ) as unit_price_cny
    from daily_prices
    left join fx_rates
        on
            daily_prices.currency = fx_rates.currency
            and daily_prices.business_date = fx_rates.as_of_date
)

select * from final
