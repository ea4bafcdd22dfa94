{{ config(schema='appraisal', alias='branch_scorecard') }}

with final as (
    {{ told('fct_branch_scorecard', 'closed_branch_scorecard', [
        'period_code', 'branch_id', 'measure_code', 'branch_level', 'numerator', 'denominator',
        'value_rate', 'target_rate', 'score', 'weight', 'mid_high_growth_count',
        'evaluation_date', 'through_date', 'is_final', 'policy_version',
    ]) }}
)

select * from final
