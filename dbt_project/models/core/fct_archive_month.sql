{{ config(materialized='range', partition_column='month_end_date', is_decision=true) }}

-- How complete archives are is known of the day alone: a month end that was told stays.
with archives as (
    select
        archives.collector_employee_id as employee_id,
        archives.completeness_rate
    from {{ ref('fct_archive_completeness') }} as archives
    inner join (
        {{ live_days() }}
    ) as days
        on archives.as_of_date = days.business_date
    where
        archives.collector_employee_id is not null
        and archives.as_of_date = last_day(archives.as_of_date)
),

final as (
    select
        {{ as_of_date() }} as month_end_date,
        employee_id,
        {{ rate('cast(sum(completeness_rate * 10000) as bigint)', 'count(*) * 10000') }}
            as archive_rate
    from archives
    group by employee_id
)

select * from final
