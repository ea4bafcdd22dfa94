{{ config(meta={'dagster': {'ref': {'name': 'mart_assets__customer_assets'}}}) }}

-- No customer is dropped on the way to the mart: its total is the total of all balances that count.
with mart as (
    select sum(aum_cny) as aum_cny from {{ ref('mart_assets__customer_assets') }}
),

state as (
    select sum(aum_cny) as aum_cny
    from {{ ref('fct_customer_balance') }}
    where as_of_date = {{ as_of_date() }}
)

select
    mart.aum_cny as mart_aum_cny,
    state.aum_cny as state_aum_cny
from mart
cross join state
where mart.aum_cny is distinct from state.aum_cny
