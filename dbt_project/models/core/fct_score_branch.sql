{{ config(materialized='range', partition_column='evaluation_date') }}

with periods as (
    {{ appraised_periods() }}
),

rules as (
    select
        periods.period_code,
        periods.is_final,
        periods.eve_date,
        periods.through_date,
        rules.mid_high_cny,
        rules.policy_version
    from periods
    inner join {{ source('policy', 'appraisal') }} as rules
        on
            periods.through_date >= rules.effective_from
            and periods.through_date < rules.effective_to
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

tree as (
    select
        branch_id,
        ancestor_id
    from {{ ref('int_appraisal__branch_tree') }}
),

month_averages as (
    select
        rules.period_code,
        coalesce(successors.new_customer_id, measures.customer_id) as customer_id,
        sum(
            case
                when measures.evaluation_date = rules.eve_date then measures.aum_month_avg_cny
                else 0
            end
        ) as opening_avg_cny,
        sum(
            case
                when measures.evaluation_date = rules.through_date then measures.aum_month_avg_cny
                else 0
            end
        ) as closing_avg_cny,
        max(rules.mid_high_cny) as mid_high_cny
    from {{ ref('fct_month_measure') }} as measures
    inner join (
        select
            *,
            eve_date as evaluation_date
        from rules
        union all
        select
            *,
            through_date as evaluation_date
        from rules
    ) as rules
        on measures.evaluation_date = rules.evaluation_date
    left join successors on measures.customer_id = successors.old_customer_id
    where measures.asset_set = 'standard'
    group by
        rules.period_code,
        coalesce(successors.new_customer_id, measures.customer_id)
),

moved as (
    select
        period_code,
        customer_id,
        case when closing_avg_cny >= mid_high_cny then 1 else -1 end as growth
    from month_averages
    where (closing_avg_cny >= mid_high_cny) != (opening_avg_cny >= mid_high_cny)
),

-- Who is delivered no more is of the branch that had him when the quarter began.
branch_growth as (
    select
        moved.period_code,
        coalesce(customers.home_branch_id, cohort.branch_id, 'unknown_branch') as branch_id,
        sum(moved.growth) as growth
    from moved
    left join {{ ref('dim_customer') }} as customers on moved.customer_id = customers.customer_id
    left join {{ ref('fct_cohort') }} as cohort
        on
            moved.period_code = cohort.period_code
            and moved.customer_id = cohort.customer_id
    group by
        moved.period_code,
        coalesce(customers.home_branch_id, cohort.branch_id, 'unknown_branch')
),

subtree_growth as (
    select
        branch_growth.period_code,
        tree.ancestor_id as branch_id,
        sum(branch_growth.growth) as growth
    from branch_growth
    inner join tree on branch_growth.branch_id = tree.branch_id
    group by branch_growth.period_code, tree.ancestor_id
),

final as (
    select
        {{ as_of_date() }} as evaluation_date,
        rules.period_code,
        rules.is_final,
        rules.through_date,
        branches.branch_id,
        branches.branch_level,
        branches.parent_branch_id,
        cast(coalesce(subtree_growth.growth, 0) as bigint) as mid_high_growth_count,
        rules.policy_version
    from rules
    cross join {{ ref('dim_branch') }} as branches
    left join subtree_growth
        on
            rules.period_code = subtree_growth.period_code
            and branches.branch_id = subtree_growth.branch_id
)

select * from final
