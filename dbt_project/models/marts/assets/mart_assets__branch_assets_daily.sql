{{ config(schema='assets', alias='branch_assets_daily', materialized='view') }}

with balances as (
    select
        business_date,
        branch_id,
        product_family,
        currency,
        balance,
        balance_cny,
        customer_count
    from {{ ref('fct_branch_balance_day') }}
),

branches as (
    select branch_id from {{ ref('dim_branch') }}
),

final as (
    select
        coalesce(branches.branch_id, 'unknown_branch') as branch_id,
        balances.product_family,
        balances.currency,
        balances.business_date,
        cast(sum(balances.balance) as decimal(18, 2)) as balance,
        cast(sum(balances.balance_cny) as decimal(18, 2)) as balance_cny,
        cast(sum(balances.customer_count) as bigint) as customer_count
    from balances
    left join branches on balances.branch_id = branches.branch_id
    group by
        coalesce(branches.branch_id, 'unknown_branch'),
        balances.product_family,
        balances.currency,
        balances.business_date
)

select * from final
