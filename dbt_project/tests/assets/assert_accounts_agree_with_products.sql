{{ config(meta={'dagster': {'ref': {'name': 'fct_account_balance'}}}) }}

-- Account state and customer x product state advance apart; their values of the day must stay one.
with accounts as (
    select
        product_code,
        sum(value_cny) as value_cny
    from {{ ref('fct_account_balance') }}
    where as_of_date = {{ as_of_date() }}
    group by product_code
),

products as (
    select
        product_code,
        sum(value_cny) as value_cny
    from {{ ref('fct_customer_product_balance') }}
    where as_of_date = {{ as_of_date() }}
    group by product_code
)

select
    coalesce(accounts.product_code, products.product_code) as product_code,
    accounts.value_cny as accounts_value_cny,
    products.value_cny as products_value_cny
from accounts
full outer join products on accounts.product_code = products.product_code
where coalesce(accounts.value_cny, 0) is distinct from coalesce(products.value_cny, 0)
