{#- Schemes evaluated today whose tiers are explained in the mart. -#}
{% macro explained_schemes() -%}
    {%- do return(plan()['evaluated_schemes'] | selectattr('is_explained') | list if is_evaluation() else []) -%}
{%- endmacro %}

{#- Explained schemes of any day that compare an average of standard assets: their cuts can be near. -#}
{% macro near_threshold_schemes() -%}
    {%- set schemes = [] -%}
    {%- for scheme in plan().get('explained_schemes') or [plan()['primary_scheme']] -%}
        {%- set measure = scheme.measure -%}
        {%- if measure and measure.quantity == 'assets' and measure.window != 'point'
            and measure.asset_set == 'standard' and measure.best_of_months == 1 -%}
            {%- do schemes.append(scheme) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do return(schemes) -%}
{%- endmacro %}

{#- Last day of the month, quarter or year of the as-of date. -#}
{% macro window_end(window) -%}
    {{ date_literal(plan()['window_end_dates'][window]) }}
{%- endmacro %}

{#- Columns of an explanation's component and their types, beside its kind. -#}
{% macro component_columns() -%}
    {%- do return([
        ('customer_id', 'string'), ('scheme_code', 'string'), ('component_no', 'bigint'), ('component_code', 'string'),
        ('component_value', 'decimal(18, 2)'), ('account_kind', 'string'), ('account_id', 'string'),
        ('product_code', 'string'), ('balance_days_cny', 'decimal(28, 2)'), ('coefficient', 'decimal(18, 8)'),
        ('days', 'bigint'), ('contribution_cny', 'decimal(28, 2)'), ('threshold_value', 'decimal(18, 2)'),
        ('margin_value', 'decimal(18, 2)'), ('tier_code', 'string'), ('decided_by', 'string'),
        ('months_below', 'bigint'), ('recent_ranks', 'string'), ('member_count', 'bigint'),
        ('member_without_consent_count', 'bigint'), ('rule_id', 'string'), ('source_batch_id', 'string'),
        ('policy_version', 'string'), ('sentence_zh', 'string'),
    ]) -%}
{%- endmacro %}

{#- Every column of a component; what is not given is empty. Kinds have an order in which a reader wants them. -#}
{% macro component(kind, given) -%}
    {%- set kinds = [
        'tier', 'previous', 'merged', 'veto', 'day_veto', 'household', 'measure', 'past_measure', 'factor', 'cut',
        'account', 'remainder', 'door',
    ] -%}
    {%- if kind not in kinds or given.keys() | reject('in', component_columns() | map('first') | list) | list -%}
        {{ exceptions.raise_compiler_error('no such component: ' ~ kind ~ ' ' ~ given.keys() | list) }}
    {%- endif %}
    '{{ kind }}' as component_kind,
    cast({{ kinds.index(kind) }} as bigint) as kind_no
    {%- for name, type in component_columns() %},
    cast({{ given.get(name, 'null') }} as {{ dbt.type_string() if type == 'string' else type }}) as {{ name }}
    {%- endfor %}
{%- endmacro %}

{#- The columns of both explanation tables, beside their dates. -#}
{% macro explanation_columns(relation, with_number=true) -%}
    {{ relation }}.component_kind
    {%- for name, _ in component_columns() if with_number or name != 'component_no' %},
    {{ relation }}.{{ name }}
    {%- endfor %}
{%- endmacro %}

{#- A number as text of a sentence, without zeros that say nothing. -#}
{% macro plain_number(value) -%}
    case
        when {{ value }} = floor({{ value }}) then cast(cast({{ value }} as decimal(28, 0)) as {{ dbt.type_string() }})
        else cast({{ value }} as {{ dbt.type_string() }})
    end
{%- endmacro %}

{#- An amount or a number of points as text of a sentence, with its unit. -#}
{% macro amount_zh(value, unit='元') -%}
    cast({{ value }} as {{ dbt.type_string() }}) || '{{ unit }}'
{%- endmacro %}

{#- Chinese name of a quantity that opens a door. -#}
{% macro quantity_zh(code) -%}
    case {{ code }}
        when 'card_spend_365d_cny' then '近365天卡消费'
        when 'loan_balance_cny' then '个贷余额'
        when 'custody_margin_cny' then '三方存管保证金余额'
        when 'highest_card_grade_rank' then '最高卡等级'
        else {{ code }}
    end
{%- endmacro %}

{#- Chinese name of what a scheme compares. -#}
{% macro measure_zh(scheme) -%}
    {%- set measure = scheme.measure -%}
    {%- if not measure -%}
        {{ {'scorecard': '得分', 'matrix': '类别号'}[scheme.kind] }}
    {%- elif measure.quantity != 'assets' -%}
        {{ measure.quantity }}
    {%- else -%}
        {{ '近' ~ measure.best_of_months ~ '次评定最高的' if measure.best_of_months > 1 -}}
        {{ {'point': '时点资产', 'month': '月日均资产', 'quarter': '季日均资产', 'year': '年日均资产'}[measure.window] }}
    {%- endif -%}
{%- endmacro %}

{#- No row of components. -#}
{% macro no_components() -%}
    select
        {{ component('tier', {}) }}
    where 1 = 0
{%- endmacro %}
