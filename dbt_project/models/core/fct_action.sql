{{ config(materialized='range', partition_column='business_date', is_decision=true) }}

{#- Placeholder of a policy's sentence -> what stands in its place. -#}
{%- set said = [
    ('amount', rounded_amount_zh('listed.amount_cny')),
    ('channel', "coalesce(channels.label_zh, '')"),
    ('count', 'cast(listed.item_count as ' ~ dbt.type_string() ~ ')'),
    ('date', date_zh('coalesce(listed.start_date, listed.due_to_date)')),
    ('due', date_zh('listed.due_to_date')),
    ('role', "coalesce(roles.label_zh, '')"),
    ('rule', 'listed.rule_id'),
] %}

with candidates as (
    select * from {{ ref('int_maintenance__action_candidate') }}
    where employee_id != 'queue'
),

employees as (
    select
        employees.business_date,
        employees.employee_id,
        employees.role_code
    from {{ ref('int_books__employee_day') }} as employees
    where employees.business_date = {{ as_of_date() }}
),

capacities as (
    select
        employees.employee_id,
        coalesce(roles.capacity, lists.capacity) as line_count
    from employees
    inner join {{ source('policy', 'action_list') }} as lists
        on
            employees.business_date >= lists.effective_from
            and employees.business_date < lists.effective_to
    left join {{ source('policy', 'action_capacity') }} as roles
        on
            lists.policy_version = roles.policy_version
            and employees.role_code = roles.role_code
),

ranked as (
    select
        candidates.*,
        row_number() over (
            partition by candidates.employee_id
            order by
                candidates.points desc,
                candidates.amount_cny desc,
                candidates.due_to_date asc,
                candidates.customer_id asc,
                candidates.action_kind asc
        ) as place,
        count(*) over (partition by candidates.employee_id) as candidate_count
    from candidates
),

listed as (
    select
        ranked.*,
        case
            when ranked.candidate_count > capacities.line_count
                then ranked.candidate_count - capacities.line_count
            else 0
        end as left_out_count
    from ranked
    inner join capacities
        on
            ranked.employee_id = capacities.employee_id
            and ranked.place <= capacities.line_count
),

sentences as (
    select
        policy_version,
        source_kind,
        source_code,
        sentence_zh
    from {{ source('policy', 'action') }}
),

channels as (
    select
        policy_version,
        channel,
        label_zh
    from {{ source('policy', 'channel_label') }}
),

roles as (
    select
        role_code,
        label_zh
    from {{ source('policy', 'role') }}
),

final as (
    select
        listed.employee_id,
        listed.business_date,
        cast(listed.place as bigint) as rank,
        listed.customer_id,
        listed.branch_id,
        listed.action_kind,
        listed.source_kind,
        listed.source_id,
        listed.rule_id,
        {{ filled('sentences.sentence_zh', said) }} as reason_zh,
        listed.due_to_date,
        listed.amount_cny,
        listed.points,
        cast(listed.left_out_count as bigint) as left_out_count,
        listed.planned_for_date,
        listed.policy_version
    from listed
    inner join sentences
        on
            listed.policy_version = sentences.policy_version
            and listed.source_kind = sentences.source_kind
            and listed.source_code = sentences.source_code
    left join channels
        on
            listed.policy_version = channels.policy_version
            and listed.channel = channels.channel
    left join roles on listed.performer_role_code = roles.role_code
)

select * from final
