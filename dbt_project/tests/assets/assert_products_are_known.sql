{{ config(meta={'dagster': {'ref': {'name': 'int_assets__leg_day'}}}) }}

-- A product that the bank has not delivered has no family, so no policy says whether it counts.
select
    product_code,
    count(*) as leg_count
from {{ ref('int_assets__leg_day') }}
where business_date = {{ as_of_date() }} and product_family = 'unknown_family'
group by product_code
