{#- Materialization `daily`: decisions, one partition per business date, each made on the one before it. The model's SQL
    runs once for every decision date of the advance, in order; it names its date by `decision_date()` and reads
    what was decided before from `this`. What was decided on days already published is never written again. -#}
{% materialization daily, adapter='duckdb' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set partition_column = config.require('partition_column') -%}

    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% do run_query("set force_compression = 'auto'") %}

    {% if existing is none %}
        {% call statement('create_table') -%}
            create table {{ target_relation }} {{ get_table_columns_and_constraints() }}
        {%- endcall %}
    {% elif should_full_refresh() %}
        {{ exceptions.raise_compiler_error(
            this ~ " holds decisions and refuses --full-refresh. Rebuild the deployment from its landing archive instead."
        ) }}
    {% endif %}
    {{ get_assert_columns_equivalent(sql) }}
    {% set columns = model.columns.values() | map(attribute='name') | join(', ') %}
    {% call statement('main') -%}
        delete from {{ target_relation }} where {{ partition_column }} >= {{ decided_from() }}
    {%- endcall %}
    {% for date in plan_dates('decision_dates') %}
        {% call statement('decide_' ~ loop.index) -%}
            insert into {{ target_relation }} ({{ columns }})
            select {{ columns }}
            from ({{ sql | replace(decision_date(), decision_date(date)) }}) as decided
        {%- endcall %}
    {% endfor %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {% do run_query("set force_compression = 'uncompressed'") %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
