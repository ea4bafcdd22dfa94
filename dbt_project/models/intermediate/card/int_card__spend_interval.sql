with spend_days as (
    select
        business_date,
        customer_id,
        card_spend_cny
    from {{ ref('fct_card_spend_day') }}
),

base as (
    {{ kept_partition('fct_card_spend', [
        ('customer_id', 'string'), ('card_spend_365d_cny', 'decimal(18,2)'),
    ]) }}
),

-- Spend enters the rolling sum on its business date and leaves it 365 days later.
changes as (
    select
        customer_id,
        {{ add_days(base_date(), 1) }} as change_date,
        card_spend_365d_cny as change_cny
    from base
    union all
    select
        customer_id,
        business_date as change_date,
        card_spend_cny as change_cny
    from spend_days
    where business_date > {{ base_date() }}
    union all
    select
        customer_id,
        {{ add_days('business_date', 365) }} as change_date,
        -card_spend_cny as change_cny
    from spend_days
    where
        business_date > {{ add_days(base_date(), -365) if has_base() else base_date() }}
        and business_date <= {{ add_days(as_of_date(), -365) }}
),

day_changes as (
    select
        customer_id,
        change_date,
        sum(change_cny) as change_cny
    from changes
    group by customer_id, change_date
),

final as (
    select
        customer_id,
        change_date as valid_from,
        lead(change_date) over (partition by customer_id order by change_date) as valid_to,
        cast(
            sum(change_cny) over (
                partition by customer_id
                order by change_date
                rows between unbounded preceding and current row
            ) as decimal(18, 2)
        ) as card_spend_365d_cny
    from day_changes
)

select * from final
