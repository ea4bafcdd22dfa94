{{ config(
    materialized='range',
    partition_column='business_date',
    replaced_rows='replaced_restatements',
) }}

with published_balances as (
    select
        as_of_date,
        customer_id,
        aum_cny
    from {{ source('build', 'published_customer_balance') }}
    where as_of_date > {{ base_date() }}
),

published_months as (
    select
        month_end_date,
        customer_id,
        aum_month_avg_cny
    from {{ source('build', 'published_customer_month') }}
    where month_end_date > {{ base_date() }}
),

published_tiers as (
    select
        evaluation_date,
        scheme_code,
        customer_id,
        measure_value,
        tier_code
    from {{ source('build', 'published_tier_evaluation') }}
    where evaluation_date > {{ base_date() }}
),

balances as (
    select
        as_of_date,
        customer_id,
        aum_cny
    from {{ ref('fct_customer_balance') }}
    where as_of_date > {{ base_date() }}
),

tiers as (
    select
        evaluation_date,
        scheme_code,
        customer_id,
        measure_value,
        tier_code
    from {{ ref('fct_tier_evaluation') }}
    where evaluation_date > {{ base_date() }}
),

months as (
    select
        measure_date as month_end_date,
        customer_id,
        aum_month_avg_cny
    from {{ ref('fct_customer_measure') }}
),

causes as (
    select
        business_date,
        batch_id
    from {{ source('build', 'restating_batch') }}
),

published_dates as (
    select distinct as_of_date from published_balances
),

published_month_ends as (
    select distinct month_end_date from published_months
),

published_evaluations as (
    select distinct evaluation_date from published_tiers
),

changed_balances as (
    select
        coalesce(balances.customer_id, published.customer_id) as customer_id,
        cast(null as {{ dbt.type_string() }}) as scheme_code,
        'aum_cny' as measure_code,
        coalesce(balances.as_of_date, published.as_of_date) as business_date,
        coalesce(published.aum_cny, 0) as old_value,
        coalesce(balances.aum_cny, 0) as new_value,
        cast(null as {{ dbt.type_string() }}) as old_tier_code,
        cast(null as {{ dbt.type_string() }}) as new_tier_code
    from published_balances as published
    full outer join balances
        on
            published.customer_id = balances.customer_id
            and published.as_of_date = balances.as_of_date
    inner join published_dates
        on coalesce(balances.as_of_date, published.as_of_date) = published_dates.as_of_date
    where coalesce(published.aum_cny, 0) != coalesce(balances.aum_cny, 0)
),

-- Day totals are kept for some days only; an older correction shows in the averages of its month.
changed_months as (
    select
        coalesce(months.customer_id, published.customer_id) as customer_id,
        cast(null as {{ dbt.type_string() }}) as scheme_code,
        'aum_month_avg_cny' as measure_code,
        coalesce(months.month_end_date, published.month_end_date) as business_date,
        coalesce(published.aum_month_avg_cny, 0) as old_value,
        coalesce(months.aum_month_avg_cny, 0) as new_value,
        cast(null as {{ dbt.type_string() }}) as old_tier_code,
        cast(null as {{ dbt.type_string() }}) as new_tier_code
    from published_months as published
    full outer join months
        on
            published.customer_id = months.customer_id
            and published.month_end_date = months.month_end_date
    inner join published_month_ends
        on
            coalesce(months.month_end_date, published.month_end_date)
            = published_month_ends.month_end_date
    where coalesce(published.aum_month_avg_cny, 0) != coalesce(months.aum_month_avg_cny, 0)
),

changed_tiers as (
    select
        coalesce(tiers.customer_id, published.customer_id) as customer_id,
        coalesce(tiers.scheme_code, published.scheme_code) as scheme_code,
        'tier' as measure_code,
        coalesce(tiers.evaluation_date, published.evaluation_date) as business_date,
        coalesce(published.measure_value, 0) as old_value,
        coalesce(tiers.measure_value, 0) as new_value,
        coalesce(published.tier_code, 'none') as old_tier_code,
        coalesce(tiers.tier_code, 'none') as new_tier_code
    from published_tiers as published
    full outer join tiers
        on
            published.customer_id = tiers.customer_id
            and published.scheme_code = tiers.scheme_code
            and published.evaluation_date = tiers.evaluation_date
    inner join published_evaluations
        on
            coalesce(tiers.evaluation_date, published.evaluation_date)
            = published_evaluations.evaluation_date
    where
        coalesce(published.measure_value, 0) != coalesce(tiers.measure_value, 0)
        or coalesce(published.tier_code, 'none') != coalesce(tiers.tier_code, 'none')
),

changes as (
    select * from changed_balances
    union all
    select * from changed_months
    union all
    select * from changed_tiers
),

-- The latest restating delivery of the day or before it is named as the cause.
caused as (
    select
        changes.customer_id,
        changes.scheme_code,
        changes.measure_code,
        changes.business_date,
        changes.old_value,
        changes.new_value,
        changes.old_tier_code,
        changes.new_tier_code,
        max_by(
            causes.batch_id,
            cast(causes.business_date as {{ dbt.type_string() }}) || causes.batch_id
        ) as cause_batch_id
    from changes
    left join causes on changes.business_date >= causes.business_date
    group by
        changes.customer_id,
        changes.scheme_code,
        changes.measure_code,
        changes.business_date,
        changes.old_value,
        changes.new_value,
        changes.old_tier_code,
        changes.new_tier_code
),

final as (
    select
        {{ sha256_text(
            "customer_id || '|' || coalesce(scheme_code, '') || '|' || measure_code || '|' || cast(business_date as "
            ~ dbt.type_string() ~ ") || '|' || cast(" ~ plan()['published_version'] ~ " as " ~ dbt.type_string() ~ ")"
        ) }} as restatement_id,
        {{ as_of_date() }} as as_of_date,
        customer_id,
        scheme_code,
        measure_code,
        business_date,
        old_value,
        new_value,
        old_tier_code,
        new_tier_code,
        cause_batch_id,
        cast({{ plan()['published_version'] }} as bigint) as from_version
    from caused
)

select * from final
