{{ config(materialized='range', partition_column='business_date') }}

with transactions as (
    select
        card_id,
        business_date,
        amount,
        currency,
        transaction_kind
    from {{ ref('stg_card__card_transactions') }}
    where business_date > {{ base_date() }}
),

counted_kinds as (
    select
        transaction_kind,
        effective_from,
        effective_to
    from {{ source('policy', 'card_spend_kind') }}
),

card_owners as (
    select
        batch_days.business_date,
        cards.card_id,
        cards.customer_id
    from {{ ref('stg_card__card_accounts') }} as cards
    inner join {{ source('build', 'batch_day') }} as batch_days
        on batch_days.feed_id = 'card.card_accounts' and cards.batch_id = batch_days.batch_id
    where cards.card_kind = 'credit'
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
        transactions.business_date,
        card_owners.customer_id,
        cast(
            sum({{ multiply_money('transactions.amount', 'fx_days.rate_cny') }}) as decimal(18, 2)
        ) as card_spend_cny,
        cast(sum(case when transactions.amount > 0 then 1 else 0 end) as bigint) as spend_count
    from transactions
    inner join counted_kinds
        on
            transactions.transaction_kind = counted_kinds.transaction_kind
            and transactions.business_date >= counted_kinds.effective_from
            and transactions.business_date < counted_kinds.effective_to
    inner join card_owners
        on
            transactions.card_id = card_owners.card_id
            and transactions.business_date = card_owners.business_date
    left join fx_days
        on
            transactions.currency = fx_days.currency
            and transactions.business_date = fx_days.business_date
    group by transactions.business_date, card_owners.customer_id
)

select * from final
