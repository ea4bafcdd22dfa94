{{ config(materialized='range', partition_column='business_date', is_decision=true) }}

with candidates as (
    select
        business_date,
        branch_id,
        customer_id,
        employee_id,
        policy_version
    from {{ ref('int_maintenance__action_candidate') }}
),

lines as (
    select
        branch_id,
        count(*) as line_count,
        count(distinct employee_id) as employee_count
    from {{ ref('fct_action') }}
    where business_date = {{ as_of_date() }}
    group by branch_id
),

branches as (
    select
        business_date,
        branch_id,
        policy_version,
        sum(case when employee_id != 'queue' then 1 else 0 end) as given_count,
        sum(case when employee_id = 'queue' then 1 else 0 end) as queue_count,
        count(distinct case when employee_id = 'queue' then customer_id end) as queue_customer_count
    from candidates
    group by business_date, branch_id, policy_version
),

final as (
    select
        branches.business_date,
        branches.branch_id,
        cast(coalesce(lines.employee_count, 0) as bigint) as employee_count,
        cast(coalesce(lines.line_count, 0) as bigint) as line_count,
        cast(branches.given_count - coalesce(lines.line_count, 0) as bigint) as left_out_count,
        cast(branches.queue_count as bigint) as queue_count,
        cast(branches.queue_customer_count as bigint) as queue_customer_count,
        branches.policy_version
    from branches
    left join lines on branches.branch_id = lines.branch_id
)

select * from final
