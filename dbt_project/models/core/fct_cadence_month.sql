{{ config(materialized='daily', partition_column='as_of_date') }}

{%- set day = decision_date() %}

-- Months are counted until late contacts can no longer change them.
with policies as (
    select
        policy_version,
        late_contact_days
    from {{ source('policy', 'obligation') }}
    where
        effective_from <= {{ day }}
        and effective_to > {{ day }}
        and {{ 'true' if plan()['is_live'] else 'false' }}
),

kept as (
    select
        kept.month_end_date,
        kept.employee_id,
        kept.kind,
        kept.done_count,
        kept.closed_overdue_count,
        kept.closed_suppressed_count
    from {{ this }} as kept
    where kept.as_of_date = {{ add_days(day, -1) }} and not kept.is_final
),

obligations as (
    select
        last_day(due_to_date) as month_end_date,
        -- Nobody owes what waits in a queue.
        coalesce(employee_id, 'queue') as employee_id,
        kind,
        status,
        is_closed
    from {{ ref('fct_obligation') }}
    where as_of_date = {{ day }}
),

working_days as (
    select
        business_date,
        previous_working_date
    from {{ source('build', 'working_day') }}
),

-- A plan that is delivered after its month is final counts no more.
plans as (
    select
        last_day(plans.planned_for) as month_end_date,
        plans.employee_id,
        {{ bank_date('plans.created_at') }} <= coalesce(
            working_days.previous_working_date, {{ add_days('plans.planned_for', -1) }}
        ) as is_made_in_time,
        coalesce({{ bank_date('plans.completed_at') }} <= plans.planned_for, false)
            as is_done_in_time
    from {{ ref('fct_work_plan') }} as plans
    inner join policies
        on {{ add_days('last_day(plans.planned_for)', 'policies.late_contact_days') }} >= {{ day }}
    left join working_days on plans.planned_for = working_days.business_date
    where {{ is_new_event('plans') }}
),

counts as (
    select
        month_end_date,
        employee_id,
        kind,
        done_count,
        closed_overdue_count,
        closed_suppressed_count,
        0 as standing_overdue_count,
        0 as standing_suppressed_count,
        0 as pending_count
    from kept
    union all
    select
        month_end_date,
        employee_id,
        kind,
        case when status = 'done' then 1 else 0 end as done_count,
        case when status = 'overdue' and is_closed then 1 else 0 end as closed_overdue_count,
        case when status = 'suppressed' and is_closed then 1 else 0 end as closed_suppressed_count,
        case when status = 'overdue' and not is_closed then 1 else 0 end as standing_overdue_count,
        case when status = 'suppressed' and not is_closed then 1 else 0 end
            as standing_suppressed_count,
        case when status in ('open', 'due') then 1 else 0 end as pending_count
    from obligations
    union all
    select
        month_end_date,
        employee_id,
        'work_plan_made' as kind,
        case when is_made_in_time then 1 else 0 end as done_count,
        case when is_made_in_time then 0 else 1 end as closed_overdue_count,
        0 as closed_suppressed_count,
        0 as standing_overdue_count,
        0 as standing_suppressed_count,
        0 as pending_count
    from plans
    union all
    select
        month_end_date,
        employee_id,
        'work_plan_done' as kind,
        case when is_done_in_time then 1 else 0 end as done_count,
        case when is_done_in_time then 0 else 1 end as closed_overdue_count,
        0 as closed_suppressed_count,
        0 as standing_overdue_count,
        0 as standing_suppressed_count,
        0 as pending_count
    from plans
),

months as (
    select
        month_end_date,
        employee_id,
        kind,
        sum(done_count) as done_count,
        sum(closed_overdue_count) as closed_overdue_count,
        sum(closed_suppressed_count) as closed_suppressed_count,
        sum(standing_overdue_count) as standing_overdue_count,
        sum(standing_suppressed_count) as standing_suppressed_count,
        sum(pending_count) as pending_count
    from counts
    group by month_end_date, employee_id, kind
),

final as (
    select
        {{ day }} as as_of_date,
        months.month_end_date,
        months.employee_id,
        months.kind,
        cast(
            months.done_count
            + months.closed_overdue_count
            + months.standing_overdue_count
            + months.pending_count as bigint
        ) as due_count,
        cast(months.done_count as bigint) as done_count,
        cast(months.closed_overdue_count + months.standing_overdue_count as bigint)
            as overdue_count,
        cast(months.pending_count as bigint) as pending_count,
        cast(months.closed_suppressed_count + months.standing_suppressed_count as bigint)
            as suppressed_count,
        cast(months.closed_overdue_count as bigint) as closed_overdue_count,
        cast(months.closed_suppressed_count as bigint) as closed_suppressed_count,
        {{ add_days('months.month_end_date', 'policies.late_contact_days') }} <= {{ day }}
            as is_final,
        policies.policy_version
    from months
    cross join policies
)

select * from final
