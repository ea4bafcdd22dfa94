with periods as (
    select
        *,
        case when is_final then next_start_date else through_date end as close_date
    from (
        {{ appraised_periods() }}
    ) as appraised
),

opening as (
    select
        periods.period_code,
        cohorts.customer_id,
        cohorts.cohort_date as valid_from,
        coalesce(cohorts.employee_id, {{ pool_of('cohorts.branch_id') }}) as holder_id,
        cohorts.branch_id
    from {{ ref('fct_cohort') }} as cohorts
    inner join periods on cohorts.cohort_date = periods.start_date
),

-- Who waits in the queue is his branch's; who has left the books has no branch in the log.
changes as (
    select
        periods.period_code,
        changes.customer_id,
        changes.business_date as valid_from,
        coalesce(changes.to_employee_id, {{ pool_of('changes.branch_id') }}) as holder_id,
        changes.branch_id
    from {{ ref('fct_assignment_change') }} as changes
    inner join periods
        on
            changes.business_date > periods.start_date
            and changes.business_date <= periods.close_date
    where changes.slot = 'a'
),

steps as (
    select * from opening
    union all
    select * from changes
),

final as (
    select
        period_code,
        customer_id,
        valid_from,
        lead(valid_from) over (
            partition by period_code, customer_id order by valid_from
        ) as valid_to,
        holder_id,
        branch_id
    from steps
)

select * from final
