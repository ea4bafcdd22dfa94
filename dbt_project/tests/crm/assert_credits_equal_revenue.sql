{{ config(meta={'dagster': {'ref': {'name': 'fct_revenue_credit'}}}) }}

-- The credits of a revenue item that are no shadow are the whole of it, in shares and to the fen;
-- nothing is credited that was not earned.
with revenue as (
    select
        business_date,
        revenue_id,
        amount_cny
    from {{ ref('stg_finance__revenue') }}
    where business_date > {{ base_date() }}
),

credited as (
    select
        business_date,
        revenue_id,
        sum(case when is_shadow then 0 else share end) as share,
        sum(case when is_shadow then 0 else amount_cny end) as amount_cny
    from {{ ref('fct_revenue_credit') }}
    where business_date > {{ base_date() }}
    group by business_date, revenue_id
)

select
    coalesce(revenue.business_date, credited.business_date) as business_date,
    coalesce(revenue.revenue_id, credited.revenue_id) as revenue_id,
    revenue.amount_cny as revenue_cny,
    credited.amount_cny as credited_cny,
    credited.share
from revenue
full outer join credited
    on
        revenue.business_date = credited.business_date
        and revenue.revenue_id = credited.revenue_id
where
    revenue.amount_cny is distinct from credited.amount_cny
    or credited.share != 1
