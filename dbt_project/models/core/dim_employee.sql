with employees as (
    select
        employee_id,
        branch_id,
        unit_id,
        role_code,
        status,
        has_nda,
        capacity,
        is_eligible
    from {{ ref('int_books__employee_day') }}
    where business_date = {{ as_of_date() }}
),

final as (
    select
        employee_id,
        branch_id,
        unit_id,
        role_code,
        status,
        has_nda,
        capacity,
        is_eligible
    from employees
)

select * from final
