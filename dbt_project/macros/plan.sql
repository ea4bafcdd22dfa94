{#- The one place where models learn their dates. The build plan is handed over as JSON in an environment
    variable: `--vars` would switch dbt's partial parsing off on every run. Without a build (parsing,
    linting) a one-day plan of 2000-01-01 stands in. -#}
{% macro plan() -%}
    {%- set standin = '{"base_date": null, "as_of_date": "2000-01-01", "first_date": "2000-01-01", "account_dates": ["2000-01-01"], "customer_dates": ["2000-01-01"], "month_end_dates": [], "measure_dates": ["2000-01-01"], "windows": {"2000-01-01": {"month": {"base_date": null, "days": 1, "is_partial": false}, "quarter": {"base_date": null, "days": 1, "is_partial": false}, "year": {"base_date": null, "days": 1, "is_partial": false}}}, "evaluation_date": null, "previous_evaluation_date": null, "evaluated_schemes": [], "veto_schemes": [], "primary_scheme": {"scheme_code": "primary", "policy_version": "primary@1", "measure_code": "aum_month_avg_cny", "measure": {"quantity": "assets", "window": "month", "day_count": "actual", "asset_set": "standard", "best_of_months": 1}}, "past_month_ends": ["1999-12-31", "1999-11-30", "1999-10-31", "1999-09-30", "1999-08-31", "1999-07-31", "1999-06-30", "1999-05-31", "1999-04-30", "1999-03-31", "1999-02-28", "1999-01-31", "1998-12-31"], "flow_date": "1999-12-02", "window_end_dates": {"month": "2000-01-31", "quarter": "2000-03-31", "year": "2000-12-31"}, "official_evaluation_date": null, "published_version": 0, "decision_dates": ["2000-01-01"], "decided_from": "2000-01-01", "seed_date": "1999-12-31", "is_live": true, "book_policy_version": "books@1", "late_batches": [], "cohort_quarters": [], "appraisal_periods": []}' -%}
    {#- Models do not depend on the plan when they are parsed: dbt would parse them all again for every day. -#}
    {%- do return(fromjson(env_var('TIERHOUSE_PLAN', standin) if execute else standin)) -%}
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
