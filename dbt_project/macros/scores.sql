{#- A whole number of either sign divided by one that is not negative, rounded half up and away from 0, as a decimal:
    the quotient counts its smallest units. NULL when the divisor is 0. -#}
{% macro signed_ratio(part, whole, scale) -%}
    cast(
        case when {{ part }} < 0 then -1 else 1 end
        * {{ floor_divide(
            '(abs(cast(' ~ part ~ ' as decimal(38, 0))) * 2 + ' ~ whole ~ ')', 'nullif(2 * ' ~ whole ~ ', 0)'
        ) }}
        * cast({{ '0.' ~ '0' * (scale - 1) ~ '1' }} as decimal({{ scale + 1 }}, {{ scale }}))
        as decimal(18, {{ scale }})
    )
{%- endmacro %}

{#- A decimal as the whole number of its smallest units. -#}
{% macro units(value, scale) -%}
    cast({{ value }} * {{ 10 ** scale }} as decimal(38, 0))
{%- endmacro %}

{#- Points of a value against its target: 100 at the target, never below 0 or above the cap. An inverse measure is the
    better the lower it is. NULL without a value or a target. -#}
{% macro score_points(value, target, is_inverse, unit, cap) -%}
    case
        when {{ value }} is null or {{ target }} is null then null
        when {{ is_inverse }} then
            case
                when {{ value }} <= 0 and {{ target }} > 0 then cast({{ cap }} as decimal(18, 4))
                when {{ value }} <= 0 then cast({{ unit }} as decimal(18, 4))
                when {{ target }} <= 0 then cast(0 as decimal(18, 4))
                else least({{ attained(target, value, unit) }}, cast({{ cap }} as decimal(18, 4)))
            end
        when {{ target }} <= 0 then
            case
                when {{ value }} > {{ target }} then cast({{ cap }} as decimal(18, 4))
                when {{ value }} = {{ target }} then cast({{ unit }} as decimal(18, 4))
                else cast(0 as decimal(18, 4))
            end
        when {{ value }} <= 0 then cast(0 as decimal(18, 4))
        else least({{ attained(value, target, unit) }}, cast({{ cap }} as decimal(18, 4)))
    end
{%- endmacro %}

{#- unit x part / whole of two rates above 0, four decimals, half up. -#}
{% macro attained(part, whole, unit) -%}
    {{ signed_ratio(units(part, 8) ~ ' * ' ~ units(unit, 4), units(whole, 8), 4) }}
{%- endmacro %}

{#- Median of rates with the exact mean of the two in the middle, half up. One row per value of the columns `groups` of
    the CTE `rates`, which has no NULL rate. -#}
{% macro median_rates(rates, groups) -%}
    select
        {%- for group in groups %}
        {{ group }},
        {%- endfor %}
        {{ signed_ratio(units('sum(value_rate)', 8), 'count(*)', 8) }} as median_rate
    from (
        select
            {%- for group in groups %}
            {{ group }},
            {%- endfor %}
            value_rate,
            row_number() over (
                partition by {{ groups | join(', ') }} order by value_rate, subject_id
            ) as place,
            count(*) over (partition by {{ groups | join(', ') }}) as rate_count
        from {{ rates }}
    ) as placed
    where 2 * place between rate_count and rate_count + 2
    group by {{ groups | join(', ') }}
{%- endmacro %}

{#- Columns numerator, denominator and value_rate of a measure: shares of customer-days, in customers; of the growth
    measure money against the money that was there. -#}
{% macro measured_value(cells) -%}
        cast(
            case
                when {{ cells }}.measure_code = 'm5_growth' then {{ cells }}.value_cny
                else {{ rate(cells ~ '.numerator_days', cells ~ '.day_count') }}
            end as decimal(28, 8)
        ) as numerator,
        cast(
            case
                when {{ cells }}.measure_code = 'm5_growth' then {{ cells }}.base_cny
                else {{ rate(cells ~ '.denominator_days', cells ~ '.day_count') }}
            end as decimal(28, 8)
        ) as denominator,
        case
            when {{ cells }}.measure_code != 'm5_growth'
                then {{ rate(cells ~ '.numerator_days', cells ~ '.denominator_days') }}
            when {{ cells }}.base_cny > 0
                then {{ signed_ratio(units(cells ~ '.value_cny', 10), units(cells ~ '.base_cny', 2), 8) }}
        end as value_rate
{%- endmacro %}


{#- Code of the quarter of a day: 2026Q1. -#}
{% macro quarter_of(day) -%}
    {%- set text = 'cast(' ~ day ~ ' as ' ~ dbt.type_string() ~ ')' -%}
    substring({{ text }}, 1, 4) || case
        when substring({{ text }}, 6, 2) <= '03' then 'Q1'
        when substring({{ text }}, 6, 2) <= '06' then 'Q2'
        when substring({{ text }}, 6, 2) <= '09' then 'Q3'
        else 'Q4'
    end
{%- endmacro %}

{#- Code of the quarter before one: 2026Q1 -> 2025Q4. -#}
{% macro quarter_before(period_code) -%}
    case
        when substring({{ period_code }}, 6, 1) = '1'
            then cast(cast(substring({{ period_code }}, 1, 4) as integer) - 1 as {{ dbt.type_string() }}) || 'Q4'
        else
            substring({{ period_code }}, 1, 5)
            || cast(cast(substring({{ period_code }}, 6, 1) as integer) - 1 as {{ dbt.type_string() }})
    end
{%- endmacro %}

{#- Rows of a model by columns and is_frozen: those of a closed period as they were frozen; `is_archived`: as long as its
    evaluation is kept. -#}
{% macro told(model, closed_rows, columns, is_cte=false, is_archived=false) -%}
    {%- set rows = model if is_cte else ref(model) %}
    select
        {%- for column in columns %}
        rows_now.{{ column }},
        {%- endfor %}
        false as is_frozen
    from {{ rows }} as rows_now
    left join {{ source('build', 'closed_quarter') }} as closed
        on rows_now.period_code = closed.period_code
    where closed.period_code is null
    union all
    select
        {%- for column in columns %}
        rows_then.{{ column }},
        {%- endfor %}
        true as is_frozen
    from {{ source('build', closed_rows) }} as rows_then
    {%- if is_archived %}
    inner join {{ ref('int_appraisal__newest_evaluation') }} as kept
        on rows_then.period_code = kept.period_code
    {%- endif %}
{%- endmacro %}
