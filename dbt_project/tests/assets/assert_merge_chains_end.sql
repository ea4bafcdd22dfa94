{{ config(meta={'dagster': {'ref': {'name': 'int_customer__successor'}}}) }}

-- A chain longer than the steps followed, or a circle, would leave balances with a customer who is
-- gone.
select
    links.old_customer_id,
    links.new_customer_id
from {{ ref('int_customer__successor') }} as links
inner join {{ ref('int_customer__successor') }} as next_links
    on
        links.new_customer_id = next_links.old_customer_id
        and links.measure_date = next_links.measure_date
