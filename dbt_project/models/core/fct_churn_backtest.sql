{{ config(materialized='range', partition_column='outcome_date') }}

with outcomes as (
    select
        outcome_date,
        month_end_date,
        customer_id,
        segment_code,
        is_churned,
        churn_date
    from {{ ref('fct_churn_outcome') }}
    where outcome_date = {{ as_of_date() }}
),

judged_date as (
    select max(month_end_date) as month_end_date
    from outcomes
),

-- Rules are those in force on the month end.
ranges as (
    select
        ranges.segment_code,
        ranges.indicator_code,
        ranges.lower_value,
        ranges.upper_value,
        ranges.level_rank,
        ranges.points
    from {{ source('policy', 'churn_range') }} as ranges
    inner join judged_date
        on
            ranges.effective_from <= judged_date.month_end_date
            and ranges.effective_to > judged_date.month_end_date
),

levels as (
    select
        levels.segment_code,
        levels.level,
        levels.level_rank,
        levels.lower_score,
        levels.upper_score,
        levels.policy_version
    from {{ source('policy', 'churn_level') }} as levels
    inner join judged_date
        on
            levels.effective_from <= judged_date.month_end_date
            and levels.effective_to > judged_date.month_end_date
),

indicators as (
    select
        outcomes.customer_id,
        {%- for code in churn_indicator_codes() %}
        indicators.{{ code }},
        {%- endfor %}
        outcomes.segment_code
    from outcomes
    inner join {{ ref('fct_churn_indicator') }} as indicators
        on
            outcomes.month_end_date = indicators.as_of_date
            and outcomes.customer_id = indicators.customer_id
),

hits as (
    {{ churn_hits('indicators', 'ranges') }}
),

scores as (
    select
        customer_id,
        segment_code,
        sum(points) as score
    from hits
    group by customer_id, segment_code
),

warned as (
    select
        customer_id,
        indicator_code,
        level_rank
    from hits
    union all
    select
        scores.customer_id,
        'score' as indicator_code,
        levels.level_rank
    from scores
    inner join levels
        on
            scores.segment_code = levels.segment_code
            and scores.score >= levels.lower_score
            and scores.score < levels.upper_score
),

-- Everybody counts in his segment and in the bank.
memberships as (
    select
        outcomes.*,
        outcomes.segment_code as counted_in
    from outcomes
    union all
    select
        outcomes.*,
        'bank' as counted_in
    from outcomes
),

totals as (
    select
        outcome_date,
        month_end_date,
        counted_in as segment_code,
        count(*) as population_count,
        sum(case when is_churned then 1 else 0 end) as churned_count
    from memberships
    group by outcome_date, month_end_date, counted_in
),

level_names as (
    select distinct
        level,
        level_rank,
        policy_version
    from levels
),

indicator_names as (
    {%- for code in churn_indicator_codes() + ['score'] %}
    select '{{ code }}' as indicator_code
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

-- A level counts who has it or a higher one.
counts as (
    select
        memberships.counted_in as segment_code,
        warned.indicator_code,
        level_names.level,
        count(*) as warned_count,
        sum(case when memberships.is_churned then 1 else 0 end) as hit_count,
        sum(
            case
                when memberships.is_churned
                    then {{ days_between('memberships.month_end_date', 'memberships.churn_date') }}
                else 0
            end
        ) as lead_day_count
    from memberships
    inner join warned on memberships.customer_id = warned.customer_id
    inner join level_names on warned.level_rank >= level_names.level_rank
    group by memberships.counted_in, warned.indicator_code, level_names.level
),

filled as (
    select
        totals.outcome_date,
        totals.month_end_date,
        totals.segment_code,
        indicator_names.indicator_code,
        level_names.level,
        level_names.policy_version,
        totals.population_count,
        totals.churned_count,
        coalesce(counts.warned_count, 0) as warned_count,
        coalesce(counts.hit_count, 0) as hit_count,
        coalesce(counts.lead_day_count, 0) as lead_day_count
    from totals
    cross join indicator_names
    cross join level_names
    left join counts
        on
            totals.segment_code = counts.segment_code
            and indicator_names.indicator_code = counts.indicator_code
            and level_names.level = counts.level
),

final as (
    select
        outcome_date,
        month_end_date,
        segment_code,
        indicator_code,
        level,
        cast(population_count as bigint) as population_count,
        cast(warned_count as bigint) as warned_count,
        cast(churned_count as bigint) as churned_count,
        cast(hit_count as bigint) as hit_count,
        {{ share_of_whole('hit_count', 'warned_count') }} as precision_rate,
        {{ share_of_whole('hit_count', 'churned_count') }} as recall_rate,
        {{ share_of_whole('hit_count * population_count', 'warned_count * churned_count') }}
            as lift,
        {{ divide_half_up('cast(lead_day_count as decimal(18, 2))', 'hit_count') }} as lead_days,
        policy_version
    from filled
)

select * from final
