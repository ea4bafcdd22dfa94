-- depends_on: {{ ref('int_tiering__risk_factor') }}
{%- set schemes = plan()['veto_schemes'] %}

with bins as (
    select
        policy_version,
        factor_code,
        lower_value,
        upper_value,
        points
    from {{ source('policy', 'factor_bin') }}
),

vetoes as (
    select
        scheme_code,
        veto_scheme_code,
        veto_tier_code
    from {{ source('policy', 'veto') }}
    where effective_from <= {{ as_of_date() }} and effective_to > {{ as_of_date() }}
),

tier_bands as (
    select
        policy_version,
        tier_code,
        lower_value,
        upper_value
    from {{ source('policy', 'tier_band') }}
),

tiers as (
    select
        policy_version,
        tier_code,
        label_zh,
        rule_id
    from {{ source('policy', 'tier') }}
),

{% for scheme in schemes -%}
values_{{ loop.index }} as (
    {{ scheme_values(scheme, ref('int_tiering__risk_factor')) }}
),

{% endfor -%}

risk_tiers as (
    {%- for scheme in schemes %}
    select
        '{{ scheme.scheme_code }}' as scheme_code,
        customer_values.customer_id,
        tiers.tier_code,
        tiers.label_zh,
        tiers.rule_id
    from values_{{ loop.index }} as customer_values
    inner join tier_bands
        on
            tier_bands.policy_version = '{{ scheme.policy_version }}'
            and customer_values.measure_value >= tier_bands.lower_value
            and customer_values.measure_value < tier_bands.upper_value
    inner join tiers
        on
            tier_bands.policy_version = tiers.policy_version
            and tier_bands.tier_code = tiers.tier_code
    union all
    {%- endfor %}
    select
        cast(null as {{ dbt.type_string() }}) as scheme_code,
        cast(null as {{ dbt.type_string() }}) as customer_id,
        cast(null as {{ dbt.type_string() }}) as tier_code,
        cast(null as {{ dbt.type_string() }}) as label_zh,
        cast(null as {{ dbt.type_string() }}) as rule_id
    where 1 = 0
),

final as (
    select
        vetoes.scheme_code,
        risk_tiers.customer_id,
        risk_tiers.tier_code as veto_tier_code,
        risk_tiers.label_zh as veto_label_zh,
        risk_tiers.rule_id as veto_rule_id
    from risk_tiers
    inner join vetoes
        on
            risk_tiers.scheme_code = vetoes.veto_scheme_code
            and risk_tiers.tier_code = vetoes.veto_tier_code
)

select * from final
