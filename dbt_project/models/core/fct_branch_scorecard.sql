with tree as (
    select
        branch_id,
        ancestor_id
    from {{ ref('int_appraisal__branch_tree') }}
),

branches as (
    select
        branches.evaluation_date,
        branches.period_code,
        branches.is_final,
        branches.through_date,
        branches.branch_id,
        branches.branch_level,
        branches.mid_high_growth_count,
        branches.policy_version
    from {{ ref('fct_score_branch') }} as branches
    inner join {{ ref('int_appraisal__newest_evaluation') }} as newest
        on
            branches.period_code = newest.period_code
            and branches.evaluation_date = newest.evaluation_date
),

measures as (
    select
        policy_version,
        measure_code,
        weight,
        is_inverse,
        fallback_target_rate
    from {{ source('policy', 'appraisal_measure') }}
),

rules as (
    select
        policy_version,
        score_unit,
        score_cap
    from {{ source('policy', 'appraisal') }}
),

-- A customer counts for his branch once, as he does for whoever held him longest.
branch_sums as (
    select
        period_code,
        measure_code,
        branch_id,
        sum(case when is_numerator then 1 else 0 end) as numerator_count,
        sum(case when exclusion_reason is null then 1 else 0 end) as denominator_count,
        sum(case when is_numerator then value_cny else 0 end) as value_cny,
        sum(case when exclusion_reason is null then base_cny else 0 end) as base_cny
    from {{ ref('int_appraisal__evidence') }}
    where is_longest_holder
    group by period_code, measure_code, branch_id
),

sums as (
    select
        branch_sums.period_code,
        branch_sums.measure_code,
        tree.ancestor_id as branch_id,
        cast(sum(branch_sums.numerator_count) as bigint) as numerator_days,
        cast(sum(branch_sums.denominator_count) as bigint) as denominator_days,
        cast(sum(branch_sums.value_cny) as decimal(18, 2)) as value_cny,
        cast(sum(branch_sums.base_cny) as decimal(18, 2)) as base_cny
    from branch_sums
    inner join tree on branch_sums.branch_id = tree.branch_id
    group by branch_sums.period_code, branch_sums.measure_code, tree.ancestor_id
),

cells as (
    select
        branches.*,
        measures.measure_code,
        measures.weight,
        measures.is_inverse,
        measures.fallback_target_rate,
        1 as day_count,
        coalesce(sums.numerator_days, 0) as numerator_days,
        coalesce(
            case
                when measures.measure_code = 'm4_acquisition' then retention.denominator_days
                else sums.denominator_days
            end, 0
        ) as denominator_days,
        coalesce(sums.value_cny, 0) as value_cny,
        coalesce(sums.base_cny, 0) as base_cny
    from branches
    inner join measures on branches.policy_version = measures.policy_version
    left join sums
        on
            branches.period_code = sums.period_code
            and branches.branch_id = sums.branch_id
            and measures.measure_code = sums.measure_code
    left join sums as retention
        on
            branches.period_code = retention.period_code
            and branches.branch_id = retention.branch_id
            and retention.measure_code = 'm1_retention'
),

measured as (
    select
        cells.period_code,
        cells.branch_id,
        cells.measure_code,
        cells.is_final,
        cells.through_date,
        cells.evaluation_date,
        cells.branch_level,
        cells.weight,
        cells.is_inverse,
        cells.fallback_target_rate,
        cells.mid_high_growth_count,
        cells.policy_version,
        {{ measured_value('cells') }}
    from cells
),

-- A quarter that is closed stays what it was when the next one is measured against it.
told_rates as (
    select
        measured.period_code,
        measured.branch_id as subject_id,
        measured.measure_code,
        measured.branch_level,
        measured.value_rate
    from measured
    left join {{ source('build', 'closed_quarter') }} as closed
        on measured.period_code = closed.period_code
    where closed.period_code is null and measured.value_rate is not null
    union all
    select
        period_code,
        branch_id as subject_id,
        measure_code,
        branch_level,
        value_rate
    from {{ source('build', 'closed_branch_scorecard') }}
    where value_rate is not null
),

medians as (
    {{ median_rates('told_rates', ['period_code', 'measure_code', 'branch_level']) }}
),

targets as (
    select
        measured.*,
        rules.score_unit,
        rules.score_cap,
        coalesce(medians.median_rate, measured.fallback_target_rate) as target_rate
    from measured
    inner join rules on measured.policy_version = rules.policy_version
    left join medians
        on
            {{ quarter_before('measured.period_code') }} = medians.period_code
            and measured.measure_code = medians.measure_code
            and measured.branch_level = medians.branch_level
),

final as (
    select
        targets.period_code,
        targets.branch_id,
        targets.measure_code,
        targets.evaluation_date,
        targets.is_final,
        targets.through_date,
        targets.branch_level,
        targets.numerator,
        targets.denominator,
        targets.value_rate,
        targets.target_rate,
        {{ score_points(
            'targets.value_rate', 'targets.target_rate', 'targets.is_inverse', 'targets.score_unit',
            'targets.score_cap'
        ) }} as score,
        targets.weight,
        targets.mid_high_growth_count,
        targets.policy_version
    from targets
)

select * from final
