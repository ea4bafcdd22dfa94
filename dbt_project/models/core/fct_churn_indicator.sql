{{ config(materialized='range', partition_column='as_of_date') }}

{%- set scheme_code = "'" ~ plan()['primary_scheme'].scheme_code ~ "'" -%}
{%- set is_partial = plan()['windows'][plan()['as_of_date']]['month'].is_partial -%}
{%- set month_before = date_literal(plan()['past_month_ends'][0]) -%}
{%- set quarter_before = date_literal(plan()['past_month_ends'][2]) -%}
{%- set flow_date = date_literal(plan()['flow_date']) %}

with rules as (
    select
        policy_version,
        salary_days,
        activity_days,
        activity_before_days,
        activity_minimum
    from {{ source('policy', 'churn') }}
    where effective_from <= {{ as_of_date() }} and effective_to > {{ as_of_date() }}
),

segments as (
    select
        segment_code,
        place,
        scheme_code,
        tier_code
    from {{ source('policy', 'churn_segment') }}
    where effective_from <= {{ as_of_date() }} and effective_to > {{ as_of_date() }}
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

customers as (
    select customer_id
    from {{ ref('dim_customer') }}
    where
        (closed_date is null or closed_date > {{ as_of_date() }})
        and (deceased_date is null or deceased_date > {{ as_of_date() }})
),

vetoed as (
    select distinct customer_id
    from {{ ref('int_tiering__vetoed_customer') }}
    where scheme_code = {{ scheme_code }}
),

primary_tiers as (
    select
        customer_id,
        scheme_code,
        tier_code
    from {{ ref('fct_customer_tier') }}
    where scheme_code = {{ scheme_code }} and tier_rank > 0
),

all_tiers as (
    select * from primary_tiers
    union all
    select
        customer_id,
        scheme_code,
        tier_code
    from {{ ref('fct_tier_evaluation') }}
    where
        evaluation_date
        = {{ date_literal(plan()['official_evaluation_date'] or '0001-01-01') }}
        and scheme_code != {{ scheme_code }}
        and tier_rank > 0
),

segmented as (
    select
        all_tiers.customer_id,
        min_by(segments.segment_code, segments.place) as segment_code
    from all_tiers
    inner join segments
        on
            all_tiers.scheme_code = segments.scheme_code
            and all_tiers.tier_code = segments.tier_code
    group by all_tiers.customer_id
),

-- Who is in scope and may be spoken to.
population as (
    select
        primary_tiers.customer_id,
        primary_tiers.tier_code,
        coalesce(segmented.segment_code, 'other') as segment_code
    from primary_tiers
    inner join customers on primary_tiers.customer_id = customers.customer_id
    left join vetoed on primary_tiers.customer_id = vetoed.customer_id
    left join segmented on primary_tiers.customer_id = segmented.customer_id
    where vetoed.customer_id is null
),

measures as (
    select
        customer_id,
        aum_cny,
        aum_month_avg_cny,
        product_family_count
    from {{ ref('fct_customer_measure') }}
    where measure_date = {{ as_of_date() }}
),

averages_before as (
    select
        coalesce(successors.new_customer_id, months.customer_id) as customer_id,
        cast(sum(
            case
                when months.evaluation_date = {{ month_before }} then months.aum_month_avg_cny
            end
        ) as decimal(18, 2)) as month_avg_cny,
        cast(sum(
            case
                when months.evaluation_date = {{ quarter_before }} then months.aum_month_avg_cny
            end
        ) as decimal(18, 2)) as quarter_avg_cny
    from {{ ref('fct_month_measure') }} as months
    left join successors on months.customer_id = successors.old_customer_id
    where
        months.asset_set = 'standard'
        and months.evaluation_date in ({{ month_before }}, {{ quarter_before }})
    group by coalesce(successors.new_customer_id, months.customer_id)
),

families_before as (
    select
        coalesce(successors.new_customer_id, factors.customer_id) as customer_id,
        max(coalesce(factors.product_family_count, 0)) as family_count
    from {{ ref('fct_customer_factor') }} as factors
    left join successors on factors.customer_id = successors.old_customer_id
    where factors.evaluation_date = {{ quarter_before }}
    group by coalesce(successors.new_customer_id, factors.customer_id)
),

balances_before as (
    select
        coalesce(successors.new_customer_id, balances.customer_id) as customer_id,
        cast(sum(balances.aum_cny) as decimal(18, 2)) as aum_cny
    from {{ ref('fct_customer_balance') }} as balances
    left join successors on balances.customer_id = successors.old_customer_id
    where balances.as_of_date = {{ flow_date }}
    group by coalesce(successors.new_customer_id, balances.customer_id)
),

maturities as (
    select
        coalesce(successors.new_customer_id, maturities.customer_id) as customer_id,
        cast(sum(maturities.value_cny) as decimal(18, 2)) as matured_cny
    from {{ ref('fct_maturity_day') }} as maturities
    left join successors on maturities.customer_id = successors.old_customer_id
    where
        maturities.maturity_date > {{ flow_date }}
        and maturities.maturity_date <= {{ as_of_date() }}
    group by coalesce(successors.new_customer_id, maturities.customer_id)
),

salaries as (
    select
        coalesce(successors.new_customer_id, salaries.customer_id) as customer_id,
        max(salaries.business_date) as last_date
    from {{ ref('fct_salary_day') }} as salaries
    left join successors on salaries.customer_id = successors.old_customer_id
    where salaries.business_date <= {{ as_of_date() }}
    group by coalesce(successors.new_customer_id, salaries.customer_id)
),

contacts as (
    select
        coalesce(successors.new_customer_id, contacts.customer_id) as customer_id,
        max(contacts.business_date) as last_date,
        min(contacts.business_date) as first_date
    from {{ ref('fct_contact') }} as contacts
    left join successors on contacts.customer_id = successors.old_customer_id
    where contacts.business_date <= {{ as_of_date() }}
    group by coalesce(successors.new_customer_id, contacts.customer_id)
),

contact_log as (
    select min(first_date) as first_date
    from contacts
),

-- The newest delivery of a complaint holds.
newest_complaints as (
    select
        complaint_id,
        max(business_date) as business_date
    from {{ ref('fct_complaint') }}
    where business_date <= {{ as_of_date() }}
    group by complaint_id
),

complaints as (
    select
        coalesce(successors.new_customer_id, complaints.customer_id) as customer_id,
        count(*) as open_count
    from {{ ref('fct_complaint') }} as complaints
    inner join newest_complaints
        on
            complaints.complaint_id = newest_complaints.complaint_id
            and complaints.business_date = newest_complaints.business_date
    left join successors on complaints.customer_id = successors.old_customer_id
    where complaints.fed_back_at is null
    group by coalesce(successors.new_customer_id, complaints.customer_id)
),

complaint_log as (
    select max(business_date) as last_date
    from newest_complaints
),

purchases as (
    select
        coalesce(successors.new_customer_id, spend_days.customer_id) as customer_id,
        sum(
            case
                when
                    {{ days_between('spend_days.business_date', as_of_date()) }}
                    < rules.activity_days
                    then spend_days.spend_count
                else 0
            end
        ) as recent_count,
        sum(
            case
                when
                    {{ days_between('spend_days.business_date', as_of_date()) }}
                    >= rules.activity_days
                    then spend_days.spend_count
                else 0
            end
        ) as earlier_count
    from {{ ref('fct_card_spend_day') }} as spend_days
    inner join rules
        on
            {{ days_between('spend_days.business_date', as_of_date()) }}
            < rules.activity_days + rules.activity_before_days
    left join successors on spend_days.customer_id = successors.old_customer_id
    where spend_days.business_date <= {{ as_of_date() }}
    group by coalesce(successors.new_customer_id, spend_days.customer_id)
),

-- Days before the deployment are not days without a purchase.
spent as (
    select
        purchases.customer_id,
        cast(purchases.recent_count * rules.activity_before_days as decimal(18, 2))
            as recent_weight,
        cast(purchases.earlier_count * rules.activity_days as decimal(18, 2)) as earlier_weight
    from purchases
    inner join rules on purchases.earlier_count >= rules.activity_minimum
    where
        {{ days_between(date_literal(plan()['first_date']), as_of_date()) }}
        >= rules.activity_days + rules.activity_before_days - 1
),

joined as (
    select
        population.customer_id,
        population.tier_code,
        population.segment_code,
        rules.policy_version,
        coalesce(measures.aum_cny, 0) as aum_cny,
        {% if is_partial -%}
        cast(null as decimal(18, 2)) as average_cny,
        {%- else -%}
        coalesce(measures.aum_month_avg_cny, 0) as average_cny,
        {%- endif %}
        case when averages_before.month_avg_cny > 0 then averages_before.month_avg_cny end
            as month_avg_cny,
        case when averages_before.quarter_avg_cny > 0 then averages_before.quarter_avg_cny end
            as quarter_avg_cny,
        case when balances_before.aum_cny > 0 then balances_before.aum_cny end as before_cny,
        balances_before.aum_cny - coalesce(measures.aum_cny, 0) as flow_cny,
        case when balances_before.customer_id is not null then maturities.matured_cny end
            as matured_cny,
        families_before.family_count - coalesce(measures.product_family_count, 0)
            as family_count_fall,
        {{ days_between('salaries.last_date', as_of_date()) }} as salary_days,
        rules.salary_days as salary_within_days,
        {{ days_between('coalesce(contacts.last_date, contact_log.first_date)', as_of_date()) }}
            as contact_days,
        case when complaint_log.last_date is not null then coalesce(complaints.open_count, 0) end
            as complaint_count,
        spent.recent_weight,
        spent.earlier_weight
    from population
    cross join rules
    cross join contact_log
    cross join complaint_log
    left join measures on population.customer_id = measures.customer_id
    left join averages_before on population.customer_id = averages_before.customer_id
    left join families_before on population.customer_id = families_before.customer_id
    left join balances_before on population.customer_id = balances_before.customer_id
    left join maturities on population.customer_id = maturities.customer_id
    left join salaries on population.customer_id = salaries.customer_id
    left join contacts on population.customer_id = contacts.customer_id
    left join complaints on population.customer_id = complaints.customer_id
    left join spent on population.customer_id = spent.customer_id
),

final as (
    select
        {{ as_of_date() }} as as_of_date,
        customer_id,
        tier_code,
        segment_code,
        cast(aum_cny as decimal(18, 2)) as aum_cny,
        {{ share_of_whole('month_avg_cny - average_cny', 'month_avg_cny') }} as aum_fall_1m,
        {{ share_of_whole('quarter_avg_cny - average_cny', 'quarter_avg_cny') }} as aum_fall_3m,
        {{ share_of_whole('flow_cny', 'before_cny') }} as outflow_ratio,
        {{ share_of_whole(
            'least(greatest(flow_cny, cast(0 as decimal(18, 2))), matured_cny)', 'matured_cny'
        ) }} as maturity_not_renewed,
        cast(family_count_fall as bigint) as product_count_down,
        cast(case when salary_days < salary_within_days then salary_days end as bigint)
            as salary_stop,
        cast(contact_days as bigint) as no_contact,
        cast(complaint_count as bigint) as complaint_open,
        {{ share_of_whole('earlier_weight - recent_weight', 'earlier_weight') }} as activity_down,
        policy_version
    from joined
)

select * from final
