with doors as (
    select
        scheme_code,
        rule_id,
        measure_code,
        threshold,
        effective_from,
        effective_to
    from {{ source('policy', 'entry_door') }}
),

calendar as (
    select business_date from {{ source('build', 'calendar_day') }}
),

balance_measures as (
    select
        business_date,
        customer_id,
        case account_kind
            when 'loan' then 'loan_balance_cny'
            else 'custody_margin_cny'
        end as measure_code,
        sum(value_cny) as measure_value
    from {{ ref('int_assets__leg_day') }}
    where account_kind in ('loan', 'custody_margin')
    group by business_date, customer_id, account_kind
),

grade_measures as (
    select
        batch_days.business_date,
        cards.customer_id,
        'highest_card_grade_rank' as measure_code,
        max(grades.code_rank) as measure_value
    from {{ ref('stg_card__card_accounts') }} as cards
    inner join {{ source('build', 'batch_day') }} as batch_days
        on batch_days.feed_id = 'card.card_accounts' and cards.batch_id = batch_days.batch_id
    inner join {{ source('policy', 'code_rank') }} as grades
        on
            cards.card_grade = grades.code
            and grades.measure_code = 'highest_card_grade_rank'
            and batch_days.business_date >= grades.effective_from
            and batch_days.business_date < grades.effective_to
    where cards.status != 'closed'
    group by batch_days.business_date, cards.customer_id
),

spend_measures as (
    select
        calendar.business_date,
        spend.customer_id,
        'card_spend_365d_cny' as measure_code,
        spend.card_spend_365d_cny as measure_value
    from {{ ref('int_card__spend_interval') }} as spend
    inner join calendar
        on
            spend.valid_from <= calendar.business_date
            and (spend.valid_to is null or spend.valid_to > calendar.business_date)
    where spend.card_spend_365d_cny > 0
),

measures as (
    select
        business_date,
        customer_id,
        measure_code,
        cast(measure_value as decimal(28, 2)) as measure_value
    from balance_measures
    union all
    select
        business_date,
        customer_id,
        measure_code,
        cast(measure_value as decimal(28, 2)) as measure_value
    from grade_measures
    union all
    select
        business_date,
        customer_id,
        measure_code,
        cast(measure_value as decimal(28, 2)) as measure_value
    from spend_measures
),

final as (
    select
        measures.business_date,
        measures.customer_id,
        doors.scheme_code,
        doors.rule_id,
        measures.measure_code,
        measures.measure_value
    from measures
    inner join doors
        on
            measures.measure_code = doors.measure_code
            and measures.measure_value >= doors.threshold
            and measures.business_date >= doors.effective_from
            and measures.business_date < doors.effective_to
)

select * from final
