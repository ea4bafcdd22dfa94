with branches as (
    select
        branch_id,
        branch_level,
        parent_branch_id,
        acting_branch_id
    from {{ ref('dim_branch') }}
),

-- A wealth centre serves the unit that it stands under.
homes as (
    select
        branches.branch_id,
        case
            when acting.branch_level = 'wealth_centre' and acting.parent_branch_id is not null
                then acting.parent_branch_id
            else acting.branch_id
        end as unit_id
    from branches
    inner join branches as acting on branches.acting_branch_id = acting.branch_id
),

level_0 as (
    select
        branch_id,
        unit_id
    from homes
),

{% for level in range(1, 4) -%}
level_{{ level }} as (
    select
        lower_units.branch_id,
        branches.parent_branch_id as unit_id
    from level_{{ level - 1 }} as lower_units
    inner join branches on lower_units.unit_id = branches.branch_id
    where branches.parent_branch_id is not null
),

{% endfor -%}

levels as (
    {%- for level in range(0, 4) %}
    select
        branch_id,
        cast({{ level }} as bigint) as level_no,
        unit_id
    from level_{{ level }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

final as (
    select
        levels.branch_id,
        levels.level_no,
        levels.unit_id
    from levels
    inner join {{ source('policy', 'book') }} as books
        on
            levels.level_no <= books.levels_up
            and books.effective_from <= {{ as_of_date() }}
            and books.effective_to > {{ as_of_date() }}
)

select * from final
