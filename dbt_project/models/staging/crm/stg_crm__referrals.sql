-- Generated from contracts/crm/referrals.yaml by `tierhouse docs`.
select
    referral_id,
    customer_id,
    from_employee_id,
    to_employee_id,
    referred_date,
    business_date,
    batch_id
from {{ source('raw', 'crm__referrals') }}
