{{ config(materialized='range', partition_column='valid_from') }}

{%- set scheme = plan()['primary_scheme'] -%}
{%- set first_day = add_days(base_date(), 1) if has_base()
    else date_literal(plan()['first_date']) %}
{%- set is_morrow = has_base() and plan()['official_evaluation_date'] == plan()['base_date'] %}

with evaluations as (
    select
        evaluation_date,
        scheme_code,
        customer_id,
        tier_code,
        tier_rank,
        rule_id,
        valid_from,
        policy_version,
        change_kind
    from {{ ref('fct_tier_evaluation') }}
),

known_merges as (
    select
        old_customer_id,
        new_customer_id,
        cast(merged_date as {{ dbt.type_string() }}) || merge_id as merge_order,
        greatest(merged_date, business_date, {{ first_day }}) as known_day
    from {{ ref('stg_core_banking__customer_merges') }}
    where greatest(merged_date, business_date, {{ first_day }}) <= {{ as_of_date() }}
),

merge_days as (
    select distinct known_day from known_merges
),

-- Who lives on in whom on each day on which a merge becomes known: chains of up to sixteen merges
-- are followed as far as they are known by then.
merge_step_0 as (
    select
        merge_days.known_day,
        known_merges.old_customer_id,
        max_by(known_merges.new_customer_id, known_merges.merge_order) as new_customer_id
    from merge_days
    inner join known_merges on merge_days.known_day >= known_merges.known_day
    group by merge_days.known_day, known_merges.old_customer_id
),

{% for step in range(1, 5) %}
merge_step_{{ step }} as (
    select
        first_merge.known_day,
        first_merge.old_customer_id,
        coalesce(next_merge.new_customer_id, first_merge.new_customer_id) as new_customer_id
    from merge_step_{{ step - 1 }} as first_merge
    left join merge_step_{{ step - 1 }} as next_merge
        on
            first_merge.new_customer_id = next_merge.old_customer_id
            and first_merge.known_day = next_merge.known_day
),

{% endfor -%}

successor_days as (
    select
        old_customer_id,
        new_customer_id,
        min(known_day) as merged_day
    from merge_step_4
    group by old_customer_id, new_customer_id
),

-- From the day on which a merge is known a customer is his successor, until that one is merged too.
successors as (
    select
        old_customer_id,
        new_customer_id,
        merged_day,
        lead(merged_day) over (
            partition by old_customer_id order by merged_day
        ) as until_day
    from successor_days
),

first_merged_days as (
    select
        old_customer_id,
        min(merged_day) as merged_day
    from successors
    group by old_customer_id
),

merged_customers as (
    select old_customer_id as customer_id
    from successors
    union
    select new_customer_id as customer_id
    from successors
),

days as (
    select business_date from {{ source('build', 'calendar_day') }}
),

tiers as (
    select
        policy_version,
        tier_code,
        tier_rank,
        rule_id,
        is_door_tier
    from {{ source('policy', 'tier') }}
    where policy_version = '{{ scheme.policy_version }}'
),

-- Schemes that are evaluated at month ends change on the day after, which is the first of its
-- advance.
monthly_tiers as (
    select
        scheme_code,
        customer_id,
        valid_from,
        tier_code,
        tier_rank,
        rule_id,
        change_kind,
        policy_version
    from evaluations
    where
        evaluation_date = {{ date_literal(plan()['official_evaluation_date'] or '0001-01-01') }}
        and evaluation_date = {{ base_date() }}
        and scheme_code != '{{ scheme.scheme_code }}'
),

monthly_changes as (
    select monthly_tiers.*
    from monthly_tiers
    left join merged_customers on monthly_tiers.customer_id = merged_customers.customer_id
    where
        monthly_tiers.change_kind is not null
        and merged_customers.customer_id is null
),

{% if is_morrow and is_merging() -%}
-- The evaluation knows a successor by the tier he took over, and who was merged no longer: their
-- history says what changed for each of them.
merged_known as (
    select
        changes.scheme_code,
        changes.customer_id,
        max_by(changes.tier_code, changes.valid_from) as tier_code,
        max_by(changes.tier_rank, changes.valid_from) as tier_rank,
        max_by(changes.policy_version, changes.valid_from) as policy_version
    from {{ kept_relation('fct_tier_change') }} as changes
    inner join merged_customers on changes.customer_id = merged_customers.customer_id
    where
        changes.valid_from <= {{ base_date() }}
        and changes.scheme_code != '{{ scheme.scheme_code }}'
    group by changes.scheme_code, changes.customer_id
),

merged_tiers as (
    select monthly_tiers.*
    from monthly_tiers
    inner join merged_customers on monthly_tiers.customer_id = merged_customers.customer_id
),

merged_changes as (
    select
        coalesce(current_tiers.scheme_code, merged_known.scheme_code) as scheme_code,
        coalesce(current_tiers.customer_id, merged_known.customer_id) as customer_id,
        {{ first_day }} as valid_from,
        coalesce(current_tiers.tier_code, 'none') as tier_code,
        coalesce(current_tiers.tier_rank, 0) as tier_rank,
        coalesce(current_tiers.rule_id, none_tiers.rule_id) as rule_id,
        case
            when current_tiers.change_kind = 'policy' then 'policy'
            when coalesce(merged_known.tier_code, 'none') = 'none' then 'enter'
            when coalesce(current_tiers.tier_code, 'none') = 'none' then 'exit'
            when current_tiers.tier_rank > merged_known.tier_rank then 'upgrade'
            else 'downgrade'
        end as change_kind,
        coalesce(current_tiers.policy_version, merged_known.policy_version) as policy_version
    from merged_known
    full outer join merged_tiers as current_tiers
        on
            merged_known.scheme_code = current_tiers.scheme_code
            and merged_known.customer_id = current_tiers.customer_id
    left join {{ source('policy', 'tier') }} as none_tiers
        on
            merged_known.policy_version = none_tiers.policy_version
            and none_tiers.tier_code = 'none'
    where coalesce(merged_known.tier_code, 'none') != coalesce(current_tiers.tier_code, 'none')
),

{% endif -%}

-- The primary scheme changes on any day: bands on the day after an evaluation, doors when they open
-- and close.
known as (
    {%- if has_base() %}
    select
        customer_id,
        max_by(tier_code, valid_from) as tier_code,
        max_by(tier_rank, valid_from) as tier_rank
    from {{ kept_relation('fct_tier_change') }}
    where valid_from <= {{ base_date() }} and scheme_code = '{{ scheme.scheme_code }}'
    group by customer_id
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as customer_id,
        cast(null as {{ dbt.type_string() }}) as tier_code,
        cast(null as bigint) as tier_rank
    where 1 = 0
    {%- endif %}
),

-- A band is its holder's, and from the day of his merge his successor's as well.
given_bands as (
    select
        customer_id,
        {{ first_day }} as from_day,
        tier_code,
        tier_rank,
        rule_id,
        valid_from,
        policy_version,
        coalesce(change_kind = 'policy', false) and valid_from = {{ first_day }} as is_policy_change
    from evaluations
    where
        evaluation_date
        = {{ date_literal(plan()['official_evaluation_date'] or '0001-01-01') }}
        and scheme_code = '{{ scheme.scheme_code }}'
),

bands as (
    select
        customer_id,
        customer_id as holder_id,
        from_day,
        tier_code,
        tier_rank,
        rule_id,
        valid_from,
        policy_version,
        is_policy_change
    from given_bands
    union all
    select
        successors.new_customer_id as customer_id,
        given_bands.customer_id as holder_id,
        successors.merged_day as from_day,
        given_bands.tier_code,
        given_bands.tier_rank,
        given_bands.rule_id,
        given_bands.valid_from,
        given_bands.policy_version,
        given_bands.is_policy_change
    from given_bands
    inner join successors on given_bands.customer_id = successors.old_customer_id
),

open_days as (
    select
        coalesce(successors.new_customer_id, open_doors.customer_id) as customer_id,
        open_doors.business_date,
        min(open_doors.rule_id) as rule_id
    from {{ ref('int_tiering__open_door_day') }} as open_doors
    left join successors
        on
            open_doors.customer_id = successors.old_customer_id
            and open_doors.business_date >= successors.merged_day
            and (successors.until_day is null or open_doors.business_date < successors.until_day)
    where open_doors.scheme_code = '{{ scheme.scheme_code }}'
    group by
        coalesce(successors.new_customer_id, open_doors.customer_id),
        open_doors.business_date
),

-- The first day is judged for everyone who had, has or is given a tier; later days where a door
-- moves or customers are merged.
judged_days as (
    select
        customer_id,
        {{ first_day }} as business_date
    from known
    where tier_code != 'none'
    union
    select
        customer_id,
        {{ first_day }} as business_date
    from bands
    where tier_rank > 0
    union
    select
        customer_id,
        business_date
    from open_days
    union
    select
        open_days.customer_id,
        {{ add_days('open_days.business_date', 1) }} as business_date
    from open_days
    inner join days on {{ add_days('open_days.business_date', 1) }} = days.business_date
    union
    select
        old_customer_id as customer_id,
        merged_day as business_date
    from successors
    union
    select
        new_customer_id as customer_id,
        merged_day as business_date
    from successors
),

day_bands as (
    select
        judged_days.customer_id,
        judged_days.business_date,
        bands.tier_code,
        bands.tier_rank,
        bands.rule_id,
        bands.policy_version,
        bands.is_policy_change,
        row_number() over (
            partition by judged_days.customer_id, judged_days.business_date
            order by bands.tier_rank desc, bands.valid_from asc, bands.holder_id asc
        ) as standing
    from judged_days
    inner join bands
        on
            judged_days.customer_id = bands.customer_id
            and judged_days.business_date >= bands.from_day
),

day_tiers as (
    select
        judged_days.customer_id,
        judged_days.business_date,
        case
            when merged.old_customer_id is not null then 'none'
            when bands.tier_rank > 0 then bands.tier_code
            when open_days.customer_id is not null then door_tiers.tier_code
            else 'none'
        end as tier_code,
        case
            when merged.old_customer_id is not null then 0
            when bands.tier_rank > 0 then bands.tier_rank
            when open_days.customer_id is not null then door_tiers.tier_rank
            else 0
        end as tier_rank,
        case
            when merged.old_customer_id is not null then none_tiers.rule_id
            when bands.tier_rank > 0 then bands.rule_id
            when open_days.customer_id is not null then open_days.rule_id
            else none_tiers.rule_id
        end as rule_id,
        case
            when bands.tier_rank > 0 and merged.old_customer_id is null then bands.policy_version
            else '{{ scheme.policy_version }}'
        end as policy_version,
        coalesce(bands.is_policy_change, false) and merged.old_customer_id is null
            as is_policy_change
    from judged_days
    left join first_merged_days as merged
        on
            judged_days.customer_id = merged.old_customer_id
            and judged_days.business_date >= merged.merged_day
    left join day_bands as bands
        on
            judged_days.customer_id = bands.customer_id
            and judged_days.business_date = bands.business_date
            and bands.standing = 1
    left join open_days
        on
            judged_days.customer_id = open_days.customer_id
            and judged_days.business_date = open_days.business_date
    left join tiers as door_tiers on door_tiers.is_door_tier
    left join tiers as none_tiers on none_tiers.tier_code = 'none'
),

compared as (
    select
        day_tiers.customer_id,
        day_tiers.business_date,
        day_tiers.tier_code,
        day_tiers.tier_rank,
        day_tiers.rule_id,
        day_tiers.policy_version,
        day_tiers.is_policy_change,
        coalesce(
            lag(day_tiers.tier_code) over (
                partition by day_tiers.customer_id order by day_tiers.business_date
            ),
            known.tier_code,
            'none'
        ) as earlier_tier_code,
        coalesce(
            lag(day_tiers.tier_rank) over (
                partition by day_tiers.customer_id order by day_tiers.business_date
            ),
            known.tier_rank,
            0
        ) as earlier_tier_rank
    from day_tiers
    left join known on day_tiers.customer_id = known.customer_id
),

daily_changes as (
    select
        '{{ scheme.scheme_code }}' as scheme_code,
        customer_id,
        business_date as valid_from,
        tier_code,
        tier_rank,
        rule_id,
        case
            when is_policy_change then 'policy'
            when earlier_tier_code = 'none' then 'enter'
            when tier_code = 'none' then 'exit'
            when tier_rank > earlier_tier_rank then 'upgrade'
            else 'downgrade'
        end as change_kind,
        policy_version
    from compared
    where tier_code != earlier_tier_code
),

final as (
    select * from monthly_changes
    {%- if is_morrow and is_merging() %}
    union all
    select * from merged_changes
    {%- endif %}
    union all
    select * from daily_changes
)

select * from final
