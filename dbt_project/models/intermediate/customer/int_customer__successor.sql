with customer_merges as (
    select
        old_customer_id,
        new_customer_id,
        merged_date,
        business_date,
        merge_id
    from {{ ref('stg_core_banking__customer_merges') }}
),

measure_dates as (
    {%- for date in plan_dates('measure_dates') %}
    select {{ date_literal(date) }} as measure_date{{ ' union all' if not loop.last }}
    {%- endfor %}
),

-- The last merge known on the measure date holds for an old customer.
known_merges as (
    select
        measure_dates.measure_date,
        merged.old_customer_id,
        max_by(
            merged.new_customer_id,
            cast(merged.merged_date as {{ dbt.type_string() }}) || merged.merge_id
        ) as new_customer_id
    from measure_dates
    inner join customer_merges as merged
        on
            measure_dates.measure_date >= merged.merged_date
            and measure_dates.measure_date >= merged.business_date
    group by measure_dates.measure_date, merged.old_customer_id
),

-- A successor may itself have been merged: chains of up to sixteen merges are followed.
step_1 as (
    select
        first_merge.measure_date,
        first_merge.old_customer_id,
        coalesce(next_merge.new_customer_id, first_merge.new_customer_id) as new_customer_id
    from known_merges as first_merge
    left join known_merges as next_merge
        on
            first_merge.new_customer_id = next_merge.old_customer_id
            and first_merge.measure_date = next_merge.measure_date
),

{% for step in range(2, 5) %}
step_{{ step }} as (
    select
        first_merge.measure_date,
        first_merge.old_customer_id,
        coalesce(next_merge.new_customer_id, first_merge.new_customer_id) as new_customer_id
    from step_{{ step - 1 }} as first_merge
    left join step_{{ step - 1 }} as next_merge
        on
            first_merge.new_customer_id = next_merge.old_customer_id
            and first_merge.measure_date = next_merge.measure_date
),

{% endfor -%}

final as (
    select
        measure_date,
        old_customer_id,
        new_customer_id
    from step_4
)

select * from final
