{{ config(meta={'dagster': {'ref': {'name': 'fct_customer_measure'}}}) }}

-- A gap or an overlap in the bands of a policy would leave a customer without a tier, or give two.
select
    measures.customer_id,
    schemes.scheme_code,
    count(bands.tier_code) as band_count
from {{ ref('fct_customer_measure') }} as measures
cross join {{ source('policy', 'scheme') }} as schemes
left join {{ source('policy', 'tier_band') }} as bands
    on
        schemes.scheme_code = bands.scheme_code
        and schemes.policy_version = bands.policy_version
        and {{ measure_value('bands.measure_code', 'measures') }} >= bands.lower_bound_cny
        and {{ measure_value('bands.measure_code', 'measures') }} < bands.upper_bound_cny
where
    measures.measure_date = {{ as_of_date() }}
    and schemes.effective_from <= {{ as_of_date() }}
    and schemes.effective_to > {{ as_of_date() }}
group by measures.customer_id, schemes.scheme_code
having count(bands.tier_code) != 1
