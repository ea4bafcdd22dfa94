{{ config(meta={'dagster': {'ref': {'name': 'int_assets__leg_day'}}}) }}

-- Shares are cut to whole fen: what the owners hold must be what the account holds, to the fen.
with shared as (
    select distinct owners.account_id
    from {{ ref('stg_core_banking__account_owners') }} as owners
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'core_banking.account_owners'
            and owners.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ as_of_date() }}
),

accounts as (
    select
        accounts.account_id,
        {{ multiply_money('accounts.balance', 'rates.rate_cny') }} as value_cny
    from {{ ref('stg_core_banking__deposit_accounts') }} as accounts
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'core_banking.deposit_accounts'
            and accounts.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ as_of_date() }}
    inner join {{ ref('fct_fx_rate') }} as rates
        on accounts.currency = rates.currency and rates.as_of_date = {{ as_of_date() }}
    inner join shared on accounts.account_id = shared.account_id
),

owners as (
    select
        legs.account_id,
        sum(legs.value_cny) as value_cny
    from {{ ref('int_assets__leg_day') }} as legs
    inner join shared on legs.account_id = shared.account_id
    where legs.business_date = {{ as_of_date() }} and legs.account_kind = 'deposit'
    group by legs.account_id
)

select
    accounts.account_id,
    accounts.value_cny as account_value_cny,
    owners.value_cny as owners_value_cny
from accounts
full outer join owners on accounts.account_id = owners.account_id
where accounts.value_cny is distinct from owners.value_cny
