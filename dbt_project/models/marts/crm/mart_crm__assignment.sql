{{ config(schema='crm', alias='assignment') }}

with entries as (
    select
        customer_id,
        slot,
        slot_no,
        as_of_date,
        employee_id,
        branch_id,
        role_code,
        tier_code,
        tier_rank,
        reason_code,
        rule_id,
        initial_employee_id,
        initial_lost_date,
        initial_lost_reason_code,
        is_acting,
        valid_from,
        choice_due_date,
        reassignment_due_date,
        policy_version
    from {{ ref('fct_book_entry') }}
    where as_of_date = {{ as_of_date() }} and slot != 'queue'
),

final as (
    select
        customer_id,
        slot,
        slot_no,
        as_of_date,
        employee_id,
        branch_id,
        role_code,
        tier_code,
        tier_rank,
        reason_code,
        rule_id,
        coalesce(slot = 'a' and employee_id = initial_employee_id, false)
            as is_initial_maintainer,
        initial_employee_id,
        initial_lost_date,
        initial_lost_reason_code,
        is_acting,
        valid_from,
        choice_due_date,
        reassignment_due_date,
        policy_version
    from entries
)

select * from final
