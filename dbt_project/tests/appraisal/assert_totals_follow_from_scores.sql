-- Of a quarter that is not closed: scores are within their cap, weights of a scorecard sum to 1, a
-- total is their weighted mean, capped behind a failed gate, and nobody ranks above who has more.
with rules as (
    select
        policy_version,
        score_cap,
        gate_cap,
        least_ranked
    from {{ source('policy', 'appraisal') }}
),

cells as (
    select
        cells.period_code,
        cells.employee_id,
        sum(cells.weight) as weight,
        sum(case when cells.score is not null then cells.weight else 0 end) as scored_weight,
        sum(cells.weight * cells.score) as weighted_score,
        max(case
            when cells.score < 0 or cells.score > rules.score_cap then 1
            when (cells.score is null) != (cells.value_rate is null) then 1
            else 0
        end) as is_odd
    from {{ ref('mart_appraisal__scorecard') }} as cells
    inner join rules on cells.policy_version = rules.policy_version
    where not cells.is_frozen
    group by cells.period_code, cells.employee_id
),

totals as (
    select
        totals.*,
        rules.gate_cap,
        rules.least_ranked,
        max(totals.total_score) over (
            partition by totals.period_code, totals.peer_group_code, totals.rank_in_peer_group
        ) as best_of_rank,
        min(totals.total_score) over (
            partition by totals.period_code, totals.peer_group_code, totals.rank_in_peer_group
        ) as worst_of_rank
    from {{ ref('mart_appraisal__scorecard_total') }} as totals
    inner join rules on totals.policy_version = rules.policy_version
    where not totals.is_frozen
),

ranks as (
    select distinct
        period_code,
        peer_group_code,
        rank_in_peer_group,
        best_of_rank,
        worst_of_rank
    from totals
    where rank_in_peer_group is not null
),

ordered_ranks as (
    select
        *,
        lag(worst_of_rank) over (
            partition by period_code, peer_group_code order by rank_in_peer_group
        ) as worst_of_better
    from ranks
)

select
    coalesce(cells.period_code, totals.period_code) as period_code,
    coalesce(cells.employee_id, totals.employee_id) as employee_id
from cells
full outer join totals
    on cells.period_code = totals.period_code and cells.employee_id = totals.employee_id
where
    cells.employee_id is null
    or totals.employee_id is null
    or cells.weight != 1
    or cells.is_odd = 1
    or (totals.total_score is null) != (cells.scored_weight = 0)
    or (
        totals.gate_code is null
        and abs(totals.total_score * cells.scored_weight - cells.weighted_score)
        > 0.00005 * cells.scored_weight
    )
    or (totals.gate_code is not null and totals.total_score > totals.gate_cap)
    or (
        totals.gate_code is not null
        and totals.total_score < totals.gate_cap
        and abs(totals.total_score * cells.scored_weight - cells.weighted_score)
        > 0.00005 * cells.scored_weight
    )
    or (totals.rank_in_peer_group is not null and totals.cohort_count < totals.least_ranked)
    or (
        totals.rank_in_peer_group is null
        and totals.cohort_count >= totals.least_ranked
        and totals.total_score is not null
        and totals.peer_group_code is not null
    )
union all
select
    period_code,
    peer_group_code as employee_id
from ordered_ranks
where best_of_rank != worst_of_rank or best_of_rank >= worst_of_better
