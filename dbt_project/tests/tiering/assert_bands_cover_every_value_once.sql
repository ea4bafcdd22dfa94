{{ config(meta={'dagster': {'ref': {'name': 'fct_tier_evaluation'}}}) }}

-- A gap in the bands of a policy would leave a customer without a tier, an overlap would give two.
-- The bands of measures and points begin at the lowest number there is and end at the highest;
-- cells of a matrix are counted.
with bands as (
    select
        bands.policy_version,
        schemes.measure_code = 'cell' as is_matrix,
        bands.lower_value,
        bands.upper_value,
        lag(bands.upper_value) over (
            partition by bands.policy_version order by bands.lower_value, bands.upper_value
        ) as previous_upper_value,
        lead(bands.lower_value) over (
            partition by bands.policy_version order by bands.lower_value, bands.upper_value
        ) as next_lower_value
    from {{ source('policy', 'tier_band') }} as bands
    inner join {{ source('policy', 'scheme') }} as schemes
        on bands.policy_version = schemes.policy_version
)

select
    policy_version,
    lower_value,
    upper_value
from bands
where
    upper_value <= lower_value
    or coalesce(next_lower_value, upper_value) != upper_value
    or (
        previous_upper_value is null
        and lower_value != case when is_matrix then 0 else {{ missing_value() }} end
    )
    or (
        next_lower_value is null
        and not is_matrix
        and upper_value != -{{ missing_value() }}
    )
