with final as (
    select
        complaint_id,
        customer_id,
        next_step_code as step_code,
        due_date,
        severity,
        handler_employee_id as responsible_employee_id
    from {{ ref('fct_complaint_handling') }}
    where next_step_code is not null
)

select * from final
