{{ config(meta={'dagster': {'ref': {'name': 'recon_gl_balance'}}}) }}

-- Customer balances must add up to the general ledger, or each difference be explained and approved
-- (G5).
select
    business_date,
    branch_id,
    product_family,
    currency,
    ledger_balance,
    customer_balance,
    difference
from {{ ref('recon_gl_balance') }}
where status = 'break'
