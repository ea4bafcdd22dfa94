{{ config(schema='maintenance', alias='archive_completeness') }}

with final as (
    select
        customer_id,
        as_of_date,
        missing_fields,
        missing_count,
        completeness_rate,
        collector_employee_id,
        collector_role_code,
        branch_id,
        due_to_date,
        policy_version
    from {{ ref('fct_archive_completeness') }}
)

select * from final
