{{ config(meta={'dagster': {'ref': {'name': 'fct_revenue_credit'}}}) }}

-- Whoever is credited today is employed, and a pool is that of a branch.
with employed as (
    select employees.employee_id
    from {{ source('build', 'batch_day') }} as batch_days
    inner join {{ ref('stg_hr__employees') }} as employees
        on batch_days.batch_id = employees.batch_id
    where
        batch_days.feed_id = 'hr.employees'
        and batch_days.business_date = {{ as_of_date() }}
        and employees.status != 'left'
),

branches as (
    select branch_id
    from {{ ref('dim_branch') }}
)

select
    credits.revenue_id,
    credits.recipient_kind,
    credits.recipient_id
from {{ ref('fct_revenue_credit') }} as credits
left join employed
    on credits.recipient_id = employed.employee_id and credits.recipient_kind = 'employee'
left join branches
    on credits.recipient_id = branches.branch_id and credits.recipient_kind = 'pool'
where
    credits.business_date = {{ as_of_date() }}
    and employed.employee_id is null
    and branches.branch_id is null
