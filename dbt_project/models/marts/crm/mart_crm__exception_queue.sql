{{ config(schema='crm', alias='exception_queue') }}

with entries as (
    select
        customer_id,
        rule_id,
        as_of_date,
        reason_code,
        role_code,
        branch_id,
        tier_code,
        tier_rank,
        initial_employee_id,
        initial_lost_date,
        initial_lost_reason_code,
        valid_from,
        reassignment_due_date,
        policy_version
    from {{ ref('fct_book_entry') }}
    where as_of_date = {{ as_of_date() }} and slot = 'queue'
),

final as (
    select
        customer_id,
        rule_id,
        as_of_date,
        reason_code,
        role_code as owner_role_code,
        branch_id,
        tier_code,
        tier_rank,
        initial_employee_id,
        initial_lost_date,
        initial_lost_reason_code,
        valid_from as since_date,
        reassignment_due_date as due_date,
        policy_version
    from entries
)

select * from final
