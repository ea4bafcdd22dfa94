{{ config(materialized='range', partition_column='evaluation_date') }}

{%- set primary = plan()['primary_scheme']['scheme_code'] %}
{%- set is_appraised = 'true' if plan()['appraisal_periods'] else 'false' %}

with periods as (
    {{ appraised_periods() }}
),

rules as (
    select
        periods.*,
        {{ days_between('periods.through_date', 'periods.guard_date') }} as guard_day_count,
        rules.policy_version,
        rules.floor_cny,
        rules.kept_share,
        rules.fall_from_cny,
        rules.liability_cny
    from periods
    inner join {{ source('policy', 'appraisal') }} as rules
        on
            periods.through_date >= rules.effective_from
            and periods.through_date < rules.effective_to
),

measure_codes as (
    select
        policy_version,
        measure_code
    from {{ source('policy', 'appraisal_measure') }}
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

customers as (
    select
        customer_id,
        home_branch_id,
        opened_date,
        closed_date,
        deceased_date
    from {{ ref('dim_customer') }}
    where {{ is_appraised }}
),

-- A cohort keeps the ids of its day; who was merged since is judged by his successor's figures.
cohort as (
    select
        cohort.period_code,
        cohort.customer_id,
        coalesce(successors.new_customer_id, cohort.customer_id) as subject_id,
        cohort.branch_id,
        cohort.tier_code,
        cohort.tier_rank,
        cohort.tier_policy_version
    from {{ ref('fct_cohort') }} as cohort
    inner join periods on cohort.period_code = periods.period_code
    left join successors on cohort.customer_id = successors.old_customer_id
),

subjects as (
    select distinct
        period_code,
        subject_id
    from cohort
),

-- Primary tiers: the history as far as it is known, for the day after the as-of date what the
-- evaluation of today gives and the doors that are open.
history as (
    select
        changes.customer_id,
        coalesce(successors.new_customer_id, changes.customer_id) as subject_id,
        changes.valid_from,
        changes.tier_rank,
        changes.change_kind
    from {{ ref('fct_tier_change') }} as changes
    left join successors on changes.customer_id = successors.old_customer_id
    where changes.scheme_code = '{{ primary }}' and {{ is_appraised }}
),

evaluated as (
    select
        coalesce(successors.new_customer_id, evaluations.customer_id) as subject_id,
        evaluations.tier_rank,
        evaluations.change_kind
    from {{ ref('fct_tier_evaluation') }} as evaluations
    left join successors on evaluations.customer_id = successors.old_customer_id
    where
        evaluations.scheme_code = '{{ primary }}'
        and evaluations.evaluation_date = {{ as_of_date() }}
        and {{ is_appraised }}
),

door_tiers as (
    select tier_rank
    from {{ source('policy', 'tier') }}
    where
        policy_version = '{{ plan()['primary_scheme']['policy_version'] }}'
        and is_door_tier
),

morrow_holders as (
    select
        subject_id,
        tier_rank,
        0 as door_rank
    from evaluated
    where tier_rank > 0
    union all
    select
        coalesce(successors.new_customer_id, open_doors.customer_id) as subject_id,
        0 as tier_rank,
        door_tiers.tier_rank as door_rank
    from {{ ref('int_tiering__open_door_day') }} as open_doors
    cross join door_tiers
    left join successors on open_doors.customer_id = successors.old_customer_id
    where
        open_doors.scheme_code = '{{ primary }}'
        and open_doors.business_date = {{ as_of_date() }}
        and {{ is_appraised }}
),

-- A band outdoes a door, whatever their ranks.
morrow_ranks as (
    select
        subject_id,
        case when max(tier_rank) > 0 then max(tier_rank) else max(door_rank) end as tier_rank
    from morrow_holders
    group by subject_id
),

past_ranks as (
    select
        period_code,
        subject_id,
        max(tier_rank) as tier_rank
    from (
        select
            periods.period_code,
            history.subject_id,
            history.customer_id,
            max_by(history.tier_rank, history.valid_from) as tier_rank
        from history
        inner join periods
            on
                periods.is_final
                and history.valid_from <= {{ add_days('periods.through_date', 1) }}
        group by periods.period_code, history.subject_id, history.customer_id
    ) as held
    group by period_code, subject_id
),

-- The rank on the day after the period, and one month later when that is known.
end_ranks as (
    select
        past_ranks.period_code,
        past_ranks.subject_id,
        past_ranks.tier_rank,
        coalesce(morrow_ranks.tier_rank, 0) as guard_rank
    from past_ranks
    left join morrow_ranks on past_ranks.subject_id = morrow_ranks.subject_id
    where past_ranks.tier_rank > 0
    union all
    select
        periods.period_code,
        morrow_ranks.subject_id,
        morrow_ranks.tier_rank,
        morrow_ranks.tier_rank as guard_rank
    from morrow_ranks
    inner join periods on not periods.is_final
    where morrow_ranks.tier_rank > 0
),

policy_changes as (
    select
        periods.period_code,
        history.subject_id
    from history
    inner join periods
        on
            history.valid_from > periods.start_date
            and history.valid_from <= {{ add_days('periods.through_date', 1) }}
    where history.change_kind = 'policy'
    union
    select
        periods.period_code,
        evaluated.subject_id
    from evaluated
    inner join periods on not periods.is_final
    where evaluated.change_kind = 'policy'
),

-- Whoever was in scope before the period: in books, in a cohort or by his tier.
known_before as (
    select
        periods.period_code,
        history.subject_id
    from history
    inner join periods on history.valid_from < periods.start_date
    where history.tier_rank > 0
    union
    select
        periods.period_code,
        coalesce(successors.new_customer_id, changes.customer_id) as subject_id
    from {{ ref('fct_assignment_change') }} as changes
    inner join periods on changes.business_date < periods.start_date
    left join successors on changes.customer_id = successors.old_customer_id
    union
    select
        periods.period_code,
        coalesce(successors.new_customer_id, cohort.customer_id) as subject_id
    from {{ ref('fct_cohort') }} as cohort
    inner join periods on cohort.cohort_date < periods.start_date
    left join successors on cohort.customer_id = successors.old_customer_id
),

-- Month ends that averages are taken from: the guard's are those of the month after the quarter.
measure_dates as (
    select
        period_code,
        'opening' as point,
        eve_date as evaluation_date,
        false as is_last_day_left_out
    from periods
    union all
    select
        period_code,
        'closing' as point,
        through_date as evaluation_date,
        false as is_last_day_left_out
    from periods
    union all
    select
        period_code,
        'guard' as point,
        {{ as_of_date() }} as evaluation_date,
        guard_date < {{ as_of_date() }} as is_last_day_left_out
    from periods
    where is_final
),

assets as (
    select
        measures.period_code,
        measures.subject_id,
        sum(
            case when measures.point = 'opening' then measures.aum_quarter_avg_cny else 0 end
        ) as opening_avg_cny,
        sum(
            case when measures.point = 'closing' then measures.aum_quarter_avg_cny else 0 end
        ) as closing_avg_cny,
        cast(sum(
            case
                when measures.point != 'guard' then 0
                when measures.is_last_day_left_out
                    then measures.month_balance_days_cny - measures.aum_cny
                else measures.month_balance_days_cny
            end
        ) as decimal(28, 2)) as guard_days_cny
    from (
        select
            measure_dates.period_code,
            measure_dates.point,
            measure_dates.is_last_day_left_out,
            coalesce(successors.new_customer_id, measures.customer_id) as subject_id,
            measures.aum_cny,
            measures.aum_quarter_avg_cny,
            measures.month_balance_days_cny
        from {{ ref('fct_month_measure') }} as measures
        inner join measure_dates on measures.evaluation_date = measure_dates.evaluation_date
        left join successors on measures.customer_id = successors.old_customer_id
        where measures.asset_set = 'standard'
    ) as measures
    inner join subjects
        on
            measures.period_code = subjects.period_code
            and measures.subject_id = subjects.subject_id
    group by measures.period_code, measures.subject_id
),

-- Price effects are running sums of daily levels: a period has that of its end less that of its
-- eve.
effect_dates as (
    {%- for point in ['prior_eve', 'eve', 'through', 'guard'] %}
    select
        period_code,
        '{{ point }}' as point,
        {{ point }}_date as as_of_date
    from periods
    {{ 'where is_final' if point == 'guard' else 'union all' }}
    {%- endfor %}
),

price_sums as (
    select
        effects.period_code,
        {%- for point in ['prior_eve', 'eve', 'through', 'guard'] %}
        cast(sum(
            case when effects.point = '{{ point }}' then effects.price_effect_days_cny else 0 end
        ) as decimal(28, 2)) as {{ point }}_days_cny,
        {%- endfor %}
        effects.subject_id
    from (
        select
            effect_dates.period_code,
            effect_dates.point,
            coalesce(successors.new_customer_id, effects.customer_id) as subject_id,
            effects.price_effect_days_cny
        from {{ ref('fct_customer_price_effect') }} as effects
        inner join effect_dates on effects.as_of_date = effect_dates.as_of_date
        left join successors on effects.customer_id = successors.old_customer_id
    ) as effects
    inner join subjects
        on
            effects.period_code = subjects.period_code
            and effects.subject_id = subjects.subject_id
    group by effects.period_code, effects.subject_id
),

averages as (
    select
        subjects.period_code,
        subjects.subject_id,
        rules.is_final,
        coalesce(assets.opening_avg_cny, 0) as opening_avg_cny,
        coalesce(assets.closing_avg_cny, 0) as closing_avg_cny,
        {{ divide_half_up('coalesce(assets.guard_days_cny, 0)', 'rules.guard_day_count') }}
            as guard_avg_cny,
        coalesce({{ divide_half_up(
            'price_sums.eve_days_cny - price_sums.prior_eve_days_cny', 'rules.prior_day_count'
        ) }}, 0) as opening_effect_cny,
        coalesce({{ divide_half_up(
            'price_sums.through_days_cny - price_sums.eve_days_cny', 'rules.day_count'
        ) }}, 0) as closing_effect_cny,
        coalesce({{ divide_half_up(
            'price_sums.guard_days_cny - price_sums.through_days_cny', 'rules.guard_day_count'
        ) }}, 0) as guard_effect_cny
    from subjects
    inner join rules on subjects.period_code = rules.period_code
    left join assets
        on
            subjects.period_code = assets.period_code
            and subjects.subject_id = assets.subject_id
    left join price_sums
        on
            subjects.period_code = price_sums.period_code
            and subjects.subject_id = price_sums.subject_id
),

-- What left again within the guard days after the quarter does not count as flow; who is lost is
-- judged by the quarter alone.
guarded as (
    select
        period_code,
        subject_id,
        opening_avg_cny,
        closing_avg_cny,
        opening_avg_cny - opening_effect_cny as opening_flow_cny,
        case
            when is_final
                then least(closing_avg_cny - closing_effect_cny, guard_avg_cny - guard_effect_cny)
            else closing_avg_cny - closing_effect_cny
        end as closing_flow_cny,
        closing_effect_cny - opening_effect_cny as price_effect_cny
    from averages
),

quarter_customers as (
    select
        quarters.period_code,
        quarters.customer_id,
        quarters.active_family_count,
        quarters.has_suitability_breach,
        quarters.is_court_frozen
    from {{ ref('fct_quarter_customer') }} as quarters
    inner join periods
        on
            quarters.period_code = periods.period_code
            and quarters.evaluation_date = periods.through_date
),

top_tiers as (
    select
        policy_version,
        max(tier_rank) as tier_rank
    from {{ source('policy', 'tier') }}
    group by policy_version
),

least_families as (
    select
        policy_version,
        tier_code,
        least_families
    from {{ source('policy', 'appraisal_family_count') }}
),

figures as (
    select
        cohort.period_code,
        cohort.customer_id,
        cohort.branch_id,
        cohort.tier_rank,
        rules.policy_version,
        rules.through_date,
        rules.is_final,
        rules.floor_cny,
        rules.fall_from_cny,
        rules.liability_cny,
        cast(
            cast(guarded.opening_avg_cny as decimal(19, 2))
            * cast(rules.kept_share as decimal(18, 8)) as decimal(38, 10)
        ) as kept_cny,
        guarded.opening_avg_cny,
        guarded.closing_avg_cny,
        guarded.opening_flow_cny,
        guarded.closing_flow_cny,
        guarded.price_effect_cny,
        customers.customer_id is null
        or coalesce(customers.closed_date <= rules.through_date, false) as is_closed,
        coalesce(customers.deceased_date <= rules.through_date, false) as is_deceased,
        coalesce(by_subject.is_court_frozen, by_customer.is_court_frozen, false) as is_court_frozen,
        successors_in_cohort.customer_id is not null and cohort.customer_id != cohort.subject_id
            as is_merged,
        coalesce(end_ranks.tier_rank, 0) as end_rank,
        coalesce(end_ranks.guard_rank, 0) as guard_rank,
        policy_changes.subject_id is not null as has_policy_change,
        cohort.tier_rank >= top_tiers.tier_rank as is_top_tier,
        coalesce(by_subject.active_family_count, by_customer.active_family_count, 0)
        >= families.least_families as has_families,
        coalesce(by_subject.has_suitability_breach, by_customer.has_suitability_breach, false)
            as has_breach
    from cohort
    inner join rules on cohort.period_code = rules.period_code
    inner join guarded
        on
            cohort.period_code = guarded.period_code
            and cohort.subject_id = guarded.subject_id
    left join customers on cohort.subject_id = customers.customer_id
    left join cohort as successors_in_cohort
        on
            cohort.period_code = successors_in_cohort.period_code
            and cohort.subject_id = successors_in_cohort.customer_id
    left join end_ranks
        on
            cohort.period_code = end_ranks.period_code
            and cohort.subject_id = end_ranks.subject_id
    left join policy_changes
        on
            cohort.period_code = policy_changes.period_code
            and cohort.subject_id = policy_changes.subject_id
    left join quarter_customers as by_subject
        on
            cohort.period_code = by_subject.period_code
            and cohort.subject_id = by_subject.customer_id
    left join quarter_customers as by_customer
        on
            cohort.period_code = by_customer.period_code
            and cohort.customer_id = by_customer.customer_id
    left join top_tiers on cohort.tier_policy_version = top_tiers.policy_version
    left join least_families as families
        on
            rules.policy_version = families.policy_version
            and cohort.tier_code = families.tier_code
),

exclusions as (
    select
        hits.period_code,
        hits.customer_id,
        min_by(exclusions.exclusion_code, exclusions.place) as exclusion_code
    from (
        {%- for code, condition in [
            ('merged', 'is_merged'), ('deceased', 'is_deceased'), ('court_freeze', 'is_court_frozen')
        ] %}
        select
            period_code,
            customer_id,
            policy_version,
            '{{ code }}' as exclusion_code
        from figures
        where {{ condition }}
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as hits
    inner join {{ source('policy', 'appraisal_exclusion') }} as exclusions
        on
            hits.policy_version = exclusions.policy_version
            and hits.exclusion_code = exclusions.exclusion_code
    group by hits.period_code, hits.customer_id
),

-- Who stays and rose is never churn. The floor and the fall bind whom the asset door let in, the
-- shut doors the others.
judged as (
    select
        figures.*,
        exclusions.exclusion_code,
        case
            when figures.is_closed then 'closed'
            when figures.end_rank > figures.tier_rank then null
            when
                figures.opening_avg_cny >= figures.floor_cny
                and figures.closing_avg_cny < figures.floor_cny
                then 'below_floor'
            when
                figures.opening_avg_cny > 0
                and figures.opening_avg_cny >= figures.fall_from_cny
                and figures.closing_avg_cny < figures.kept_cny
                then 'fell'
            when figures.opening_avg_cny < figures.floor_cny and figures.end_rank = 0
                then 'doors_shut'
        end as churn_cause,
        figures.end_rank > figures.tier_rank and not figures.is_closed as is_upgraded,
        not figures.is_final or figures.guard_rank > figures.tier_rank as is_held
    from figures
    left join exclusions
        on
            figures.period_code = exclusions.period_code
            and figures.customer_id = exclusions.customer_id
),

cells as (
    select
        judged.*,
        measure_codes.measure_code,
        coalesce(
            judged.exclusion_code,
            case
                when measure_codes.measure_code = 'm2_uplift' and judged.is_top_tier
                    then 'top_tier'
            end
        ) as exclusion_reason
    from judged
    inner join measure_codes
        on
            judged.policy_version = measure_codes.policy_version
            and measure_codes.measure_code != 'm4_acquisition'
),

judged_cells as (
    select
        cells.period_code,
        cells.customer_id,
        cells.branch_id,
        cells.measure_code,
        cells.exclusion_reason,
        case
            when cells.exclusion_reason is not null then false
            when cells.measure_code = 'm1_retention' then cells.churn_cause is not null
            when cells.measure_code = 'm2_uplift'
                then cells.is_upgraded and cells.is_held and not cells.has_policy_change
            when cells.measure_code = 'm3_deepening'
                then coalesce(cells.has_families, false) and not cells.has_breach
            else true
        end as is_numerator,
        case
            when cells.measure_code = 'm1_retention'
                then cells.closing_avg_cny - cells.opening_avg_cny
            when cells.measure_code = 'm5_growth'
                then cells.closing_flow_cny - cells.opening_flow_cny
        end as value_cny,
        case
            when cells.measure_code in ('m1_retention', 'm5_growth') then cells.opening_avg_cny
        end as base_cny,
        case when cells.measure_code = 'm5_growth' then cells.price_effect_cny end
            as price_effect_cny,
        case
            when cells.exclusion_reason is not null then null
            when cells.measure_code = 'm1_retention' then cells.churn_cause
            when cells.measure_code = 'm2_uplift' and cells.is_upgraded
                then
                    case
                        when cells.is_held and cells.has_policy_change then 'policy_change'
                        when not cells.is_held and not cells.has_policy_change then 'not_held'
                    end
            when
                cells.measure_code = 'm3_deepening'
                and cells.has_families
                and cells.has_breach
                then 'suitability_breach'
        end as cause_code,
        cells.measure_code = 'm1_retention'
        and cells.exclusion_reason is null
        and cells.churn_cause is not null
        and cells.opening_avg_cny >= cells.liability_cny as is_liable
    from cells
),

holdings as (
    select
        period_code,
        customer_id,
        employee_id,
        held_days,
        is_opening_holder,
        is_closing_holder,
        row_number() over (
            partition by period_code, customer_id order by held_days desc, employee_id asc
        ) as place
    from {{ ref('int_appraisal__holding') }}
    where held_days >= 1
),

-- Won in the period: in scope after it, of no cohort, and new to the bank or never in scope before.
won as (
    select
        end_ranks.period_code,
        end_ranks.subject_id as customer_id,
        end_ranks.guard_rank > 0 as is_kept,
        customers.home_branch_id,
        periods.start_date,
        periods.through_date,
        rules.policy_version
    from end_ranks
    inner join periods on end_ranks.period_code = periods.period_code
    inner join rules on end_ranks.period_code = rules.period_code
    inner join measure_codes
        on
            rules.policy_version = measure_codes.policy_version
            and measure_codes.measure_code = 'm4_acquisition'
    left join subjects
        on
            end_ranks.period_code = subjects.period_code
            and end_ranks.subject_id = subjects.subject_id
    left join known_before
        on
            end_ranks.period_code = known_before.period_code
            and end_ranks.subject_id = known_before.subject_id
    left join customers on end_ranks.subject_id = customers.customer_id
    where
        subjects.subject_id is null
        and (
            known_before.subject_id is null
            or (
                customers.opened_date >= periods.start_date
                and customers.opened_date <= periods.through_date
            )
        )
),

choices as (
    select
        won.period_code,
        won.customer_id,
        max_by(
            choices.employee_id,
            cast(choices.chosen_date as {{ dbt.type_string() }}) || choices.choice_id
        ) as employee_id
    from {{ ref('stg_crm__customer_choices') }} as choices
    left join successors on choices.customer_id = successors.old_customer_id
    inner join won
        on
            coalesce(successors.new_customer_id, choices.customer_id) = won.customer_id
            and choices.chosen_date >= won.start_date
            and choices.chosen_date <= won.through_date
    group by won.period_code, won.customer_id
),

referrals as (
    select
        won.period_code,
        won.customer_id,
        max_by(
            referrals.from_employee_id,
            cast(referrals.referred_date as {{ dbt.type_string() }}) || referrals.referral_id
        ) as employee_id
    from {{ ref('stg_crm__referrals') }} as referrals
    left join successors on referrals.customer_id = successors.old_customer_id
    inner join won
        on
            coalesce(successors.new_customer_id, referrals.customer_id) = won.customer_id
            and referrals.referred_date >= won.start_date
            and referrals.referred_date <= won.through_date
    where referrals.from_employee_id is not null
    group by won.period_code, won.customer_id
),

sales as (
    select
        won.period_code,
        won.customer_id,
        min_by(
            sales.seller_employee_id,
            cast(sales.posted_date as {{ dbt.type_string() }}) || sales.revenue_id
        ) as employee_id
    from {{ ref('fct_sale') }} as sales
    left join successors on sales.customer_id = successors.old_customer_id
    inner join won
        on
            coalesce(successors.new_customer_id, sales.customer_id) = won.customer_id
            and sales.posted_date >= won.start_date
            and sales.posted_date <= won.through_date
    group by won.period_code, won.customer_id
),

new_cells as (
    select
        won.period_code,
        coalesce(
            choices.employee_id,
            referrals.employee_id,
            sales.employee_id,
            'pool:' || coalesce(won.home_branch_id, 'unknown_branch')
        ) as employee_id,
        won.customer_id,
        coalesce(won.home_branch_id, 'unknown_branch') as branch_id,
        won.is_kept,
        case
            when not won.is_kept then 'not_held'
            when choices.employee_id is not null then 'choice'
            when referrals.employee_id is not null then 'referral'
            when sales.employee_id is not null then 'first_sale'
            else 'pool'
        end as cause_code
    from won
    left join choices
        on
            won.period_code = choices.period_code
            and won.customer_id = choices.customer_id
    left join referrals
        on
            won.period_code = referrals.period_code
            and won.customer_id = referrals.customer_id
    left join sales
        on
            won.period_code = sales.period_code
            and won.customer_id = sales.customer_id
),

rows_of_measures as (
    select
        cells.period_code,
        holdings.employee_id,
        cells.measure_code,
        cells.customer_id,
        cells.branch_id,
        case
            when cells.exclusion_reason is not null then 'excluded'
            when not holdings.is_opening_holder then 'transferred_in'
            when not holdings.is_closing_holder then 'transferred_out'
            else 'opening'
        end as cohort_role,
        holdings.is_opening_holder as is_opening,
        holdings.place = 1 as is_longest_holder,
        holdings.held_days,
        cells.is_numerator,
        cells.value_cny,
        cells.base_cny,
        cells.price_effect_cny,
        cells.exclusion_reason,
        cells.cause_code,
        cells.is_liable
    from judged_cells as cells
    inner join holdings
        on
            cells.period_code = holdings.period_code
            and cells.customer_id = holdings.customer_id
    union all
    select
        new_cells.period_code,
        new_cells.employee_id,
        'm4_acquisition' as measure_code,
        new_cells.customer_id,
        new_cells.branch_id,
        'new' as cohort_role,
        false as is_opening,
        true as is_longest_holder,
        periods.day_count as held_days,
        new_cells.is_kept as is_numerator,
        cast(null as decimal(18, 2)) as value_cny,
        cast(null as decimal(18, 2)) as base_cny,
        cast(null as decimal(18, 2)) as price_effect_cny,
        cast(null as {{ dbt.type_string() }}) as exclusion_reason,
        new_cells.cause_code,
        false as is_liable
    from new_cells
    inner join periods on new_cells.period_code = periods.period_code
),

final as (
    select
        {{ as_of_date() }} as evaluation_date,
        evidence.period_code,
        rules.is_final,
        rules.through_date,
        cast(rules.day_count as bigint) as day_count,
        evidence.employee_id,
        evidence.measure_code,
        evidence.customer_id,
        evidence.branch_id,
        evidence.cohort_role,
        evidence.is_opening,
        evidence.is_longest_holder,
        cast(evidence.held_days as bigint) as held_days,
        {{ rate('evidence.held_days', 'rules.day_count') }} as weight,
        evidence.is_numerator,
        cast(evidence.value_cny as decimal(18, 2)) as value_cny,
        cast(evidence.base_cny as decimal(18, 2)) as base_cny,
        cast(evidence.price_effect_cny as decimal(18, 2)) as price_effect_cny,
        evidence.exclusion_reason,
        evidence.cause_code,
        evidence.is_liable,
        rules.policy_version
    from rows_of_measures as evidence
    inner join rules on evidence.period_code = rules.period_code
)

select * from final
