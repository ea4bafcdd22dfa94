with days as (
    select live_days.business_date
    from (
        {{ live_days() }}
    ) as live_days
    where live_days.business_date = {{ as_of_date() }}
),

-- What is to be done on the next working day and on the days of rest after it.
plans as (
    select
        days.business_date,
        decided_days.next_working_date as planned_for_date,
        coalesce(
            {{ add_days('planned.next_working_date', -1) }}, decided_days.next_working_date
        ) as horizon_date,
        lists.policy_version,
        lists.overdue_days,
        lists.event_days,
        lists.quiet_days
    from days
    inner join {{ source('build', 'working_day') }} as decided_days
        on days.business_date = decided_days.business_date
    inner join {{ source('policy', 'action_list') }} as lists
        on
            days.business_date >= lists.effective_from
            and days.business_date < lists.effective_to
    left join {{ source('build', 'working_day') }} as planned
        on decided_days.next_working_date = planned.business_date
),

actions as (
    select
        actions.source_kind,
        actions.source_code,
        actions.action_kind,
        actions.rule_id,
        actions.points,
        actions.is_marketing,
        actions.within_days,
        actions.on_event_date
    from {{ source('policy', 'action') }} as actions
    inner join plans on actions.policy_version = plans.policy_version
),

purposes as (
    select
        purposes.source_kind,
        purposes.source_code,
        purposes.purpose
    from {{ source('policy', 'action_purpose') }} as purposes
    inner join plans on purposes.policy_version = plans.policy_version
),

covers as (
    select
        covers.event_kind,
        covers.obligation_kind
    from {{ source('policy', 'action_cover') }} as covers
    inner join plans on covers.policy_version = plans.policy_version
),

urgencies as (
    select
        urgencies.min_days,
        urgencies.below_days,
        urgencies.points
    from {{ source('policy', 'action_urgency') }} as urgencies
    inner join plans on urgencies.policy_version = plans.policy_version
),

value_bins as (
    select
        value_bins.min_aum_cny,
        value_bins.below_aum_cny,
        value_bins.points
    from {{ source('policy', 'action_value') }} as value_bins
    inner join plans on value_bins.policy_version = plans.policy_version
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

obligations as (
    select
        obligations.obligation_id,
        obligations.customer_id,
        obligations.kind,
        obligations.rule_id,
        obligations.branch_id,
        obligations.performer_role_code,
        obligations.channel,
        obligations.due_from_date,
        obligations.due_to_date,
        obligations.status,
        obligations.suppressed_reason_code
    from {{ ref('fct_obligation') }} as obligations
    inner join days on obligations.as_of_date = days.business_date
),

-- Who refused a channel that something is owed by gets no marketing by any.
refusing as (
    select distinct customer_id
    from obligations
    where suppressed_reason_code = 'no_consent'
),

agreeing as (
    select distinct consents.customer_id
    from {{ ref('int_maintenance__consent_day') }} as consents
    inner join days on consents.business_date = days.business_date
    where consents.is_allowed
),

covered as (
    select distinct
        covers.event_kind,
        obligations.customer_id
    from obligations
    inner join covers on obligations.kind = covers.obligation_kind
),

suppressed as (
    select suppressed.customer_id
    from {{ ref('int_maintenance__suppressed_day') }} as suppressed
    inner join days on suppressed.business_date = days.business_date
),

owners as (
    select
        owners.customer_id,
        owners.employee_id,
        owners.branch_id
    from {{ ref('int_maintenance__owner_day') }} as owners
    inner join days on owners.business_date = days.business_date
),

employees as (
    select
        employees.employee_id,
        employees.branch_id
    from {{ ref('int_books__employee_day') }} as employees
    inner join days on employees.business_date = days.business_date
    where employees.status != 'left'
),

recent_contacts as (
    select
        contacts.business_date,
        contacts.customer_id,
        contacts.purpose
    from {{ ref('fct_contact') }} as contacts
    cross join plans
    where
        contacts.business_date <= plans.business_date
        and contacts.business_date
        > {{ add_days('plans.business_date', '-greatest(plans.event_days, plans.quiet_days)') }}
),

contacted as (
    select
        coalesce(successors.new_customer_id, recent_contacts.customer_id) as customer_id,
        purposes.source_kind,
        purposes.source_code,
        max(recent_contacts.business_date) as contact_date
    from recent_contacts
    inner join purposes on recent_contacts.purpose = purposes.purpose
    left join successors on recent_contacts.customer_id = successors.old_customer_id
    group by
        coalesce(successors.new_customer_id, recent_contacts.customer_id),
        purposes.source_kind,
        purposes.source_code
),

-- Whoever maintains the customer today makes up for what was not done before his time.
owed as (
    select
        obligations.customer_id,
        'obligation' as source_kind,
        obligations.kind as source_code,
        obligations.obligation_id as source_id,
        owners.employee_id,
        coalesce(owners.branch_id, obligations.branch_id) as branch_id,
        obligations.rule_id,
        obligations.due_from_date as start_date,
        obligations.due_to_date,
        cast(null as decimal(18, 2)) as amount_cny,
        cast(null as {{ dbt.type_string() }}) as account_id,
        obligations.channel,
        obligations.performer_role_code
    from obligations
    cross join plans
    left join owners on obligations.customer_id = owners.customer_id
    where
        obligations.status in ('open', 'due', 'overdue')
        and obligations.due_from_date <= plans.horizon_date
        and {{ add_days('obligations.due_to_date', 'plans.overdue_days') }}
        >= plans.planned_for_date
),

events as (
    select
        events.customer_id,
        'event' as source_kind,
        events.event_kind as source_code,
        events.event_id as source_id,
        owners.employee_id,
        owners.branch_id,
        events.rule_id,
        coalesce(events.event_date, events.business_date) as start_date,
        case
            when actions.on_event_date then coalesce(events.event_date, events.business_date)
            else {{ add_days('events.business_date', 'actions.within_days') }}
        end as due_to_date,
        events.amount_cny,
        events.account_id,
        cast(null as {{ dbt.type_string() }}) as channel,
        cast(null as {{ dbt.type_string() }}) as performer_role_code
    from {{ ref('fct_customer_event') }} as events
    cross join plans
    inner join actions
        on actions.source_kind = 'event' and events.event_kind = actions.source_code
    inner join owners on events.customer_id = owners.customer_id
    left join contacted
        on
            events.customer_id = contacted.customer_id
            and contacted.source_kind = 'event'
            and events.event_kind = contacted.source_code
            and events.business_date < contacted.contact_date
    left join covered
        on
            events.customer_id = covered.customer_id
            and events.event_kind = covered.event_kind
    where
        events.business_date <= plans.business_date
        and events.business_date > {{ add_days('plans.business_date', '-plans.event_days') }}
        and contacted.customer_id is null
        and covered.customer_id is null
),

warnings as (
    select
        warnings.customer_id,
        'churn_warning' as source_kind,
        warnings.level as source_code,
        warnings.customer_id as source_id,
        owners.employee_id,
        owners.branch_id,
        actions.rule_id,
        warnings.since_date as start_date,
        {{ add_days('warnings.since_date', 'actions.within_days') }} as due_to_date,
        cast(null as decimal(18, 2)) as amount_cny,
        cast(null as {{ dbt.type_string() }}) as account_id,
        cast(null as {{ dbt.type_string() }}) as channel,
        cast(null as {{ dbt.type_string() }}) as performer_role_code
    from {{ ref('fct_churn_warning') }} as warnings
    inner join plans on warnings.as_of_date = plans.business_date
    inner join actions
        on actions.source_kind = 'churn_warning' and warnings.level = actions.source_code
    inner join owners on warnings.customer_id = owners.customer_id
    left join contacted
        on
            warnings.customer_id = contacted.customer_id
            and contacted.source_kind = 'churn_warning'
            and warnings.level = contacted.source_code
            and contacted.contact_date
            > {{ add_days('plans.business_date', '-plans.quiet_days') }}
    where contacted.customer_id is null
),

-- Who answers for a complaint and is no longer here has left it to the maintainer.
complaints as (
    select
        complaints.customer_id,
        'complaint' as source_kind,
        complaints.step_code as source_code,
        complaints.complaint_id as source_id,
        coalesce(employees.employee_id, owners.employee_id) as employee_id,
        coalesce(employees.branch_id, owners.branch_id, 'unknown_branch') as branch_id,
        actions.rule_id,
        complaints.due_date as start_date,
        -- A day that the calendar does not reach back to is long past.
        coalesce(complaints.due_date, plans.business_date) as due_to_date,
        cast(null as decimal(18, 2)) as amount_cny,
        cast(null as {{ dbt.type_string() }}) as account_id,
        cast(null as {{ dbt.type_string() }}) as channel,
        cast(null as {{ dbt.type_string() }}) as performer_role_code
    from {{ ref('int_maintenance__open_complaint') }} as complaints
    cross join plans
    inner join actions
        on actions.source_kind = 'complaint' and complaints.step_code = actions.source_code
    left join employees on complaints.responsible_employee_id = employees.employee_id
    left join owners on complaints.customer_id = owners.customer_id
),

things as (
    select * from owed
    union all
    select * from events
    union all
    select * from warnings
    union all
    select * from complaints
),

-- Nobody is approached whom nobody may approach.
allowed as (
    select
        things.*,
        actions.action_kind,
        actions.points,
        cast(things.due_to_date as {{ dbt.type_string() }}) || things.source_id as place
    from things
    inner join actions
        on
            things.source_kind = actions.source_kind
            and things.source_code = actions.source_code
    left join suppressed on things.customer_id = suppressed.customer_id
    left join refusing on things.customer_id = refusing.customer_id
    left join agreeing on things.customer_id = agreeing.customer_id
    where
        suppressed.customer_id is null
        and (
            not actions.is_marketing
            or (agreeing.customer_id is not null and refusing.customer_id is null)
        )
),

-- Several of a kind are one line, in the words of the one that is due first.
grouped as (
    select
        customer_id,
        source_kind,
        action_kind,
        employee_id,
        min_by(source_code, place) as source_code,
        min_by(source_id, place) as source_id,
        min_by(branch_id, place) as branch_id,
        min_by(rule_id, place) as rule_id,
        min(start_date) as start_date,
        min(due_to_date) as due_to_date,
        coalesce(
            sum(case when account_id is not null then amount_cny end), max(amount_cny)
        ) as amount_cny,
        count(*) as item_count,
        min_by(channel, place) as channel,
        min_by(performer_role_code, place) as performer_role_code,
        max(points) as points
    from allowed
    group by customer_id, source_kind, action_kind, employee_id
),

assets as (
    select
        balances.customer_id,
        balances.aum_cny
    from {{ ref('fct_customer_balance') }} as balances
    inner join days on balances.as_of_date = days.business_date
),

valued as (
    select
        plans.business_date,
        plans.planned_for_date,
        plans.policy_version,
        grouped.*,
        coalesce(assets.aum_cny, 0) as aum_cny,
        {{ days_between('plans.planned_for_date', 'grouped.due_to_date') }} as days_left
    from grouped
    cross join plans
    left join assets on grouped.customer_id = assets.customer_id
),

final as (
    select
        valued.business_date,
        valued.customer_id,
        valued.source_kind,
        valued.action_kind,
        -- Nobody has it while the customer waits.
        coalesce(employees.employee_id, 'queue') as employee_id,
        -- A customer whom another scheme tiers may be in no book: his home branch sees to it.
        coalesce(
            employees.branch_id, valued.branch_id, customers.home_branch_id, 'unknown_branch'
        ) as branch_id,
        valued.source_code,
        valued.source_id,
        valued.rule_id,
        valued.start_date,
        valued.due_to_date,
        valued.planned_for_date,
        cast(abs(coalesce(valued.amount_cny, valued.aum_cny)) as decimal(18, 2)) as amount_cny,
        cast(valued.item_count as bigint) as item_count,
        valued.channel,
        valued.performer_role_code,
        cast(
            valued.points
            + coalesce(urgencies.points, 0)
            + coalesce(value_bins.points, 0) as bigint
        ) as points,
        valued.policy_version
    from valued
    left join employees on valued.employee_id = employees.employee_id
    left join {{ ref('dim_customer') }} as customers on valued.customer_id = customers.customer_id
    left join urgencies
        on
            (urgencies.min_days is null or valued.days_left >= urgencies.min_days)
            and (urgencies.below_days is null or valued.days_left < urgencies.below_days)
    left join value_bins
        on
            (value_bins.min_aum_cny is null or valued.aum_cny >= value_bins.min_aum_cny)
            and (value_bins.below_aum_cny is null or valued.aum_cny < value_bins.below_aum_cny)
)

select * from final
