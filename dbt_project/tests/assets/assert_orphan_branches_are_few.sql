{{ config(meta={'dagster': {'ref': {'name': 'dim_branch'}}}) }}

-- Money of a branch that was not delivered is kept under unknown_branch, up to the contract's
-- limit.
with limits as (
    select limit_rate
    from {{ source('build', 'feed_limit') }}
    where feed_id = 'core_banking.deposit_accounts' and limit_code = 'orphan_rate'
),

accounts as (
    select
        account_id,
        branch_id
    from {{ ref('fct_account_balance') }}
    where as_of_date = {{ as_of_date() }} and last_seen_date = {{ as_of_date() }}
),

orphans as (
    select accounts.account_id
    from accounts
    left join {{ ref('dim_branch') }} as branches on accounts.branch_id = branches.branch_id
    where branches.branch_id is null
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
