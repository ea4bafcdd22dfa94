{{ config(meta={'dagster': {'ref': {'name': 'fct_customer_measure'}}}) }}

-- Two ways to the same number: day by day with the weights of each day, and by product with the
-- weights at the window's end. They may differ only while a policy change is inside an open window,
-- never on the day.
with totals as (
    select
        coalesce(successors.new_customer_id, totals.customer_id) as customer_id,
        sum(totals.aum_cny) as aum_cny
    from {{ ref('fct_customer_balance') }} as totals
    left join {{ ref('int_customer__successor') }} as successors
        on
            totals.customer_id = successors.old_customer_id
            and successors.measure_date = {{ as_of_date() }}
    where totals.as_of_date = {{ as_of_date() }}
    group by coalesce(successors.new_customer_id, totals.customer_id)
),

measures as (
    select
        customer_id,
        aum_cny
    from {{ ref('fct_customer_measure') }}
    where measure_date = {{ as_of_date() }}
)

select
    coalesce(totals.customer_id, measures.customer_id) as customer_id,
    totals.aum_cny as total_aum_cny,
    measures.aum_cny as measure_aum_cny
from totals
full outer join measures on totals.customer_id = measures.customer_id
where coalesce(totals.aum_cny, 0) is distinct from coalesce(measures.aum_cny, 0)
