{{ config(materialized='range', partition_column='cohort_date', is_decision=true) }}

with quarter_starts as (
    {%- for quarter in plan_dates('cohort_quarters') %}
    select
        {{ date_literal(quarter['start_date']) }} as cohort_date,
        '{{ quarter['period_code'] }}' as period_code
    {{- ' union all' if not loop.last }}
    {%- else %}
    select
        {{ as_of_date() }} as cohort_date,
        '' as period_code
    where 1 = 0
    {%- endfor %}
),

customers as (
    select
        business_date,
        customer_id,
        tier_code,
        tier_rank,
        branch_id,
        policy_version
    from {{ ref('int_books__customer_day') }}
),

entries as (
    select
        as_of_date,
        customer_id,
        slot,
        employee_id,
        reason_code
    from {{ ref('fct_book_entry') }}
    where slot in ('a', 'queue')
),

final as (
    select
        quarter_starts.cohort_date,
        quarter_starts.period_code,
        customers.customer_id,
        customers.tier_code,
        customers.tier_rank,
        customers.policy_version as tier_policy_version,
        case when entries.slot = 'a' then entries.employee_id end as employee_id,
        customers.branch_id,
        case when entries.slot = 'queue' then entries.reason_code end as queue_reason_code
    from quarter_starts
    inner join customers on quarter_starts.cohort_date = customers.business_date
    left join entries
        on
            customers.business_date = entries.as_of_date
            and customers.customer_id = entries.customer_id
)

select * from final
