with periods as (
    {{ appraised_periods() }}
),

branches as (
    select
        branch_id,
        branch_level,
        acting_branch_id
    from {{ ref('dim_branch') }}
),

-- A branch that was closed is its successor, also for the days before.
employee_days as (
    select
        periods.period_code,
        days.employee_id,
        coalesce(branches.acting_branch_id, 'unknown_branch') as branch_id,
        days.role_code
    from periods
    inner join {{ ref('fct_employee_day') }} as days
        on periods.start_date <= days.business_date and periods.through_date >= days.business_date
    left join branches on days.branch_id = branches.branch_id
),

{% for column in ['branch_id', 'role_code'] -%}
{{ column }}s as (
    select
        period_code,
        employee_id,
        {{ column }}
    from (
        select
            period_code,
            employee_id,
            {{ column }},
            row_number() over (
                partition by period_code, employee_id order by count(*) desc, {{ column }} asc
            ) as place
        from employee_days
        group by period_code, employee_id, {{ column }}
    ) as ranked
    where place = 1
),

{% endfor -%}

final as (
    select
        branch_ids.period_code,
        branch_ids.employee_id,
        branch_ids.branch_id,
        role_codes.role_code,
        branches.branch_level,
        role_codes.role_code || '@' || branches.branch_level as peer_group_code
    from branch_ids
    inner join role_codes
        on
            branch_ids.period_code = role_codes.period_code
            and branch_ids.employee_id = role_codes.employee_id
    inner join branches on branch_ids.branch_id = branches.branch_id
)

select * from final
