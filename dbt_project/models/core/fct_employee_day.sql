{{ config(materialized='range', partition_column='business_date') }}

with batch_days as (
    select
        business_date,
        batch_id
    from {{ source('build', 'batch_day') }}
    where feed_id = 'hr.employees'
),

employees as (
    select
        batch_id,
        employee_id,
        branch_id,
        role_code,
        status,
        left_date
    from {{ ref('stg_hr__employees') }}
),

final as (
    select
        batch_days.business_date,
        employees.employee_id,
        employees.branch_id,
        employees.role_code,
        employees.status
    from batch_days
    inner join employees on batch_days.batch_id = employees.batch_id
    where
        employees.status != 'left'
        and (employees.left_date is null or employees.left_date > batch_days.business_date)
)

select * from final
