{{ config(materialized='range', partition_column='business_date', is_decision=true) }}

{#- No grant derives from books before they go live. #}
{%- set live_dates = plan_dates('decision_dates') if plan()['is_live'] else [] -%}

with days as (
    {%- for date in live_dates %}
    select
        {{ date_literal(date) }} as business_date,
        {{ date_literal(live_dates[loop.index0 - 1] if not loop.first else '0001-01-01') }}
            as previous_date
    union all
    {%- endfor %}
    select
        {{ as_of_date() }} as business_date,
        {{ as_of_date() }} as previous_date
    where 1 = 0
),

-- What is granted when this advance begins.
held as (
    {%- if has_base() and live_dates %}
    select
        employee_id,
        customer_id,
        purpose
    from {{ kept_relation('fct_access_grant_change') }}
    where business_date < {{ decided_from() }}
    group by employee_id, customer_id, purpose
    having max_by(is_granted, business_date)
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as employee_id,
        cast(null as {{ dbt.type_string() }}) as customer_id,
        cast(null as {{ dbt.type_string() }}) as purpose
    where 1 = 0
    {%- endif %}
),

entries as (
    select
        entries.as_of_date,
        entries.customer_id,
        entries.slot,
        entries.employee_id,
        entries.branch_id,
        entries.role_code,
        entries.reason_code,
        entries.is_acting,
        entries.policy_version
    from {{ ref('fct_book_entry') }} as entries
    inner join days on entries.as_of_date = days.business_date
),

employees as (
    select
        business_date,
        employee_id,
        unit_id,
        role_code,
        status,
        is_eligible
    from {{ ref('int_books__employee_day') }}
),

units as (
    select
        branch_id,
        unit_id
    from {{ ref('int_books__branch_unit') }}
),

-- Whoever has left sees nothing, whatever slot is still his.
slot_grants as (
    select
        entries.as_of_date as business_date,
        entries.employee_id,
        entries.customer_id,
        case entries.slot
            when 'a' then 'maintenance'
            when 'b' then 'acting_backup'
            else 'specialist'
        end as purpose,
        entries.reason_code as basis,
        entries.policy_version
    from entries
    inner join employees
        on
            entries.as_of_date = employees.business_date
            and entries.employee_id = employees.employee_id
            and employees.status != 'left'
    where entries.slot in ('a', 'specialist') or (entries.slot = 'b' and entries.is_acting)
),

-- A customer in a queue is worked on by those who hold its role at his branch or above it.
queue_grants as (
    select
        entries.as_of_date as business_date,
        employees.employee_id,
        entries.customer_id,
        'queue' as purpose,
        entries.reason_code as basis,
        entries.policy_version
    from entries
    inner join units on entries.branch_id = units.branch_id
    inner join employees
        on
            entries.as_of_date = employees.business_date
            and units.unit_id = employees.unit_id
            and entries.role_code = employees.role_code
            and employees.is_eligible
    where entries.slot = 'queue'
),

given as (
    select
        business_date,
        employee_id,
        customer_id,
        purpose,
        min(basis) as basis,
        min(policy_version) as policy_version
    from (
        select * from slot_grants
        union all
        select * from queue_grants
    ) as grants
    group by business_date, employee_id, customer_id, purpose
),

standing as (
    select
        business_date,
        employee_id,
        customer_id,
        purpose
    from given
    union all
    select
        {{ date_literal('0001-01-01') }} as business_date,
        employee_id,
        customer_id,
        purpose
    from held
),

granted as (
    select
        given.business_date,
        given.employee_id,
        given.customer_id,
        given.purpose,
        given.basis,
        true as is_granted,
        given.policy_version
    from given
    inner join days on given.business_date = days.business_date
    left join standing
        on
            days.previous_date = standing.business_date
            and given.employee_id = standing.employee_id
            and given.customer_id = standing.customer_id
            and given.purpose = standing.purpose
    where standing.employee_id is null
),

revoked as (
    select
        days.business_date,
        standing.employee_id,
        standing.customer_id,
        standing.purpose,
        cast(null as {{ dbt.type_string() }}) as basis,
        false as is_granted,
        '{{ plan()['book_policy_version'] }}' as policy_version
    from standing
    inner join days on standing.business_date = days.previous_date
    left join given
        on
            days.business_date = given.business_date
            and standing.employee_id = given.employee_id
            and standing.customer_id = given.customer_id
            and standing.purpose = given.purpose
    where given.employee_id is null
),

final as (
    select * from granted
    union all
    select * from revoked
)

select * from final
