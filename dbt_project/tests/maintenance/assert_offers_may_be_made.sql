-- An offer goes to somebody in the books who said yes to a channel and is not suppressed, and a new
-- family to somebody who lacks it; it suits only below his limits of risk.
with policies as (
    select
        policy_version,
        most_offers,
        senior_age,
        senior_highest,
        unknown_appetite
    from {{ source('policy', 'offer') }}
    where effective_from <= {{ as_of_date() }} and effective_to > {{ as_of_date() }}
),

appetites as (
    select
        appetites.risk_appetite,
        appetites.highest_risk
    from {{ source('policy', 'offer_appetite') }} as appetites
    inner join policies on appetites.policy_version = policies.policy_version
),

consenting as (
    select distinct consents.customer_id
    from {{ ref('stg_crm__consents') }} as consents
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            consents.batch_id = batch_days.batch_id
            and batch_days.feed_id = 'crm.consents'
            and batch_days.business_date = {{ as_of_date() }}
    where consents.allowed and consents.since <= {{ as_of_date() }}
),

booked as (
    select distinct customer_id
    from {{ ref('fct_book_entry') }}
    where as_of_date = {{ as_of_date() }}
),

suppressed as (
    select customer_id
    from {{ ref('int_maintenance__suppressed_day') }}
    where business_date = {{ as_of_date() }}
),

held as (
    select distinct
        balances.customer_id,
        products.product_family
    from {{ ref('fct_customer_product_balance') }} as balances
    inner join {{ ref('dim_product') }} as products
        on balances.product_code = products.product_code
    where balances.as_of_date = {{ as_of_date() }} and balances.value_cny > 0
)

select
    offers.customer_id,
    offers.product_family,
    offers.offer_kind
from {{ ref('fct_product_offer') }} as offers
cross join policies
left join {{ ref('dim_customer') }} as customers on offers.customer_id = customers.customer_id
left join consenting on offers.customer_id = consenting.customer_id
left join booked on offers.customer_id = booked.customer_id
left join suppressed on offers.customer_id = suppressed.customer_id
left join held
    on
        offers.customer_id = held.customer_id
        and offers.product_family = held.product_family
left join appetites on customers.risk_appetite = appetites.risk_appetite
where
    consenting.customer_id is null
    or booked.customer_id is null
    or suppressed.customer_id is not null
    or (offers.offer_kind = 'cross_sell' and held.customer_id is not null)
    or offers.offer_rank > policies.most_offers
    or offers.is_suitable != (offers.unsuitable_reason_code is null)
    or (
        offers.is_suitable
        and offers.risk_level > coalesce(appetites.highest_risk, policies.unknown_appetite)
    )
    or (
        offers.is_suitable
        and offers.risk_level > policies.senior_highest
        and {{ completed_years('customers.birth_date', as_of_date()) }} >= policies.senior_age
    )
