{{ config(schema='maintenance', alias='complaint') }}

with final as (
    select
        complaint_id,
        as_of_date,
        customer_id,
        branch_id,
        severity,
        received_date,
        accepted_date,
        resolved_date,
        fed_back_date,
        last_step_code,
        next_step_code,
        due_date,
        is_overdue,
        accepted_late_days,
        resolved_late_days,
        fed_back_late_days,
        is_from_survey,
        handler_employee_id,
        assistant_role_code,
        responsible_employee_id,
        policy_version
    from {{ ref('fct_complaint_handling') }}
)

select * from final
