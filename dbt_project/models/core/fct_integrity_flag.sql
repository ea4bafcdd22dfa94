{{ config(materialized='range', partition_column='evaluation_date') }}

with periods as (
    {{ appraised_periods() }}
),

flags as (
    select * from {{ ref('int_appraisal__balance_flag') }}
    union all
    select * from {{ ref('int_appraisal__conduct_flag') }}
),

final as (
    select
        {{ as_of_date() }} as evaluation_date,
        {{ sha256_text(
            "flags.period_code || '|' || flags.employee_id || '|' || flags.customer_id || '|' || flags.flag_kind"
        ) }} as flag_id,
        flags.period_code,
        flags.employee_id,
        flags.customer_id,
        flags.flag_kind,
        flags.value,
        flags.evidence_zh,
        periods.through_date,
        periods.is_final,
        flags.policy_version
    from flags
    inner join periods on flags.period_code = periods.period_code
)

select * from final
