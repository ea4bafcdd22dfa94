{%- set official_date = date_literal(plan()['official_evaluation_date'] or '0001-01-01') -%}
{{ config(
    schema='tiering',
    alias='tier_explanation',
    materialized='range',
    partition_column='as_of_date',
    replaced_rows='replaced_explanations',
) }}

with evaluated as (
    select * from {{ ref('fct_tier_explanation') }}
    where
        evaluation_date = {{ official_date }}
        and {{ not_there_yet('tier_explanation', 'present.evaluation_date = present.as_of_date') }}
),

of_day as (
    select * from {{ ref('fct_tier_explanation_day') }}
),

final as (
    select
        {{ explanation_columns('evaluated') }},
        evaluated.evaluation_date as as_of_date,
        evaluated.evaluation_date
    from evaluated
    union all
    select
        {{ explanation_columns('of_day') }},
        of_day.as_of_date,
        of_day.evaluation_date
    from of_day
)

select * from final
