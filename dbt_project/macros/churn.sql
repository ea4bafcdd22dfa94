{#- Indicators of churn: columns of fct_churn_indicator. Policies say ranges and points of each. -#}
{% macro churn_indicator_codes() -%}
    {%- do return([
        'aum_fall_1m', 'aum_fall_3m', 'outflow_ratio', 'maturity_not_renewed', 'product_count_down',
        'salary_stop', 'no_contact', 'complaint_open', 'activity_down',
    ]) -%}
{%- endmacro %}

{#- A part of a whole to four decimals, rounded half up; NULL where there is no whole. Both in hundredths at most. -#}
{% macro share_of_whole(part, whole) -%}
    cast(
        {{ divide_half_up('cast((' ~ part ~ ') * 10000 as decimal(28, 2))', '(' ~ whole ~ ') * 100') }}
        * cast(0.01 as decimal(3, 2)) as decimal(18, 4)
    )
{%- endmacro %}

{#- One row per customer and indicator whose value lies in a range. `indicators`: customer_id, segment_code and the
    indicators' columns; `ranges`: rows of the policy's ranges. -#}
{% macro churn_hits(indicators, ranges) -%}
    {%- for code in churn_indicator_codes() %}
    select
        indicators.customer_id,
        indicators.segment_code,
        '{{ code }}' as indicator_code,
        cast(indicators.{{ code }} as decimal(18, 4)) as indicator_value,
        ranges.level_rank,
        ranges.points
    from {{ indicators }} as indicators
    inner join {{ ranges }} as ranges
        on
            indicators.segment_code = ranges.segment_code
            and ranges.indicator_code = '{{ code }}'
            and indicators.{{ code }} >= ranges.lower_value
            and indicators.{{ code }} < ranges.upper_value
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
