{#- Materialization `range`: a table of dated partitions. A build replaces every partition after its base date
    (config `partition_column`), also when the new content is empty, and leaves the kept ones alone. Delete
    and insert are one transaction. dbt's delete+insert would leave stale rows of a day that became empty
    and writes every row twice (through a temporary table). A full refresh is refused: state that was
    computed from past days cannot be rebuilt by one model alone. -#}
{% materialization range, adapter='duckdb' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set partition_column = config.require('partition_column') -%}
    {#- Decisions of published days stay. Dates are asked for here: a config would keep those of the last parsing.
        Config `replaced_rows` names the macro that says which rows a build writes anew. -#}
    {%- set after_base = partition_column ~ ' > ' ~ base_date() -%}
    {%- set undecided = partition_column ~ ' >= ' ~ decided_from() -%}
    {%- set replaced_rows = context[config.get('replaced_rows')] if config.get('replaced_rows') -%}
    {%- set replaced = undecided if config.get('is_decision') else replaced_rows() if replaced_rows else after_base -%}
    {#- A log of events also takes what is delivered late, once: the days of such deliveries are written again. -#}
    {%- if config.get('late_feed') -%}
        {%- set replaced = replaced ~ ' or ' ~ is_late(config.get('late_feed'), partition_column) -%}
    {%- endif -%}

    {{ run_hooks(pre_hooks) }}
    {{ get_assert_columns_equivalent(sql) }}

    {% if existing is none %}
        {%- set columns = model.columns.values() | map(attribute='name') | join(', ') -%}
        {%- set emptied -%}
            create table {{ target_relation }} {{ get_table_columns_and_constraints() }}
        {%- endset -%}
    {% elif should_full_refresh() %}
        {{ exceptions.raise_compiler_error(
            this ~ " holds state and refuses --full-refresh. Rebuild the deployment from its landing archive instead."
        ) }}
    {% else %}
        {#- The table's columns, not the contract's: a column that the model lost must fail, not fill with NULL. -#}
        {%- set kept = adapter.get_column_schema_from_query('from ' ~ existing) -%}
        {%- set columns = kept | map(attribute='name') | join(', ') -%}
        {%- set emptied = 'delete from ' ~ target_relation ~ ' where ' ~ replaced -%}
    {% endif %}
    {% call statement('main') -%}
        set force_compression = 'auto';
        {{ emptied }};
        insert into {{ target_relation }} ({{ columns }})
        select {{ columns }} from (
            {{ sql }}
        ) as new_partitions
    {%- endcall %}

    {{ run_hooks(post_hooks) }}
    {{ adapter.commit() }}
    {% call statement(auto_begin=False) %}set force_compression = 'uncompressed'{% endcall %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
