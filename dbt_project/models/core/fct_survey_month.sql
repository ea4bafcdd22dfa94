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
        employee_id as subject_id,
        surveys.*
    from surveys
    where employee_id is not null
    union all
    select
        'branch' as subject_kind,
        branch_id as subject_id,
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

final as (
    select
        months.month_end_date,
        months.subject_kind,
        months.subject_id,
        {{ as_of_date() }} as as_of_date,
        months.survey_count,
        cast(months.phone_count as bigint) as phone_count,
        cast(months.visit_count as bigint) as visit_count,
        cast(months.online_count as bigint) as online_count,
        months.score_avg,
        cast(months.score_avg - earlier.score_avg as decimal(18, 2)) as score_change,
        months.manager_score_avg,
        cast(months.manager_score_avg - earlier.manager_score_avg as decimal(18, 2))
            as manager_score_change,
        cast(months.complaint_count as bigint) as complaint_count
    from months
    left join months as earlier
        on
            months.subject_kind = earlier.subject_kind
            and months.subject_id = earlier.subject_id
            and earlier.month_end_date = last_day({{ add_days('months.month_end_date', -31) }})
)

select * from final
