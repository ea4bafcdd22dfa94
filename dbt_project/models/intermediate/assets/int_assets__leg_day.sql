with batch_days as (
    select
        feed_id,
        business_date,
        batch_id
    from {{ source('build', 'batch_day') }}
),

product_days as (
    select
        business_date,
        product_code,
        product_family
    from {{ ref('int_assets__product_day') }}
),

fx_days as (
    select
        as_of_date as business_date,
        currency,
        rate_cny
    from {{ ref('fct_fx_rate') }}
    where as_of_date > {{ base_date() }}
),

price_days as (
    select
        as_of_date as business_date,
        instrument_id,
        currency,
        price,
        unit_price_cny
    from {{ ref('fct_instrument_price') }}
    where as_of_date > {{ base_date() }}
),

deposit_positions as (
    select
        batch_days.business_date,
        'deposit' as account_kind,
        accounts.account_id,
        accounts.customer_id,
        accounts.product_code,
        accounts.branch_id,
        accounts.currency,
        accounts.balance,
        {{ multiply_money('accounts.balance', 'fx_days.rate_cny') }} as value_cny,
        case when accounts.currency != 'CNY' then 'fx:' || accounts.currency end as price_key
    from {{ ref('stg_core_banking__deposit_accounts') }} as accounts
    inner join batch_days
        on
            batch_days.feed_id = 'core_banking.deposit_accounts'
            and accounts.batch_id = batch_days.batch_id
    left join fx_days
        on accounts.currency = fx_days.currency and batch_days.business_date = fx_days.business_date
),

loan_positions as (
    select
        batch_days.business_date,
        'loan' as account_kind,
        loans.loan_id as account_id,
        loans.customer_id,
        loans.product_code,
        loans.branch_id,
        loans.currency,
        loans.outstanding_balance as balance,
        {{ multiply_money('loans.outstanding_balance', 'fx_days.rate_cny') }} as value_cny,
        case when loans.currency != 'CNY' then 'fx:' || loans.currency end as price_key
    from {{ ref('stg_loan__loans') }} as loans
    inner join batch_days
        on batch_days.feed_id = 'loan.loans' and loans.batch_id = batch_days.batch_id
    left join fx_days
        on loans.currency = fx_days.currency and batch_days.business_date = fx_days.business_date
),

card_positions as (
    select
        batch_days.business_date,
        'card' as account_kind,
        cards.card_id as account_id,
        cards.customer_id,
        cards.product_code,
        cards.branch_id,
        cards.currency,
        cards.outstanding_balance as balance,
        {{ multiply_money('cards.outstanding_balance', 'fx_days.rate_cny') }} as value_cny,
        case when cards.currency != 'CNY' then 'fx:' || cards.currency end as price_key
    from {{ ref('stg_card__card_accounts') }} as cards
    inner join batch_days
        on batch_days.feed_id = 'card.card_accounts' and cards.batch_id = batch_days.batch_id
    left join fx_days
        on cards.currency = fx_days.currency and batch_days.business_date = fx_days.business_date
    -- Most cards owe nothing; a row of 0 adds nothing to any sum.
    where cards.outstanding_balance != 0
),

margin_positions as (
    select
        batch_days.business_date,
        'custody_margin' as account_kind,
        accounts.custody_account_id as account_id,
        accounts.customer_id,
        '_custody_margin' as product_code,
        accounts.branch_id,
        accounts.currency,
        accounts.margin_balance as balance,
        {{ multiply_money('accounts.margin_balance', 'fx_days.rate_cny') }} as value_cny,
        case when accounts.currency != 'CNY' then 'fx:' || accounts.currency end as price_key
    from {{ ref('stg_brokerage__custody_accounts') }} as accounts
    inner join batch_days
        on
            batch_days.feed_id = 'brokerage.custody_accounts'
            and accounts.batch_id = batch_days.batch_id
    left join fx_days
        on accounts.currency = fx_days.currency and batch_days.business_date = fx_days.business_date
),

custody_owners as (
    select
        batch_days.business_date,
        accounts.custody_account_id,
        accounts.customer_id,
        accounts.branch_id
    from {{ ref('stg_brokerage__custody_accounts') }} as accounts
    inner join batch_days
        on
            batch_days.feed_id = 'brokerage.custody_accounts'
            and accounts.batch_id = batch_days.batch_id
),

security_positions as (
    select
        batch_days.business_date,
        'security' as account_kind,
        positions.custody_account_id || ':' || positions.instrument_id as account_id,
        coalesce(custody_owners.customer_id, 'unknown_customer') as customer_id,
        '_security' as product_code,
        coalesce(custody_owners.branch_id, 'unknown_branch') as branch_id,
        price_days.currency,
        {{ multiply_units('positions.quantity', 'price_days.price') }} as balance,
        {{ multiply_units('positions.quantity', 'price_days.unit_price_cny') }} as value_cny,
        'price:' || positions.instrument_id as price_key
    from {{ ref('stg_brokerage__security_positions') }} as positions
    inner join batch_days
        on
            batch_days.feed_id = 'brokerage.security_positions'
            and positions.batch_id = batch_days.batch_id
    left join custody_owners
        on
            positions.custody_account_id = custody_owners.custody_account_id
            and batch_days.business_date = custody_owners.business_date
    left join price_days
        on
            positions.instrument_id = price_days.instrument_id
            and batch_days.business_date = price_days.business_date
),

holding_positions as (
    select
        batch_days.business_date,
        'holding' as account_kind,
        holdings.holding_id as account_id,
        holdings.customer_id,
        holdings.product_code,
        holdings.branch_id,
        holdings.currency,
        case
            when holdings.instrument_id is null
                then cast(round(holdings.units, 2) as decimal(18, 2))
            else {{ multiply_units('holdings.units', 'price_days.price') }}
        end as balance,
        case
            when holdings.instrument_id is null
                then {{ multiply_money('round(holdings.units, 2)', 'fx_days.rate_cny') }}
            else {{ multiply_units('holdings.units', 'price_days.unit_price_cny') }}
        end as value_cny,
        case
            when holdings.instrument_id is not null then 'price:' || holdings.instrument_id
            when holdings.currency != 'CNY' then 'fx:' || holdings.currency
        end as price_key
    from {{ ref('stg_wealth__wealth_holdings') }} as holdings
    inner join batch_days
        on
            batch_days.feed_id = 'wealth.wealth_holdings'
            and holdings.batch_id = batch_days.batch_id
    left join fx_days
        on holdings.currency = fx_days.currency and batch_days.business_date = fx_days.business_date
    left join price_days
        on
            holdings.instrument_id = price_days.instrument_id
            and batch_days.business_date = price_days.business_date
),

owner_days as (
    select
        batch_days.business_date,
        owners.account_id,
        owners.customer_id,
        owners.share,
        row_number() over (
            partition by batch_days.business_date, owners.account_id
            order by case when owners.owner_role = 'primary' then 0 else 1 end, owners.customer_id
        ) as owner_no
    from {{ ref('stg_core_banking__account_owners') }} as owners
    inner join batch_days
        on
            batch_days.feed_id = 'core_banking.account_owners'
            and owners.batch_id = batch_days.batch_id
),

deposit_legs as (
    select
        deposit_positions.business_date,
        deposit_positions.account_kind,
        deposit_positions.account_id,
        coalesce(owner_days.customer_id, deposit_positions.customer_id) as customer_id,
        deposit_positions.product_code,
        deposit_positions.branch_id,
        deposit_positions.currency,
        coalesce(owner_days.owner_no, 1) as owner_no,
        deposit_positions.balance,
        deposit_positions.value_cny,
        deposit_positions.price_key,
        case
            when owner_days.owner_no > 1
                then {{ share_of_money('deposit_positions.value_cny', 'owner_days.share') }}
        end as joint_value_cny
    from deposit_positions
    left join owner_days
        on
            deposit_positions.account_id = owner_days.account_id
            and deposit_positions.business_date = owner_days.business_date
),

-- The first owner takes the account's value less the other owners' shares: owners add up to the
-- account.
joint_values as (
    select
        business_date,
        account_id,
        sum(joint_value_cny) as joint_value_cny
    from deposit_legs
    where owner_no > 1
    group by business_date, account_id
),

split_deposit_legs as (
    select
        legs.business_date,
        legs.account_kind,
        legs.account_id,
        legs.customer_id,
        legs.product_code,
        legs.branch_id,
        legs.currency,
        case when legs.owner_no = 1 then legs.balance else 0 end as balance,
        case
            when legs.owner_no > 1 then legs.joint_value_cny
            else legs.value_cny - coalesce(joint_values.joint_value_cny, 0)
        end as value_cny,
        legs.price_key
    from deposit_legs as legs
    left join joint_values
        on
            legs.account_id = joint_values.account_id
            and legs.business_date = joint_values.business_date
),

legs as (
    select * from split_deposit_legs
    union all
    select * from loan_positions
    union all
    select * from card_positions
    union all
    select * from margin_positions
    union all
    select * from security_positions
    union all
    select * from holding_positions
),

final as (
    select
        legs.business_date,
        legs.account_kind,
        legs.account_id,
        legs.customer_id,
        legs.product_code,
        coalesce(product_days.product_family, 'unknown_family') as product_family,
        legs.branch_id,
        legs.currency,
        cast(legs.balance as decimal(18, 2)) as balance,
        cast(legs.value_cny as decimal(18, 2)) as value_cny,
        legs.price_key
    from legs
    left join product_days
        on
            legs.product_code = product_days.product_code
            and legs.business_date = product_days.business_date
)

select * from final
