{{ config(meta={'dagster': {'ref': {'name': 'stg_core_banking__account_owners'}}}) }}

-- Shares that add up to more than one would give one balance to two people. Thirds to eight
-- places miss one by a unit of the last, which the first owner takes.
select
    owners.account_id,
    sum(owners.share) as share
from {{ ref('stg_core_banking__account_owners') }} as owners
inner join {{ source('build', 'batch_day') }} as batch_days
    on
        batch_days.feed_id = 'core_banking.account_owners'
        and owners.batch_id = batch_days.batch_id
        and batch_days.business_date = {{ as_of_date() }}
group by owners.account_id
having abs(sum(owners.share) - 1) > 0.0000001
