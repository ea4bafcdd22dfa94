{{ config(schema='appraisal', alias='scorecard_total') }}

with totals as (
    select
        *,
        cast(0 as decimal(18, 4)) as carried_adjustment,
        total_score as total_with_adjustment
    from {{ ref('fct_scorecard_total') }}
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
