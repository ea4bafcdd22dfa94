with days as (
    {{ described_days() }}
),

final as (
    select
        days.business_date,
        consents.customer_id,
        consents.channel,
        consents.allowed as is_allowed
    from days
    inner join {{ source('build', 'batch_day') }} as batch_days
        on days.business_date = batch_days.business_date
    inner join {{ ref('stg_crm__consents') }} as consents
        on batch_days.batch_id = consents.batch_id
    where
        batch_days.feed_id = 'crm.consents'
        -- What is to hold from a later day does not hold yet.
        and consents.since <= days.business_date
)

select * from final
