-- A quarter begins with its cohort and ends with the next one's, or with today's books: in every
-- book, outlet, branch and in the bank, to the customer and to the fen.
with periods as (
    select *
    from (
        {{ appraised_periods() }}
    ) as appraised
    where has_books
),

held as (
    select
        periods.period_code,
        'opening' as side,
        periods.eve_date as measured_date,
        cohorts.customer_id,
        coalesce(cohorts.employee_id, {{ pool_of('cohorts.branch_id') }}) as holder_id,
        cohorts.branch_id
    from periods
    inner join {{ ref('fct_cohort') }} as cohorts on periods.start_date = cohorts.cohort_date
    union all
    select
        periods.period_code,
        'closing' as side,
        periods.through_date as measured_date,
        cohorts.customer_id,
        coalesce(cohorts.employee_id, {{ pool_of('cohorts.branch_id') }}) as holder_id,
        cohorts.branch_id
    from periods
    inner join {{ ref('fct_cohort') }} as cohorts on periods.next_start_date = cohorts.cohort_date
    where periods.is_final
    union all
    select
        periods.period_code,
        'closing' as side,
        periods.through_date as measured_date,
        entries.customer_id,
        coalesce(
            entries.employee_id,
            {{ pool_of("coalesce(customers.home_branch_id, 'unknown_branch')") }}
        ) as holder_id,
        coalesce(customers.home_branch_id, 'unknown_branch') as branch_id
    from periods
    inner join {{ ref('fct_book_entry') }} as entries on periods.through_date = entries.as_of_date
    left join {{ ref('dim_customer') }} as customers
        on entries.customer_id = customers.customer_id
    where not periods.is_final and entries.slot in ('a', 'queue')
),

valued as (
    select
        held.period_code,
        held.side,
        held.holder_id,
        held.branch_id,
        coalesce(measures.aum_cny, 0) as aum_cny
    from held
    left join {{ ref('fct_month_measure') }} as measures
        on
            held.customer_id = measures.customer_id
            and held.measured_date = measures.evaluation_date
            and measures.asset_set = 'standard'
),

subjects as (
    select
        period_code,
        side,
        'employee' as subject_kind,
        holder_id as subject_id,
        aum_cny
    from valued
    union all
    select
        valued.period_code,
        valued.side,
        'branch' as subject_kind,
        tree.ancestor_id as subject_id,
        valued.aum_cny
    from valued
    inner join {{ ref('int_appraisal__branch_tree') }} as tree on valued.branch_id = tree.branch_id
    union all
    select
        period_code,
        side,
        'bank' as subject_kind,
        'bank' as subject_id,
        aum_cny
    from valued
),

counted as (
    select
        period_code,
        subject_kind,
        subject_id,
        sum(case when side = 'opening' then 1 else 0 end) as opening_count,
        sum(case when side = 'opening' then aum_cny else 0 end) as opening_aum_cny,
        sum(case when side = 'closing' then 1 else 0 end) as closing_count,
        sum(case when side = 'closing' then aum_cny else 0 end) as closing_aum_cny
    from subjects
    group by period_code, subject_kind, subject_id
),

flows as (
    select *
    from {{ ref('fct_book_flow') }}
    where evaluation_date = {{ as_of_date() }}
)

select
    coalesce(flows.period_code, counted.period_code) as period_code,
    coalesce(flows.subject_kind, counted.subject_kind) as subject_kind,
    coalesce(flows.subject_id, counted.subject_id) as subject_id
from flows
full outer join counted
    on
        flows.period_code = counted.period_code
        and flows.subject_kind = counted.subject_kind
        and flows.subject_id = counted.subject_id
where
    coalesce(flows.opening_count, 0) != coalesce(counted.opening_count, 0)
    or coalesce(flows.opening_aum_cny, 0) != coalesce(counted.opening_aum_cny, 0)
    or coalesce(flows.closing_count, 0) != coalesce(counted.closing_count, 0)
    or coalesce(flows.closing_aum_cny, 0) != coalesce(counted.closing_aum_cny, 0)
