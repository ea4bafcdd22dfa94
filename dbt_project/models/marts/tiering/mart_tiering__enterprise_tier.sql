{{ config(schema='tiering', alias='enterprise_tier') }}

with final as (
    select
        enterprise_id,
        scheme_code,
        as_of_date,
        tier_code,
        tier_rank,
        label_zh,
        branch_id,
        fiscal_year,
        measure_value,
        rule_id,
        policy_version
    from {{ ref('fct_enterprise_tier') }}
)

select * from final
