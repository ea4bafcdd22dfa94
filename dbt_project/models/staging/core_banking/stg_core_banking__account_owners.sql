-- Generated from contracts/core_banking/account_owners.yaml by `tierhouse docs`.
select
    account_id,
    customer_id,
    owner_role,
    share,
    business_date,
    batch_id
from {{ source('raw', 'core_banking__account_owners') }}
