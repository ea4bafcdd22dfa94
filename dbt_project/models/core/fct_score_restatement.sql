with closed_quarters as (
    select
        period_code,
        evaluation_date
    from {{ source('build', 'closed_quarter') }}
),

frozen_values as (
    select
        period_code,
        employee_id,
        measure_code,
        value_rate,
        score
    from {{ source('build', 'closed_scorecard') }}
    union all
    select
        period_code,
        employee_id,
        'total' as measure_code,
        cast(null as decimal(18, 8)) as value_rate,
        total_score as score
    from {{ source('build', 'closed_scorecard_total') }}
),

-- What is told of a closed quarter by the evidence of today; evidence is not kept for ever.
recomputed_values as (
    select
        period_code,
        employee_id,
        measure_code,
        value_rate,
        score
    from {{ ref('fct_scorecard') }}
    where is_final
    union all
    select
        period_code,
        employee_id,
        'total' as measure_code,
        cast(null as decimal(18, 8)) as value_rate,
        total_score as score
    from {{ ref('fct_scorecard_total') }}
    where is_final
),

causes as (
    select
        business_date,
        batch_id
    from {{ source('build', 'restating_batch') }}
),

-- What readers see was told once and stays.
told as (
    select
        restatement_id,
        as_of_date,
        period_code,
        employee_id,
        measure_code,
        old_value,
        new_value,
        old_score,
        new_score,
        delta_score,
        cause_batch_id,
        from_version
    from {{ source('build', 'told_restatement') }}
),

log_entries as (
    select
        period_code,
        employee_id,
        measure_code,
        new_value,
        new_score,
        row_number() over (
            partition by period_code, employee_id, measure_code
            order by from_version desc
        ) as place
    from told
),

-- The last word on a cell: that of the newest correction, else what was frozen.
told_values as (
    select
        frozen_values.period_code,
        frozen_values.employee_id,
        frozen_values.measure_code,
        frozen_values.value_rate,
        frozen_values.score
    from frozen_values
    left join log_entries
        on
            frozen_values.period_code = log_entries.period_code
            and frozen_values.employee_id = log_entries.employee_id
            and frozen_values.measure_code = log_entries.measure_code
    where log_entries.period_code is null
    union all
    select
        period_code,
        employee_id,
        measure_code,
        new_value as value_rate,
        new_score as score
    from log_entries
    where place = 1
),

compared_periods as (
    select distinct
        closed_quarters.period_code,
        closed_quarters.evaluation_date
    from closed_quarters
    inner join recomputed_values on closed_quarters.period_code = recomputed_values.period_code
),

cells as (
    select
        period_code,
        employee_id,
        measure_code
    from told_values
    union
    select
        period_code,
        employee_id,
        measure_code
    from recomputed_values
),

changes as (
    select
        cells.period_code,
        cells.employee_id,
        cells.measure_code,
        compared_periods.evaluation_date,
        before.value_rate as old_value,
        recomputed.value_rate as new_value,
        before.score as old_score,
        recomputed.score as new_score
    from cells
    inner join compared_periods on cells.period_code = compared_periods.period_code
    left join told_values as before
        on
            cells.period_code = before.period_code
            and cells.employee_id = before.employee_id
            and cells.measure_code = before.measure_code
    left join recomputed_values as recomputed
        on
            cells.period_code = recomputed.period_code
            and cells.employee_id = recomputed.employee_id
            and cells.measure_code = recomputed.measure_code
    where
        before.value_rate is distinct from recomputed.value_rate
        or before.score is distinct from recomputed.score
),

-- The latest restating delivery of a day that the evidence saw is named as the cause.
quarter_causes as (
    select
        compared_periods.period_code,
        max_by(
            causes.batch_id,
            cast(causes.business_date as {{ dbt.type_string() }}) || causes.batch_id
        ) as cause_batch_id
    from compared_periods
    inner join causes on compared_periods.evaluation_date >= causes.business_date
    group by compared_periods.period_code
),

found as (
    select
        {{ sha256_text(
            "changes.period_code || '|' || changes.employee_id || '|' || changes.measure_code || '|' || cast("
            ~ plan()['published_version'] ~ " as " ~ dbt.type_string() ~ ")"
        ) }} as restatement_id,
        {{ as_of_date() }} as as_of_date,
        changes.period_code,
        changes.employee_id,
        changes.measure_code,
        cast(changes.old_value as decimal(18, 8)) as old_value,
        cast(changes.new_value as decimal(18, 8)) as new_value,
        cast(changes.old_score as decimal(18, 4)) as old_score,
        cast(changes.new_score as decimal(18, 4)) as new_score,
        cast(changes.new_score - changes.old_score as decimal(18, 4)) as delta_score,
        quarter_causes.cause_batch_id,
        cast({{ plan()['published_version'] }} as bigint) as from_version
    from changes
    left join quarter_causes on changes.period_code = quarter_causes.period_code
),

final as (
    select * from told
    union all
    select * from found
)

select * from final
