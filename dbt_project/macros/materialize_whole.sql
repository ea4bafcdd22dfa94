{#- Materializations `table` and `view`, made anew in one statement of DuckDB. dbt's own build under another name,
    rename twice and drop: ten statements, and for each rename and drop a context with all macros. A day of a small bank
    is hundreds of nodes and hardly any rows, so that was a third of what dbt costs. -#}
{% materialization table, adapter='duckdb' %}
    {%- set target_relation = out_of_the_way(this.incorporate(type='table')) -%}
    {{ run_hooks(pre_hooks) }}
    {{ get_assert_columns_equivalent(sql) }}
    {%- set columns = model.columns.values() | map(attribute='name') | join(', ') -%}
    {#- One transaction: readers of the working file see the old rows or the new. -#}
    {% call statement('main') -%}
        create or replace table {{ target_relation }} {{ get_table_columns_and_constraints() }};
        insert into {{ target_relation }} ({{ columns }})
        select {{ columns }} from (
            {{ sql }}
        ) as new_rows
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{% materialization view, adapter='duckdb' %}
    {%- set target_relation = out_of_the_way(this.incorporate(type='view')) -%}
    {{ run_hooks(pre_hooks) }}
    {{ get_assert_columns_equivalent(sql) }}
    {% call statement('main') -%}
        create or replace view {{ target_relation }} as (
            {{ sql }}
        )
    {%- endcall %}
    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#- The relation, after what has its name and is of another kind was dropped: a release may make a table of a view. -#}
{% macro out_of_the_way(relation) %}
    {%- set existing = load_cached_relation(relation) -%}
    {%- if existing is not none and existing.type != relation.type -%}
        {%- do adapter.drop_relation(existing) -%}
    {%- endif -%}
    {%- do return(relation) -%}
{% endmacro %}


{#- A model's contract: exactly its columns and their types. Where DuckDB's names for what the query gives are those of
    the contract there is no more to ask; else dbt judges, and says what differs. -#}
{% macro duckdb__get_assert_columns_equivalent(sql) %}
    {%- set stated = [] -%}
    {%- for column in model.columns.values() -%}
        {%- set type = 'VARCHAR' if column.data_type == 'string' else column.data_type | upper -%}
        {%- do stated.append(column.name ~ ' ' ~ type) -%}
    {%- endfor -%}
    {%- set given = [] -%}
    {%- for column in adapter.get_column_schema_from_query(sql ~ '\n') -%}
        {%- do given.append(column.name ~ ' ' ~ column.dtype) -%}
    {%- endfor -%}
    {%- if given | sort != stated | sort -%}
        {{ assert_columns_equivalent(sql) }}
    {%- endif -%}
{% endmacro %}
