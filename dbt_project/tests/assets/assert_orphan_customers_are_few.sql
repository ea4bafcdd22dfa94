{{ config(meta={'dagster': {'ref': {'name': 'dim_customer'}}}) }}

-- Money of a customer that was not delivered is kept under unknown_customer, up to the contract's
-- limit.
with limits as (
    select limit_rate
    from {{ source('build', 'feed_limit') }}
    where feed_id = 'core_banking.deposit_accounts' and limit_code = 'orphan_rate'
),

accounts as (
    select
        account_id,
        customer_id
    from {{ ref('fct_account_balance') }}
    where as_of_date = {{ as_of_date() }} and last_seen_date = {{ as_of_date() }}
),

merged as (
    select old_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

orphans as (
    select accounts.account_id
    from accounts
    left join {{ ref('dim_customer') }} as customers on accounts.customer_id = customers.customer_id
    left join merged on accounts.customer_id = merged.old_customer_id
    where customers.customer_id is null and merged.old_customer_id is null
),

totals as (
    select
        (select count(*) from orphans) as orphan_count,
        (select count(*) from accounts) as account_count
)

select orphans.account_id
from orphans
cross join limits
cross join totals
where totals.orphan_count > limits.limit_rate * totals.account_count
