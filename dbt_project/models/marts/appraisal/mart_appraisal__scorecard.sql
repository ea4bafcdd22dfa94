{{ config(schema='appraisal', alias='scorecard') }}

with final as (
    {{ told('fct_scorecard', 'closed_scorecard', [
        'period_code', 'employee_id', 'measure_code', 'branch_id', 'role_code', 'peer_group_code',
        'numerator', 'denominator', 'value_rate', 'target_rate', 'score', 'weight', 'gate_code',
        'evidence_count', 'numerator_count', 'excluded_count', 'liable_count', 'market_effect_cny',
        'evaluation_date', 'through_date', 'is_final', 'policy_version',
    ]) }}
)

select * from final
