{{ config(materialized='range', partition_column='evaluation_date') }}

with periods as (
    select *
    from (
        {{ appraised_periods() }}
    ) as appraised
    where not is_final
),

policies as (
    select
        policies.policy_version,
        policies.senior_age,
        policies.senior_highest,
        policies.unknown_appetite
    from {{ source('policy', 'offer') }} as policies
    inner join periods
        on
            policies.effective_from <= periods.through_date
            and policies.effective_to > periods.through_date
),

appetites as (
    select
        appetites.risk_appetite,
        appetites.highest_risk
    from {{ source('policy', 'offer_appetite') }} as appetites
    inner join policies on appetites.policy_version = policies.policy_version
),

batch_days as (
    select
        feed_id,
        batch_id
    from {{ source('build', 'batch_day') }}
    where business_date = {{ as_of_date() }}
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

products as (
    select
        product_code,
        product_family,
        risk_level
    from {{ ref('dim_product') }}
),

-- Whom the quarter began with, each as the customer he is now, and who is in scope today.
customers as (
    select distinct
        periods.period_code,
        coalesce(successors.new_customer_id, cohorts.customer_id) as customer_id
    from {{ ref('fct_cohort') }} as cohorts
    inner join periods on cohorts.cohort_date = periods.start_date
    left join successors on cohorts.customer_id = successors.old_customer_id
    union
    select
        periods.period_code,
        tiers.customer_id
    from {{ ref('fct_customer_tier') }} as tiers
    cross join periods
    where
        tiers.scheme_code = '{{ plan()['primary_scheme'].scheme_code }}'
        and tiers.tier_rank > 0
),

balances as (
    select
        balances.as_of_date,
        coalesce(successors.new_customer_id, balances.customer_id) as customer_id,
        balances.customer_id as holder_id,
        balances.product_code,
        products.product_family,
        balances.value_cny,
        balances.balance_days_cny
    from {{ ref('fct_customer_product_balance') }} as balances
    inner join products on balances.product_code = products.product_code
    left join successors on balances.customer_id = successors.old_customer_id
),

active_families as (
    select
        todays.customer_id,
        todays.product_family
    from balances as todays
    inner join periods on todays.as_of_date = periods.through_date
    left join balances as eves
        on
            periods.eve_date = eves.as_of_date
            and todays.holder_id = eves.holder_id
            and todays.product_code = eves.product_code
    where
        todays.value_cny != 0
        or todays.balance_days_cny != coalesce(eves.balance_days_cny, 0)
    union
    select
        coalesce(successors.new_customer_id, spends.customer_id) as customer_id,
        'card' as product_family
    from {{ ref('fct_card_spend_day') }} as spends
    inner join periods
        on
            spends.business_date >= periods.start_date
            and spends.business_date <= periods.through_date
    left join successors on spends.customer_id = successors.old_customer_id
    where spends.spend_count > 0
),

family_counts as (
    select
        customer_id,
        count(*) as family_count,
        {{ sorted_string_agg('product_family') }} as families
    from active_families
    group by customer_id
),

bought as (
    select
        coalesce(successors.new_customer_id, holdings.customer_id) as customer_id,
        max(products.risk_level) as risk_level
    from {{ ref('stg_wealth__wealth_holdings') }} as holdings
    inner join batch_days
        on
            batch_days.feed_id = 'wealth.wealth_holdings'
            and holdings.batch_id = batch_days.batch_id
    inner join periods
        on
            holdings.opened_date >= periods.start_date
            and holdings.opened_date <= periods.through_date
    inner join products on holdings.product_code = products.product_code
    left join successors on holdings.customer_id = successors.old_customer_id
    group by coalesce(successors.new_customer_id, holdings.customer_id)
),

-- The rules of what may be offered say what may be sold.
breaches as (
    select bought.customer_id
    from bought
    cross join policies
    inner join {{ ref('dim_customer') }} as known on bought.customer_id = known.customer_id
    left join appetites on known.risk_appetite = appetites.risk_appetite
    where
        bought.risk_level > coalesce(appetites.highest_risk, policies.unknown_appetite)
        or (
            {{ completed_years('known.birth_date', as_of_date()) }} >= policies.senior_age
            and bought.risk_level > policies.senior_highest
        )
),

frozen as (
    select distinct coalesce(successors.new_customer_id, risks.customer_id) as customer_id
    from {{ ref('stg_risk__customer_risk') }} as risks
    inner join batch_days
        on batch_days.feed_id = 'risk.customer_risk' and risks.batch_id = batch_days.batch_id
    left join successors on risks.customer_id = successors.old_customer_id
    where risks.special_flag = 'court_freeze'
),

final as (
    select
        {{ as_of_date() }} as evaluation_date,
        customers.period_code,
        customers.customer_id,
        cast(coalesce(family_counts.family_count, 0) as bigint) as active_family_count,
        family_counts.families as active_families,
        breaches.customer_id is not null as has_suitability_breach,
        frozen.customer_id is not null as is_court_frozen
    from customers
    left join family_counts on customers.customer_id = family_counts.customer_id
    left join breaches on customers.customer_id = breaches.customer_id
    left join frozen on customers.customer_id = frozen.customer_id
)

select * from final
