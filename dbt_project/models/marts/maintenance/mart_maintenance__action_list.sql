{{ config(schema='maintenance', alias='action_list', materialized='view') }}

with final as (
    select
        business_date as as_of_date,
        employee_id,
        business_date,
        rank,
        customer_id,
        branch_id,
        action_kind,
        source_kind,
        source_id,
        rule_id,
        reason_zh,
        due_to_date,
        amount_cny,
        points,
        left_out_count,
        planned_for_date,
        policy_version
    from {{ ref('fct_action') }}
)

select * from final
