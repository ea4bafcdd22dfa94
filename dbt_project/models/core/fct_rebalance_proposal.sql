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
    from {{ source('build', 'rebalance_proposal') }}
),

final as (
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
    from proposals
)

select * from final
