{{ config(schema='crm', alias='rebalance_proposal') }}

with proposals as (
    select
        proposal_id,
        proposed_date,
        branch_id,
        customer_id,
        from_employee_id,
        to_employee_id,
        role_code,
        reason_code,
        saving,
        shadow_price,
        method
    from {{ ref('fct_rebalance_proposal') }}
),

final as (
    select
        proposal_id,
        {{ as_of_date() }} as as_of_date,
        proposed_date,
        branch_id,
        customer_id,
        from_employee_id,
        to_employee_id,
        role_code,
        reason_code,
        saving,
        shadow_price,
        method,
        '{{ plan()['book_policy_version'] }}' as policy_version
    from proposals
)

select * from final
