{{ config(meta={'dagster': {'ref': {'name': 'fct_access_grant_change'}}}) }}

-- Who may see a customer after today's decisions is in his book or works on his queue, and everyone
-- in it may; nobody may before the books go live. Somebody who has left keeps no grant.
{%- set is_decided = plan()['is_live'] and plan()['as_of_date'] in plan_dates('decision_dates') %}
with open_grants as (
    select
        grants.employee_id,
        grants.customer_id,
        grants.purpose
    from {{ ref('mart_crm__access_grant') }} as grants
    where
        grants.valid_to is null
        and {{ 'true' if is_decided or not plan()['is_live'] else 'false' }}
),

entries as (
    select
        entries.customer_id,
        entries.employee_id,
        entries.slot,
        entries.is_acting,
        entries.role_code
    from {{ ref('fct_book_entry') }} as entries
    where entries.as_of_date = {{ as_of_date() }} and {{ 'true' if is_decided else 'false' }}
),

employees as (
    select
        employee_id,
        role_code,
        status
    from {{ ref('int_books__employee_day') }}
    where business_date = {{ as_of_date() }}
),

holders as (
    select distinct
        entries.employee_id,
        entries.customer_id,
        case entries.slot
            when 'a' then 'maintenance'
            when 'b' then 'acting_backup'
            else 'specialist'
        end as purpose
    from entries
    inner join employees on entries.employee_id = employees.employee_id
    where
        entries.slot != 'queue'
        and (entries.slot != 'b' or entries.is_acting)
        and employees.status != 'left'
),

named as (
    select
        employee_id,
        customer_id,
        purpose
    from open_grants
    where purpose != 'queue'
),

queued as (
    select
        customer_id,
        role_code
    from entries
    where slot = 'queue'
)

select
    coalesce(named.employee_id, holders.employee_id) as employee_id,
    coalesce(named.customer_id, holders.customer_id) as customer_id,
    coalesce(named.purpose, holders.purpose) as purpose
from named
full outer join holders
    on
        named.employee_id = holders.employee_id
        and named.customer_id = holders.customer_id
        and named.purpose = holders.purpose
where named.employee_id is null or holders.employee_id is null
union all
select
    open_grants.employee_id,
    open_grants.customer_id,
    open_grants.purpose
from open_grants
left join queued on open_grants.customer_id = queued.customer_id
left join employees on open_grants.employee_id = employees.employee_id
where
    open_grants.purpose = 'queue'
    and (queued.role_code is null or queued.role_code is distinct from employees.role_code)
