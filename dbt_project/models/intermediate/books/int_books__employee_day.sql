with days as (
    {{ decision_days() }}
    union
    select {{ as_of_date() }} as business_date
),

branches as (
    select
        branch_id,
        acting_branch_id
    from {{ ref('dim_branch') }}
),

units as (
    select
        branch_id,
        unit_id
    from {{ ref('int_books__branch_unit') }}
    where level_no = 0
),

roles as (
    select
        role_code,
        needs_nda,
        default_capacity
    from {{ source('policy', 'role') }}
),

employees as (
    select
        days.business_date,
        employees.employee_id,
        coalesce(branches.acting_branch_id, 'unknown_branch') as branch_id,
        employees.role_code,
        case
            when employees.left_date <= days.business_date then 'left'
            else employees.status
        end as status,
        coalesce(employees.nda_signed_date <= days.business_date, false)
        or not coalesce(roles.needs_nda, true) as has_nda,
        coalesce(employees.capacity, roles.default_capacity, 0) as capacity
    from days
    inner join {{ source('build', 'batch_day') }} as batch_days
        on days.business_date = batch_days.business_date and batch_days.feed_id = 'hr.employees'
    inner join {{ ref('stg_hr__employees') }} as employees
        on batch_days.batch_id = employees.batch_id
    left join branches on employees.branch_id = branches.branch_id
    left join roles on employees.role_code = roles.role_code
),

final as (
    select
        employees.business_date,
        employees.employee_id,
        employees.branch_id,
        coalesce(units.unit_id, employees.branch_id) as unit_id,
        employees.role_code,
        employees.status,
        employees.has_nda,
        cast(employees.capacity as bigint) as capacity,
        employees.status = 'active' and employees.has_nda and employees.capacity > 0 as is_eligible
    from employees
    left join units on employees.branch_id = units.branch_id
)

select * from final
