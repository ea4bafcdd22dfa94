{{ config(materialized='daily', partition_column='as_of_date') }}

{%- set day = decision_date() %}
{%- set year_of = "substring(cast(occasions.occasion_date as " ~ dbt.type_string() ~ "), 1, 4)" %}

with policies as (
    select
        policy_version,
        effective_from,
        late_contact_days
    from {{ source('policy', 'obligation') }}
    where
        effective_from <= {{ day }}
        and effective_to > {{ day }}
        -- Nothing is owed by these rules before books go live.
        and {{ 'true' if plan()['is_live'] else 'false' }}
),

cadences as (
    select
        cadences.policy_version,
        cadences.cadence_code,
        cadences.scheme_code,
        cadences.tier_code,
        cadences.kind,
        cadences.occasion_code,
        cadences.times,
        cadences.days_before,
        cadences.days_after,
        cadences.lead_days,
        cadences.sample_below,
        cadences.aum_min_cny,
        cadences.aum_max_cny,
        cadences.performer_role_code,
        cadences.rule_id,
        -- The most times win, then the cadence that the file names first.
        cadences.precedence - cadences.times * 1000000 as place
    from {{ source('policy', 'cadence') }} as cadences
    inner join policies on cadences.policy_version = policies.policy_version
),

festivals as (
    select
        festivals.cadence_code,
        festivals.festival_code
    from {{ source('policy', 'cadence_festival') }} as festivals
    inner join policies on festivals.policy_version = policies.policy_version
),

kinds as (
    select
        kinds.kind,
        kinds.is_marketing
    from {{ source('policy', 'obligation_kind') }} as kinds
    inner join policies on kinds.policy_version = policies.policy_version
),

channels as (
    select
        channels.kind,
        channels.channel,
        channels.preference,
        channels.needs_consent
    from {{ source('policy', 'kind_channel') }} as channels
    inner join policies on channels.policy_version = policies.policy_version
),

purposes as (
    select
        purposes.kind,
        purposes.purpose
    from {{ source('policy', 'kind_purpose') }} as purposes
    inner join policies on purposes.policy_version = policies.policy_version
),

successors as (
    select
        successors.old_customer_id,
        successors.new_customer_id
    from {{ ref('int_customer__successor') }} as successors
    where successors.measure_date = {{ as_of_date() }}
),

occasions as (
    select
        occasion_code,
        occasion_key,
        occasion_date
    from {{ source('build', 'occasion') }}
),

owners as (
    select
        customer_id,
        employee_id,
        owner_role_code,
        branch_id
    from {{ ref('int_maintenance__owner_day') }}
    where business_date = {{ day }}
),

suppressed as (
    select
        customer_id,
        reason_code
    from {{ ref('int_maintenance__suppressed_day') }}
    where business_date = {{ day }}
),

-- Windows of the cadences that hold the day, each with the day on which it is first told of. Those
-- of birthdays are each customer's own.
slots as (
    select
        cadences.*,
        periods.period_key as occasion_key,
        cast(null as {{ dbt.type_string() }}) as month_day,
        periods.start_date as due_from_date,
        periods.end_date as due_to_date,
        periods.start_date as opens_date,
        periods.day_count
    from cadences
    inner join {{ source('build', 'period') }} as periods
        on cadences.occasion_code = periods.period_code and periods.business_date = {{ day }}
    union all
    select
        cadences.*,
        occasions.occasion_key || '_' || {{ year_of }} as occasion_key,
        cast(null as {{ dbt.type_string() }}) as month_day,
        {{ add_days('occasions.occasion_date', '-cadences.days_before') }} as due_from_date,
        {{ add_days('occasions.occasion_date', 'cadences.days_after') }} as due_to_date,
        {{ add_days('occasions.occasion_date', '-cadences.days_before - cadences.lead_days') }}
            as opens_date,
        cast(1 as bigint) as day_count
    from cadences
    inner join festivals on cadences.cadence_code = festivals.cadence_code
    inner join occasions
        on
            cadences.occasion_code = occasions.occasion_code
            and festivals.festival_code = occasions.occasion_key
    where cadences.occasion_code = 'festival'
    union all
    select
        cadences.*,
        {{ year_of }} as occasion_key,
        occasions.occasion_key as month_day,
        {{ add_days('occasions.occasion_date', '-cadences.days_before') }} as due_from_date,
        {{ add_days('occasions.occasion_date', 'cadences.days_after') }} as due_to_date,
        {{ add_days('occasions.occasion_date', '-cadences.days_before - cadences.lead_days') }}
            as opens_date,
        cast(1 as bigint) as day_count
    from cadences
    inner join occasions on cadences.occasion_code = occasions.occasion_code
    where cadences.occasion_code = 'birthday'
),

open_slots as (
    select *
    from slots
    where opens_date <= {{ day }} and due_to_date >= {{ day }}
),

tiers as (
    select
        changes.scheme_code,
        changes.customer_id,
        max_by(changes.tier_code, changes.valid_from) as tier_code,
        max(changes.valid_from) as valid_from
    from {{ ref('fct_tier_change') }} as changes
    inner join (select distinct scheme_code from cadences) as schemes
        on changes.scheme_code = schemes.scheme_code
    where changes.valid_from <= {{ day }}
    group by changes.scheme_code, changes.customer_id
),

birthdays as (
    select
        customer_id,
        substring(cast(birth_date as {{ dbt.type_string() }}), 6, 2)
        || substring(cast(birth_date as {{ dbt.type_string() }}), 9, 2) as month_day
    from {{ ref('dim_customer') }}
    where birth_date is not null
),

measures as (
    select
        customer_id,
        aum_month_avg_cny
    from {{ ref('fct_month_measure') }}
    where
        evaluation_date = {{ date_literal(plan()['official_evaluation_date'] or '0001-01-01') }}
        and asset_set = 'standard'
),

events as (
    select
        coalesce(successors.new_customer_id, events.customer_id) as customer_id,
        events.event_id
    from {{ ref('fct_life_event') }} as events
    left join successors on events.customer_id = successors.old_customer_id
    where {{ is_new_event('events') }}
),

-- What each cadence demands for each customer of its tier, one row per window that holds the day.
demands as (
    select
        tiers.customer_id,
        tiers.valid_from,
        slots.*
    from open_slots as slots
    inner join tiers
        on slots.scheme_code = tiers.scheme_code and slots.tier_code = tiers.tier_code
    where slots.month_day is null
    union all
    select
        tiers.customer_id,
        tiers.valid_from,
        slots.*
    from open_slots as slots
    inner join tiers
        on slots.scheme_code = tiers.scheme_code and slots.tier_code = tiers.tier_code
    inner join birthdays
        on tiers.customer_id = birthdays.customer_id and slots.month_day = birthdays.month_day
    union all
    select
        tiers.customer_id,
        tiers.valid_from,
        cadences.*,
        events.event_id as occasion_key,
        cast(null as {{ dbt.type_string() }}) as month_day,
        {{ day }} as due_from_date,
        {{ add_days(day, 'cadences.days_after') }} as due_to_date,
        {{ day }} as opens_date,
        cast(1 as bigint) as day_count
    from events
    inner join tiers on events.customer_id = tiers.customer_id
    inner join cadences
        on tiers.scheme_code = cadences.scheme_code and tiers.tier_code = cadences.tier_code
    where cadences.occasion_code = 'life_event'
),

-- Some cadences ask for a part of the tier's assets, some for a sample of its customers.
met_demands as (
    select demands.*
    from demands
    left join measures on demands.customer_id = measures.customer_id
    where
        (demands.aum_min_cny is null or measures.aum_month_avg_cny >= demands.aum_min_cny)
        and (demands.aum_max_cny is null or measures.aum_month_avg_cny <= demands.aum_max_cny)
        and (
            demands.sample_below is null
            or substring(
                {{ sha256_text(
                    "demands.customer_id || '|' || demands.kind || '|' || demands.occasion_key"
                ) }},
                1,
                8
            ) < demands.sample_below
        )
),

-- Cadences of several rule books are one obligation each time.
wanted as (
    select
        customer_id,
        kind,
        occasion_code,
        occasion_key,
        max(times) as times,
        max(valid_from) as tier_valid_from,
        min_by(cadence_code, place) as cadence_code,
        min_by(rule_id, place) as rule_id,
        min_by(performer_role_code, place) as performer_role_code,
        min_by(due_from_date, place) as due_from_date,
        min_by(due_to_date, place) as due_to_date,
        min_by(opens_date, place) as opens_date,
        min_by(day_count, place) as day_count
    from met_demands
    group by customer_id, kind, occasion_code, occasion_key
),

-- On the first day of a window all of it is owed; who comes later owes his part of it. Tiers change
-- on days after an evaluation, or by a door; rules on the first day of a version.
owed as (
    select
        wanted.*,
        case
            when wanted.opens_date = {{ day }} or wanted.day_count = 1 then wanted.times
            else {{ floor_divide(
                '2 * wanted.times * (' ~ days_between(day, 'wanted.due_to_date') ~ ' + 1) + wanted.day_count',
                '2 * wanted.day_count'
            ) }}
        end as owed_times
    from wanted
    cross join policies
    where
        wanted.opens_date = {{ day }}
        or wanted.tier_valid_from = {{ day }}
        or policies.effective_from = {{ day }}
        or {{ day }} in (
            {{ date_literal(plan()['seed_date']) }},
            {{ add_days(date_literal(plan()['official_evaluation_date'] or '0001-01-01'), 1) }}
        )
),

numbers as (
    {%- for number in range(1, 32) %}
    select cast({{ number }} as bigint) as occurrence_no{{ ' union all' if not loop.last }}
    {%- endfor %}
),

candidates as (
    select
        {{ sha256_text(
            "owed.customer_id || '|' || owed.kind || '|' || owed.occasion_code || '|' || owed.occasion_key || '|' || "
            ~ "cast(numbers.occurrence_no as " ~ dbt.type_string() ~ ")"
        ) }} as obligation_id,
        owed.customer_id,
        owed.kind,
        owed.occasion_code,
        owed.occasion_key,
        numbers.occurrence_no,
        owed.cadence_code,
        owed.rule_id,
        owed.performer_role_code,
        owed.due_from_date,
        owed.due_to_date
    from owed
    inner join numbers on owed.owed_times >= numbers.occurrence_no
),

known as (
    select distinct obligation_id
    from {{ this }}
    where due_to_date >= {{ day }} and as_of_date < {{ day }}
),

created as (
    select
        candidates.obligation_id,
        candidates.customer_id,
        candidates.kind,
        candidates.occasion_code,
        candidates.occasion_key,
        candidates.occurrence_no,
        candidates.cadence_code,
        candidates.rule_id,
        cast(null as {{ dbt.type_string() }}) as employee_id,
        cast(null as {{ dbt.type_string() }}) as owner_role_code,
        cast(null as {{ dbt.type_string() }}) as branch_id,
        candidates.performer_role_code,
        cast(null as {{ dbt.type_string() }}) as channel,
        candidates.due_from_date,
        candidates.due_to_date,
        'open' as status,
        cast(null as {{ dbt.type_string() }}) as suppressed_reason_code,
        {{ day }} as created_date,
        policies.policy_version
    from candidates
    cross join policies
    left join known on candidates.obligation_id = known.obligation_id
    where known.obligation_id is null
),

undone as (
    select
        obligation_id,
        customer_id,
        kind,
        occasion_code,
        occasion_key,
        occurrence_no,
        cadence_code,
        rule_id,
        employee_id,
        owner_role_code,
        branch_id,
        performer_role_code,
        channel,
        due_from_date,
        due_to_date,
        status,
        suppressed_reason_code,
        created_date,
        policy_version
    from {{ this }}
    where as_of_date = {{ add_days(day, -1) }} and not is_closed
    union all
    select * from created
),

-- A customer who has said nothing may be served by any channel, and be sold to by none.
consents as (
    select
        consents.customer_id,
        consents.channel,
        consents.is_allowed
    from {{ ref('int_maintenance__consent_day') }} as consents
    inner join (select distinct customer_id from undone) as customers
        on consents.customer_id = customers.customer_id
    where consents.business_date = {{ day }}
),

silent_channels as (
    select
        channels.kind,
        min_by(channels.channel, channels.preference) as channel
    from channels
    inner join kinds on channels.kind = kinds.kind
    where not channels.needs_consent or not kinds.is_marketing
    group by channels.kind
),

spoken_customers as (
    select distinct customer_id
    from consents
),

spoken_channels as (
    select
        customers.customer_id,
        channels.kind,
        min_by(channels.channel, channels.preference) as channel
    from spoken_customers as customers
    cross join channels
    inner join kinds on channels.kind = kinds.kind
    left join consents
        on customers.customer_id = consents.customer_id and channels.channel = consents.channel
    where
        not channels.needs_consent
        or coalesce(consents.is_allowed, not kinds.is_marketing)
    group by customers.customer_id, channels.kind
),

-- What is past its last day stays with who owed it then, and as it was then.
judged as (
    select
        undone.obligation_id,
        undone.customer_id,
        undone.kind,
        undone.occasion_code,
        undone.occasion_key,
        undone.occurrence_no,
        undone.cadence_code,
        undone.rule_id,
        case when undone.due_to_date < {{ day }} then undone.employee_id else owners.employee_id end
            as employee_id,
        case
            when undone.due_to_date < {{ day }} or owners.customer_id is null
                then undone.owner_role_code
            else owners.owner_role_code
        end as owner_role_code,
        case
            when undone.due_to_date < {{ day }} or owners.customer_id is null
                then undone.branch_id
            else owners.branch_id
        end as branch_id,
        undone.performer_role_code,
        case
            when undone.due_to_date < {{ day }} then undone.channel
            when spoken_customers.customer_id is not null then spoken_channels.channel
            else silent_channels.channel
        end as channel,
        undone.due_from_date,
        undone.due_to_date,
        case
            when undone.due_to_date < {{ day }} then undone.suppressed_reason_code
            when suppressed.reason_code is not null then suppressed.reason_code
            when
                undone.occasion_code != 'life_event'
                and coalesce(wanted.times, 0) < undone.occurrence_no
                then 'tier_changed'
            when
                coalesce(
                    case
                        when spoken_customers.customer_id is not null then spoken_channels.channel
                        else silent_channels.channel
                    end, ''
                ) = ''
                then 'no_consent'
        end as suppressed_reason_code,
        undone.created_date,
        undone.policy_version
    from undone
    left join owners on undone.customer_id = owners.customer_id
    left join suppressed on undone.customer_id = suppressed.customer_id
    left join wanted
        on
            undone.customer_id = wanted.customer_id
            and undone.kind = wanted.kind
            and undone.occasion_code = wanted.occasion_code
            and undone.occasion_key = wanted.occasion_key
    left join spoken_customers on undone.customer_id = spoken_customers.customer_id
    left join spoken_channels
        on
            undone.customer_id = spoken_channels.customer_id
            and undone.kind = spoken_channels.kind
    left join silent_channels on undone.kind = silent_channels.kind
),

-- Surveys are contacts too.
reached as (
    select
        contacts.business_date,
        contacts.contact_id,
        contacts.customer_id,
        contacts.channel,
        contacts.purpose
    from {{ ref('fct_contact') }} as contacts
    where {{ is_new_event('contacts') }}
    union all
    select
        surveys.business_date,
        surveys.survey_id as contact_id,
        surveys.customer_id,
        case surveys.method when 'phone' then 'call' when 'online' then 'wechat' else 'visit' end
            as channel,
        'survey' as purpose
    from {{ ref('fct_survey') }} as surveys
    where {{ is_new_event('surveys') }}
),

-- A corrected delivery brings contacts again that have closed something already.
used as (
    select distinct
        done_contact_id as contact_id,
        kind
    from {{ this }}
    where done_contact_id is not null and as_of_date < {{ day }}
),

contacts as (
    select
        coalesce(successors.new_customer_id, reached.customer_id) as customer_id,
        reached.business_date,
        reached.contact_id,
        purposes.kind
    from reached
    inner join purposes on reached.purpose = purposes.purpose
    inner join channels on purposes.kind = channels.kind and reached.channel = channels.channel
    left join successors on reached.customer_id = successors.old_customer_id
    left join used on reached.contact_id = used.contact_id and purposes.kind = used.kind
    where used.contact_id is null
),

waiting_1 as (
    select
        judged.obligation_id,
        judged.customer_id,
        judged.kind,
        judged.occurrence_no,
        judged.due_from_date,
        judged.due_to_date,
        judged.created_date
    from judged
    inner join (select distinct customer_id from contacts) as customers
        on judged.customer_id = customers.customer_id
    where judged.suppressed_reason_code is null
),

unused_1 as (
    select * from contacts
),

-- As many rounds as windows of one kind may overlap: what one leaves over the next one matches.
{% for round in range(1, 4) -%}
{{ match_contacts('matches_' ~ round, 'waiting_' ~ round, 'unused_' ~ round) }},

{% if not loop.last -%}
waiting_{{ round + 1 }} as (
    select waiting.*
    from waiting_{{ round }} as waiting
    left join matches_{{ round }} as matches on waiting.obligation_id = matches.obligation_id
    where matches.obligation_id is null
),

unused_{{ round + 1 }} as (
    select unused.*
    from unused_{{ round }} as unused
    left join matches_{{ round }} as matches
        on unused.contact_id = matches.contact_id and unused.kind = matches.kind
    where matches.contact_id is null
),

{% endif -%}
{% endfor -%}
matches as (
    {%- for round in range(1, 4) %}
    select * from matches_{{ round }}{{ ' union all' if not loop.last }}
    {%- endfor %}
),

final as (
    select
        {{ day }} as as_of_date,
        judged.obligation_id,
        judged.customer_id,
        judged.kind,
        judged.occasion_code,
        judged.occasion_key,
        judged.occurrence_no,
        judged.cadence_code,
        judged.rule_id,
        judged.employee_id,
        judged.owner_role_code,
        judged.branch_id,
        judged.performer_role_code,
        judged.channel,
        judged.due_from_date,
        judged.due_to_date,
        case
            when matches.obligation_id is not null then 'done'
            when judged.suppressed_reason_code is not null then 'suppressed'
            when judged.due_from_date > {{ day }} then 'open'
            when judged.due_to_date >= {{ day }} then 'due'
            else 'overdue'
        end as status,
        judged.suppressed_reason_code,
        matches.contact_id as done_contact_id,
        matches.business_date as done_date,
        matches.obligation_id is not null
        or {{ add_days('judged.due_to_date', 'policies.late_contact_days') }} <= {{ day }}
            as is_closed,
        judged.created_date,
        judged.policy_version
    from judged
    cross join policies
    left join matches on judged.obligation_id = matches.obligation_id
)

select * from final
