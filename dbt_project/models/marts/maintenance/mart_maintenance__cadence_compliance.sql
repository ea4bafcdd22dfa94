{{ config(schema='maintenance', alias='cadence_compliance') }}

with final as (
    select
        as_of_date,
        month_end_date,
        employee_id,
        kind,
        due_count,
        done_count,
        overdue_count,
        pending_count,
        suppressed_count,
        closed_overdue_count,
        closed_suppressed_count,
        is_final,
        policy_version
    from {{ ref('fct_cadence_month') }}
    where as_of_date = {{ as_of_date() }} or is_final
)

select * from final
