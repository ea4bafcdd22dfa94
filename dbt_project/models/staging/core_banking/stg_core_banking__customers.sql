-- Generated from contracts/core_banking/customers.yaml by `tierhouse docs`.
select
    customer_id,
    sex,
    birth_date,
    occupation,
    education,
    annual_income,
    interests,
    risk_appetite,
    home_branch_id,
    opened_date,
    closed_date,
    deceased_date,
    is_employee,
    has_customer_name,
    has_id_number,
    has_mobile,
    has_address,
    is_deleted,
    business_date,
    batch_id
from {{ source('raw', 'core_banking__customers') }}
