{% macro has_base() -%}
    {%- do return(plan()['base_date'] is not none) -%}
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
    from {{ api.Relation.create(database=target.database, schema='core', identifier=model) }}
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
