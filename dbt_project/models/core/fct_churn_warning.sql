{{ config(materialized='range', partition_column='as_of_date', is_decision=true) }}

{#- Indicators are known on the last day of an advance alone. -#}
with live_days as (
    {{ live_days() }}
),

decided_day as (
    select business_date
    from live_days
    where business_date = {{ as_of_date() }}
),

indicators as (
    select
        indicators.customer_id,
        {%- for code in churn_indicator_codes() %}
        indicators.{{ code }},
        {%- endfor %}
        indicators.segment_code
    from {{ ref('fct_churn_indicator') }} as indicators
    inner join decided_day on indicators.as_of_date = decided_day.business_date
),

ranges as (
    select
        segment_code,
        indicator_code,
        lower_value,
        upper_value,
        level_rank,
        points
    from {{ source('policy', 'churn_range') }}
    where
        effective_from <= {{ as_of_date() }}
        and effective_to > {{ as_of_date() }}
        and points > 0
),

levels as (
    select
        segment_code,
        level,
        lower_score,
        upper_score,
        policy_version
    from {{ source('policy', 'churn_level') }}
    where effective_from <= {{ as_of_date() }} and effective_to > {{ as_of_date() }}
),

labels as (
    select
        indicator_code,
        label_zh,
        unit_zh
    from {{ source('policy', 'churn_indicator') }}
    where effective_from <= {{ as_of_date() }} and effective_to > {{ as_of_date() }}
),

hits as (
    {{ churn_hits('indicators', 'ranges') }}
),

scores as (
    select
        hits.customer_id,
        levels.level,
        hits.score,
        levels.policy_version
    from (
        select
            customer_id,
            segment_code,
            sum(points) as score
        from hits
        group by customer_id, segment_code
    ) as hits
    inner join levels
        on
            hits.segment_code = levels.segment_code
            and hits.score >= levels.lower_score
            and hits.score < levels.upper_score
),

-- Only who is warned needs a reason.
texts as (
    select
        hits.customer_id,
        hits.indicator_code,
        labels.label_zh || case
            when labels.unit_zh = '%'
                then cast(
                    cast(hits.indicator_value * 100 as decimal(18, 1)) as {{ dbt.type_string() }}
                )
            else cast(cast(hits.indicator_value as bigint) as {{ dbt.type_string() }})
        end || labels.unit_zh as text_zh
    from hits
    inner join scores on hits.customer_id = scores.customer_id
    inner join labels on hits.indicator_code = labels.indicator_code
),

reasons as (
    select
        customer_id,
        {{ sorted_string_agg('indicator_code') }} as indicators,
        {%- for code in churn_indicator_codes() %}
        coalesce(
            max(case when indicator_code = '{{ code }}' then text_zh || '；' end), ''
        ){{ ' ||' if not loop.last }}
        {%- endfor %} as reason_zh
    from texts
    group by customer_id
),

-- What was decided last.
earlier as (
    {%- if has_base() %}
    select
        customer_id,
        level,
        since_date
    from {{ kept_relation('fct_churn_warning') }}
    where as_of_date = {{ add_days(decided_from(), -1) }}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as customer_id,
        cast(null as {{ dbt.type_string() }}) as level,
        cast(null as date) as since_date
    where 1 = 0
    {%- endif %}
),

final as (
    select
        {{ as_of_date() }} as as_of_date,
        scores.customer_id,
        scores.level,
        cast(scores.score as bigint) as score,
        reasons.indicators,
        substring(reasons.reason_zh, 1, length(reasons.reason_zh) - 1) || '。' as reason_zh,
        case
            when scores.level = earlier.level then earlier.since_date
            else {{ as_of_date() }}
        end as since_date,
        scores.policy_version
    from scores
    inner join reasons on scores.customer_id = reasons.customer_id
    left join earlier on scores.customer_id = earlier.customer_id
)

select * from final
