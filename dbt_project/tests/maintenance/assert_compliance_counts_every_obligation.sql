-- A month counts each of its obligations once: as done, overdue, pending or suppressed.
with months as (
    select
        as_of_date,
        month_end_date,
        employee_id,
        kind,
        due_count,
        done_count,
        overdue_count,
        pending_count,
        suppressed_count,
        closed_overdue_count,
        closed_suppressed_count,
        is_final
    from {{ ref('fct_cadence_month') }}
    where as_of_date >= {{ decided_from() }}
),

standing as (
    select
        as_of_date,
        last_day(due_to_date) as month_end_date,
        coalesce(employee_id, 'queue') as employee_id,
        kind,
        sum(case when status in ('open', 'due') then 1 else 0 end) as pending_count,
        sum(case when status = 'overdue' and not is_closed then 1 else 0 end) as overdue_count,
        sum(case when status = 'suppressed' and not is_closed then 1 else 0 end)
            as suppressed_count
    from {{ ref('fct_obligation') }}
    where as_of_date >= {{ decided_from() }}
    group by as_of_date, last_day(due_to_date), coalesce(employee_id, 'queue'), kind
),

final as (
    select
        months.as_of_date,
        standing.as_of_date as obligation_date,
        months.month_end_date,
        months.employee_id,
        months.kind
    from months
    full outer join standing
        on
            months.as_of_date = standing.as_of_date
            and months.month_end_date = standing.month_end_date
            and months.employee_id = standing.employee_id
            and months.kind = standing.kind
    where
        months.as_of_date is null
        or months.due_count
        != months.done_count + months.overdue_count + months.pending_count
        or months.pending_count != coalesce(standing.pending_count, 0)
        or months.overdue_count
        != months.closed_overdue_count + coalesce(standing.overdue_count, 0)
        or months.suppressed_count
        != months.closed_suppressed_count + coalesce(standing.suppressed_count, 0)
        or (months.is_final and months.pending_count > 0)
)

select * from final
