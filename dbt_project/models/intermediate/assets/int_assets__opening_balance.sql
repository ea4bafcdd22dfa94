with opening as (
    select
        account_id,
        customer_id,
        as_of_date,
        balance_days
    from {{ ref('stg_core_banking__opening_balance_days') }}
    where as_of_date = {{ date_literal(plan()['opening_date'] or '0001-01-01') }}
),

first_batches as (
    select
        feed_id,
        batch_id
    from {{ source('build', 'batch_day') }}
    where business_date = {{ date_literal(plan()['first_date']) }}
),

first_day_accounts as (
    select
        'deposit' as account_kind,
        accounts.account_id,
        accounts.product_code,
        accounts.branch_id,
        accounts.currency
    from {{ ref('stg_core_banking__deposit_accounts') }} as accounts
    inner join first_batches
        on
            first_batches.feed_id = 'core_banking.deposit_accounts'
            and accounts.batch_id = first_batches.batch_id
    union all
    select
        'holding' as account_kind,
        holdings.holding_id as account_id,
        holdings.product_code,
        holdings.branch_id,
        holdings.currency
    from {{ ref('stg_wealth__wealth_holdings') }} as holdings
    inner join first_batches
        on
            first_batches.feed_id = 'wealth.wealth_holdings'
            and holdings.batch_id = first_batches.batch_id
    union all
    select
        'custody_margin' as account_kind,
        accounts.custody_account_id as account_id,
        '_custody_margin' as product_code,
        accounts.branch_id,
        accounts.currency
    from {{ ref('stg_brokerage__custody_accounts') }} as accounts
    inner join first_batches
        on
            first_batches.feed_id = 'brokerage.custody_accounts'
            and accounts.batch_id = first_batches.batch_id
),

-- An account that was closed before the first delivery was a deposit: the other systems report
-- none.
final as (
    select
        coalesce(first_day_accounts.account_kind, 'deposit') as account_kind,
        opening.account_id,
        opening.customer_id,
        coalesce(first_day_accounts.product_code, '_opening_deposit') as product_code,
        coalesce(first_day_accounts.branch_id, 'unknown_branch') as branch_id,
        coalesce(first_day_accounts.currency, 'CNY') as currency,
        opening.as_of_date,
        cast(opening.balance_days as decimal(28, 2)) as balance_days_cny
    from opening
    left join first_day_accounts on opening.account_id = first_day_accounts.account_id
)

select * from final
