{{ config(materialized='range', partition_column='as_of_date') }}

with deliveries as (
    select
        currency,
        rate_cny,
        business_date
    from {{ ref('stg_market__fx_rates') }}
    where business_date > {{ base_date() }} and currency != 'CNY'
),

base as (
    {{ kept_partition('fct_fx_rate', [('currency', 'string'), ('rate_cny', 'decimal(18,8)')]) }}
),

known_rates as (
    select
        currency,
        rate_cny,
        business_date
    from deliveries
    union all
    select
        currency,
        rate_cny,
        {{ base_date() }} as business_date
    from base
    where currency != 'CNY'
),

rate_intervals as (
    select
        currency,
        rate_cny,
        business_date as valid_from,
        lead(business_date) over (partition by currency order by business_date) as valid_to
    from known_rates
),

calendar as (
    select business_date from {{ source('build', 'calendar_day') }}
),

final as (
    select
        calendar.business_date as as_of_date,
        rate_intervals.currency,
        rate_intervals.rate_cny
    from calendar
    inner join rate_intervals
        on
            calendar.business_date >= rate_intervals.valid_from
            and (
                rate_intervals.valid_to is null
                or calendar.business_date < rate_intervals.valid_to
            )
    union all
    select
        calendar.business_date as as_of_date,
        'CNY' as currency,
        cast(1 as decimal(18, 8)) as rate_cny
    from calendar
)

select * from final
