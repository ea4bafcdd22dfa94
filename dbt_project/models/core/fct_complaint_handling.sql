with deliveries as (
    select
        complaint_id,
        max(business_date) as business_date
    from {{ ref('fct_complaint') }}
    group by complaint_id
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

-- The newest delivery holds all steps so far.
complaints as (
    select
        complaints.complaint_id,
        coalesce(successors.new_customer_id, complaints.customer_id) as customer_id,
        complaints.employee_id,
        complaints.responsible_employee_id,
        complaints.severity,
        {{ bank_date('complaints.received_at') }} as received_date,
        {{ bank_date('complaints.accepted_at') }} as accepted_date,
        {{ bank_date('complaints.resolved_at') }} as resolved_date,
        {{ bank_date('complaints.fed_back_at') }} as fed_back_date
    from {{ ref('fct_complaint') }} as complaints
    inner join deliveries
        on
            complaints.complaint_id = deliveries.complaint_id
            and complaints.business_date = deliveries.business_date
    left join successors on complaints.customer_id = successors.old_customer_id
),

-- A survey that found a complaint of the customer on the day on which it was received.
surveys as (
    select distinct
        coalesce(successors.new_customer_id, surveys.customer_id) as customer_id,
        surveys.surveyed_date
    from {{ ref('fct_survey') }} as surveys
    left join successors on surveys.customer_id = successors.old_customer_id
    where surveys.has_complaint
),

owners as (
    select
        customer_id,
        employee_id,
        branch_id
    from {{ ref('int_maintenance__owner_day') }}
    where business_date = {{ as_of_date() }}
),

customers as (
    select
        customer_id,
        home_branch_id
    from {{ ref('dim_customer') }}
),

working_days as (
    select
        business_date,
        is_working_day,
        sum(case when is_working_day then 1 else 0 end) over (
            order by business_date
        ) as working_day_no
    from {{ source('build', 'working_day') }}
),

calendar as (
    select min(business_date) as first_date
    from working_days
),

steps as (
    select
        policy_version,
        severity,
        step_code,
        working_days,
        assistant_role_code,
        effective_from,
        effective_to
    from {{ source('policy', 'complaint_step') }}
),

-- Counted on the working days after the day of receipt. A day beyond the calendar's reach is not
-- said yet.
due_days as (
    select
        complaints.complaint_id,
        max(steps.policy_version) as policy_version,
        max(steps.assistant_role_code) as assistant_role_code,
        max(case when steps.step_code = 'accepted' then due.business_date end)
            as accepted_due_date,
        max(case when steps.step_code = 'resolved' then due.business_date end)
            as resolved_due_date,
        max(case when steps.step_code = 'fed_back' then due.business_date end)
            as fed_back_due_date
    from complaints
    inner join steps
        on
            complaints.severity = steps.severity
            and complaints.received_date >= steps.effective_from
            and complaints.received_date < steps.effective_to
    left join working_days as received
        on complaints.received_date = received.business_date
    left join working_days as due
        on
            due.working_day_no = received.working_day_no + steps.working_days
            and due.is_working_day
    group by complaints.complaint_id
),

handled as (
    select
        complaints.*,
        due_days.policy_version,
        due_days.assistant_role_code,
        due_days.accepted_due_date,
        due_days.resolved_due_date,
        due_days.fed_back_due_date,
        case
            when complaints.fed_back_date is not null then 'fed_back'
            when complaints.resolved_date is not null then 'resolved'
            when complaints.accepted_date is not null then 'accepted'
            else 'recorded'
        end as last_step_code
    from complaints
    left join due_days on complaints.complaint_id = due_days.complaint_id
),

stepped as (
    select
        *,
        case last_step_code
            when 'recorded' then 'accepted'
            when 'accepted' then 'resolved'
            when 'resolved' then 'fed_back'
        end as next_step_code,
        case last_step_code
            when 'recorded' then accepted_due_date
            when 'accepted' then resolved_due_date
            when 'resolved' then fed_back_due_date
        end as due_date
    from handled
),

-- Who took the complaint sees it through, also one that a survey found; else who maintains the
-- customer.
final as (
    select
        stepped.complaint_id,
        {{ as_of_date() }} as as_of_date,
        stepped.customer_id,
        coalesce(owners.branch_id, customers.home_branch_id, 'unknown_branch') as branch_id,
        stepped.severity,
        stepped.received_date,
        stepped.accepted_date,
        stepped.resolved_date,
        stepped.fed_back_date,
        stepped.last_step_code,
        stepped.next_step_code,
        stepped.due_date,
        -- Received before the calendar begins: every step of it is long due.
        coalesce(
            stepped.next_step_code is not null
            and (
                stepped.due_date < {{ as_of_date() }}
                or stepped.received_date < calendar.first_date
            ),
            false
        ) as is_overdue,
        {%- for step in ['accepted', 'resolved', 'fed_back'] %}
        case
            when stepped.{{ step }}_date > stepped.{{ step }}_due_date
                then cast({{ days_between(
                    'stepped.' ~ step ~ '_due_date', 'stepped.' ~ step ~ '_date'
                ) }} as bigint)
            when stepped.{{ step }}_date is not null and stepped.{{ step }}_due_date is not null
                then cast(0 as bigint)
        end as {{ step }}_late_days,
        {%- endfor %}
        surveys.customer_id is not null as is_from_survey,
        coalesce(stepped.employee_id, owners.employee_id) as handler_employee_id,
        stepped.assistant_role_code,
        stepped.responsible_employee_id,
        stepped.policy_version
    from stepped
    cross join calendar
    left join surveys
        on
            stepped.customer_id = surveys.customer_id
            and stepped.received_date = surveys.surveyed_date
    left join owners on stepped.customer_id = owners.customer_id
    left join customers on stepped.customer_id = customers.customer_id
    -- What is answered is told for as long as its days can be counted.
    where
        stepped.next_step_code is not null
        or calendar.first_date is null
        or stepped.received_date >= calendar.first_date
)

select * from final
