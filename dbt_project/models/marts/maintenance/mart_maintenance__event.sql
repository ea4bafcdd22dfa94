{{ config(schema='maintenance', alias='event', materialized='view') }}

with final as (
    select
        event_id,
        business_date as as_of_date,
        business_date,
        customer_id,
        event_kind,
        amount_cny,
        account_id,
        event_date,
        detail_code,
        scheme_code,
        rule_id,
        policy_version
    from {{ ref('fct_customer_event') }}
)

select * from final
