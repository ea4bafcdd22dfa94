{{ config(meta={'dagster': {'ref': {'name': 'fct_tier_evaluation'}}}) }}

-- At a month end the schemes that are in force and whose windows are whole are evaluated, in that
-- version, and no others. One that gave tiers a month before gives some again; in a small bank a
-- strict one may have had nobody yet.
{%- set schemes = plan()['evaluated_schemes'] if is_evaluation() else [] %}
with expected as (
    {%- for scheme in schemes %}
    select
        '{{ scheme.scheme_code }}' as scheme_code,
        '{{ scheme.policy_version }}' as policy_version
    union all
    {%- endfor %}
    select
        cast(null as {{ dbt.type_string() }}) as scheme_code,
        cast(null as {{ dbt.type_string() }}) as policy_version
    where 1 = 0
),

evaluated as (
    select distinct
        scheme_code,
        policy_version
    from {{ ref('fct_tier_evaluation') }}
    where evaluation_date = {{ as_of_date() }}
),

earlier as (
    select distinct scheme_code
    from {{ ref('fct_tier_evaluation') }}
    where evaluation_date = {{ date_literal(plan()['previous_evaluation_date'] or '0001-01-01') }}
)

select
    coalesce(expected.scheme_code, evaluated.scheme_code) as scheme_code,
    expected.policy_version as expected_version,
    evaluated.policy_version as evaluated_version
from expected
full outer join evaluated on expected.scheme_code = evaluated.scheme_code
left join earlier on expected.scheme_code = earlier.scheme_code
where
    expected.policy_version is distinct from evaluated.policy_version
    and (evaluated.scheme_code is not null or earlier.scheme_code is not null)
