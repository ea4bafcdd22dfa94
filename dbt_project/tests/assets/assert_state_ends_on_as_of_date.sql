{{ config(meta={'dagster': {'ref': {'name': 'fct_account_balance'}}}) }}

-- Nothing of a day after the as-of date may survive a rebuild of an earlier one, and the day itself
-- is there.
select max(as_of_date) as last_date
from {{ ref('fct_account_balance') }}
having max(as_of_date) is distinct from {{ as_of_date() }}
