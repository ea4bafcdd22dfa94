{%- set schemes = near_threshold_schemes() -%}
{%- set windows = schemes | map(attribute='measure') | map(attribute='window') | list -%}
{%- set longest = 'year' if 'year' in windows
    else ('quarter' if 'quarter' in windows else 'month') %}

with batch_days as (
    select
        feed_id,
        batch_id
    from {{ source('build', 'batch_day') }}
    where business_date = {{ as_of_date() }}
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

maturities as (
    select
        'deposit' as account_kind,
        accounts.account_id,
        accounts.maturity_date
    from {{ ref('stg_core_banking__deposit_accounts') }} as accounts
    inner join batch_days
        on
            batch_days.feed_id = 'core_banking.deposit_accounts'
            and accounts.batch_id = batch_days.batch_id
    union all
    select
        'holding' as account_kind,
        holdings.holding_id as account_id,
        holdings.maturity_date
    from {{ ref('stg_wealth__wealth_holdings') }} as holdings
    inner join batch_days
        on
            batch_days.feed_id = 'wealth.wealth_holdings'
            and holdings.batch_id = batch_days.batch_id
),

maturing as (
    select
        account_kind,
        account_id,
        maturity_date
    from maturities
    where maturity_date > {{ as_of_date() }} and maturity_date <= {{ window_end(longest) }}
),

balances as (
    select
        account_kind,
        account_id,
        customer_id,
        value_cny
    from {{ ref('fct_account_balance') }}
    where as_of_date = {{ as_of_date() }} and value_cny > 0
),

final as (
    select
        coalesce(successors.new_customer_id, balances.customer_id) as customer_id,
        maturing.maturity_date,
        cast(sum(balances.value_cny) as decimal(18, 2)) as value_cny
    from maturing
    inner join balances
        on
            maturing.account_kind = balances.account_kind
            and maturing.account_id = balances.account_id
    left join successors on balances.customer_id = successors.old_customer_id
    group by
        coalesce(successors.new_customer_id, balances.customer_id),
        maturing.maturity_date
)

select * from final
