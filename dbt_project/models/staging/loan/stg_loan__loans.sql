-- Generated from contracts/loan/loans.yaml by `tierhouse docs`.
select
    loan_id,
    customer_id,
    product_code,
    branch_id,
    currency,
    principal,
    outstanding_balance,
    interest_rate,
    opened_date,
    maturity_date,
    days_past_due,
    loan_class,
    status,
    business_date,
    batch_id
from {{ source('raw', 'loan__loans') }}
