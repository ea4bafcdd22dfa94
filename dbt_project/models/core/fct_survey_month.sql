with successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

customers as (
    select
        customer_id,
        home_branch_id
    from {{ ref('dim_customer') }}
),

surveys as (
    select
        surveys.surveyed_date,
        surveys.employee_id,
        coalesce(customers.home_branch_id, 'unknown_branch') as branch_id,
        surveys.method,
        surveys.score,
        surveys.manager_score,
        surveys.has_complaint
    from {{ ref('fct_survey') }} as surveys
    left join successors on surveys.customer_id = successors.old_customer_id
    left join customers
        on coalesce(successors.new_customer_id, surveys.customer_id) = customers.customer_id
),

subjects as (
    select
        'employee' as subject_kind,
        surveys.employee_id as subject_id,
        surveys.*
    from surveys
    where surveys.employee_id is not null
    union all
    select
        'branch' as subject_kind,
        surveys.branch_id as subject_id,
        surveys.*
    from surveys
    union all
    select
        'bank' as subject_kind,
        'bank' as subject_id,
        surveys.*
    from surveys
),

months as (
    select
        last_day(surveyed_date) as month_end_date,
        subject_kind,
        subject_id,
        count(*) as survey_count,
        sum(case when method = 'phone' then 1 else 0 end) as phone_count,
        sum(case when method = 'visit' then 1 else 0 end) as visit_count,
        sum(case when method = 'online' then 1 else 0 end) as online_count,
        {{ divide_half_up('sum(score) * 100', 'count(*) * 100') }} as score_avg,
        {{ divide_half_up('sum(manager_score) * 100', 'count(manager_score) * 100') }}
            as manager_score_avg,
        sum(case when has_complaint then 1 else 0 end) as complaint_count
    from subjects
    group by last_day(surveyed_date), subject_kind, subject_id
),

-- The sample is drawn by cadences with a rate. Whom nobody may approach is not in it.
sampled as (
    select
        last_day(obligations.due_to_date) as month_end_date,
        obligations.employee_id,
        coalesce(obligations.branch_id, 'unknown_branch') as branch_id,
        case when obligations.status = 'done' then 1 else 0 end as reached
    from {{ ref('fct_obligation') }} as obligations
    inner join (
        select distinct
            policy_version,
            cadence_code
        from {{ source('policy', 'cadence') }}
        where sample_rate is not null
    ) as samples
        on
            obligations.policy_version = samples.policy_version
            and obligations.cadence_code = samples.cadence_code
    where
        (obligations.as_of_date = {{ as_of_date() }} or obligations.is_closed)
        and obligations.status != 'suppressed'
        -- A window that has not come near its end says nothing of who can be reached.
        and last_day(obligations.due_to_date) <= last_day({{ as_of_date() }})
),

-- Complaints of months that the calendar knows whole: of older ones the answered are gone.
calendar as (
    select min(business_date) as first_date
    from {{ source('build', 'working_day') }}
),

received as (
    select
        last_day(complaints.received_date) as month_end_date,
        complaints.handler_employee_id as employee_id,
        complaints.branch_id,
        case when complaints.fed_back_date is not null then 1 else 0 end as answered,
        case when complaints.fed_back_late_days = 0 then 1 else 0 end as answered_in_time
    from {{ ref('fct_complaint_handling') }} as complaints
    cross join calendar
    where
        {{ add_days('last_day(' ~ add_days('last_day(complaints.received_date)', -31) ~ ')', 1) }}
        >= calendar.first_date
),

service_subjects as (
    {%- set kinds = [('employee', 'employee_id'), ('branch', 'branch_id'), ('bank', "'bank'")] %}
    {%- for kind, id in kinds %}
    select
        month_end_date,
        '{{ kind }}' as subject_kind,
        {{ id }} as subject_id,
        1 as sampled,
        reached,
        0 as received,
        0 as answered,
        0 as answered_in_time
    from sampled
    where {{ id }} is not null
    union all
    select
        month_end_date,
        '{{ kind }}' as subject_kind,
        {{ id }} as subject_id,
        0 as sampled,
        0 as reached,
        1 as received,
        answered,
        answered_in_time
    from received
    where {{ id }} is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

service_months as (
    select
        month_end_date,
        subject_kind,
        subject_id,
        cast(sum(sampled) as bigint) as sampled_count,
        cast(sum(reached) as bigint) as sampled_done_count,
        cast(sum(received) as bigint) as received_complaint_count,
        cast(sum(answered) as bigint) as answered_complaint_count,
        cast(sum(answered_in_time) as bigint) as answered_in_time_count
    from service_subjects
    group by month_end_date, subject_kind, subject_id
),

keys as (
    select
        month_end_date,
        subject_kind,
        subject_id
    from months
    union
    select
        month_end_date,
        subject_kind,
        subject_id
    from service_months
),

final as (
    select
        keys.month_end_date,
        keys.subject_kind,
        keys.subject_id,
        {{ as_of_date() }} as as_of_date,
        coalesce(months.survey_count, 0) as survey_count,
        cast(coalesce(months.phone_count, 0) as bigint) as phone_count,
        cast(coalesce(months.visit_count, 0) as bigint) as visit_count,
        cast(coalesce(months.online_count, 0) as bigint) as online_count,
        months.score_avg,
        cast(months.score_avg - earlier.score_avg as decimal(18, 2)) as score_change,
        months.manager_score_avg,
        cast(months.manager_score_avg - earlier.manager_score_avg as decimal(18, 2))
            as manager_score_change,
        cast(coalesce(months.complaint_count, 0) as bigint) as complaint_count,
        coalesce(service_months.sampled_count, 0) as sampled_count,
        coalesce(service_months.sampled_done_count, 0) as sampled_done_count,
        {{ rate('service_months.sampled_done_count', 'service_months.sampled_count') }}
            as reached_rate,
        coalesce(service_months.received_complaint_count, 0) as received_complaint_count,
        coalesce(service_months.answered_complaint_count, 0) as answered_complaint_count,
        coalesce(service_months.answered_in_time_count, 0) as answered_in_time_count
    from keys
    left join months
        on
            keys.month_end_date = months.month_end_date
            and keys.subject_kind = months.subject_kind
            and keys.subject_id = months.subject_id
    left join service_months
        on
            keys.month_end_date = service_months.month_end_date
            and keys.subject_kind = service_months.subject_kind
            and keys.subject_id = service_months.subject_id
    left join months as earlier
        on
            keys.subject_kind = earlier.subject_kind
            and keys.subject_id = earlier.subject_id
            and earlier.month_end_date = last_day({{ add_days('keys.month_end_date', -31) }})
)

select * from final
