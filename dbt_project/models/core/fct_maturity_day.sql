{{ config(materialized='range', partition_column='business_date') }}

with batch_days as (
    select
        feed_id,
        business_date,
        batch_id
    from {{ source('build', 'batch_day') }}
    where feed_id in ('core_banking.deposit_accounts', 'wealth.wealth_holdings')
),

-- On its day an account is closed or has a new date already: the eve knows it.
maturing as (
    select
        batch_days.business_date,
        'deposit' as account_kind,
        accounts.account_id,
        accounts.maturity_date
    from {{ ref('stg_core_banking__deposit_accounts') }} as accounts
    inner join batch_days
        on
            accounts.batch_id = batch_days.batch_id
            and batch_days.feed_id = 'core_banking.deposit_accounts'
            and accounts.maturity_date = {{ add_days('batch_days.business_date', 1) }}
    union all
    select
        batch_days.business_date,
        'holding' as account_kind,
        holdings.holding_id as account_id,
        holdings.maturity_date
    from {{ ref('stg_wealth__wealth_holdings') }} as holdings
    inner join batch_days
        on
            holdings.batch_id = batch_days.batch_id
            and batch_days.feed_id = 'wealth.wealth_holdings'
            and holdings.maturity_date = {{ add_days('batch_days.business_date', 1) }}
),

final as (
    select
        maturing.business_date,
        maturing.maturity_date,
        legs.customer_id,
        cast(sum(legs.value_cny) as decimal(18, 2)) as value_cny
    from maturing
    inner join {{ ref('int_assets__leg_day') }} as legs
        on
            maturing.business_date = legs.business_date
            and maturing.account_kind = legs.account_kind
            and maturing.account_id = legs.account_id
    where legs.value_cny > 0
    group by maturing.business_date, maturing.maturity_date, legs.customer_id
)

select * from final
