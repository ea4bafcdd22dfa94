{% macro has_base() -%}
    {%- do return(plan()['base_date'] is not none) -%}
{%- endmacro %}

{#- A state table as it stands before this build writes it: not a dependency within the build, hence no ref. -#}
{% macro kept_relation(model, schema='core') -%}
    {{ api.Relation.create(database=target.database, schema=schema, identifier=model) }}
{%- endmacro %}

{#- Rows of a state table at this build's base date, as a typed empty set when the build has no base. This is
    state(D-1) of the build, not a dependency within it: hence no ref, which would be a cycle. -#}
{% macro kept_partition(model, columns, date_column='as_of_date', date=none) -%}
    {%- set date = date or plan()['base_date'] -%}
    {%- if has_base() and date %}
    select
        {%- for name, type in columns %}
        {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ kept_relation(model) }}
    where {{ date_column }} = {{ date_literal(date) }}
    {%- else %}
    select
        {%- for name, type in columns %}
        cast(null as {{ dbt.type_string() if type == 'string' else type }}) as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    where 1 = 0
    {%- endif %}
{%- endmacro %}

{% macro plan_dates(name) -%}
    {%- do return(plan()[name]) -%}
{%- endmacro %}

{#- True when the build advances by one day: every (account, owner) then has one row and needs no grouping. -#}
{% macro is_single_day() -%}
    {%- do return(plan()['is_single_day']) -%}
{%- endmacro %}

{#- True when this build evaluates again what readers see as the last evaluation. -#}
{% macro is_reevaluated() -%}
    {%- do return((plan()['official_evaluation_date'] or '0001-01-01') > (plan()['base_date'] or '0001-01-01')) -%}
{%- endmacro %}

{#- Condition on the rows of the last evaluation in a mart that keeps them until the next one: they are inserted once.
    What the mart replaces in a build is everything else. -#}
{% macro not_there_yet(mart, condition) -%}
    {%- if has_base() and not is_reevaluated() -%}
        not exists (
            select 1 from {{ kept_relation(mart, 'tiering') }} as present
            where {{ condition }}
        )
    {%- else -%}
        1 = 1
    {%- endif -%}
{%- endmacro %}

{#- Rows of the tiers that readers see which a build writes anew: all but those of the last evaluation, which other
    schemes than the primary one keep until the next. -#}
{% macro replaced_tiers() -%}
    {%- if is_reevaluated() -%} true
    {%- else -%}
        scheme_code = '{{ plan()['primary_scheme'].scheme_code }}'
        or as_of_date != {{ date_literal(plan()['official_evaluation_date'] or '0001-01-01') }}
    {%- endif -%}
{%- endmacro %}

{#- The same of their explanations. -#}
{% macro replaced_explanations() -%}
    {%- if is_reevaluated() -%} true
    {%- else -%}
        as_of_date != {{ date_literal(plan()['official_evaluation_date'] or '0001-01-01') }}
        or evaluation_date is null
        or evaluation_date != as_of_date
    {%- endif -%}
{%- endmacro %}

{#- Restatements of the version that this build follows, of the days that it computes. -#}
{% macro replaced_restatements() -%}
    from_version = {{ plan()['published_version'] }} and business_date > {{ base_date() }}
{%- endmacro %}
