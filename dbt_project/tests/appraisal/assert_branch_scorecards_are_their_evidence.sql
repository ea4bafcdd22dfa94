-- Of a quarter that is not closed every customer counts once in his branch and in all above it, in
-- each measure as his evidence says.
with cells as (
    select *
    from {{ ref('mart_appraisal__branch_scorecard') }}
    where not is_frozen
),

customers as (
    select
        period_code,
        measure_code,
        branch_id,
        count(*) as customer_count,
        sum(case when is_numerator then 1 else 0 end) as numerator_count,
        sum(case when exclusion_reason is null then 1 else 0 end) as denominator_count,
        sum(case when is_numerator then value_cny else 0 end) as value_cny,
        sum(case when exclusion_reason is null then base_cny else 0 end) as base_cny
    from {{ ref('mart_appraisal__scorecard_evidence') }}
    where not is_frozen and is_longest_holder
    group by period_code, measure_code, branch_id
),

sums as (
    select
        customers.period_code,
        customers.measure_code,
        tree.ancestor_id as branch_id,
        sum(customers.numerator_count) as numerator_count,
        sum(customers.denominator_count) as denominator_count,
        sum(customers.value_cny) as value_cny,
        sum(customers.base_cny) as base_cny
    from customers
    inner join {{ ref('int_appraisal__branch_tree') }} as tree
        on customers.branch_id = tree.branch_id
    group by customers.period_code, customers.measure_code, tree.ancestor_id
)

select
    coalesce(cells.period_code, sums.period_code) as period_code,
    coalesce(cells.branch_id, sums.branch_id) as branch_id
from cells
full outer join sums
    on
        cells.period_code = sums.period_code
        and cells.measure_code = sums.measure_code
        and cells.branch_id = sums.branch_id
where
    cells.branch_id is null
    or cells.numerator != case
        when cells.measure_code = 'm5_growth' then coalesce(sums.value_cny, 0)
        else coalesce(sums.numerator_count, 0)
    end
    or (
        cells.measure_code != 'm4_acquisition'
        and cells.denominator != case
            when cells.measure_code = 'm5_growth' then coalesce(sums.base_cny, 0)
            else coalesce(sums.denominator_count, 0)
        end
    )
union all
-- A branch of the evidence that no tree knows would be lost.
select
    customers.period_code,
    customers.branch_id
from customers
left join {{ ref('int_appraisal__branch_tree') }} as tree
    on customers.branch_id = tree.branch_id and customers.branch_id = tree.ancestor_id
where tree.branch_id is null
