-- Generated from contracts/reference/branches.yaml by `tierhouse docs`.
select
    branch_id,
    branch_name,
    branch_level,
    parent_branch_id,
    successor_branch_id,
    opened_date,
    closed_date,
    business_date,
    batch_id
from {{ source('raw', 'reference__branches') }}
