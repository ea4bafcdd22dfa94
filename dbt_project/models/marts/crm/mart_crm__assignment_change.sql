{{ config(schema='crm', alias='assignment_change', materialized='view') }}

with changes as (
    select
        change_id,
        business_date,
        customer_id,
        slot,
        slot_no,
        from_employee_id,
        to_employee_id,
        reason_code,
        branch_id,
        role_code,
        initial_employee_id,
        initial_lost_date,
        initial_lost_reason_code,
        policy_version
    from {{ ref('fct_assignment_change') }}
),

final as (
    select
        change_id,
        business_date as as_of_date,
        business_date,
        customer_id,
        slot,
        slot_no,
        from_employee_id,
        to_employee_id,
        reason_code,
        branch_id,
        role_code,
        initial_employee_id,
        initial_lost_date,
        initial_lost_reason_code,
        policy_version
    from changes
)

select * from final
