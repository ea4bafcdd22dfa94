{{ config(materialized='range', partition_column='evaluation_date') }}

-- depends_on: {{ ref('fct_month_measure') }}
-- depends_on: {{ ref('fct_customer_factor') }}
-- depends_on: {{ ref('fct_population_bin') }}
{%- set schemes = plan()['evaluated_schemes'] if is_evaluation() else [] -%}
{%- set rank_months = 12 -%}
{%- set standing -%}
    row_number() over (
        partition by kept.scheme_code, coalesce(successors.new_customer_id, kept.customer_id)
        order by
            kept.tier_rank desc, kept.grace_months_below asc, kept.valid_from asc, kept.customer_id asc
    )
{%- endset -%}
{%- set standing = standing if is_merging() else 1 %}

with successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

bands as (
    select
        policy_version,
        tier_rank,
        lower_value,
        upper_value
    from {{ source('policy', 'tier_band') }}
),

household_bands as (
    select
        policy_version,
        tier_rank,
        lower_value,
        upper_value,
        rule_id,
        minimum_members
    from {{ source('policy', 'household_band') }}
),

tiers as (
    select
        policy_version,
        tier_code,
        tier_rank,
        downgrade_after_months,
        rule_id
    from {{ source('policy', 'tier') }}
),

-- Bins that are written down and those made out of the population of this evaluation.
bins as (
    select
        policy_version,
        factor_code,
        lower_value,
        upper_value,
        points
    from {{ source('policy', 'factor_bin') }}
    union all
    select
        policy_version,
        factor_code,
        lower_value,
        upper_value,
        points
    from {{ ref('fct_population_bin') }}
    where evaluation_date = {{ as_of_date() }}
),

vetoed as (
    select
        scheme_code,
        customer_id
    from {{ ref('int_tiering__vetoed_customer') }}
),

members as (
    select
        household_id,
        customer_id,
        is_consenting
    from {{ ref('int_customer__household_member') }}
),

kept as (
    {{ kept_partition('fct_tier_evaluation', [
        ('scheme_code', 'string'), ('customer_id', 'string'), ('tier_code', 'string'),
        ('tier_rank', 'bigint'), ('grace_months_below', 'bigint'), ('recent_ranks', 'string'),
        ('rule_id', 'string'), ('valid_from', 'date'), ('policy_version', 'string'),
    ], date_column='evaluation_date', date=plan()['previous_evaluation_date']) }}
),

ranked as (
    select
        coalesce(successors.new_customer_id, kept.customer_id) as customer_id,
        kept.scheme_code,
        kept.tier_code,
        kept.tier_rank,
        kept.grace_months_below,
        kept.recent_ranks,
        kept.rule_id,
        kept.valid_from,
        kept.policy_version,
        {{ standing }} as standing
    from kept
    left join successors on kept.customer_id = successors.old_customer_id
),

-- The successor of a merge takes the best tier of those merged, of equal ones the least in grace,
-- the longest held.
previous as (
    select
        customer_id,
        scheme_code,
        tier_code,
        tier_rank,
        grace_months_below,
        recent_ranks,
        rule_id,
        valid_from,
        policy_version
    from ranked
    where standing = 1
),

{% for scheme in schemes -%}
{%- set number = loop.index -%}
{%- set version = "'" ~ scheme.policy_version ~ "'" -%}
values_{{ number }} as (
    {{ scheme_values(scheme) }}
),

-- Read by schemes with a household path only; the others leave these two alone.
household_values_{{ number }} as (
    select
        members.household_id,
        count(*) as member_count,
        sum(case when members.is_consenting then 0 else 1 end) as member_without_consent_count,
        sum(coalesce(customer_values.measure_value, 0)) as total_value
    from members
    left join values_{{ number }} as customer_values
        on members.customer_id = customer_values.customer_id
    group by members.household_id
),

household_ranks_{{ number }} as (
    select
        members.customer_id,
        max(household_bands.tier_rank) as tier_rank,
        max(household_bands.rule_id) as rule_id
    from household_values_{{ number }} as households
    inner join household_bands
        on
            household_bands.policy_version = {{ version }}
            and households.member_count >= household_bands.minimum_members
            and households.member_without_consent_count = 0
            {%- if scheme.household == 'average' %}
            and {{ divide_half_up('households.total_value', 'households.member_count') }}
            >= household_bands.lower_value
            and {{ divide_half_up('households.total_value', 'households.member_count') }}
            < household_bands.upper_value
            {%- else %}
            and households.total_value >= household_bands.lower_value
            and households.total_value < household_bands.upper_value
            {%- endif %}
    inner join members on households.household_id = members.household_id
    -- All members inherit (G33), also one without assets of his own, but only customers of the
    -- bank.
    inner join {{ ref('fct_customer_factor') }} as customers
        on
            customers.evaluation_date = {{ as_of_date() }}
            and members.customer_id = customers.customer_id
    group by members.customer_id
),

individual_{{ number }} as (
    select
        customer_values.customer_id,
        customer_values.measure_value,
        bands.tier_rank
    from values_{{ number }} as customer_values
    inner join bands
        on
            bands.policy_version = {{ version }}
            and customer_values.measure_value >= bands.lower_value
            and customer_values.measure_value < bands.upper_value
),

judged_{{ number }} as (
    select
        {%- if scheme.household %}
        coalesce(individual.customer_id, previous.customer_id, households.customer_id) as customer_id,
        individual.measure_value,
        greatest(coalesce(individual.tier_rank, 0), coalesce(households.tier_rank, 0))
            as indicative_tier_rank,
        coalesce(households.tier_rank, 0) > coalesce(individual.tier_rank, 0) as is_by_household,
        households.rule_id as household_rule_id,
        {%- else %}
        coalesce(individual.customer_id, previous.customer_id) as customer_id,
        individual.measure_value,
        coalesce(individual.tier_rank, 0) as indicative_tier_rank,
        false as is_by_household,
        cast(null as {{ dbt.type_string() }}) as household_rule_id,
        {%- endif %}
        previous.tier_code as previous_tier_code,
        previous.policy_version as previous_policy_version,
        previous.rule_id as previous_rule_id,
        previous.valid_from as previous_valid_from,
        -- A tier that a new version no longer knows gives no grace.
        standing_tiers.tier_rank as standing_tier_rank,
        standing_tiers.downgrade_after_months,
        coalesce(previous.grace_months_below, 0) as previous_months_below,
        case
            when previous.policy_version = {{ version }} then coalesce(previous.recent_ranks, '')
            else ''
        end as previous_recent_ranks
    from individual_{{ number }} as individual
    full outer join (
        select * from previous
        where scheme_code = '{{ scheme.scheme_code }}'
    ) as previous
        on individual.customer_id = previous.customer_id
    {%- if scheme.household %}
    full outer join household_ranks_{{ number }} as households
        on coalesce(individual.customer_id, previous.customer_id) = households.customer_id
    {%- endif %}
    left join tiers as standing_tiers
        on
            standing_tiers.policy_version = {{ version }}
            and previous.tier_code = standing_tiers.tier_code
),

counted_{{ number }} as (
    select
        *,
        case
            when indicative_tier_rank < standing_tier_rank then previous_months_below + 1
            else 0
        end as months_below,
        coalesce(
            indicative_tier_rank < standing_tier_rank
            and previous_months_below + 1 < downgrade_after_months,
            false
        ) as is_in_grace,
        {{ recent_ranks('indicative_tier_rank', 'previous_recent_ranks', rank_months) }} as recent_ranks
    from judged_{{ number }}
),

decided_{{ number }} as (
    select
        *,
        case
            {%- if scheme.best_tier_of_months > 1 %}
            when true
                then {{ best_recent_rank('recent_ranks', scheme.best_tier_of_months) }}
            {%- endif %}
            when is_in_grace then standing_tier_rank
            {%- if scheme.downgrade_level == 'best' %}
            when months_below > 0
                then {{ best_recent_rank('recent_ranks', rank_months, 'months_below') }}
            {%- endif %}
            else indicative_tier_rank
        end as official_tier_rank
    from counted_{{ number }}
),

evaluation_{{ number }} as (
    select
        {{ as_of_date() }} as evaluation_date,
        '{{ scheme.scheme_code }}' as scheme_code,
        decided.customer_id,
        decided.measure_value,
        indicative_tiers.tier_code as indicative_tier_code,
        decided.indicative_tier_rank,
        official_tiers.tier_code,
        decided.official_tier_rank as tier_rank,
        cast(case when decided.is_in_grace then decided.months_below else 0 end as bigint)
            as grace_months_below,
        {%- if scheme.downgrade_level == 'best' or scheme.best_tier_of_months > 1 %}
        decided.recent_ranks,
        {%- else %}
        cast(null as {{ dbt.type_string() }}) as recent_ranks,
        {%- endif %}
        case
            {%- if scheme.veto %}
            when vetoed.customer_id is not null and decided.official_tier_rank > 0 then 'veto'
            {%- endif %}
            when decided.official_tier_rank > decided.indicative_tier_rank then 'grace'
            when decided.is_by_household then 'household'
            else 'individual'
        end as decided_by,
        case
            when decided.is_in_grace then decided.previous_rule_id
            when
                decided.is_by_household
                and decided.official_tier_rank = decided.indicative_tier_rank
                then decided.household_rule_id
            else official_tiers.rule_id
        end as rule_id,
        case
            when official_tiers.tier_code = decided.previous_tier_code
                then decided.previous_valid_from
            else {{ add_days(as_of_date(), 1) }}
        end as valid_from,
        {{ version }} as policy_version,
        coalesce(decided.previous_tier_code, 'none') as previous_tier_code,
        case
            when official_tiers.tier_code = coalesce(decided.previous_tier_code, 'none') then null
            when
                decided.previous_policy_version is not null
                and decided.previous_policy_version != {{ version }}
                then 'policy'
            when coalesce(decided.previous_tier_code, 'none') = 'none' then 'enter'
            when decided.official_tier_rank = 0 then 'exit'
            when decided.official_tier_rank > coalesce(decided.standing_tier_rank, 0) then 'upgrade'
            else 'downgrade'
        end as change_kind
    from decided_{{ number }} as decided
    inner join tiers as indicative_tiers
        on
            indicative_tiers.policy_version = {{ version }}
            and decided.indicative_tier_rank = indicative_tiers.tier_rank
    inner join tiers as official_tiers
        on
            official_tiers.policy_version = {{ version }}
            and decided.official_tier_rank = official_tiers.tier_rank
    {%- if scheme.veto %}
    left join vetoed
        on
            vetoed.scheme_code = '{{ scheme.scheme_code }}'
            and decided.customer_id = vetoed.customer_id
    {%- endif %}
    -- Whoever was ever in a band stays listed, so that the day of leaving it is known.
    where
        decided.indicative_tier_rank > 0
        or decided.official_tier_rank > 0
        or decided.previous_tier_code is not null
),

{% endfor -%}

final as (
    {%- for scheme in schemes %}
    select * from evaluation_{{ loop.index }}
    union all
    {%- endfor %}
    select
        {{ as_of_date() }} as evaluation_date,
        scheme_code,
        customer_id,
        cast(null as decimal(18, 2)) as measure_value,
        tier_code as indicative_tier_code,
        tier_rank as indicative_tier_rank,
        tier_code,
        tier_rank,
        grace_months_below,
        recent_ranks,
        tier_code as decided_by,
        rule_id,
        valid_from,
        policy_version,
        tier_code as previous_tier_code,
        tier_code as change_kind
    from kept
    where 1 = 0
)

select * from final
