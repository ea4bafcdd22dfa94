-- depends_on: {{ ref('fct_customer_measure') }}
{{ config(materialized='range', partition_column='as_of_date') }}

{%- set schemes = near_threshold_schemes() %}

with customers as (
    select customer_id from {{ ref('dim_customer') }}
),

rates as (
    select
        policy_version,
        cast(near_threshold_rate as decimal(9, 8)) as near_rate
    from {{ source('policy', 'scheme') }}
),

-- Where one tier ends and the next begins; a cut that is not above nothing can be near to nobody.
cuts as (
    select
        bands.policy_version,
        bands.upper_tier_code,
        bands.lower_tier_code,
        bands.threshold_cny,
        cast(bands.threshold_cny * (1 - rates.near_rate) as decimal(18, 2)) as near_from_cny,
        cast(bands.threshold_cny * (1 + rates.near_rate) as decimal(18, 2)) as near_to_cny
    from (
        select
            policy_version,
            tier_code as upper_tier_code,
            lag(tier_code) over (
                partition by policy_version order by lower_value
            ) as lower_tier_code,
            lower_value as threshold_cny
        from {{ source('policy', 'tier_band') }}
    ) as bands
    inner join rates on bands.policy_version = rates.policy_version
    where bands.lower_tier_code is not null and bands.threshold_cny > 0
),

maturities as (
    select
        customer_id,
        maturity_date,
        value_cny
    from {{ ref('fct_known_maturity') }}
),

{% for scheme in schemes -%}
{%- set measure = scheme.measure -%}
{%- set end_date = window_end(measure.window) -%}
near_{{ loop.index }} as (
    select
        '{{ scheme.scheme_code }}' as scheme_code,
        '{{ scheme.measure_code }}' as measure_code,
        measures.customer_id,
        measures.measure_value,
        measures.aum_cny,
        measures.balance_days_cny,
        cuts.policy_version,
        cuts.upper_tier_code,
        cuts.lower_tier_code,
        cuts.threshold_cny,
        cast({{ end_date }} as date) as decided_on_date,
        cast({{ days_between(as_of_date(), end_date) }} as bigint) as days_left,
        {%- if measure.day_count == 'thirty' %}
        cast({{ measure_days(measure) }} as bigint) as day_count
        {%- else %}
        cast({{ measure_days(measure) }} + {{ days_between(as_of_date(), end_date) }} as bigint)
            as day_count
        {%- endif %}
    from (
        select
            measures.customer_id,
            {{ measure_value(measure, 'measures') }} as measure_value,
            measures.aum_cny,
            measures.{{ measure.window }}_balance_days_cny as balance_days_cny
        from {{ ref('fct_customer_measure') }} as measures
        where measures.measure_date = {{ as_of_date() }}
    ) as measures
    inner join cuts
        on
            cuts.policy_version = '{{ scheme.policy_version }}'
            and measures.measure_value >= cuts.near_from_cny
            and measures.measure_value <= cuts.near_to_cny
),

{% endfor -%}

near as (
    {%- for scheme in schemes %}
    select * from near_{{ loop.index }}
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as scheme_code,
        cast(null as {{ dbt.type_string() }}) as measure_code,
        customer_id,
        aum_cny as measure_value,
        aum_cny,
        month_balance_days_cny as balance_days_cny,
        cast(null as {{ dbt.type_string() }}) as policy_version,
        cast(null as {{ dbt.type_string() }}) as upper_tier_code,
        cast(null as {{ dbt.type_string() }}) as lower_tier_code,
        aum_cny as threshold_cny,
        measure_date as decided_on_date,
        cast(null as bigint) as days_left,
        cast(null as bigint) as day_count
    from {{ ref('fct_customer_measure') }}
    where 1 = 0
    {%- endfor %}
),

-- Between two cuts that are close together the nearer one counts, the one that may be lost before
-- the one to win.
ranked as (
    select
        near.*,
        row_number() over (
            partition by near.scheme_code, near.customer_id
            order by
                abs(near.measure_value - near.threshold_cny),
                near.threshold_cny
        ) as standing
    from near
    inner join customers on near.customer_id = customers.customer_id
),

-- In fen: the smallest daily balance X of the d days left with 2 (S + X d) >= (2 c - 1) D, so that
-- the average of balance-days S + X d over D days is rounded half up to the cut c or more.
required as (
    select
        missing.*,
        case
            when missing.days_left = 0 then null
            when missing.half_fen <= 0 then cast(0 as decimal(18, 2))
            else cast(
                cast({{ floor_divide(
                    'missing.half_fen + 2 * missing.days_left - 1', '2 * missing.days_left'
                ) }} as decimal(18, 0))
                * cast(0.01 as decimal(3, 2)) as decimal(18, 2)
            )
        end as required_daily_balance_cny
    from (
        select
            ranked.*,
            (cast(ranked.threshold_cny * 200 as decimal(24, 0)) - 1) * ranked.day_count
            - cast(ranked.balance_days_cny * 200 as decimal(34, 0)) as half_fen
        from ranked
        where ranked.standing = 1
    ) as missing
),

maturing as (
    select
        required.scheme_code,
        required.customer_id,
        sum(maturities.value_cny) as matures_cny,
        min(maturities.maturity_date) as matures_from_date
    from required
    inner join maturities
        on
            required.customer_id = maturities.customer_id
            and required.decided_on_date >= maturities.maturity_date
    group by required.scheme_code, required.customer_id
),

final as (
    select
        required.customer_id,
        required.scheme_code,
        {{ as_of_date() }} as as_of_date,
        case
            when required.measure_value < required.threshold_cny then 'up'
            else 'down'
        end as direction,
        case
            when required.measure_value < required.threshold_cny then required.upper_tier_code
            else required.lower_tier_code
        end as target_tier_code,
        required.threshold_cny,
        required.measure_code,
        required.measure_value,
        cast(abs(required.measure_value - required.threshold_cny) as decimal(18, 2)) as gap_cny,
        required.decided_on_date,
        required.days_left,
        required.aum_cny,
        required.required_daily_balance_cny,
        case
            when required.measure_value >= required.threshold_cny and required.days_left > 0
                then greatest(
                    required.aum_cny - required.required_daily_balance_cny,
                    cast(0 as decimal(18, 2))
                )
        end as may_leave_cny,
        cast(coalesce(maturing.matures_cny, 0) as decimal(18, 2)) as matures_cny,
        maturing.matures_from_date,
        required.policy_version
    from required
    left join maturing
        on
            required.scheme_code = maturing.scheme_code
            and required.customer_id = maturing.customer_id
)

select * from final
