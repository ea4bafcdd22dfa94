{#- The quarters that this advance appraises, one row each; none on days that are no month end. -#}
{% macro appraised_periods() -%}
    {%- set dates = [
        'start_date', 'end_date', 'next_start_date', 'eve_date', 'prior_eve_date', 'through_date', 'guard_date',
    ] -%}
    {%- for period in plan_dates('appraisal_periods') %}
    select
        '{{ period['period_code'] }}' as period_code,
        {%- for name in dates %}
        {{ date_literal(period[name]) }} as {{ name }},
        {%- endfor %}
        {{ period['day_count'] }} as day_count,
        {{ period['prior_day_count'] }} as prior_day_count,
        {{ 'true' if period['is_final'] else 'false' }} as is_final,
        {{ 'true' if period['has_books'] else 'false' }} as has_books
    {{- ' union all' if not loop.last }}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as period_code,
        {%- for name in dates %}
        cast(null as date) as {{ name }},
        {%- endfor %}
        0 as day_count,
        0 as prior_day_count,
        false as is_final,
        false as has_books
    where 1 = 0
    {%- endfor %}
{%- endmacro %}

{#- Who has the customers that no employee holds: the pool of a branch. -#}
{% macro pool_of(branch_id) -%}
    'pool:' || {{ branch_id }}
{%- endmacro %}
