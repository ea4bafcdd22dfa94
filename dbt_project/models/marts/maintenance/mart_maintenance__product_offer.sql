{{ config(schema='maintenance', alias='product_offer') }}

with final as (
    select
        customer_id,
        product_family,
        as_of_date,
        offer_kind,
        offer_rank,
        product_code,
        product_grade,
        risk_level,
        support,
        confidence,
        lift,
        reason_zh,
        is_suitable,
        unsuitable_reason_code,
        rule_id,
        policy_version
    from {{ ref('fct_product_offer') }}
)

select * from final
