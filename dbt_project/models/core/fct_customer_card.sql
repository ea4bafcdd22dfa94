with successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

spend as (
    select
        coalesce(successors.new_customer_id, spend.customer_id) as customer_id,
        sum(spend.card_spend_365d_cny) as card_spend_365d_cny
    from {{ ref('fct_card_spend') }} as spend
    left join successors on spend.customer_id = successors.old_customer_id
    where spend.as_of_date = {{ as_of_date() }}
    group by coalesce(successors.new_customer_id, spend.customer_id)
),

grades as (
    select
        coalesce(successors.new_customer_id, cards.customer_id) as customer_id,
        max_by(cards.card_grade, ranks.code_rank) as highest_card_grade
    from {{ ref('stg_card__card_accounts') }} as cards
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'card.card_accounts'
            and cards.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ as_of_date() }}
    inner join {{ source('policy', 'code_rank') }} as ranks
        on
            cards.card_grade = ranks.code
            and ranks.measure_code = 'highest_card_grade_rank'
            and ranks.effective_from <= {{ as_of_date() }}
            and ranks.effective_to > {{ as_of_date() }}
    left join successors on cards.customer_id = successors.old_customer_id
    where cards.status != 'closed'
    group by coalesce(successors.new_customer_id, cards.customer_id)
),

final as (
    select
        coalesce(grades.customer_id, spend.customer_id) as customer_id,
        cast(coalesce(spend.card_spend_365d_cny, 0) as decimal(18, 2)) as card_spend_365d_cny,
        grades.highest_card_grade
    from grades
    full outer join spend on grades.customer_id = spend.customer_id
)

select * from final
