-- Generated from contracts/core_banking/customer_merges.yaml by `tierhouse docs`.
select
    merge_id,
    old_customer_id,
    new_customer_id,
    merged_date,
    business_date,
    batch_id
from {{ source('raw', 'core_banking__customer_merges') }}
