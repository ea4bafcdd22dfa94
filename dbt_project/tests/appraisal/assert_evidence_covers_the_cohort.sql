-- Every customer of a cohort has one fate in every measure of the quarter, churned, retained or
-- excluded, for all of its days; whoever was won is of no cohort.
with periods as (
    {{ appraised_periods() }}
),

measures as (
    select
        periods.period_code,
        measures.measure_code
    from periods
    inner join {{ source('policy', 'appraisal_measure') }} as measures
        on
            periods.through_date >= measures.effective_from
            and periods.through_date < measures.effective_to
),

cohort as (
    select
        measures.period_code,
        measures.measure_code,
        cohort.customer_id
    from measures
    inner join {{ ref('fct_cohort') }} as cohort on measures.period_code = cohort.period_code
    where measures.measure_code != 'm4_acquisition'
),

evidence as (
    select
        period_code,
        measure_code,
        customer_id,
        min(case when measure_code = 'm4_acquisition' then 1 else 0 end) as is_won,
        sum(held_days) as held_days,
        max(day_count) as day_count,
        sum(case when is_longest_holder then 1 else 0 end) as longest_holders,
        count(distinct case
            when exclusion_reason is not null and is_numerator then 'both'
            when exclusion_reason is not null then 'excluded'
            when is_numerator then 'counted'
            else 'not_counted'
        end) as fates
    from {{ ref('fct_score_evidence') }}
    where evaluation_date = {{ as_of_date() }}
    group by period_code, measure_code, customer_id
),

opening as (
    select
        cohort.period_code,
        count(*) as customer_count
    from {{ ref('fct_cohort') }} as cohort
    inner join periods on cohort.period_code = periods.period_code
    group by cohort.period_code
),

-- Churned, retained and excluded, each counted by itself.
retention as (
    select
        period_code,
        count(distinct case when is_numerator and exclusion_reason is null then customer_id end)
        + count(distinct case
            when not is_numerator and exclusion_reason is null then customer_id
        end)
        + count(distinct case when exclusion_reason is not null then customer_id end)
            as customer_count
    from {{ ref('fct_score_evidence') }}
    where evaluation_date = {{ as_of_date() }} and measure_code = 'm1_retention'
    group by period_code
)

select
    coalesce(cohort.period_code, evidence.period_code) as period_code,
    coalesce(cohort.customer_id, evidence.customer_id) as customer_id
from cohort
full outer join evidence
    on
        cohort.period_code = evidence.period_code
        and cohort.measure_code = evidence.measure_code
        and cohort.customer_id = evidence.customer_id
left join cohort as retained
    on
        evidence.period_code = retained.period_code
        and evidence.customer_id = retained.customer_id
        and retained.measure_code = 'm1_retention'
where
    evidence.customer_id is null
    or evidence.held_days != evidence.day_count
    or evidence.longest_holders != 1
    or evidence.fates != 1
    or (cohort.customer_id is null and evidence.is_won = 0)
    or (evidence.is_won = 1 and retained.customer_id is not null)
union all
select
    opening.period_code,
    'all' as customer_id
from opening
left join retention on opening.period_code = retention.period_code
where coalesce(retention.customer_count, 0) != opening.customer_count
