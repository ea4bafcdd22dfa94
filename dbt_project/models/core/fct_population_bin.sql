{{ config(materialized='range', partition_column='evaluation_date') }}

-- depends_on: {{ ref('fct_customer_factor') }}
-- depends_on: {{ ref('fct_month_measure') }}
{%- set factors = [] -%}
{%- for scheme in plan()['evaluated_schemes'] -%}
    {%- for factor in scheme.factors if factor.is_population -%}
        {%- do factors.append((scheme, factor)) -%}
    {%- endfor -%}
{%- endfor %}

with bins as (
    select
        scheme_code,
        policy_version,
        factor_code,
        statistic,
        bin_no,
        bin_count,
        cut_rate,
        bin_code,
        points
    from {{ source('policy', 'population_bin') }}
),

{% for scheme, factor in factors -%}
customer_values_{{ loop.index }} as (
    select {{ measure_value(factor.measure, 'measures') }} as customer_value
    from {{ measure_relation(factor.measure) }} as measures
    where
        measures.evaluation_date = {{ as_of_date() }}
        and {{ measure_value(factor.measure, 'measures') }} is not null
        -- Only customers whom the scheme can tier are its population.
        {%- for other in scheme.factors
            if other.measure.quantity != 'assets' and factor.measure.quantity != 'assets' %}
        and measures.{{ other.measure.quantity }} is not null
        {%- endfor %}
),

{% endfor -%}

population as (
    {%- for scheme, factor in factors %}
    select
        '{{ scheme.policy_version }}' as policy_version,
        '{{ factor.factor_code }}' as factor_code,
        cast(customer_value as decimal(18, 2)) as customer_value
    from customer_values_{{ loop.index }}
    union all
    {%- endfor %}
    select
        cast(null as {{ dbt.type_string() }}) as policy_version,
        cast(null as {{ dbt.type_string() }}) as factor_code,
        cast(null as decimal(18, 2)) as customer_value
    where 1 = 0
),

-- R's quantile type 7: the quantile of share k/g lies at position (n - 1) x k/g of the ordered
-- values, between two of them in proportion. Values are whole hundredths, so the first hundredth at
-- or above it serves as well.
ordered_values as (
    select
        policy_version,
        factor_code,
        cast(customer_value * 100 as decimal(28, 0)) as hundredths,
        row_number() over (
            partition by policy_version, factor_code order by customer_value
        ) - 1 as position_no,
        count(*) over (partition by policy_version, factor_code) as customer_count
    from population
),

quantile_positions as (
    select
        bins.scheme_code,
        bins.policy_version,
        bins.factor_code,
        bins.bin_no,
        bins.bin_count,
        bins.bin_code,
        bins.points,
        {{ floor_divide('(counts.customer_count - 1) * bins.bin_no', 'bins.bin_count') }}
            as position_no,
        mod((counts.customer_count - 1) * bins.bin_no, bins.bin_count) as remainder
    from bins
    inner join (
        select
            policy_version,
            factor_code,
            count(*) as customer_count
        from population
        group by policy_version, factor_code
    ) as counts
        on
            bins.policy_version = counts.policy_version
            and bins.factor_code = counts.factor_code
    where bins.statistic = 'quantile'
),

quantile_sums as (
    select
        positions.scheme_code,
        positions.policy_version,
        positions.factor_code,
        positions.bin_no,
        positions.bin_count,
        positions.bin_code,
        positions.points,
        lower_values.hundredths * (positions.bin_count - positions.remainder)
        + coalesce(upper_values.hundredths, 0) * positions.remainder as cut_sum
    from quantile_positions as positions
    inner join ordered_values as lower_values
        on
            positions.policy_version = lower_values.policy_version
            and positions.factor_code = lower_values.factor_code
            and positions.position_no = lower_values.position_no
    left join ordered_values as upper_values
        on
            positions.policy_version = upper_values.policy_version
            and positions.factor_code = upper_values.factor_code
            and positions.position_no + 1 = upper_values.position_no
),

quantile_cuts as (
    select
        scheme_code,
        policy_version,
        factor_code,
        bin_no,
        bin_code,
        points,
        -- The R package rfm cuts one unit (day, time, yuan) above each quantile.
        case
            when cut_sum >= 0 then {{ floor_divide('cut_sum + bin_count - 1', 'bin_count') }}
            else -{{ floor_divide('-cut_sum', 'bin_count') }}
        end
        + case when bin_no > 0 then 100 else 0 end as cut_hundredths
    from quantile_sums
),

-- Customers in order, largest first, until they hold the share; equal values are not split.
value_groups as (
    select
        policy_version,
        factor_code,
        customer_value,
        sum(customer_value) as group_value
    from population
    where customer_value > 0
    group by policy_version, factor_code, customer_value
),

running_values as (
    select
        policy_version,
        factor_code,
        customer_value,
        cast(sum(group_value) over (
            partition by policy_version, factor_code order by customer_value desc
            rows between unbounded preceding and current row
        ) as decimal(26, 2)) as held_value,
        cast(sum(group_value) over (
            partition by policy_version, factor_code
        ) as decimal(26, 2)) as total_value
    from value_groups
),

share_cuts as (
    select
        bins.scheme_code,
        bins.policy_version,
        bins.factor_code,
        bins.bin_no,
        bins.bin_code,
        bins.points,
        cast(max(running_values.customer_value) * 100 as decimal(28, 0)) as cut_hundredths
    from bins
    inner join running_values
        on
            bins.policy_version = running_values.policy_version
            and bins.factor_code = running_values.factor_code
            and running_values.held_value
            >= running_values.total_value * cast(bins.cut_rate as decimal(10, 8))
    where bins.statistic = 'share'
    group by
        bins.scheme_code,
        bins.policy_version,
        bins.factor_code,
        bins.bin_no,
        bins.bin_code,
        bins.points
),

cuts as (
    select
        scheme_code,
        policy_version,
        factor_code,
        bin_no,
        bin_code,
        points,
        cast(cut_hundredths as decimal(28, 0)) as cut_hundredths
    from quantile_cuts
    union all
    select
        scheme_code,
        policy_version,
        factor_code,
        bin_no,
        bin_code,
        points,
        cut_hundredths
    from share_cuts
),

bounds as (
    select
        scheme_code,
        policy_version,
        factor_code,
        bin_code,
        points,
        cast(cut_hundredths * cast(0.01 as decimal(3, 2)) as decimal(18, 2)) as lower_value,
        cast(
            lead(cut_hundredths) over (
                partition by policy_version, factor_code order by bin_no
            ) * cast(0.01 as decimal(3, 2)) as decimal(18, 2)
        ) as next_lower_value
    from cuts
),

final as (
    select
        {{ as_of_date() }} as evaluation_date,
        scheme_code,
        policy_version,
        factor_code,
        bin_code,
        lower_value,
        coalesce(next_lower_value, cast(9999999999999999.99 as decimal(18, 2))) as upper_value,
        points
    from bounds
)

select * from final
