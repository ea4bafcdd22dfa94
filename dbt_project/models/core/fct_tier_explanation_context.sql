{{ config(materialized='range', partition_column='evaluation_date') }}

-- depends_on: {{ ref('fct_month_measure') }}
-- depends_on: {{ ref('fct_customer_factor') }}
-- depends_on: {{ ref('fct_tier_evaluation') }}
-- depends_on: {{ ref('int_customer__household_member') }}
{%- set schemes = plan()['evaluated_schemes'] if is_evaluation() else [] -%}
{%- set grace_codes = schemes | selectattr('has_grace') | map(attribute='scheme_code') | list -%}
{%- set explained_codes = explained_schemes() | map(attribute='scheme_code') | list -%}
{%- set grace_texts = "'" ~ grace_codes | join("', '") ~ "'" -%}
{%- set explained_texts = "'" ~ explained_codes | join("', '") ~ "'" %}

with successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

tiers as (
    select
        policy_version,
        tier_code,
        tier_rank
    from {{ source('policy', 'tier') }}
),

kept as (
    {{ kept_partition('fct_tier_evaluation', [
        ('scheme_code', 'string'), ('customer_id', 'string'), ('tier_code', 'string'),
        ('grace_months_below', 'bigint'), ('rule_id', 'string'), ('policy_version', 'string'),
    ], date_column='evaluation_date', date=plan()['previous_evaluation_date']) }}
),

{% if schemes -%}
-- An earlier tier decides only where grace may follow; whom the mart explains is told of it in any
-- case.
standing as (
    select
        evaluations.scheme_code,
        evaluations.customer_id,
        evaluations.previous_tier_code
    from {{ ref('fct_tier_evaluation') }} as evaluations
    left join tiers
        on
            evaluations.policy_version = tiers.policy_version
            and evaluations.previous_tier_code = tiers.tier_code
    where
        evaluations.evaluation_date = {{ as_of_date() }}
        and evaluations.previous_tier_code != 'none'
        and (
            (
                evaluations.indicative_tier_rank < tiers.tier_rank
                and evaluations.scheme_code in ({{ grace_texts }})
            )
            or evaluations.scheme_code in ({{ explained_texts }})
        )
),

-- Of merged customers the tier of the one who is least in grace was taken.
previous as (
    select
        standing.scheme_code,
        standing.customer_id,
        standing.previous_tier_code,
        min(kept.grace_months_below) as previous_months_below,
        min(kept.rule_id) as previous_rule_id,
        min(kept.policy_version) as previous_policy_version
    from standing
    inner join (
        select
            kept.scheme_code,
            coalesce(successors.new_customer_id, kept.customer_id) as customer_id,
            kept.tier_code,
            kept.grace_months_below,
            kept.rule_id,
            kept.policy_version
        from kept
        left join successors on kept.customer_id = successors.old_customer_id
    ) as kept
        on
            standing.scheme_code = kept.scheme_code
            and standing.customer_id = kept.customer_id
            and standing.previous_tier_code = kept.tier_code
    group by standing.scheme_code, standing.customer_id, standing.previous_tier_code
),

{% endif -%}

{% for scheme in schemes if scheme.household -%}
values_{{ loop.index }} as (
    {{ scheme_values(scheme) }}
),

members_{{ loop.index }} as (
    select
        members.household_id,
        members.customer_id,
        members.is_consenting,
        coalesce(customer_values.measure_value, 0) as measure_value
    from {{ ref('int_customer__household_member') }} as members
    left join values_{{ loop.index }} as customer_values
        on members.customer_id = customer_values.customer_id
),

households_{{ loop.index }} as (
    select
        household_id,
        sum(measure_value) as total_value,
        count(*) as member_count,
        sum(case when is_consenting then 0 else 1 end) as member_without_consent_count
    from members_{{ loop.index }}
    group by household_id
),

{% endfor -%}

facts as (
    {%- for scheme in schemes if scheme.household %}
    select
        '{{ scheme.scheme_code }}' as scheme_code,
        members.customer_id,
        cast(null as {{ dbt.type_string() }}) as previous_tier_code,
        cast(null as bigint) as previous_months_below,
        cast(null as {{ dbt.type_string() }}) as previous_rule_id,
        cast(null as {{ dbt.type_string() }}) as previous_policy_version,
        households.total_value - members.measure_value as other_members_value,
        households.member_count,
        households.member_without_consent_count
    from members_{{ loop.index }} as members
    inner join households_{{ loop.index }} as households
        on members.household_id = households.household_id
    -- Whom a household raises: its members who are customers of the bank (G33).
    inner join {{ ref('fct_customer_factor') }} as customers
        on
            customers.evaluation_date = {{ as_of_date() }}
            and members.customer_id = customers.customer_id
    union all
    {%- endfor %}
    {%- if schemes %}
    select
        scheme_code,
        customer_id,
        previous_tier_code,
        previous_months_below,
        previous_rule_id,
        previous_policy_version,
        cast(null as decimal(18, 2)) as other_members_value,
        cast(null as bigint) as member_count,
        cast(null as bigint) as member_without_consent_count
    from previous
    {%- else %}
    select
        scheme_code,
        customer_id,
        tier_code as previous_tier_code,
        grace_months_below as previous_months_below,
        rule_id as previous_rule_id,
        policy_version as previous_policy_version,
        cast(null as decimal(18, 2)) as other_members_value,
        cast(null as bigint) as member_count,
        cast(null as bigint) as member_without_consent_count
    from kept
    where 1 = 0
    {%- endif %}
),

final as (
    select
        {{ as_of_date() }} as evaluation_date,
        scheme_code,
        customer_id,
        max(previous_tier_code) as previous_tier_code,
        max(previous_months_below) as previous_months_below,
        max(previous_rule_id) as previous_rule_id,
        max(previous_policy_version) as previous_policy_version,
        cast(max(other_members_value) as decimal(18, 2)) as other_members_value,
        cast(max(member_count) as bigint) as member_count,
        cast(max(member_without_consent_count) as bigint) as member_without_consent_count
    from facts
    group by scheme_code, customer_id
)

select * from final
