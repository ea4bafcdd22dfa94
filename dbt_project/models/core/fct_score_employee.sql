{{ config(materialized='range', partition_column='evaluation_date') }}

with periods as (
    {{ appraised_periods() }}
),

employees as (
    select
        period_code,
        employee_id,
        branch_id,
        branch_level,
        role_code,
        peer_group_code
    from {{ ref('int_appraisal__employee') }}
),

-- A complaint is delivered again with each step; the newest row says who answers for it.
complaint_rows as (
    select
        complaint_id,
        max_by(responsible_employee_id, business_date) as employee_id,
        max_by({{ bank_date('received_at') }}, business_date) as received_date
    from {{ ref('fct_complaint') }}
    where business_date <= {{ as_of_date() }}
    group by complaint_id
),

complaints as (
    select
        periods.period_code,
        complaint_rows.employee_id,
        count(*) as complaint_count
    from complaint_rows
    inner join periods
        on
            complaint_rows.received_date >= periods.start_date
            and complaint_rows.received_date <= periods.through_date
    where complaint_rows.employee_id is not null
    group by periods.period_code, complaint_rows.employee_id
),

-- What was owed is decided from day to day: of a day that is long over only final months are left.
cadence_rows as (
    select
        employee_id,
        month_end_date,
        kind,
        done_count,
        overdue_count,
        row_number() over (
            partition by employee_id, month_end_date, kind order by as_of_date desc
        ) as place
    from {{ ref('fct_cadence_month') }}
),

cadences as (
    select
        periods.period_code,
        cadence_rows.employee_id,
        sum(cadence_rows.done_count) as done_count,
        sum(cadence_rows.overdue_count) as overdue_count
    from cadence_rows
    inner join periods
        on
            cadence_rows.month_end_date >= periods.start_date
            and cadence_rows.month_end_date <= periods.through_date
    where cadence_rows.place = 1
    group by periods.period_code, cadence_rows.employee_id
),

archives as (
    select
        periods.period_code,
        archives.employee_id,
        archives.archive_rate
    from {{ ref('fct_archive_month') }} as archives
    inner join periods on archives.month_end_date = periods.through_date
),

credits as (
    select
        periods.period_code,
        credits.recipient_id as employee_id,
        sum(credits.amount_cny) as amount_cny
    from {{ ref('fct_revenue_credit') }} as credits
    inner join periods
        on
            credits.posted_date >= periods.start_date
            and credits.posted_date <= periods.through_date
    where credits.recipient_kind = 'employee' and not credits.is_shadow
    group by periods.period_code, credits.recipient_id
),

-- Who is judged: whoever held a customer of the cohort or won one.
scored as (
    select distinct
        period_code,
        employee_id
    from {{ ref('fct_score_evidence') }}
    where evaluation_date = {{ as_of_date() }} and employee_id not like 'pool:%'
),

final as (
    select
        {{ as_of_date() }} as evaluation_date,
        scored.period_code,
        periods.is_final,
        periods.through_date,
        cast(periods.day_count as bigint) as day_count,
        scored.employee_id,
        coalesce(employees.branch_id, 'unknown_branch') as branch_id,
        employees.branch_level,
        employees.role_code,
        employees.peer_group_code,
        coalesce(complaints.complaint_count, 0) as complaint_count,
        cast(coalesce(cadences.done_count, 0) as bigint) as cadence_done_count,
        cast(coalesce(cadences.overdue_count, 0) as bigint) as cadence_overdue_count,
        {{ rate(
            'cast(cadences.done_count as bigint)',
            'cast(cadences.done_count + cadences.overdue_count as bigint)'
        ) }} as cadence_rate,
        archives.archive_rate,
        cast(coalesce(credits.amount_cny, 0) as decimal(18, 2)) as revenue_credit_cny,
        rules.policy_version
    from scored
    inner join periods on scored.period_code = periods.period_code
    inner join {{ source('policy', 'appraisal') }} as rules
        on
            periods.through_date >= rules.effective_from
            and periods.through_date < rules.effective_to
    left join employees
        on
            scored.period_code = employees.period_code
            and scored.employee_id = employees.employee_id
    left join complaints
        on
            scored.period_code = complaints.period_code
            and scored.employee_id = complaints.employee_id
    left join cadences
        on
            scored.period_code = cadences.period_code
            and scored.employee_id = cadences.employee_id
    left join archives
        on
            scored.period_code = archives.period_code
            and scored.employee_id = archives.employee_id
    left join credits
        on
            scored.period_code = credits.period_code
            and scored.employee_id = credits.employee_id
)

select * from final
