{%- set scheme = plan()['primary_scheme'] -%}
{%- set scheme_code = "'" ~ scheme.scheme_code ~ "'" -%}
{%- set version = "'" ~ scheme.policy_version ~ "'" -%}
{%- set official_date = date_literal(plan()['official_evaluation_date'] or '0001-01-01') %}

with tiers_of_day as (
    select
        customer_id,
        tier_code,
        label_zh,
        decided_by,
        rule_id,
        policy_version,
        is_asset_door_open
    from {{ ref('fct_customer_tier') }}
    where tier_code != 'none'
),

evaluations as (
    select
        customer_id,
        tier_code,
        tier_rank,
        indicative_tier_rank,
        grace_months_below,
        decided_by,
        rule_id,
        policy_version
    from {{ ref('fct_tier_evaluation') }}
    where evaluation_date = {{ official_date }} and scheme_code = {{ scheme_code }}
),

-- Whom the evaluation's own explanation is about.
explained as (
    select customer_id
    from evaluations
    where tier_rank > 0 or indicative_tier_rank > 0
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

tiers as (
    select
        policy_version,
        scheme_code,
        tier_code,
        label_zh,
        rule_id
    from {{ source('policy', 'tier') }}
),

entry_doors as (
    select
        rule_id,
        threshold
    from {{ source('policy', 'entry_door') }}
    where policy_version = {{ version }}
),

vetoed as (
    select
        customer_id,
        veto_tier_code,
        veto_rule_id,
        veto_label_zh
    from {{ ref('int_tiering__vetoed_customer') }}
    where scheme_code = {{ scheme_code }}
),

-- Customers in scope by a door alone: nothing of an evaluation explains them.
door_customers as (
    select
        tiers_of_day.customer_id,
        tiers_of_day.tier_code,
        tiers_of_day.label_zh,
        tiers_of_day.decided_by,
        tiers_of_day.rule_id,
        tiers_of_day.policy_version
    from tiers_of_day
    left join explained on tiers_of_day.customer_id = explained.customer_id
    where not tiers_of_day.is_asset_door_open and explained.customer_id is null
),

-- What merged customers were given at the last evaluation holds for their successor.
merged as (
    select
        successors.new_customer_id as customer_id,
        evaluations.customer_id as old_customer_id,
        evaluations.tier_code,
        evaluations.grace_months_below,
        evaluations.decided_by,
        evaluations.rule_id,
        evaluations.policy_version,
        tiers.label_zh
    from evaluations
    inner join successors on evaluations.customer_id = successors.old_customer_id
    inner join tiers
        on
            evaluations.policy_version = tiers.policy_version
            and evaluations.tier_code = tiers.tier_code
    where evaluations.tier_rank > 0
),

heirs as (
    select
        tiers_of_day.customer_id,
        tiers_of_day.tier_code,
        tiers_of_day.label_zh,
        tiers_of_day.decided_by,
        tiers_of_day.rule_id,
        tiers_of_day.policy_version
    from tiers_of_day
    inner join (select distinct customer_id from merged) as merged
        on tiers_of_day.customer_id = merged.customer_id
    left join explained on tiers_of_day.customer_id = explained.customer_id
    where explained.customer_id is null
),

open_doors as (
    select
        coalesce(successors.new_customer_id, doors.customer_id) as customer_id,
        doors.rule_id,
        doors.measure_code,
        max(doors.measure_value) as measure_value
    from {{ ref('fct_open_door') }} as doors
    left join successors on doors.customer_id = successors.old_customer_id
    where doors.as_of_date = {{ as_of_date() }} and doors.scheme_code = {{ scheme_code }}
    group by
        coalesce(successors.new_customer_id, doors.customer_id),
        doors.rule_id,
        doors.measure_code
),

measures as (
    select
        measures.customer_id,
        {{ measure_value(scheme.measure, 'measures') }} as measure_value
    from {{ measure_relation(scheme.measure) }} as measures
    where measures.evaluation_date = {{ official_date }}
),

components as (
    select
        {{ component('tier', {
            'customer_id': 'heads.customer_id',
            'scheme_code': scheme_code,
            'component_code': "'" ~ scheme.measure_code ~ "'",
            'component_value': 'measures.measure_value',
            'tier_code': 'heads.tier_code',
            'decided_by': 'heads.decided_by',
            'rule_id': 'heads.rule_id',
            'policy_version': 'heads.policy_version',
            'sentence_zh':
                "'" ~ plan()['as_of_date'] ~ "为“' || heads.label_zh || '”'"
                ~ " || case when heads.decided_by = 'veto' then '，风险否决，不作营销' else '' end"
                ~ " || '。依据规则' || heads.rule_id || '。'",
        }) }}
    from (
        select * from door_customers
        union
        select * from heirs
    ) as heads
    left join measures on heads.customer_id = measures.customer_id
    union all
    select
        {{ component('merged', {
            'customer_id': 'customer_id',
            'scheme_code': scheme_code,
            'component_code': 'old_customer_id',
            'tier_code': 'tier_code',
            'decided_by': 'decided_by',
            'months_below': 'grace_months_below',
            'rule_id': 'rule_id',
            'policy_version': 'policy_version',
            'sentence_zh': "'并入的客户' || old_customer_id || '评定为“' || label_zh || '”。'",
        }) }}
    from merged
    union all
    select
        {{ component('day_veto', {
            'customer_id': 'tiers_of_day.customer_id',
            'scheme_code': scheme_code,
            'component_code': 'vetoed.veto_tier_code',
            'rule_id': 'vetoed.veto_rule_id',
            'policy_version': version,
            'sentence_zh': "'当日风险分层为“' || vetoed.veto_label_zh || '”，不作营销。'",
        }) }}
    from tiers_of_day
    inner join vetoed on tiers_of_day.customer_id = vetoed.customer_id
    union all
    select
        {{ component('measure', {
            'customer_id': 'door_customers.customer_id',
            'scheme_code': scheme_code,
            'component_code': "'" ~ scheme.measure_code ~ "'",
            'component_value': 'measures.measure_value',
            'policy_version': version,
            'sentence_zh': "'" ~ (plan()['official_evaluation_date'] or '') ~ "评定时" ~ measure_zh(scheme) ~ "'"
                ~ " || " ~ amount_zh('measures.measure_value') ~ " || '，未达资产起点。'",
        }) }}
    from door_customers
    inner join measures on door_customers.customer_id = measures.customer_id
    union all
    select
        {{ component('door', {
            'customer_id': 'door_customers.customer_id',
            'scheme_code': scheme_code,
            'component_code': 'open_doors.measure_code',
            'component_value': 'open_doors.measure_value',
            'threshold_value': 'entry_doors.threshold',
            'margin_value': 'open_doors.measure_value - entry_doors.threshold',
            'rule_id': 'open_doors.rule_id',
            'policy_version': version,
            'sentence_zh': "'准入规则' || open_doors.rule_id || '：' || " ~ quantity_zh('open_doors.measure_code') ~ " || '为'"
                ~ " || " ~ plain_number('open_doors.measure_value') ~ " || '，门槛'"
                ~ " || " ~ plain_number('entry_doors.threshold') ~ " || '。'",
        }) }}
    from door_customers
    inner join open_doors on door_customers.customer_id = open_doors.customer_id
    inner join entry_doors on open_doors.rule_id = entry_doors.rule_id
),

-- Numbers go on where an evaluation's cannot reach: a customer has no ten thousand accounts.
numbered as (
    select
        {{ explanation_columns('components', with_number=false) }},
        row_number() over (
            partition by components.customer_id
            order by components.kind_no, components.component_code, components.rule_id
        ) + case when explained.customer_id is null then 0 else 10000 end as component_no
    from components
    left join explained on components.customer_id = explained.customer_id
),

final as (
    select
        {{ as_of_date() }} as as_of_date,
        nullif({{ official_date }}, {{ date_literal('0001-01-01') }}) as evaluation_date,
        {{ explanation_columns('numbered') }}
    from numbered
)

select * from final
