with opening as (
    select
        account_id,
        customer_id,
        as_of_date,
        balance_days
    from {{ ref('stg_core_banking__opening_balance_days') }}
    where as_of_date = {{ date_literal(plan()['opening_date'] or '0001-01-01') }}
),

first_day_accounts as (
    select
        accounts.account_id,
        accounts.product_code,
        accounts.branch_id,
        accounts.currency
    from {{ ref('stg_core_banking__deposit_accounts') }} as accounts
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'core_banking.deposit_accounts'
            and accounts.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ date_literal(plan()['first_date']) }}
),

final as (
    select
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
