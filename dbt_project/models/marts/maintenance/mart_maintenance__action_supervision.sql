{{ config(schema='maintenance', alias='action_supervision', materialized='view') }}

with final as (
    select
        business_date as as_of_date,
        business_date,
        branch_id,
        employee_count,
        line_count,
        left_out_count,
        queue_count,
        queue_customer_count,
        policy_version
    from {{ ref('fct_action_branch_day') }}
)

select * from final
