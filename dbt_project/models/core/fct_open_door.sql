{{ config(materialized='range', partition_column='as_of_date') }}

with open_days as (
    select
        business_date,
        customer_id,
        scheme_code,
        rule_id,
        measure_code,
        measure_value,
        row_number() over (
            partition by customer_id, scheme_code, rule_id order by business_date
        ) as open_day_no
    from {{ ref('int_tiering__open_door_day') }}
),

base as (
    {{ kept_partition('fct_open_door', [
        ('customer_id', 'string'), ('scheme_code', 'string'), ('rule_id', 'string'),
        ('open_since_date', 'date'),
    ]) }}
),

emitted_dates as (
    select business_date as as_of_date
    from {{ source('build', 'calendar_day') }}
    where business_date = account_segment_date
),

-- Days that follow on one another without a gap share the day before their first.
runs as (
    select
        business_date,
        customer_id,
        scheme_code,
        rule_id,
        measure_code,
        measure_value,
        min(business_date) over (
            partition by
                customer_id, scheme_code, rule_id,
                {{ days_between(base_date(), 'business_date') }} - open_day_no
        ) as run_start_date
    from open_days
),

final as (
    select
        runs.business_date as as_of_date,
        runs.customer_id,
        runs.scheme_code,
        runs.rule_id,
        runs.measure_code,
        runs.measure_value,
        case
            when runs.run_start_date = {{ add_days(base_date(), 1) }}
                then coalesce(base.open_since_date, runs.run_start_date)
            else runs.run_start_date
        end as open_since_date
    from runs
    inner join emitted_dates on runs.business_date = emitted_dates.as_of_date
    left join base
        on
            runs.customer_id = base.customer_id
            and runs.scheme_code = base.scheme_code
            and runs.rule_id = base.rule_id
)

select * from final
