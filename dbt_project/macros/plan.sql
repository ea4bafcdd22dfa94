{#- The one place where models learn their dates. The build plan is handed over as JSON in an environment
    variable: `--vars` would switch dbt's partial parsing off on every run. Without a build (parsing,
    linting) a one-day plan of 2000-01-01 stands in. -#}
{% macro plan() -%}
    {%- set standin = '{"base_date": null, "as_of_date": "2000-01-01", "first_date": "2000-01-01", "account_dates": ["2000-01-01"], "customer_dates": ["2000-01-01"], "month_end_dates": [], "measure_dates": ["2000-01-01"], "windows": {"2000-01-01": {"month": {"base_date": null, "days": 1, "is_partial": false}, "quarter": {"base_date": null, "days": 1, "is_partial": false}, "year": {"base_date": null, "days": 1, "is_partial": false}}}, "evaluations": {}, "official_evaluation_date": null, "published_version": 0}' -%}
    {%- do return(fromjson(env_var('TIERHOUSE_PLAN', standin))) -%}
{%- endmacro %}

{% macro date_literal(iso_date) -%}
    cast('{{ iso_date }}' as date)
{%- endmacro %}

{#- The business date this build describes. -#}
{% macro as_of_date() -%}
    {{ date_literal(plan()['as_of_date']) }}
{%- endmacro %}

{#- The kept state this build starts from; a day before all data when there is none. -#}
{% macro base_date() -%}
    {{ date_literal(plan()['base_date'] or '0001-01-01') }}
{%- endmacro %}
