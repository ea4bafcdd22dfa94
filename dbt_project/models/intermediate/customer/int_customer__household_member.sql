with successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

memberships as (
    select
        members.household_id,
        coalesce(successors.new_customer_id, members.customer_id) as customer_id,
        members.valid_from,
        members.consent_date is not null
        and members.consent_date <= {{ as_of_date() }} as is_consenting
    from {{ ref('stg_crm__households') }} as members
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'crm.households'
            and members.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ as_of_date() }}
    left join successors on members.customer_id = successors.old_customer_id
    where
        members.valid_from <= {{ as_of_date() }}
        and (members.valid_to is null or members.valid_to > {{ as_of_date() }})
),

-- One household per person at a time (G33): the one joined last. Who became one person by a merge
-- and was in it twice consents when both did.
ranked as (
    select
        household_id,
        customer_id,
        is_consenting,
        row_number() over (
            partition by customer_id
            order by valid_from desc, household_id desc, is_consenting asc
        ) as standing
    from memberships
),

final as (
    select
        household_id,
        customer_id,
        is_consenting
    from ranked
    where standing = 1
)

select * from final
