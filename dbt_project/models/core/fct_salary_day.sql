{{ config(materialized='range', partition_column='business_date') }}

with salaries as (
    select
        business_date,
        account_id,
        currency,
        amount
    from {{ ref('stg_core_banking__deposit_transactions') }}
    where transaction_kind = 'salary' and amount > 0 and business_date > {{ base_date() }}
),

accounts as (
    select
        batch_days.business_date,
        accounts.account_id,
        accounts.customer_id
    from {{ source('build', 'batch_day') }} as batch_days
    inner join {{ ref('stg_core_banking__deposit_accounts') }} as accounts
        on batch_days.batch_id = accounts.batch_id
    where batch_days.feed_id = 'core_banking.deposit_accounts'
),

fx_days as (
    select
        as_of_date as business_date,
        currency,
        rate_cny
    from {{ ref('fct_fx_rate') }}
    where as_of_date > {{ base_date() }}
),

final as (
    select
        salaries.business_date,
        accounts.customer_id,
        cast(
            sum({{ multiply_money('salaries.amount', 'fx_days.rate_cny') }}) as decimal(18, 2)
        ) as salary_cny
    from salaries
    inner join accounts
        on
            salaries.business_date = accounts.business_date
            and salaries.account_id = accounts.account_id
    left join fx_days
        on
            salaries.business_date = fx_days.business_date
            and salaries.currency = fx_days.currency
    group by salaries.business_date, accounts.customer_id
)

select * from final
