{%- set scheme = plan()['primary_scheme'] -%}

with days as (
    {{ described_days() }}
),

deliveries as (
    select
        customer_id,
        deceased_date,
        closed_date,
        is_deleted,
        business_date
    from {{ ref('stg_core_banking__customers') }}
),

gone_customers as (
    select distinct customer_id
    from deliveries
    where deceased_date is not null or closed_date is not null or is_deleted
),

-- A day is decided on what was delivered by then, also when many days are decided at once.
spans as (
    select
        deliveries.customer_id,
        deliveries.deceased_date,
        deliveries.closed_date,
        deliveries.is_deleted,
        nullif(
            deliveries.business_date,
            min(deliveries.business_date) over (partition by deliveries.customer_id)
        ) as known_from,
        lead(deliveries.business_date) over (
            partition by deliveries.customer_id order by deliveries.business_date
        ) as known_to
    from deliveries
    inner join gone_customers on deliveries.customer_id = gone_customers.customer_id
),

gone as (
    select
        days.business_date,
        spans.customer_id,
        coalesce(spans.deceased_date <= days.business_date, false) as is_deceased,
        coalesce(spans.closed_date <= days.business_date, false) or spans.is_deleted as is_closed
    from spans
    inner join days
        on
            (spans.known_from is null or spans.known_from <= days.business_date)
            and (spans.known_to is null or spans.known_to > days.business_date)
),

frozen as (
    select
        days.business_date,
        risks.customer_id
    from days
    inner join {{ source('build', 'batch_day') }} as batch_days
        on days.business_date = batch_days.business_date
    inner join {{ ref('stg_risk__customer_risk') }} as risks
        on batch_days.batch_id = risks.batch_id
    where batch_days.feed_id = 'risk.customer_risk' and risks.special_flag = 'court_freeze'
),

vetoed as (
    select distinct
        days.business_date,
        vetoes.customer_id
    from {{ ref('int_tiering__vetoed_customer') }} as vetoes
    cross join days
    where vetoes.scheme_code = '{{ scheme.scheme_code }}'
),

reasons as (
    select
        business_date,
        customer_id,
        1 as place,
        'deceased' as reason_code
    from gone
    where is_deceased
    union all
    select
        business_date,
        customer_id,
        2 as place,
        'court_freeze' as reason_code
    from frozen
    union all
    select
        business_date,
        customer_id,
        3 as place,
        'risk_veto' as reason_code
    from vetoed
    union all
    select
        business_date,
        customer_id,
        4 as place,
        'closed' as reason_code
    from gone
    where is_closed
),

final as (
    select
        business_date,
        customer_id,
        min_by(reason_code, place) as reason_code
    from reasons
    group by business_date, customer_id
)

select * from final
