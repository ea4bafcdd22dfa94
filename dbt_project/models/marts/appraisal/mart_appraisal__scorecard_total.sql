{{ config(schema='appraisal', alias='scorecard_total') }}

-- What corrections of closed quarters would have changed is carried into the quarter that found it.
with carried as (
    select
        {{ quarter_of('as_of_date') }} as period_code,
        employee_id,
        cast(sum(delta_score) as decimal(18, 4)) as adjustment
    from {{ ref('fct_score_restatement') }}
    where measure_code = 'total'
    group by {{ quarter_of('as_of_date') }}, employee_id
),

totals as (
    select
        totals.*,
        cast(coalesce(carried.adjustment, 0) as decimal(18, 4)) as carried_adjustment,
        cast(totals.total_score + coalesce(carried.adjustment, 0) as decimal(18, 4))
            as total_with_adjustment
    from {{ ref('fct_scorecard_total') }} as totals
    left join carried
        on
            totals.period_code = carried.period_code
            and totals.employee_id = carried.employee_id
),

final as (
    {{ told('totals', 'closed_scorecard_total', [
        'period_code', 'employee_id', 'branch_id', 'role_code', 'peer_group_code', 'cohort_count',
        'total_score', 'rank_in_peer_group', 'gate_code', 'complaint_count', 'cadence_rate',
        'archive_rate', 'conduct_count', 'liable_count', 'revenue_credit_cny',
        'carried_adjustment', 'total_with_adjustment', 'evaluation_date', 'through_date',
        'is_final', 'policy_version',
    ], is_cte=true) }}
)

select * from final
