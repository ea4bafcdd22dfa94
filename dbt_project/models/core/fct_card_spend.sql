{{ config(materialized='range', partition_column='as_of_date') }}

with spend_intervals as (
    select
        customer_id,
        valid_from,
        valid_to,
        card_spend_365d_cny
    from {{ ref('int_card__spend_interval') }}
),

emitted_dates as (
    select business_date as as_of_date
    from {{ source('build', 'calendar_day') }}
    where business_date = account_segment_date
),

final as (
    select
        emitted_dates.as_of_date,
        spend_intervals.customer_id,
        spend_intervals.card_spend_365d_cny
    from emitted_dates
    inner join spend_intervals
        on
            emitted_dates.as_of_date >= spend_intervals.valid_from
            and (
                spend_intervals.valid_to is null
                or emitted_dates.as_of_date < spend_intervals.valid_to
            )
    where spend_intervals.card_spend_365d_cny != 0
)

select * from final
