{%- set scheme = plan()['primary_scheme'] -%}

with evaluations as (
    select
        evaluation_date,
        scheme_code,
        customer_id,
        measure_value,
        tier_code,
        tier_rank,
        grace_months_below,
        decided_by,
        rule_id,
        valid_from,
        policy_version
    from {{ ref('fct_tier_evaluation') }}
    -- A tier evaluated on a month end holds from the day after it.
    where
        evaluation_date = {{ date_literal(plan()['official_evaluation_date'] or '0001-01-01') }}
        and scheme_code = '{{ scheme.scheme_code }}'
),

measures as (
    select
        measures.customer_id,
        {{ measure_value(scheme.measure, 'measures') }} as measure_value
    from {{ ref('fct_customer_measure') }} as measures
    where measures.measure_date = {{ as_of_date() }}
),

tiers as (
    select
        scheme_code,
        policy_version,
        tier_code,
        tier_rank,
        label_zh,
        rule_id,
        is_door_tier
    from {{ source('policy', 'tier') }}
    where policy_version = '{{ scheme.policy_version }}'
),

bands as (
    select
        bands.scheme_code,
        bands.policy_version,
        tiers.tier_code,
        tiers.tier_rank,
        tiers.label_zh,
        tiers.rule_id,
        bands.lower_value,
        bands.upper_value
    from {{ source('policy', 'tier_band') }} as bands
    inner join tiers
        on bands.policy_version = tiers.policy_version and bands.tier_code = tiers.tier_code
),

door_tiers as (
    select
        scheme_code,
        tier_code,
        tier_rank,
        label_zh
    from tiers
    where is_door_tier
),

vetoed as (
    select
        scheme_code,
        customer_id
    from {{ ref('int_tiering__vetoed_customer') }}
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

-- The successor of a merge takes the best tier of those merged, of equal ones the least in grace,
-- the longest held.
ranked_evaluations as (
    select
        evaluations.scheme_code,
        coalesce(successors.new_customer_id, evaluations.customer_id) as customer_id,
        evaluations.evaluation_date,
        evaluations.measure_value,
        evaluations.tier_code,
        evaluations.tier_rank,
        evaluations.grace_months_below,
        evaluations.decided_by,
        evaluations.rule_id,
        evaluations.valid_from,
        evaluations.policy_version,
        row_number() over (
            partition by
                evaluations.scheme_code,
                coalesce(successors.new_customer_id, evaluations.customer_id)
            order by
                evaluations.tier_rank desc,
                evaluations.grace_months_below asc,
                evaluations.valid_from asc,
                evaluations.customer_id asc
        ) as standing
    from evaluations
    left join successors on evaluations.customer_id = successors.old_customer_id
),

-- A tier keeps the name of the policy version that gave it, also when bands of a newer one are in
-- force.
official as (
    select
        ranked.scheme_code,
        ranked.customer_id,
        ranked.evaluation_date,
        ranked.measure_value as evaluated_measure_value,
        ranked.tier_code,
        ranked.tier_rank,
        ranked.grace_months_below,
        ranked.decided_by,
        ranked.rule_id,
        ranked.valid_from,
        ranked.policy_version,
        given_bands.label_zh
    from ranked_evaluations as ranked
    left join {{ source('policy', 'tier') }} as given_bands
        on
            ranked.scheme_code = given_bands.scheme_code
            and ranked.policy_version = given_bands.policy_version
            and ranked.tier_code = given_bands.tier_code
    where ranked.standing = 1
),

doors as (
    select
        open_doors.scheme_code,
        coalesce(successors.new_customer_id, open_doors.customer_id) as customer_id,
        open_doors.rule_id,
        min(open_doors.open_since_date) as open_since_date
    from {{ ref('fct_open_door') }} as open_doors
    left join successors on open_doors.customer_id = successors.old_customer_id
    where open_doors.as_of_date = {{ as_of_date() }}
    group by
        open_doors.scheme_code,
        coalesce(successors.new_customer_id, open_doors.customer_id),
        open_doors.rule_id
),

open_doors as (
    select
        scheme_code,
        customer_id,
        {{ sorted_string_agg('rule_id') }} as door_rule_ids,
        min(rule_id) as first_rule_id,
        min(open_since_date) as open_since_date
    from doors
    group by scheme_code, customer_id
),

indicative as (
    select
        measures.customer_id,
        bands.scheme_code,
        measures.measure_value,
        bands.tier_code,
        bands.tier_rank
    from measures
    inner join bands
        on
            measures.measure_value >= bands.lower_value
            and measures.measure_value < bands.upper_value
),

-- A card holder may own no asset account at all: his door counts as well as another's.
candidates as (
    select
        customer_id,
        scheme_code
    from indicative
    where tier_rank > 0
    union
    select
        customer_id,
        scheme_code
    from official
    where tier_rank > 0
    union
    select
        customer_id,
        scheme_code
    from open_doors
),

schemes as (
    select
        '{{ scheme.scheme_code }}' as scheme_code,
        '{{ scheme.policy_version }}' as policy_version,
        '{{ scheme.measure_code }}' as measure_code
),

joined as (
    select
        candidates.customer_id,
        candidates.scheme_code,
        schemes.policy_version,
        schemes.measure_code,
        coalesce(indicative.measure_value, 0) as measure_value,
        coalesce(indicative.tier_rank, 0) as indicative_band_rank,
        indicative.tier_code as indicative_band_code,
        official.evaluation_date,
        official.evaluated_measure_value,
        coalesce(official.tier_rank, 0) as official_band_rank,
        official.grace_months_below,
        official.decided_by,
        official.rule_id as official_rule_id,
        official.valid_from as official_valid_from,
        official.policy_version as official_policy_version,
        official.label_zh as official_label_zh,
        open_doors.door_rule_ids,
        open_doors.first_rule_id,
        open_doors.open_since_date,
        vetoed.customer_id is not null as is_vetoed,
        case
            when coalesce(official.tier_rank, 0) > 0 then official.tier_code
            when open_doors.customer_id is not null then door_tiers.tier_code
            else 'none'
        end as tier_code,
        case
            when coalesce(indicative.tier_rank, 0) > 0 then indicative.tier_code
            when open_doors.customer_id is not null then door_tiers.tier_code
            else 'none'
        end as indicative_tier_code
    from candidates
    inner join schemes on candidates.scheme_code = schemes.scheme_code
    left join indicative
        on
            candidates.customer_id = indicative.customer_id
            and candidates.scheme_code = indicative.scheme_code
    left join official
        on
            candidates.customer_id = official.customer_id
            and candidates.scheme_code = official.scheme_code
    left join open_doors
        on
            candidates.customer_id = open_doors.customer_id
            and candidates.scheme_code = open_doors.scheme_code
    left join door_tiers on candidates.scheme_code = door_tiers.scheme_code
    left join vetoed
        on
            candidates.customer_id = vetoed.customer_id
            and candidates.scheme_code = vetoed.scheme_code
),

final as (
    select
        joined.customer_id,
        joined.scheme_code,
        joined.tier_code,
        case
            when joined.official_band_rank > 0 then joined.official_band_rank
            else tiers.tier_rank
        end as tier_rank,
        case
            when joined.official_band_rank > 0 then joined.official_label_zh
            else tiers.label_zh
        end as label_zh,
        joined.measure_code,
        joined.measure_value,
        joined.indicative_tier_code,
        cast(coalesce(joined.grace_months_below, 0) as bigint) as grace_months_below,
        case
            when joined.is_vetoed and joined.tier_code != 'none' then 'veto'
            when joined.official_band_rank > 0 then joined.decided_by
            when joined.door_rule_ids is not null then 'entry_door'
            else 'individual'
        end as decided_by,
        case
            when joined.official_band_rank > 0 then joined.official_rule_id
            when joined.door_rule_ids is not null then joined.first_rule_id
            else tiers.rule_id
        end as rule_id,
        case
            when joined.official_band_rank > 0 then joined.official_valid_from
            when joined.door_rule_ids is not null
                then greatest(
                    joined.open_since_date,
                    coalesce(joined.official_valid_from, joined.open_since_date)
                )
            else coalesce(joined.official_valid_from, {{ date_literal(plan()['first_date']) }})
        end as valid_from,
        case
            when joined.official_band_rank > 0 then joined.official_policy_version
            else joined.policy_version
        end as policy_version,
        joined.evaluation_date,
        joined.evaluated_measure_value,
        joined.official_band_rank > 0 as is_asset_door_open,
        joined.door_rule_ids
    from joined
    left join tiers
        on joined.scheme_code = tiers.scheme_code and joined.tier_code = tiers.tier_code
)

select * from final
