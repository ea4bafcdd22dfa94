with deliveries as (
    select
        customer_id,
        sex,
        birth_date,
        occupation,
        education,
        annual_income,
        risk_appetite,
        home_branch_id,
        opened_date,
        closed_date,
        deceased_date,
        is_employee,
        is_deleted,
        business_date
    from {{ ref('stg_core_banking__customers') }}
),

-- A full delivery and the deltas since: the newest row of a customer holds. One delivery a day, one
-- row in it.
newest as (
    select
        customer_id,
        max(business_date) as business_date
    from deliveries
    group by customer_id
),

households as (
    select
        members.customer_id,
        max_by(
            members.household_id,
            cast(members.valid_from as {{ dbt.type_string() }}) || members.household_id
        ) as household_id
    from {{ ref('stg_crm__households') }} as members
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'crm.households'
            and members.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ as_of_date() }}
    where
        members.valid_from <= {{ as_of_date() }}
        and (members.valid_to is null or members.valid_to > {{ as_of_date() }})
    group by members.customer_id
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

branches as (
    select
        branch_id,
        acting_branch_id
    from {{ ref('dim_branch') }}
),

final as (
    select
        deliveries.customer_id,
        deliveries.sex,
        deliveries.birth_date,
        deliveries.occupation,
        deliveries.education,
        deliveries.annual_income,
        deliveries.risk_appetite,
        coalesce(branches.acting_branch_id, 'unknown_branch') as home_branch_id,
        households.household_id,
        deliveries.opened_date,
        deliveries.closed_date,
        deliveries.deceased_date,
        deliveries.is_employee
    from deliveries
    inner join newest
        on
            deliveries.customer_id = newest.customer_id
            and deliveries.business_date = newest.business_date
    left join branches on deliveries.home_branch_id = branches.branch_id
    left join households on deliveries.customer_id = households.customer_id
    left join successors on deliveries.customer_id = successors.old_customer_id
    where
        not deliveries.is_deleted
        -- A merged customer lives on in its successor.
        and successors.old_customer_id is null
)

select * from final
