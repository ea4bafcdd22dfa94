with cells as (
    select *
    from {{ ref('fct_scorecard') }}
),

rules as (
    select
        policy_version,
        gate_cap,
        least_ranked
    from {{ source('policy', 'appraisal') }}
),

gates as (
    select
        period_code,
        employee_id,
        complaint_count,
        cadence_rate,
        archive_rate,
        conduct_count
    from {{ ref('fct_score_gate') }}
),

employees as (
    select
        evaluation_date,
        period_code,
        employee_id,
        revenue_credit_cny
    from {{ ref('fct_score_employee') }}
),

sums as (
    select
        period_code,
        employee_id,
        max(evaluation_date) as evaluation_date,
        cast(sum(
            case when score is not null then {{ units('weight', 8) }} * {{ units('score', 4) }} end
        ) as decimal(38, 0)) as weighted_score,
        cast(sum(case when score is not null then {{ units('weight', 8) }} end) as decimal(38, 0))
            as scored_weight,
        max(case when measure_code = 'm1_retention' then evidence_count else 0 end)
            as cohort_count,
        sum(liable_count) as liable_count,
        max(gate_code) as gate_code
    from cells
    group by period_code, employee_id
),

heads as (
    select distinct
        period_code,
        employee_id,
        is_final,
        through_date,
        branch_id,
        role_code,
        peer_group_code,
        policy_version
    from cells
),

totals as (
    select
        heads.*,
        sums.evaluation_date,
        sums.cohort_count,
        sums.liable_count,
        sums.gate_code,
        rules.least_ranked,
        -- Who has no score has no total: least() would take the cap for one.
        case
            when sums.scored_weight is null then null
            when sums.gate_code is not null
                then least(
                    {{ signed_ratio('sums.weighted_score', 'sums.scored_weight', 4) }},
                    cast(rules.gate_cap as decimal(18, 4))
                )
            else {{ signed_ratio('sums.weighted_score', 'sums.scored_weight', 4) }}
        end as total_score
    from heads
    inner join sums
        on
            heads.period_code = sums.period_code
            and heads.employee_id = sums.employee_id
    inner join rules on heads.policy_version = rules.policy_version
),

ranked as (
    select
        period_code,
        employee_id,
        rank() over (
            partition by period_code, peer_group_code order by total_score desc
        ) as rank_in_peer_group
    from totals
    where
        cohort_count >= least_ranked
        and total_score is not null
        and peer_group_code is not null
),

final as (
    select
        totals.period_code,
        totals.employee_id,
        totals.evaluation_date,
        totals.is_final,
        totals.through_date,
        totals.branch_id,
        totals.role_code,
        totals.peer_group_code,
        totals.cohort_count,
        totals.total_score,
        ranked.rank_in_peer_group,
        totals.gate_code,
        gates.complaint_count,
        gates.cadence_rate,
        gates.archive_rate,
        gates.conduct_count,
        cast(totals.liable_count as bigint) as liable_count,
        employees.revenue_credit_cny,
        totals.policy_version
    from totals
    inner join gates
        on
            totals.period_code = gates.period_code
            and totals.employee_id = gates.employee_id
    inner join employees
        on
            totals.evaluation_date = employees.evaluation_date
            and totals.period_code = employees.period_code
            and totals.employee_id = employees.employee_id
    left join ranked
        on
            totals.period_code = ranked.period_code
            and totals.employee_id = ranked.employee_id
)

select * from final
