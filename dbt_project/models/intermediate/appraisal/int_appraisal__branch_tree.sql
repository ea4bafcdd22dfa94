{%- set depth = 5 -%}

with branches as (
    select
        branch_id,
        parent_branch_id
    from {{ ref('dim_branch') }}
),

level_0 as (
    select
        branch_id,
        branch_id as ancestor_id
    from branches
),

{% for level in range(1, depth) -%}
level_{{ level }} as (
    select
        lower_level.branch_id,
        branches.parent_branch_id as ancestor_id
    from level_{{ level - 1 }} as lower_level
    inner join branches on lower_level.ancestor_id = branches.branch_id
    where branches.parent_branch_id is not null
),

{% endfor -%}

final as (
    {%- for level in range(0, depth) %}
    select
        branch_id,
        ancestor_id
    from level_{{ level }}
    {{ 'union' if not loop.last }}
    {%- endfor %}
)

select * from final
