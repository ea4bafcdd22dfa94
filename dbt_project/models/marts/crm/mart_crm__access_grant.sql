{{ config(schema='crm', alias='access_grant', materialized='view') }}

with changes as (
    select
        business_date,
        lead(business_date) over (
            partition by employee_id, customer_id, purpose order by business_date
        ) as next_date,
        employee_id,
        customer_id,
        purpose,
        basis,
        is_granted,
        policy_version
    from {{ ref('fct_access_grant_change') }}
),

-- The row of a grant is changed once more: on the day on which it ends.
final as (
    select
        employee_id,
        customer_id,
        purpose,
        coalesce(next_date, business_date) as as_of_date,
        business_date as valid_from,
        next_date as valid_to,
        basis,
        policy_version
    from changes
    where is_granted
)

select * from final
