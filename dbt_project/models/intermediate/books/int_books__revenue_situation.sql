{%- set first_live_day = date_literal(plan()['seed_date']) -%}

-- From the day on which a merge is known a customer is his successor; of several the last holds.
with known_merges as (
    select
        old_customer_id,
        max_by(
            new_customer_id, cast(merged_date as {{ dbt.type_string() }}) || merge_id
        ) as new_customer_id,
        min(greatest(merged_date, business_date)) as from_day
    from {{ ref('stg_core_banking__customer_merges') }}
    where merged_date <= {{ as_of_date() }} and business_date <= {{ as_of_date() }}
    group by old_customer_id
),

-- A successor may himself be merged, later: each has his own days. Chains of up to sixteen merges
-- are followed.
chain_1 as (
    select
        old_customer_id,
        new_customer_id,
        from_day,
        1 as hop_count
    from known_merges
),

{% for step in range(2, 6) %}
chain_{{ step }} as (
    select
        old_customer_id,
        new_customer_id,
        from_day,
        hop_count
    from chain_{{ step - 1 }}
    union distinct
    select
        earlier.old_customer_id,
        later.new_customer_id,
        greatest(earlier.from_day, later.from_day) as from_day,
        earlier.hop_count + later.hop_count as hop_count
    from chain_{{ step - 1 }} as earlier
    inner join chain_{{ step - 1 }} as later on earlier.new_customer_id = later.old_customer_id
),

{% endfor -%}

revenue_successors as (
    select
        revenue.business_date,
        revenue.revenue_id,
        max_by(successors.new_customer_id, successors.hop_count) as customer_id
    from {{ ref('stg_finance__revenue') }} as revenue
    inner join chain_5 as successors
        on
            revenue.customer_id = successors.old_customer_id
            and revenue.posted_date >= successors.from_day
    where revenue.business_date > {{ base_date() }}
    group by revenue.business_date, revenue.revenue_id
),

revenue as (
    select
        revenue.business_date,
        revenue.revenue_id,
        revenue.posted_date,
        coalesce(successors.customer_id, revenue.customer_id) as customer_id,
        revenue.seller_employee_id,
        revenue.amount_cny
    from {{ ref('stg_finance__revenue') }} as revenue
    left join revenue_successors as successors
        on
            revenue.business_date = successors.business_date
            and revenue.revenue_id = successors.revenue_id
    where revenue.business_date > {{ base_date() }}
),

books as (
    select
        effective_from,
        effective_to,
        attribution_horizon_months,
        referral_horizon_months
    from {{ source('policy', 'book') }}
),

-- The log of changes is long, and few customers earn something on a day.
earning_customers as (
    select distinct customer_id
    from revenue
),

slot_changes as (
    select
        changes.customer_id,
        changes.slot,
        changes.business_date as valid_from,
        lead(changes.business_date) over (
            partition by changes.customer_id, changes.slot, changes.slot_no
            order by changes.business_date
        ) as valid_to,
        changes.to_employee_id,
        changes.initial_employee_id,
        changes.initial_lost_date,
        changes.initial_lost_reason_code
    from {{ ref('fct_assignment_change') }} as changes
    inner join earning_customers on changes.customer_id = earning_customers.customer_id
    where changes.slot in ('a', 'specialist')
),

-- The old CRM as it was known when the revenue was delivered.
old_slots as (
    select
        revenue.business_date,
        revenue.revenue_id,
        maintainers.slot,
        maintainers.employee_id
    from revenue
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'crm.maintainers'
            and revenue.business_date = batch_days.business_date
    inner join {{ ref('stg_crm__maintainers') }} as maintainers
        on
            batch_days.batch_id = maintainers.batch_id
            and revenue.customer_id = maintainers.customer_id
    where
        revenue.posted_date < {{ first_live_day }}
        and maintainers.valid_from <= revenue.posted_date
),

owned as (
    select
        revenue.business_date,
        revenue.revenue_id,
        revenue.posted_date,
        revenue.customer_id,
        revenue.seller_employee_id,
        revenue.amount_cny,
        coalesce(slots.to_employee_id, old_owners.employee_id) as owner_employee_id,
        slots.initial_employee_id,
        slots.initial_lost_date,
        slots.initial_lost_reason_code
    from revenue
    left join slot_changes as slots
        on
            slots.slot = 'a'
            and revenue.customer_id = slots.customer_id
            and revenue.posted_date >= {{ first_live_day }}
            and revenue.posted_date >= slots.valid_from
            and (slots.valid_to is null or revenue.posted_date < slots.valid_to)
    left join old_slots as old_owners
        on
            old_owners.slot = 'a'
            and revenue.business_date = old_owners.business_date
            and revenue.revenue_id = old_owners.revenue_id
),

specialists as (
    select distinct
        owned.business_date,
        owned.revenue_id
    from owned
    inner join slot_changes as slots
        on
            slots.slot = 'specialist'
            and owned.customer_id = slots.customer_id
            and owned.seller_employee_id = slots.to_employee_id
            and owned.posted_date >= slots.valid_from
    union distinct
    select
        owned.business_date,
        owned.revenue_id
    from owned
    inner join old_slots
        on
            old_slots.slot = 'specialist'
            and owned.business_date = old_slots.business_date
            and owned.revenue_id = old_slots.revenue_id
            and owned.seller_employee_id = old_slots.employee_id
),

given_referrals as (
    select
        referral_id,
        customer_id,
        from_employee_id,
        to_employee_id,
        referred_date,
        business_date as known_day
    from {{ ref('stg_crm__referrals') }}
    where from_employee_id != to_employee_id
),

-- A referral is of its customer, and from the day of a merge of the successor as well.
referrals as (
    select
        referral_id,
        customer_id,
        from_employee_id,
        to_employee_id,
        referred_date,
        known_day,
        referred_date as from_day
    from given_referrals
    union all
    select
        given_referrals.referral_id,
        successors.new_customer_id as customer_id,
        given_referrals.from_employee_id,
        given_referrals.to_employee_id,
        given_referrals.referred_date,
        given_referrals.known_day,
        greatest(given_referrals.referred_date, successors.from_day) as from_day
    from given_referrals
    inner join chain_5 as successors on given_referrals.customer_id = successors.old_customer_id
),

-- What a specialist sells to a customer who was referred to him and stayed with his owner; the last
-- referral counts.
specialist_sales as (
    select
        owned.business_date,
        owned.revenue_id,
        max_by(
            referrals.from_employee_id,
            cast(referrals.referred_date as {{ dbt.type_string() }}) || referrals.referral_id
        ) as referrer_employee_id
    from owned
    inner join specialists
        on
            owned.business_date = specialists.business_date
            and owned.revenue_id = specialists.revenue_id
    inner join referrals
        on
            owned.customer_id = referrals.customer_id
            and owned.seller_employee_id = referrals.to_employee_id
            and owned.posted_date >= referrals.from_day
            and owned.business_date >= referrals.known_day
    inner join books
        on
            owned.posted_date >= books.effective_from
            and owned.posted_date < books.effective_to
    where
        owned.seller_employee_id is distinct from owned.owner_employee_id
        and {{ completed_months('referrals.referred_date', 'owned.posted_date') }}
        < books.referral_horizon_months
    group by owned.business_date, owned.revenue_id
),

-- A first maintainer keeps the income of a customer who was moved to somebody else, not of one whom
-- he could maintain no longer.
moves as (
    select
        owned.business_date,
        owned.revenue_id,
        {{ completed_months('owned.initial_lost_date', 'owned.posted_date') }}
        < books.attribution_horizon_months as is_within_horizon
    from owned
    inner join books
        on
            owned.posted_date >= books.effective_from
            and owned.posted_date < books.effective_to
    where
        owned.initial_employee_id is distinct from owned.owner_employee_id
        and owned.initial_lost_reason_code in ('customer_choice', 'referral', 'rebalancing')
),

final as (
    select
        owned.business_date,
        owned.revenue_id,
        owned.posted_date,
        owned.customer_id,
        owned.amount_cny,
        case
            when moves.is_within_horizon then 'moved_within_horizon'
            when sales.referrer_employee_id is not null then 'specialist_sale'
            when owned.owner_employee_id is null then 'no_owner'
            when not moves.is_within_horizon then 'moved_after_horizon'
            else 'held'
        end as situation_code,
        owned.owner_employee_id,
        owned.initial_employee_id,
        sales.referrer_employee_id,
        case
            when sales.referrer_employee_id is not null then owned.seller_employee_id
        end as specialist_employee_id
    from owned
    left join specialist_sales as sales
        on
            owned.business_date = sales.business_date
            and owned.revenue_id = sales.revenue_id
    left join moves
        on
            owned.business_date = moves.business_date
            and owned.revenue_id = moves.revenue_id
)

select * from final
