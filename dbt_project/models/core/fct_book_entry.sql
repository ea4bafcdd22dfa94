-- depends_on: {{ ref('int_books__branch_unit') }}
{{ config(materialized='daily', partition_column='as_of_date') }}

{%- set is_live = plan()['is_live'] %}
{%- set day = decision_date() %}
{%- set seed_day = date_literal(plan()['seed_date']) %}

with customers as (
    select
        customer_id,
        tier_code,
        tier_rank,
        branch_id,
        required_role_code,
        is_queue_role,
        is_above_age,
        exclusion_code
    from {{ ref('int_books__customer_day') }}
    where business_date = {{ day }}
),

employees as (
    select
        employee_id,
        branch_id,
        unit_id,
        role_code,
        status,
        has_nda,
        capacity,
        is_eligible
    from {{ ref('int_books__employee_day') }}
    where business_date = {{ day }}
),

eligible_employees as (
    select
        employee_id,
        branch_id,
        unit_id,
        role_code,
        capacity
    from employees
    where is_eligible
),

units as (
    select
        branch_id,
        level_no,
        unit_id
    from {{ ref('int_books__branch_unit') }}
),

branches as (
    select
        branch_id,
        acting_branch_id
    from {{ ref('dim_branch') }}
),

policies as (
    select
        policy_version,
        choice_days,
        reassignment_days,
        leave_days
    from {{ source('policy', 'book') }}
    where policy_version = '{{ plan()['book_policy_version'] }}'
),

reasons as (
    select
        reason_code,
        rule_id,
        owner_role_code
    from {{ source('policy', 'book_reason') }}
    where policy_version = '{{ plan()['book_policy_version'] }}'
),

-- From the day on which a merge is known a customer is his successor.
successors as (
    select
        successors.old_customer_id,
        max(successors.new_customer_id) as new_customer_id
    from {{ ref('int_customer__successor') }} as successors
    inner join {{ ref('stg_core_banking__customer_merges') }} as merged
        on successors.old_customer_id = merged.old_customer_id
    where
        successors.measure_date = {{ as_of_date() }}
        and merged.merged_date <= {{ day }}
        and merged.business_date <= {{ day }}
    group by successors.old_customer_id
),

-- What holds from yesterday; on the first day, and before go-live, what the old CRM says.
old_crm as (
    select
        maintainers.customer_id,
        maintainers.slot,
        maintainers.slot_no,
        maintainers.employee_id,
        maintainers.valid_from,
        maintainers.is_initial
    from {{ ref('stg_crm__maintainers') }} as maintainers
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'crm.maintainers'
            and maintainers.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ day }}
    {%- if is_live %}
    where {{ day }} = {{ seed_day }}
    {%- endif %}
),

old_initials as (
    select
        customer_id,
        min(employee_id) as employee_id
    from old_crm
    where is_initial
    group by customer_id
),

seeded as (
    select
        old_crm.customer_id,
        old_crm.slot,
        -- The team of a tier has the first numbers.
        case
            when old_crm.slot = 'specialist' then old_crm.slot_no + 9
            else old_crm.slot_no
        end as slot_no,
        old_crm.employee_id,
        employees.branch_id,
        employees.role_code,
        customers.tier_code,
        customers.tier_rank,
        'old_crm' as reason_code,
        coalesce(old_initials.employee_id, owners.employee_id) as initial_employee_id,
        case when old_initials.employee_id != owners.employee_id then owners.valid_from end
            as initial_lost_date,
        case when old_initials.employee_id != owners.employee_id then 'old_crm' end
            as initial_lost_reason_code,
        old_crm.valid_from,
        cast(null as date) as choice_due_date,
        cast(null as date) as reassignment_due_date
    from old_crm
    inner join customers on old_crm.customer_id = customers.customer_id
    left join employees on old_crm.employee_id = employees.employee_id
    left join old_initials on old_crm.customer_id = old_initials.customer_id
    left join old_crm as owners
        on old_crm.customer_id = owners.customer_id and owners.slot = 'a'
),

{% if not is_live -%}
entries as (
    select
        customer_id,
        slot,
        slot_no,
        employee_id,
        branch_id,
        role_code,
        reason_code,
        initial_employee_id,
        initial_lost_date,
        initial_lost_reason_code,
        false as is_acting,
        valid_from,
        choice_due_date,
        reassignment_due_date
    from seeded
    union all
    select
        customers.customer_id,
        'queue' as slot,
        cast(1 as bigint) as slot_no,
        cast(null as {{ dbt.type_string() }}) as employee_id,
        customers.branch_id,
        reasons.owner_role_code as role_code,
        reasons.reason_code,
        cast(null as {{ dbt.type_string() }}) as initial_employee_id,
        cast(null as date) as initial_lost_date,
        cast(null as {{ dbt.type_string() }}) as initial_lost_reason_code,
        false as is_acting,
        {{ day }} as valid_from,
        cast(null as date) as choice_due_date,
        cast(null as date) as reassignment_due_date
    from customers
    inner join reasons on reasons.reason_code = 'no_maintainer'
    left join seeded as owners
        on customers.customer_id = owners.customer_id and owners.slot = 'a'
    where owners.customer_id is null
),

{% else -%}
yesterday as (
    select
        coalesce(successors.new_customer_id, kept.customer_id) as customer_id,
        kept.customer_id as holder_id,
        kept.slot,
        kept.slot_no,
        kept.employee_id,
        coalesce(branches.acting_branch_id, kept.branch_id) as branch_id,
        kept.role_code,
        kept.tier_code,
        kept.tier_rank,
        case
            when successors.new_customer_id is null then kept.reason_code else 'merged_customer'
        end
            as reason_code,
        kept.initial_employee_id,
        kept.initial_lost_date,
        kept.initial_lost_reason_code,
        kept.valid_from,
        kept.choice_due_date,
        kept.reassignment_due_date
    from {{ this }} as kept
    left join successors on kept.customer_id = successors.old_customer_id
    left join branches on kept.branch_id = branches.branch_id
    where
        kept.as_of_date = {{ add_days(day, -1) }}
        and {{ day }} > {{ seed_day }}
    union all
    select
        customer_id,
        customer_id as holder_id,
        slot,
        slot_no,
        employee_id,
        branch_id,
        role_code,
        tier_code,
        tier_rank,
        reason_code,
        initial_employee_id,
        initial_lost_date,
        initial_lost_reason_code,
        valid_from,
        choice_due_date,
        reassignment_due_date
    from seeded
),

-- What a customer has from yesterday: a successor keeps his own, else takes what was held longest.
ranked as (
    select
        yesterday.*,
        row_number() over (
            partition by yesterday.customer_id, yesterday.slot
            order by
                case when yesterday.holder_id = yesterday.customer_id then 0 else 1 end asc,
                yesterday.valid_from asc,
                yesterday.employee_id asc,
                yesterday.holder_id asc
        ) as standing
    from yesterday
    where yesterday.slot != 'specialist'
),

inherited as (
    select *
    from ranked
    where standing = 1
),

-- Who owned a customer yesterday, and whether he still may: gone, moved, without the signed
-- agreement (A9-19), away for longer than the policy waits.
owners as (
    select
        inherited.customer_id,
        inherited.employee_id,
        inherited.role_code as earlier_role_code,
        inherited.tier_rank as earlier_tier_rank,
        inherited.reason_code,
        inherited.initial_employee_id,
        inherited.initial_lost_date,
        inherited.initial_lost_reason_code,
        inherited.valid_from,
        inherited.choice_due_date,
        case
            when employees.status = 'on_leave'
                then coalesce(
                    inherited.reassignment_due_date, {{ add_days(day, 'policies.leave_days') }}
                )
        end as reassignment_due_date,
        case
            when employees.employee_id is null or employees.status = 'left' then 'owner_left'
            when not employees.has_nda then 'nda_missing'
            when employees.capacity <= 0 or employees.branch_id != inherited.branch_id
                then 'owner_moved'
            when employees.status = 'on_leave' and inherited.reassignment_due_date <= {{ day }}
                then 'owner_on_leave'
        end as lost_reason_code
    from inherited
    inner join customers on inherited.customer_id = customers.customer_id
    cross join policies
    left join employees on inherited.employee_id = employees.employee_id
    where inherited.slot = 'a' and customers.exclusion_code is null
),

-- B of yesterday who may still act: at work, bound by the agreement, where he was.
backups as (
    select
        inherited.customer_id,
        inherited.employee_id,
        inherited.reason_code,
        inherited.valid_from
    from inherited
    inner join customers on inherited.customer_id = customers.customer_id
    inner join eligible_employees as employees
        on
            inherited.employee_id = employees.employee_id
            and inherited.branch_id = employees.branch_id
    where inherited.slot = 'b' and customers.exclusion_code is null
),

earlier_queue as (
    select
        customer_id,
        reason_code,
        initial_employee_id,
        initial_lost_date,
        initial_lost_reason_code,
        valid_from,
        reassignment_due_date
    from inherited
    where slot = 'queue'
),

-- An owner is gone: B acts, and the customer is dealt anew when the policy's days are over. Without
-- a B he is dealt anew at once.
bereft as (
    select
        customers.customer_id,
        coalesce(owners.lost_reason_code, earlier_queue.reason_code) as lost_reason_code,
        case
            when owners.customer_id is not null
                then {{ add_days(day, 'policies.reassignment_days') }}
            else earlier_queue.reassignment_due_date
        end as due_date,
        coalesce(owners.lost_reason_code, '') = 'owner_on_leave'
        or backups.customer_id is null as is_due_at_once
    from customers
    cross join policies
    left join owners
        on customers.customer_id = owners.customer_id and owners.lost_reason_code is not null
    left join earlier_queue
        on
            customers.customer_id = earlier_queue.customer_id
            and earlier_queue.reassignment_due_date is not null
    left join backups on customers.customer_id = backups.customer_id
    where
        customers.exclusion_code is null
        and (owners.customer_id is not null or earlier_queue.customer_id is not null)
),

-- What speaks for a new owner, strongest first: the customer's choice (A9-06), an accepted
-- proposal, a referral of a customer without owner (A9-07).
latest_choices as (
    select
        coalesce(successors.new_customer_id, choices.customer_id) as customer_id,
        max_by(
            choices.employee_id,
            cast(choices.chosen_date as {{ dbt.type_string() }}) || choices.choice_id
        ) as employee_id,
        max(
            cast(choices.chosen_date as {{ dbt.type_string() }}) || choices.choice_id
        ) as claim_order,
        max(
            case
                when {{ is_new_event('choices') }} then 1
                else 0
            end
        ) as is_new
    from {{ ref('stg_crm__customer_choices') }} as choices
    left join successors on choices.customer_id = successors.old_customer_id
    where choices.business_date <= {{ day }} and choices.chosen_date <= {{ day }}
    group by coalesce(successors.new_customer_id, choices.customer_id)
),

new_referrals as (
    select
        coalesce(successors.new_customer_id, referrals.customer_id) as customer_id,
        referrals.referral_id,
        referrals.to_employee_id,
        referrals.referred_date
    from {{ ref('stg_crm__referrals') }} as referrals
    left join successors on referrals.customer_id = successors.old_customer_id
    where {{ is_new_event('referrals') }}
),

claims as (
    select
        customer_id,
        employee_id,
        1 as priority,
        'customer_choice' as reason_code,
        claim_order
    from latest_choices
    where is_new = 1
    union all
    -- What was proposed is void of an owner whom the customer has no longer, and for a role or a
    -- unit that he needs no longer.
    select
        moves.customer_id,
        moves.employee_id,
        2 as priority,
        moves.reason_code,
        moves.customer_id as claim_order
    from {{ source('build', 'book_move') }} as moves
    inner join customers on moves.customer_id = customers.customer_id
    inner join eligible_employees as employees
        on
            moves.employee_id = employees.employee_id
            and customers.required_role_code = employees.role_code
    inner join units
        on customers.branch_id = units.branch_id and employees.unit_id = units.unit_id
    left join owners
        on moves.customer_id = owners.customer_id and owners.lost_reason_code is null
    where
        not customers.is_queue_role
        and moves.effective_date = {{ day }}
        and coalesce(owners.employee_id, '') = coalesce(moves.from_employee_id, '')
    union all
    select
        new_referrals.customer_id,
        new_referrals.to_employee_id as employee_id,
        3 as priority,
        'referral' as reason_code,
        cast(new_referrals.referred_date as {{ dbt.type_string() }})
        || new_referrals.referral_id as claim_order
    from new_referrals
    left join owners
        on new_referrals.customer_id = owners.customer_id and owners.lost_reason_code is null
    where owners.customer_id is null
),

ranked_claims as (
    select
        claims.customer_id,
        claims.employee_id,
        claims.priority,
        claims.reason_code,
        claims.claim_order,
        employees.capacity,
        coalesce(owners.employee_id = claims.employee_id, false) as is_confirmed,
        row_number() over (
            partition by claims.customer_id
            order by claims.priority asc, claims.claim_order desc, claims.employee_id asc
        ) as standing
    from claims
    inner join customers on claims.customer_id = customers.customer_id
    inner join eligible_employees as employees on claims.employee_id = employees.employee_id
    left join owners
        on claims.customer_id = owners.customer_id and owners.lost_reason_code is null
    where customers.exclusion_code is null
),

-- Customers who are counted where they are until they are gone. An accepted proposal moves many at
-- once, within everyone's capacity: its customers are counted where they go.
settled_loads as (
    select
        owners.employee_id,
        count(*) as customer_count
    from owners
    left join ranked_claims as claims
        on owners.customer_id = claims.customer_id and claims.standing = 1
    where
        owners.lost_reason_code is null
        and (claims.customer_id is null or claims.is_confirmed or claims.priority != 2)
    group by owners.employee_id
),

placed_claims as (
    select
        claims.customer_id,
        claims.employee_id,
        claims.reason_code,
        claims.capacity,
        claims.is_confirmed,
        coalesce(settled_loads.customer_count, 0)
        + sum(case when claims.is_confirmed then 0 else 1 end) over (
            partition by claims.employee_id
            order by claims.priority, claims.claim_order, claims.customer_id
            rows between unbounded preceding and current row
        ) as load_count
    from ranked_claims as claims
    left join settled_loads on claims.employee_id = settled_loads.employee_id
    where claims.standing = 1
),

-- Nobody is given more customers than he can serve.
granted_claims as (
    select
        customer_id,
        employee_id,
        reason_code,
        is_confirmed
    from placed_claims
    where is_confirmed or load_count <= capacity
),

kept_owners as (
    select owners.*
    from owners
    left join granted_claims
        on owners.customer_id = granted_claims.customer_id and not granted_claims.is_confirmed
    where owners.lost_reason_code is null and granted_claims.customer_id is null
),

loads_0 as (
    select
        employee_id,
        count(*) as customer_count
    from (
        select employee_id from kept_owners
        union all
        select employee_id from granted_claims
        where not is_confirmed
    ) as held
    group by employee_id
),

-- Without owner, and nobody to wait for: dealt to the role of the tier, at the home outlet first.
waiting_0 as (
    select
        customers.customer_id,
        customers.required_role_code as role_code,
        customers.tier_rank,
        customers.branch_id,
        bereft.lost_reason_code
    from customers
    left join kept_owners on customers.customer_id = kept_owners.customer_id
    left join granted_claims on customers.customer_id = granted_claims.customer_id
    left join bereft on customers.customer_id = bereft.customer_id
    where
        customers.exclusion_code is null
        and not customers.is_queue_role
        and kept_owners.customer_id is null
        and granted_claims.customer_id is null
        and (
            bereft.customer_id is null
            or bereft.is_due_at_once
            or bereft.due_date <= {{ day }}
        )
),

{% for level in range(0, 4) -%}
{{ deal('dealt_' ~ level, 'waiting_' ~ level, 'loads_' ~ level, level) }},

loads_{{ level + 1 }} as (
    select
        employee_id,
        sum(customer_count) as customer_count
    from (
        select
            employee_id,
            customer_count
        from loads_{{ level }}
        union all
        select
            employee_id,
            count(*) as customer_count
        from dealt_{{ level }}
        group by employee_id
    ) as held
    group by employee_id
),

waiting_{{ level + 1 }} as (
    select waiting.*
    from waiting_{{ level }} as waiting
    left join dealt_{{ level }} as dealt on waiting.customer_id = dealt.customer_id
    where dealt.customer_id is null
),

{% endfor -%}

new_owners as (
    select
        customer_id,
        employee_id,
        reason_code
    from granted_claims
    where not is_confirmed
    {%- for level in range(0, 4) %}
    union all
    select
        customer_id,
        employee_id,
        case
            when lost_reason_code is not null then lost_reason_code
            when {{ day }} = {{ seed_day }} then 'allocation'
            else '{{ 'new_in_scope' if level == 0 else 'parent_branch' }}'
        end as reason_code
    from dealt_{{ level }}
    {%- endfor %}
),

-- The first to maintain a customer in this spell of his in scope stays known as that (A9-08).
initials as (
    select
        customers.customer_id,
        coalesce(owners.initial_employee_id, earlier_queue.initial_employee_id) as employee_id,
        case
            when owners.initial_employee_id is not null then owners.initial_lost_date
            else earlier_queue.initial_lost_date
        end as lost_date,
        case
            when owners.initial_employee_id is not null then owners.initial_lost_reason_code
            else earlier_queue.initial_lost_reason_code
        end as lost_reason_code
    from customers
    left join inherited as owners
        on customers.customer_id = owners.customer_id and owners.slot = 'a'
    left join earlier_queue on customers.customer_id = earlier_queue.customer_id
),

todays_owners as (
    -- An upgrade moves nobody: the customer is asked, and stays without an answer (A9-06). After a
    -- downgrade he stays until the rebalancing (G12).
    select
        kept_owners.customer_id,
        kept_owners.employee_id,
        case
            when granted_claims.is_confirmed then granted_claims.reason_code
            when customers.tier_rank > kept_owners.earlier_tier_rank then 'continuity_upgrade'
            when customers.tier_rank < kept_owners.earlier_tier_rank then 'continuity_downgrade'
            else kept_owners.reason_code
        end as reason_code,
        kept_owners.valid_from,
        case
            when granted_claims.is_confirmed or employees.role_code = customers.required_role_code
                then cast(null as date)
            when customers.tier_rank > kept_owners.earlier_tier_rank
                then {{ add_days(day, 'policies.choice_days') }}
            when kept_owners.choice_due_date >= {{ day }} then kept_owners.choice_due_date
        end as choice_due_date,
        kept_owners.reassignment_due_date
    from kept_owners
    inner join customers on kept_owners.customer_id = customers.customer_id
    inner join employees on kept_owners.employee_id = employees.employee_id
    cross join policies
    left join granted_claims on kept_owners.customer_id = granted_claims.customer_id
    union all
    select
        customer_id,
        employee_id,
        reason_code,
        {{ day }} as valid_from,
        cast(null as date) as choice_due_date,
        cast(null as date) as reassignment_due_date
    from new_owners
),

queued as (
    select
        customers.customer_id,
        customers.branch_id,
        case
            when customers.exclusion_code is not null then customers.exclusion_code
            when bereft.customer_id is not null and waiting_0.customer_id is null
                then bereft.lost_reason_code
            when customers.is_queue_role and customers.is_above_age then 'age_fallback'
            when customers.is_queue_role then 'special_entry'
            when max(employees.employee_id) is not null then 'no_capacity'
            else 'no_eligible_employee'
        end as reason_code,
        case
            when bereft.customer_id is not null and waiting_0.customer_id is null
                then 'reassignment_due'
        end as owner_reason_code,
        case
            when bereft.customer_id is not null and waiting_0.customer_id is null
                then bereft.due_date
        end as reassignment_due_date,
        customers.required_role_code
    from customers
    left join todays_owners on customers.customer_id = todays_owners.customer_id
    left join bereft
        on customers.customer_id = bereft.customer_id and not customers.is_queue_role
    left join waiting_0 on customers.customer_id = waiting_0.customer_id
    left join units on waiting_0.branch_id = units.branch_id
    left join eligible_employees as employees
        on units.unit_id = employees.unit_id and waiting_0.role_code = employees.role_code
    where todays_owners.customer_id is null
    group by
        customers.customer_id,
        customers.branch_id,
        customers.exclusion_code,
        customers.is_queue_role,
        customers.is_above_age,
        customers.required_role_code,
        bereft.customer_id,
        bereft.lost_reason_code,
        bereft.due_date,
        waiting_0.customer_id
),

-- B stands beside an owner, or acts until there is one.
guarded as (
    select
        customer_id,
        employee_id as owner_id
    from todays_owners
    union all
    select
        customer_id,
        cast(null as {{ dbt.type_string() }}) as owner_id
    from queued
    where reassignment_due_date is not null
),

kept_backups as (
    select
        guarded.customer_id,
        backups.employee_id,
        backups.reason_code,
        backups.valid_from
    from guarded
    inner join backups on guarded.customer_id = backups.customer_id
    where guarded.owner_id is null or guarded.owner_id != backups.employee_id
),

backup_loads as (
    select
        employee_id,
        count(*) as customer_count
    from kept_backups
    group by employee_id
),

backup_roles as (
    select
        role_code,
        preference
    from {{ source('policy', 'book_backup_role') }}
    where policy_version = '{{ plan()['book_policy_version'] }}'
),

unguarded as (
    select
        guarded.customer_id,
        guarded.owner_id,
        customers.branch_id,
        former.customer_id is not null as had_backup,
        row_number() over (
            partition by customers.branch_id order by guarded.customer_id
        ) as place
    from guarded
    inner join customers on guarded.customer_id = customers.customer_id
    left join kept_backups on guarded.customer_id = kept_backups.customer_id
    left join inherited as former
        on guarded.customer_id = former.customer_id and former.slot = 'b'
    where kept_backups.customer_id is null and guarded.owner_id is not null
),

-- Those who may be B of a branch's customers, nearest and first named first, in turn.
unguarded_branches as (
    select
        branch_id,
        count(*) as customer_count
    from unguarded
    group by branch_id
),

backup_candidates as (
    select
        unguarded_branches.branch_id,
        employees.employee_id,
        units.level_no,
        backup_roles.preference,
        coalesce(backup_loads.customer_count, 0) as load_count
    from unguarded_branches
    inner join units on unguarded_branches.branch_id = units.branch_id
    inner join eligible_employees as employees on units.unit_id = employees.unit_id
    inner join backup_roles on employees.role_code = backup_roles.role_code
    left join backup_loads on employees.employee_id = backup_loads.employee_id
),

ranked_candidates as (
    select
        unguarded.customer_id,
        unguarded.place,
        unguarded.had_backup,
        candidates.employee_id,
        rank() over (
            partition by unguarded.customer_id
            order by candidates.level_no, candidates.preference
        ) as nearness,
        row_number() over (
            partition by unguarded.customer_id
            order by
                candidates.level_no,
                candidates.preference,
                candidates.load_count,
                candidates.employee_id
        ) as turn
    from unguarded
    inner join backup_candidates as candidates
        on
            unguarded.branch_id = candidates.branch_id
            and unguarded.owner_id != candidates.employee_id
),

counted_candidates as (
    select
        customer_id,
        place,
        had_backup,
        employee_id,
        turn,
        count(*) over (partition by customer_id) as candidate_count
    from ranked_candidates
    where nearness = 1
),

todays_backups as (
    select
        customer_id,
        employee_id,
        reason_code,
        valid_from
    from kept_backups
    union all
    select
        customer_id,
        employee_id,
        case when had_backup then 'backup_replaced' else 'backup' end as reason_code,
        {{ day }} as valid_from
    from counted_candidates
    where
        turn = place - {{ floor_divide('place - 1', 'candidate_count') }} * candidate_count
),

-- The others whom a tier names beside the owner (G24): one of each role, the nearest.
team_roles as (
    select
        tier_code,
        slot_no,
        role_code
    from {{ source('policy', 'tier_team') }}
    where policy_version = '{{ plan()['primary_scheme']['policy_version'] }}'
),

-- Grouped before customers are joined: employees of a role anywhere made 90 million rows of a bank
-- of a million, and 22 s of its day.
nearby_employees as (
    select
        units.branch_id,
        employees.role_code,
        employees.employee_id,
        min(units.level_no) as level_no
    from units
    inner join eligible_employees as employees on units.unit_id = employees.unit_id
    group by units.branch_id, employees.role_code, employees.employee_id
),

team_candidates as (
    select
        todays_owners.customer_id,
        team_roles.slot_no,
        employees.employee_id,
        earlier.reason_code as earlier_reason_code,
        earlier.valid_from as earlier_valid_from,
        row_number() over (
            partition by todays_owners.customer_id, team_roles.slot_no
            order by
                case when earlier.employee_id is null then 1 else 0 end asc,
                employees.level_no asc,
                employees.employee_id asc
        ) as standing
    from todays_owners
    inner join customers on todays_owners.customer_id = customers.customer_id
    inner join team_roles on customers.tier_code = team_roles.tier_code
    inner join nearby_employees as employees
        on
            customers.branch_id = employees.branch_id
            and team_roles.role_code = employees.role_code
            and todays_owners.employee_id != employees.employee_id
    left join yesterday as earlier
        on
            todays_owners.customer_id = earlier.customer_id
            and todays_owners.customer_id = earlier.holder_id
            and earlier.slot = 'specialist'
            and team_roles.slot_no = earlier.slot_no
            and employees.employee_id = earlier.employee_id
),

team as (
    select
        customer_id,
        slot_no,
        employee_id,
        coalesce(earlier_reason_code, 'team') as reason_code,
        coalesce(earlier_valid_from, {{ day }}) as valid_from
    from team_candidates
    where standing = 1
),

-- Specialists whom a maintainer called in (A9-07) stay while they are there.
called_in as (
    select
        yesterday.customer_id,
        yesterday.employee_id,
        min(yesterday.slot_no) as slot_no,
        min(yesterday.reason_code) as reason_code,
        min(yesterday.valid_from) as valid_from
    from yesterday
    where yesterday.slot = 'specialist' and yesterday.slot_no > 9
    group by yesterday.customer_id, yesterday.employee_id
    union all
    select
        new_referrals.customer_id,
        new_referrals.to_employee_id as employee_id,
        cast(null as bigint) as slot_no,
        'referral' as reason_code,
        {{ day }} as valid_from
    from new_referrals
    left join yesterday
        on
            new_referrals.customer_id = yesterday.customer_id
            and new_referrals.to_employee_id = yesterday.employee_id
            and yesterday.slot = 'specialist'
            and yesterday.slot_no > 9
    where yesterday.customer_id is null
    group by new_referrals.customer_id, new_referrals.to_employee_id
),

numbered_specialists as (
    select
        called_in.customer_id,
        called_in.employee_id,
        called_in.reason_code,
        called_in.valid_from,
        called_in.slot_no,
        max(coalesce(called_in.slot_no, 9)) over (partition by called_in.customer_id) as last_no,
        row_number() over (
            partition by called_in.customer_id
            order by called_in.slot_no asc nulls first, called_in.employee_id asc
        ) as ordinal,
        row_number() over (
            partition by called_in.customer_id, called_in.slot_no
            order by called_in.valid_from asc, called_in.employee_id asc
        ) as standing
    from called_in
    inner join todays_owners
        on
            called_in.customer_id = todays_owners.customer_id
            and called_in.employee_id != todays_owners.employee_id
    inner join eligible_employees as employees on called_in.employee_id = employees.employee_id
),

entries as (
    select
        todays_owners.customer_id,
        'a' as slot,
        cast(1 as bigint) as slot_no,
        todays_owners.employee_id,
        employees.branch_id,
        employees.role_code,
        todays_owners.reason_code,
        coalesce(initials.employee_id, todays_owners.employee_id) as initial_employee_id,
        case
            when initials.lost_date is not null then initials.lost_date
            when initials.employee_id != todays_owners.employee_id then {{ day }}
        end as initial_lost_date,
        case
            when initials.lost_date is not null then initials.lost_reason_code
            when initials.employee_id != todays_owners.employee_id
                then todays_owners.reason_code
        end as initial_lost_reason_code,
        false as is_acting,
        todays_owners.valid_from,
        todays_owners.choice_due_date,
        todays_owners.reassignment_due_date
    from todays_owners
    inner join employees on todays_owners.employee_id = employees.employee_id
    inner join initials on todays_owners.customer_id = initials.customer_id
    union all
    select
        todays_backups.customer_id,
        'b' as slot,
        cast(1 as bigint) as slot_no,
        todays_backups.employee_id,
        employees.branch_id,
        employees.role_code,
        todays_backups.reason_code,
        cast(null as {{ dbt.type_string() }}) as initial_employee_id,
        cast(null as date) as initial_lost_date,
        cast(null as {{ dbt.type_string() }}) as initial_lost_reason_code,
        todays_owners.customer_id is null
        or todays_owners.reassignment_due_date is not null as is_acting,
        todays_backups.valid_from,
        cast(null as date) as choice_due_date,
        cast(null as date) as reassignment_due_date
    from todays_backups
    inner join employees on todays_backups.employee_id = employees.employee_id
    left join todays_owners on todays_backups.customer_id = todays_owners.customer_id
    union all
    select
        specialists.customer_id,
        'specialist' as slot,
        specialists.slot_no,
        specialists.employee_id,
        employees.branch_id,
        employees.role_code,
        specialists.reason_code,
        cast(null as {{ dbt.type_string() }}) as initial_employee_id,
        cast(null as date) as initial_lost_date,
        cast(null as {{ dbt.type_string() }}) as initial_lost_reason_code,
        false as is_acting,
        specialists.valid_from,
        cast(null as date) as choice_due_date,
        cast(null as date) as reassignment_due_date
    from (
        select
            customer_id,
            slot_no,
            employee_id,
            reason_code,
            valid_from
        from team
        union all
        select
            customer_id,
            case when slot_no is not null and standing = 1 then slot_no else last_no + ordinal end
                as slot_no,
            employee_id,
            reason_code,
            valid_from
        from numbered_specialists
    ) as specialists
    inner join employees on specialists.employee_id = employees.employee_id
    union all
    select
        queued.customer_id,
        'queue' as slot,
        cast(1 as bigint) as slot_no,
        cast(null as {{ dbt.type_string() }}) as employee_id,
        queued.branch_id,
        coalesce(reasons.owner_role_code, queued.required_role_code) as role_code,
        queued.reason_code,
        initials.employee_id as initial_employee_id,
        case
            when initials.lost_date is not null then initials.lost_date
            when initials.employee_id is not null then {{ day }}
        end as initial_lost_date,
        case
            when initials.lost_date is not null then initials.lost_reason_code
            when initials.employee_id is not null then queued.reason_code
        end as initial_lost_reason_code,
        false as is_acting,
        case
            when earlier_queue.reason_code = queued.reason_code then earlier_queue.valid_from
            else {{ day }}
        end as valid_from,
        cast(null as date) as choice_due_date,
        queued.reassignment_due_date
    from queued
    left join reasons
        on coalesce(queued.owner_reason_code, queued.reason_code) = reasons.reason_code
    left join initials on queued.customer_id = initials.customer_id
    left join earlier_queue on queued.customer_id = earlier_queue.customer_id
),

{% endif -%}

final as (
    select
        {{ day }} as as_of_date,
        entries.customer_id,
        entries.slot,
        entries.slot_no,
        entries.employee_id,
        entries.branch_id,
        entries.role_code,
        customers.tier_code,
        customers.tier_rank,
        entries.reason_code,
        reasons.rule_id,
        entries.initial_employee_id,
        entries.initial_lost_date,
        entries.initial_lost_reason_code,
        entries.is_acting,
        entries.valid_from,
        entries.choice_due_date,
        entries.reassignment_due_date,
        '{{ plan()['book_policy_version'] }}' as policy_version
    from entries
    inner join customers on entries.customer_id = customers.customer_id
    left join reasons on entries.reason_code = reasons.reason_code
)

select * from final
