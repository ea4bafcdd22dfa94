{{ config(materialized='range', partition_column='outcome_date') }}

{%- set month_ends = [plan()['as_of_date']] + plan()['past_month_ends'] %}

with rules as (
    select
        outcome_months,
        floor_cny,
        kept_share
    from {{ source('policy', 'churn') }}
    where effective_from <= {{ as_of_date() }} and effective_to > {{ as_of_date() }}
),

month_ends as (
    {%- for month_end in month_ends[:-1] %}
    select
        {{ loop.index0 }} as place,
        {{ date_literal(month_end) }} as month_end_date,
        {{ days_between(date_literal(month_ends[loop.index]), date_literal(month_end)) }}
            as day_count
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- The months before and after the month end whose outcome is known today; none on other days.
months as (
    select
        month_ends.month_end_date,
        month_ends.day_count,
        month_ends.place < rules.outcome_months as is_after,
        judged.month_end_date as judged_date
    from month_ends
    inner join rules on month_ends.place < 2 * rules.outcome_months
    inner join month_ends as judged on rules.outcome_months = judged.place
    where {{ 'true' if is_evaluation() else 'false' }}
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

measures as (
    select
        evaluation_date,
        customer_id,
        aum_month_avg_cny,
        month_balance_days_cny
    from {{ ref('fct_month_measure') }}
    where
        asset_set = 'standard'
        and evaluation_date > {{ date_literal(month_ends[12]) }}
        and evaluation_date <= {{ as_of_date() }}
        and {{ 'true' if is_evaluation() else 'false' }}
),

-- A month that was partial has no averages: then nothing is said.
spans as (
    select
        months.judged_date,
        sum(case when months.is_after then 0 else months.day_count end) as before_days,
        sum(case when months.is_after then months.day_count else 0 end) as after_days
    from months
    left join (select distinct evaluation_date from measures) as known
        on months.month_end_date = known.evaluation_date
    group by months.judged_date
    having count(known.evaluation_date) = count(*)
),

-- A merge is no churn, a death neither.
population as (
    select
        indicators.as_of_date as month_end_date,
        indicators.customer_id,
        indicators.segment_code,
        customers.closed_date,
        customers.customer_id is null as is_gone,
        spans.before_days,
        spans.after_days
    from {{ ref('fct_churn_indicator') }} as indicators
    inner join spans on indicators.as_of_date = spans.judged_date
    left join successors on indicators.customer_id = successors.old_customer_id
    left join {{ ref('dim_customer') }} as customers
        on indicators.customer_id = customers.customer_id
    where
        successors.old_customer_id is null
        and (customers.deceased_date is null or customers.deceased_date > {{ as_of_date() }})
),

customer_months as (
    select
        coalesce(successors.new_customer_id, measures.customer_id) as customer_id,
        measures.evaluation_date,
        months.is_after,
        sum(measures.aum_month_avg_cny) as month_avg_cny,
        sum(measures.month_balance_days_cny) as balance_days_cny
    from measures
    inner join months on measures.evaluation_date = months.month_end_date
    left join successors on measures.customer_id = successors.old_customer_id
    group by
        coalesce(successors.new_customer_id, measures.customer_id),
        measures.evaluation_date,
        months.is_after
),

sums as (
    select
        customer_id,
        cast(sum(case when is_after then 0 else balance_days_cny end) as decimal(28, 2))
            as before_balance_days_cny,
        cast(sum(case when is_after then balance_days_cny else 0 end) as decimal(28, 2))
            as after_balance_days_cny
    from customer_months
    group by customer_id
),

averages as (
    select
        population.month_end_date,
        population.customer_id,
        population.segment_code,
        population.closed_date,
        population.is_gone,
        {{ divide_half_up(
            'coalesce(sums.before_balance_days_cny, 0)', 'population.before_days'
        ) }} as before_avg_cny,
        {{ divide_half_up(
            'coalesce(sums.after_balance_days_cny, 0)', 'population.after_days'
        ) }} as after_avg_cny
    from population
    left join sums on population.customer_id = sums.customer_id
),

-- What the average after must reach, for either reason.
limits as (
    select
        averages.*,
        case when averages.before_avg_cny >= rules.floor_cny then rules.floor_cny end as floor_cny,
        cast(
            cast(averages.before_avg_cny as decimal(19, 2))
            * cast(rules.kept_share as decimal(18, 8))
            as decimal(38, 10)
        ) as kept_cny
    from averages
    cross join rules
),

judged as (
    select
        limits.*,
        case
            when limits.closed_date is not null and limits.closed_date <= {{ as_of_date() }}
                then 'closed'
            when limits.is_gone then 'closed'
            when limits.after_avg_cny < limits.floor_cny then 'below_floor'
            when limits.after_avg_cny < limits.kept_cny then 'fell'
        end as churn_cause
    from limits
),

-- The end of the first month that was too low.
low_months as (
    select
        judged.customer_id,
        min(months.month_end_date) as low_date
    from judged
    cross join months
    left join customer_months
        on
            judged.customer_id = customer_months.customer_id
            and months.month_end_date = customer_months.evaluation_date
    where
        judged.churn_cause is not null
        and months.is_after
        and (
            coalesce(customer_months.month_avg_cny, 0) < judged.floor_cny
            or coalesce(customer_months.month_avg_cny, 0) < judged.kept_cny
        )
    group by judged.customer_id
),

final as (
    select
        {{ as_of_date() }} as outcome_date,
        judged.month_end_date,
        judged.customer_id,
        judged.segment_code,
        judged.before_avg_cny,
        judged.after_avg_cny,
        judged.churn_cause is not null as is_churned,
        judged.churn_cause,
        case
            when judged.churn_cause is not null
                then coalesce(
                    least(judged.closed_date, low_months.low_date),
                    judged.closed_date,
                    low_months.low_date,
                    {{ as_of_date() }}
                )
        end as churn_date
    from judged
    left join low_months on judged.customer_id = low_months.customer_id
)

select * from final
