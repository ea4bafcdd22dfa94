with employees as (
    select
        employees.period_code,
        employees.employee_id,
        employees.complaint_count,
        employees.cadence_rate,
        employees.archive_rate,
        employees.policy_version
    from {{ ref('fct_score_employee') }} as employees
    inner join {{ ref('int_appraisal__newest_evaluation') }} as newest
        on
            employees.period_code = newest.period_code
            and employees.evaluation_date = newest.evaluation_date
),

findings as (
    select
        period_code,
        employee_id,
        count(*) as conduct_count
    from {{ source('build', 'conduct_finding') }}
    group by period_code, employee_id
),

gates as (
    select
        policy_version,
        gate_code,
        limit_value
    from {{ source('policy', 'appraisal_gate') }}
),

judged as (
    select
        employees.*,
        coalesce(findings.conduct_count, 0) as conduct_count
    from employees
    left join findings
        on
            employees.period_code = findings.period_code
            and employees.employee_id = findings.employee_id
),

-- Who owed nothing and answers for no archive fails neither.
failed as (
    select
        judged.period_code,
        judged.employee_id,
        {{ sorted_string_agg('gates.gate_code') }} as gate_code
    from judged
    inner join gates on judged.policy_version = gates.policy_version
    where
        (gates.gate_code = 'complaints' and judged.complaint_count > gates.limit_value)
        or (gates.gate_code = 'cadence' and judged.cadence_rate < gates.limit_value)
        or (gates.gate_code = 'archives' and judged.archive_rate < gates.limit_value)
        or (gates.gate_code = 'conduct' and judged.conduct_count > gates.limit_value)
    group by judged.period_code, judged.employee_id
),

final as (
    select
        judged.period_code,
        judged.employee_id,
        judged.complaint_count,
        judged.cadence_rate,
        judged.archive_rate,
        judged.conduct_count,
        failed.gate_code,
        judged.policy_version
    from judged
    left join failed
        on
            judged.period_code = failed.period_code
            and judged.employee_id = failed.employee_id
)

select * from final
