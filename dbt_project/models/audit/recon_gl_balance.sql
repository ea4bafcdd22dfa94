{{ config(materialized='range', partition_column='business_date') }}

with ledger as (
    select
        ledger.business_date,
        ledger.branch_id,
        ledger.product_family,
        ledger.currency,
        ledger.balance
    from {{ ref('stg_finance__gl_balances') }} as ledger
    where ledger.business_date > {{ base_date() }}
),

customers as (
    select
        business_date,
        branch_id,
        product_family,
        currency,
        balance
    from {{ ref('fct_branch_balance_day') }}
    where business_date > {{ base_date() }}
),

-- A family that the bank's ledger does not control is not compared, but said to be so.
ledger_families as (
    select distinct
        business_date,
        product_family
    from ledger
),

explained as (
    select
        business_date,
        branch_id,
        product_family,
        currency,
        sum(difference) as difference
    from {{ source('build', 'explained_difference') }}
    group by business_date, branch_id, product_family, currency
),

compared as (
    select
        coalesce(ledger.business_date, customers.business_date) as business_date,
        coalesce(ledger.branch_id, customers.branch_id) as branch_id,
        coalesce(ledger.product_family, customers.product_family) as product_family,
        coalesce(ledger.currency, customers.currency) as currency,
        ledger.balance as ledger_balance,
        customers.balance as customer_balance
    from ledger
    full outer join customers
        on
            ledger.business_date = customers.business_date
            and ledger.branch_id = customers.branch_id
            and ledger.product_family = customers.product_family
            and ledger.currency = customers.currency
),

final as (
    select
        compared.business_date,
        compared.branch_id,
        compared.product_family,
        compared.currency,
        compared.ledger_balance,
        compared.customer_balance,
        cast(
            coalesce(compared.ledger_balance, 0) - coalesce(compared.customer_balance, 0)
            as decimal(18, 2)
        ) as difference,
        case
            when ledger_families.product_family is null then 'no_ledger'
            when
                coalesce(compared.ledger_balance, 0) = coalesce(compared.customer_balance, 0)
                then 'agreed'
            when
                coalesce(compared.ledger_balance, 0) - coalesce(compared.customer_balance, 0)
                = explained.difference
                then 'explained'
            else 'break'
        end as status
    from compared
    left join ledger_families
        on
            compared.business_date = ledger_families.business_date
            and compared.product_family = ledger_families.product_family
    left join explained
        on
            compared.business_date = explained.business_date
            and compared.branch_id = explained.branch_id
            and compared.product_family = explained.product_family
            and compared.currency = explained.currency
)

select * from final
