{{ config(schema='tiering', alias='customer_tier_history', materialized='view') }}

with changes as (
    select
        scheme_code,
        customer_id,
        valid_from,
        tier_code,
        tier_rank,
        rule_id,
        change_kind,
        policy_version
    from {{ ref('fct_tier_change') }}
),

intervals as (
    select
        customer_id,
        scheme_code,
        valid_from as as_of_date,
        valid_from,
        lead(valid_from) over (
            partition by customer_id, scheme_code order by valid_from
        ) as valid_to,
        tier_code,
        tier_rank,
        rule_id,
        change_kind,
        policy_version
    from changes
),

-- An exit keeps its row: it says when and under which rule the customer left.
final as (
    select
        customer_id,
        scheme_code,
        as_of_date,
        valid_from,
        valid_to,
        tier_code,
        tier_rank,
        rule_id,
        change_kind,
        policy_version
    from intervals
)

select * from final
