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

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% do run_query("set force_compression = 'auto'") %}

    {% if existing is none %}
        {% call statement('main') -%}
            {{ create_table_as(False, target_relation, sql) }}
        {%- endcall %}
    {% elif should_full_refresh() %}
        {{ exceptions.raise_compiler_error(
            this ~ " holds state and refuses --full-refresh. Rebuild the deployment from its landing archive instead."
        ) }}
    {% else %}
        {{ get_assert_columns_equivalent(sql) if config.get('contract').enforced }}
        {% set columns = adapter.get_columns_in_relation(existing) | map(attribute='name') | join(', ') %}
        {% call statement('delete_range') -%}
            delete from {{ target_relation }} where {{ replaced }}
        {%- endcall %}
        {% call statement('main') -%}
            insert into {{ target_relation }} ({{ columns }})
            select {{ columns }} from ({{ sql }}) as new_partitions
        {%- endcall %}
    {% endif %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {% do run_query("set force_compression = 'uncompressed'") %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
