{#- What each appraised quarter is watched for, by the policy in force on the last day that counts. -#}
{% macro flag_rules(kinds) -%}
    select
        periods.period_code,
        periods.start_date,
        periods.through_date,
        periods.is_final,
        flags.flag_kind,
        flags.label_zh,
        flags.rate_limit,
        flags.amount_cny,
        flags.window_days,
        flags.least_count,
        flags.other_count,
        flags.policy_version
    from (
        {{ appraised_periods() }}
    ) as periods
    inner join {{ source('policy', 'appraisal_flag') }} as flags
        on
            flags.effective_from <= periods.through_date
            and flags.effective_to > periods.through_date
            and flags.flag_kind in ('{{ kinds | join("', '") }}')
{%- endmacro %}

{#- Who holds whom at the end of the appraised quarters; nobody answers for a queue. -#}
{% macro flagged_books() -%}
    select
        period_code,
        customer_id,
        holder_id as employee_id
    from {{ ref('int_appraisal__closing_book') }}
    where holder_id not like 'pool:%'
{%- endmacro %}

{% macro amount_text(amount) -%}
    cast(cast({{ amount }} as decimal(28, 2)) as {{ dbt.type_string() }}) || '元'
{%- endmacro %}

{% macro percent_text(rate) -%}
    cast(cast(round({{ rate }} * 100, 2) as decimal(18, 2)) as {{ dbt.type_string() }}) || '%'
{%- endmacro %}

{% macro plain_text(value) -%}
    cast({{ value }} as {{ dbt.type_string() }})
{%- endmacro %}
