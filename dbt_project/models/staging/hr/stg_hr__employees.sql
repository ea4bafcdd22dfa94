-- Generated from contracts/hr/employees.yaml by `tierhouse docs`.
select
    employee_id,
    employee_name,
    branch_id,
    role_code,
    status,
    hired_date,
    left_date,
    nda_signed_date,
    capacity,
    business_date,
    batch_id
from {{ source('raw', 'hr__employees') }}
