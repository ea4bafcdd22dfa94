{{ config(materialized='range', partition_column='evaluation_date') }}

{%- set evaluation_dates = plan_dates('evaluation_dates') -%}

with measures as (
    select
        measure_date,
        customer_id,
        aum_cny,
        aum_month_avg_cny,
        aum_quarter_avg_cny,
        aum_year_avg_cny
    from {{ ref('fct_customer_measure') }}
),

bands as (
    select
        scheme_code,
        policy_version,
        effective_from,
        effective_to,
        measure_code,
        tier_code,
        tier_rank,
        lower_bound_cny,
        upper_bound_cny,
        downgrade_after_months,
        rule_id
    from {{ source('policy', 'tier_band') }}
),

successors as (
    select
        measure_date,
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
),

evaluation_0 as (
    {{ kept_partition('fct_tier_evaluation', [
        ('evaluation_date', 'date'), ('scheme_code', 'string'), ('customer_id', 'string'),
        ('measure_code', 'string'), ('measure_value', 'decimal(18,2)'),
        ('indicative_tier_code', 'string'), ('indicative_tier_rank', 'bigint'),
        ('tier_code', 'string'), ('tier_rank', 'bigint'), ('grace_months_below', 'bigint'),
        ('decided_by', 'string'), ('rule_id', 'string'), ('valid_from', 'date'),
        ('policy_version', 'string'),
    ], date_column='evaluation_date', date=plan()['previous_evaluation_date']) }}
),

{% for date in evaluation_dates -%}
{%- set evaluation = 'evaluation_' ~ loop.index %}
ranked_{{ loop.index }} as (
    select
        coalesce(successors.new_customer_id, previous.customer_id) as customer_id,
        previous.scheme_code,
        previous.tier_code,
        previous.tier_rank,
        previous.grace_months_below,
        previous.rule_id,
        previous.valid_from,
        row_number() over (
            partition by coalesce(successors.new_customer_id, previous.customer_id), previous.scheme_code
            order by
                previous.tier_rank desc, previous.grace_months_below asc, previous.valid_from asc, previous.customer_id asc
        ) as standing
    from evaluation_{{ loop.index0 }} as previous
    left join successors
        on previous.customer_id = successors.old_customer_id and successors.measure_date = {{ date_literal(date) }}
),

-- The successor of a merge takes the best tier of those merged, of equal ones the least in grace, the longest held.
previous_{{ loop.index }} as (
    select
        customer_id,
        scheme_code,
        tier_code,
        tier_rank,
        grace_months_below,
        rule_id,
        valid_from
    from ranked_{{ loop.index }}
    where standing = 1
),

indicative_{{ loop.index }} as (
    select
        measures.customer_id,
        bands.scheme_code,
        bands.policy_version,
        bands.measure_code,
        {{ measure_value('bands.measure_code', 'measures') }} as measure_value,
        bands.tier_code,
        bands.tier_rank,
        bands.rule_id
    from measures
    inner join bands
        on
            {{ measure_value('bands.measure_code', 'measures') }} >= bands.lower_bound_cny
            and {{ measure_value('bands.measure_code', 'measures') }} < bands.upper_bound_cny
            and bands.effective_from <= {{ date_literal(date) }}
            and bands.effective_to > {{ date_literal(date) }}
    where measures.measure_date = {{ date_literal(date) }}
),

judged_{{ loop.index }} as (
    select
        indicative.customer_id,
        indicative.scheme_code,
        indicative.policy_version,
        indicative.measure_code,
        indicative.measure_value,
        indicative.tier_code as indicative_tier_code,
        indicative.tier_rank as indicative_tier_rank,
        indicative.rule_id as indicative_rule_id,
        previous.customer_id is not null as has_previous,
        previous.tier_code as previous_tier_code,
        previous.tier_rank as previous_tier_rank,
        previous.rule_id as previous_rule_id,
        previous.valid_from as previous_valid_from,
        case
            when indicative.tier_rank < previous.tier_rank then previous.grace_months_below + 1
            else 0
        end as months_below,
        coalesce(
            indicative.tier_rank < previous.tier_rank
            and previous.grace_months_below + 1 < previous_band.downgrade_after_months,
            false
        ) as is_in_grace
    from indicative_{{ loop.index }} as indicative
    left join previous_{{ loop.index }} as previous
        on
            indicative.customer_id = previous.customer_id
            and indicative.scheme_code = previous.scheme_code
    left join bands as previous_band
        on
            previous.scheme_code = previous_band.scheme_code
            and previous.tier_code = previous_band.tier_code
            and previous_band.effective_from <= {{ date_literal(date) }}
            and previous_band.effective_to > {{ date_literal(date) }}
),

{{ evaluation }} as (
    select
        {{ date_literal(date) }} as evaluation_date,
        scheme_code,
        customer_id,
        measure_code,
        measure_value,
        indicative_tier_code,
        indicative_tier_rank,
        case when is_in_grace then previous_tier_code else indicative_tier_code end as tier_code,
        case when is_in_grace then previous_tier_rank else indicative_tier_rank end as tier_rank,
        cast(case when is_in_grace then months_below else 0 end as bigint) as grace_months_below,
        case when is_in_grace then 'grace' else 'individual' end as decided_by,
        case when is_in_grace then previous_rule_id else indicative_rule_id end as rule_id,
        case
            when is_in_grace or indicative_tier_code = previous_tier_code then previous_valid_from
            else {{ add_days(date_literal(date), 1) }}
        end as valid_from,
        policy_version
    from judged_{{ loop.index }}
    -- Whoever was ever in a band stays listed, so that the day of leaving it is known.
    where indicative_tier_rank > 0 or has_previous
),

{% endfor -%}

final as (
    {%- for date in evaluation_dates %}
    select * from evaluation_{{ loop.index }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- else %}
    select * from evaluation_0
    where 1 = 0
    {%- endfor %}
)

select * from final
