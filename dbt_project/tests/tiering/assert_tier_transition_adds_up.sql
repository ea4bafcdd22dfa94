{{ config(meta={'dagster': {'ref': {'name': 'mart_tiering__tier_transition'}}}) }}

-- Everybody whom today's evaluation gives a tier went into it, and everybody who changed went
-- somewhere else.
with counted as (
    select
        scheme_code,
        tier_code,
        count(*) as customer_count,
        count(change_kind) as changed_count
    from {{ ref('fct_tier_evaluation') }}
    where evaluation_date = {{ as_of_date() }}
    group by scheme_code, tier_code
),

transitions as (
    select
        scheme_code,
        to_tier_code as tier_code,
        sum(customer_count) as customer_count,
        sum(case when from_tier_code != to_tier_code then customer_count else 0 end)
            as changed_count
    from {{ ref('mart_tiering__tier_transition') }}
    where month_end_date = {{ as_of_date() }}
    group by scheme_code, to_tier_code
)

select
    coalesce(counted.scheme_code, transitions.scheme_code) as scheme_code,
    coalesce(counted.tier_code, transitions.tier_code) as tier_code
from counted
full outer join transitions
    on
        counted.scheme_code = transitions.scheme_code
        and counted.tier_code = transitions.tier_code
where
    coalesce(counted.changed_count, 0) != coalesce(transitions.changed_count, 0)
    -- Those who were and are without a tier are in no transition.
    or (
        coalesce(counted.tier_code, transitions.tier_code) != 'none'
        and coalesce(counted.customer_count, 0) != coalesce(transitions.customer_count, 0)
    )
