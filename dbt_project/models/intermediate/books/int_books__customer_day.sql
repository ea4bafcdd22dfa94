{%- set scheme = plan()['primary_scheme'] -%}

with days as (
    {{ decision_days() }}
),

changes as (
    select
        customer_id,
        valid_from,
        lead(valid_from) over (
            partition by customer_id order by valid_from
        ) as valid_to,
        tier_code,
        tier_rank,
        policy_version
    from {{ ref('fct_tier_change') }}
    where scheme_code = '{{ scheme.scheme_code }}'
),

tiers as (
    select
        policy_version,
        tier_code,
        primary_role_code,
        age_max,
        fallback_role_code,
        is_primary_queue,
        is_fallback_queue
    from {{ source('policy', 'tier') }}
    where scheme_code = '{{ scheme.scheme_code }}'
),

vetoed as (
    select distinct customer_id
    from {{ ref('int_tiering__vetoed_customer') }}
    where scheme_code = '{{ scheme.scheme_code }}'
),

in_scope as (
    select
        days.business_date,
        changes.customer_id,
        changes.tier_code,
        changes.tier_rank,
        changes.policy_version,
        tiers.primary_role_code,
        tiers.age_max,
        tiers.fallback_role_code,
        tiers.is_primary_queue,
        tiers.is_fallback_queue
    from changes
    inner join days
        on
            changes.valid_from <= days.business_date
            and (changes.valid_to is null or changes.valid_to > days.business_date)
    inner join tiers
        on
            changes.policy_version = tiers.policy_version
            and changes.tier_code = tiers.tier_code
    where changes.tier_rank > 0
),

deliveries as (
    select
        customer_id,
        birth_date,
        home_branch_id,
        deceased_date,
        is_employee,
        is_deleted,
        business_date
    from {{ ref('stg_core_banking__customers') }}
),

relevant_customers as (
    select customer_id from in_scope
    union
    select customer_id from deliveries
    where is_employee
),

-- A day is decided on what was delivered by then, also when many days are decided at once. What was
-- delivered first holds for the days before it too.
spans as (
    select
        deliveries.customer_id,
        deliveries.birth_date,
        deliveries.home_branch_id,
        deliveries.deceased_date,
        deliveries.is_employee,
        deliveries.is_deleted,
        nullif(
            deliveries.business_date,
            min(deliveries.business_date) over (partition by deliveries.customer_id)
        ) as known_from,
        lead(deliveries.business_date) over (
            partition by deliveries.customer_id order by deliveries.business_date
        ) as known_to
    from deliveries
    inner join relevant_customers on deliveries.customer_id = relevant_customers.customer_id
),

customers as (
    select
        days.business_date,
        spans.customer_id,
        spans.birth_date,
        branches.acting_branch_id as home_branch_id,
        households.household_id,
        spans.deceased_date,
        spans.is_employee
    from spans
    inner join days
        on
            (spans.known_from is null or spans.known_from <= days.business_date)
            and (spans.known_to is null or spans.known_to > days.business_date)
    left join {{ ref('dim_branch') }} as branches on spans.home_branch_id = branches.branch_id
    left join {{ ref('int_customer__household_member') }} as households
        on spans.customer_id = households.customer_id
    where not spans.is_deleted
),

-- No feed says which employee a customer is: nobody may get a colleague's household or his own by
-- chance.
staff_households as (
    select distinct
        business_date,
        household_id
    from customers
    where is_employee and household_id is not null
),

-- The age that counts is that of the evaluation in force.
judged as (
    select
        in_scope.business_date,
        in_scope.customer_id,
        in_scope.tier_code,
        in_scope.tier_rank,
        in_scope.policy_version,
        in_scope.primary_role_code,
        in_scope.fallback_role_code,
        in_scope.is_primary_queue,
        in_scope.is_fallback_queue,
        coalesce(customers.home_branch_id, 'unknown_branch') as branch_id,
        coalesce(
            {{ completed_years(
                'customers.birth_date',
                date_literal(plan()['official_evaluation_date'] or plan()['as_of_date'])
            ) }} > in_scope.age_max,
            false
        ) as is_above_age,
        case
            when vetoed.customer_id is not null then 'risk_veto'
            when customers.deceased_date <= in_scope.business_date then 'deceased'
            when customers.is_employee or staff_households.household_id is not null
                then 'staff_conflict'
        end as exclusion_code
    from in_scope
    left join customers
        on
            in_scope.business_date = customers.business_date
            and in_scope.customer_id = customers.customer_id
    left join staff_households
        on
            customers.business_date = staff_households.business_date
            and customers.household_id = staff_households.household_id
    left join vetoed on in_scope.customer_id = vetoed.customer_id
),

final as (
    select
        business_date,
        customer_id,
        tier_code,
        tier_rank,
        branch_id,
        case when is_above_age then fallback_role_code else primary_role_code end
            as required_role_code,
        case when is_above_age then is_fallback_queue else is_primary_queue end as is_queue_role,
        is_above_age,
        exclusion_code,
        policy_version
    from judged
)

select * from final
