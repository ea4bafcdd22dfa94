with branches as (
    select
        branches.branch_id,
        branches.branch_name,
        branches.branch_level,
        branches.parent_branch_id,
        branches.successor_branch_id,
        branches.opened_date,
        branches.closed_date
    from {{ ref('stg_reference__branches') }} as branches
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'reference.branches'
            and branches.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ as_of_date() }}
),

-- A closed branch hands its customers to its successor, which may be closed itself.
{% for step in range(1, 5) %}
successors_{{ step }} as (
    select
        earlier.branch_id,
        coalesce(later.successor_branch_id, earlier.successor_branch_id) as successor_branch_id
    from {{ 'branches' if step == 1 else 'successors_' ~ (step - 1) }} as earlier
    left join {{ 'branches' if step == 1 else 'successors_' ~ (step - 1) }} as later
        on earlier.successor_branch_id = later.branch_id
),

{% endfor -%}

final as (
    select
        branches.branch_id,
        branches.branch_name,
        branches.branch_level,
        branches.parent_branch_id,
        coalesce(successors_4.successor_branch_id, branches.branch_id) as acting_branch_id,
        branches.opened_date,
        branches.closed_date
    from branches
    inner join successors_4 on branches.branch_id = successors_4.branch_id
    union all
    select
        'unknown_branch' as branch_id,
        '未知机构' as branch_name,
        'outlet' as branch_level,
        cast(null as {{ dbt.type_string() }}) as parent_branch_id,
        'unknown_branch' as acting_branch_id,
        cast(null as date) as opened_date,
        cast(null as date) as closed_date
)

select * from final
