{{ config(schema='appraisal', alias='integrity_flag') }}

with flags as (
    select flags.*
    from {{ ref('fct_integrity_flag') }} as flags
    inner join {{ ref('int_appraisal__newest_evaluation') }} as newest
        on
            flags.period_code = newest.period_code
            and flags.evaluation_date = newest.evaluation_date
),

final as (
    {{ told('flags', 'closed_integrity_flag', [
        'flag_id', 'period_code', 'employee_id', 'customer_id', 'flag_kind', 'value', 'evidence_zh',
        'through_date', 'is_final', 'policy_version',
    ], is_cte=true) }}
)

select * from final
