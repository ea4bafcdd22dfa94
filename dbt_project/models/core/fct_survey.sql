{{ config(materialized='range', partition_column='business_date', late_feed='crm.surveys') }}

with delivered as (
    select
        business_date,
        survey_id,
        customer_id,
        employee_id,
        surveyed_date,
        method,
        score,
        manager_score,
        has_complaint,
        batch_id
    from {{ ref('stg_crm__surveys') }}
    where business_date > {{ base_date() }} or {{ is_late('crm.surveys', 'business_date') }}
),

final as (
    select
        business_date,
        survey_id,
        customer_id,
        employee_id,
        surveyed_date,
        method,
        score,
        manager_score,
        has_complaint,
        batch_id
    from delivered
)

select * from final
