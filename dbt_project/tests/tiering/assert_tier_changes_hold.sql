{{ config(meta={'dagster': {'ref': {'name': 'fct_tier_change'}}}) }}

-- Changes that this build wrote, of every scheme: no two in a row are alike, so that intervals
-- neither overlap nor are empty; the last of each is the tier that the customer has; none is of a
-- day to come.
with written as (
    select
        scheme_code,
        customer_id,
        valid_from,
        tier_code,
        lag(valid_from) over (
            partition by scheme_code, customer_id order by valid_from
        ) as previous_valid_from,
        lag(tier_code) over (
            partition by scheme_code, customer_id order by valid_from
        ) as previous_tier_code,
        row_number() over (
            partition by scheme_code, customer_id order by valid_from desc
        ) as recency
    from {{ ref('fct_tier_change') }}
    where valid_from > {{ base_date() }}
),

tiers as (
    select
        scheme_code,
        customer_id,
        tier_code
    from {{ ref('mart_tiering__customer_tier') }}
    where scheme_code != '{{ plan()['primary_scheme'].scheme_code }}'
)

select
    written.scheme_code,
    written.customer_id,
    written.valid_from
from written
left join tiers
    on
        written.scheme_code = tiers.scheme_code
        and written.customer_id = tiers.customer_id
where
    written.valid_from > {{ as_of_date() }}
    or written.valid_from = written.previous_valid_from
    or written.tier_code = written.previous_tier_code
    or (
        written.recency = 1
        and written.scheme_code != '{{ plan()['primary_scheme'].scheme_code }}'
        and written.tier_code != coalesce(tiers.tier_code, 'none')
    )
