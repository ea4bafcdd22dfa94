with deliveries as (
    select
        customer_id,
        sex,
        birth_date,
        occupation,
        education,
        annual_income,
        interests,
        risk_appetite,
        home_branch_id,
        opened_date,
        closed_date,
        deceased_date,
        is_employee,
        has_customer_name,
        has_id_number,
        has_mobile,
        has_address,
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
        customer_id,
        household_id
    from {{ ref('int_customer__household_member') }}
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
        deliveries.interests,
        deliveries.risk_appetite,
        coalesce(branches.acting_branch_id, 'unknown_branch') as home_branch_id,
        households.household_id,
        deliveries.opened_date,
        deliveries.closed_date,
        deliveries.deceased_date,
        deliveries.is_employee,
        deliveries.has_customer_name,
        deliveries.has_id_number,
        deliveries.has_mobile,
        deliveries.has_address
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
