{{ config(materialized='view') }}

with final as (
    select
        period_code,
        max(evaluation_date) as evaluation_date
    from {{ ref('fct_score_branch') }}
    group by period_code
)

select * from final
