{{ config(materialized='range', partition_column='business_date', is_decision=true) }}

{#- What the warehouse knows of the as-of date alone (who is near a cut, how to reach whom) is told
    on that day; what it knows of every day is told on each day that is decided. -#}
{%- set last_month_end = date_literal(plan()['past_month_ends'][0]) -%}
{%- set late_batches = "'" ~ plan()['late_batches'] | join("', '") ~ "'" %}

with days as (
    {{ live_days() }}
),

rules as (
    select
        days.business_date,
        rules.event_kind,
        rules.rule_id,
        rules.lead_days,
        rules.min_amount_cny,
        rules.min_month_avg_cny,
        rules.min_rate,
        rules.month_count,
        rules.quiet_days,
        rules.repeat_days,
        rules.policy_version
    from days
    inner join {{ source('policy', 'event_rule') }} as rules
        on
            days.business_date >= rules.effective_from
            and days.business_date < rules.effective_to
),

batch_days as (
    select
        batch_days.feed_id,
        batch_days.business_date,
        batch_days.batch_id
    from {{ source('build', 'batch_day') }} as batch_days
    inner join days on batch_days.business_date = days.business_date
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

owned as (
    select
        business_date,
        customer_id
    from {{ ref('int_maintenance__owner_day') }}
),

-- Of customers whom nobody may approach only what their money does is told.
approachable as (
    select
        owned.business_date,
        owned.customer_id
    from owned
    left join {{ ref('int_maintenance__suppressed_day') }} as suppressed
        on
            owned.business_date = suppressed.business_date
            and owned.customer_id = suppressed.customer_id
    where suppressed.customer_id is null
),

customers as (
    select
        customer_id,
        birth_date,
        has_mobile,
        has_address
    from {{ ref('dim_customer') }}
),

-- What has fallen due within the lead on the day it was opened is told at once.
deposits as (
    select
        rules.business_date,
        'deposit' as account_kind,
        accounts.account_id,
        'maturity' as event_kind,
        accounts.maturity_date as event_date
    from rules
    inner join batch_days
        on
            rules.business_date = batch_days.business_date
            and batch_days.feed_id = 'core_banking.deposit_accounts'
    inner join {{ ref('stg_core_banking__deposit_accounts') }} as accounts
        on batch_days.batch_id = accounts.batch_id
    where
        rules.event_kind = 'maturity'
        and (
            accounts.maturity_date = {{ add_days('rules.business_date', 'rules.lead_days') }}
            or (
                accounts.opened_date = rules.business_date
                and accounts.maturity_date > rules.business_date
                and accounts.maturity_date
                < {{ add_days('rules.business_date', 'rules.lead_days') }}
            )
        )
),

holdings as (
    select
        rules.business_date,
        'holding' as account_kind,
        holdings.holding_id as account_id,
        'maturity' as event_kind,
        holdings.maturity_date as event_date
    from rules
    inner join batch_days
        on
            rules.business_date = batch_days.business_date
            and batch_days.feed_id = 'wealth.wealth_holdings'
    inner join {{ ref('stg_wealth__wealth_holdings') }} as holdings
        on batch_days.batch_id = holdings.batch_id
    where
        rules.event_kind = 'maturity'
        and (
            holdings.maturity_date = {{ add_days('rules.business_date', 'rules.lead_days') }}
            or (
                holdings.opened_date = rules.business_date
                and holdings.maturity_date > rules.business_date
                and holdings.maturity_date
                < {{ add_days('rules.business_date', 'rules.lead_days') }}
            )
        )
),

deliveries as (
    select
        business_date,
        lead(business_date) over (
            order by business_date
        ) as next_date
    from (
        select distinct business_date
        from {{ ref('stg_core_banking__deposit_accounts') }}
    ) as delivered
),

dormant as (
    select
        accounts.account_id,
        deliveries.next_date
    from {{ ref('stg_core_banking__deposit_accounts') }} as accounts
    inner join deliveries on accounts.business_date = deliveries.business_date
    where accounts.status = 'dormant' and deliveries.next_date is not null
),

woken as (
    select
        days.business_date,
        'deposit' as account_kind,
        accounts.account_id,
        'dormant_woken' as event_kind,
        days.business_date as event_date
    from {{ ref('stg_core_banking__deposit_accounts') }} as accounts
    inner join days on accounts.business_date = days.business_date
    inner join dormant
        on
            accounts.account_id = dormant.account_id
            and accounts.business_date = dormant.next_date
    where accounts.status = 'open'
),

accounts as (
    select * from deposits
    union all
    select * from holdings
    union all
    select * from woken
),

-- Each owner of a joint account is told of, with his share.
account_values as (
    select
        accounts.business_date,
        coalesce(successors.new_customer_id, legs.customer_id) as customer_id,
        accounts.event_kind,
        accounts.account_kind,
        accounts.account_id,
        accounts.event_date,
        sum(legs.value_cny) as amount_cny
    from accounts
    inner join {{ ref('int_assets__leg_day') }} as legs
        on
            accounts.business_date = legs.business_date
            and accounts.account_kind = legs.account_kind
            and accounts.account_id = legs.account_id
    left join successors on legs.customer_id = successors.old_customer_id
    group by
        accounts.business_date,
        coalesce(successors.new_customer_id, legs.customer_id),
        accounts.event_kind,
        accounts.account_kind,
        accounts.account_id,
        accounts.event_date
),

account_events as (
    select
        account_values.business_date,
        account_values.customer_id,
        account_values.event_kind,
        account_values.amount_cny,
        account_values.account_id,
        account_values.event_date,
        account_values.account_kind as detail_code,
        cast(null as {{ dbt.type_string() }}) as scheme_code
    from account_values
    inner join owned
        on
            account_values.business_date = owned.business_date
            and account_values.customer_id = owned.customer_id
    inner join rules
        on
            account_values.business_date = rules.business_date
            and account_values.event_kind = rules.event_kind
            and account_values.amount_cny >= rules.min_amount_cny
),

-- A customer's own level: the average of the last whole month.
month_averages as (
    select
        coalesce(successors.new_customer_id, measures.customer_id) as customer_id,
        sum(measures.aum_month_avg_cny) as month_avg_cny
    from {{ ref('fct_month_measure') }} as measures
    left join successors on measures.customer_id = successors.old_customer_id
    where measures.evaluation_date = {{ last_month_end }} and measures.asset_set = 'standard'
    group by coalesce(successors.new_customer_id, measures.customer_id)
),

watched as (
    select
        owned.business_date,
        owned.customer_id,
        month_averages.month_avg_cny
    from owned
    inner join month_averages on owned.customer_id = month_averages.customer_id
    inner join (
        select
            business_date,
            min(min_month_avg_cny) as min_month_avg_cny
        from rules
        where event_kind in ('large_inflow', 'large_outflow')
        group by business_date
    ) as floors
        on
            owned.business_date = floors.business_date
            and month_averages.month_avg_cny >= floors.min_month_avg_cny
),

-- Totals of a customer: what he moves between his own accounts cancels out, and what a merge brings
-- together was his before.
balances as (
    select
        balances.as_of_date,
        coalesce(successors.new_customer_id, balances.customer_id) as customer_id,
        sum(balances.aum_cny) as aum_cny
    from {{ ref('fct_customer_balance') }} as balances
    left join successors on balances.customer_id = successors.old_customer_id
    inner join (
        select distinct customer_id from watched
    ) as watched_customers
        on
            watched_customers.customer_id
            = coalesce(successors.new_customer_id, balances.customer_id)
    where
        balances.as_of_date >= {{ add_days(decided_from(), -1) }}
        and balances.as_of_date <= {{ as_of_date() }}
    group by
        balances.as_of_date,
        coalesce(successors.new_customer_id, balances.customer_id)
),

moves as (
    select
        watched.business_date,
        watched.customer_id,
        watched.month_avg_cny,
        todays.aum_cny - earlier.aum_cny as change_cny
    from watched
    inner join balances as todays
        on
            watched.business_date = todays.as_of_date
            and watched.customer_id = todays.customer_id
    inner join balances as earlier
        on
            earlier.as_of_date = {{ add_days('watched.business_date', -1) }}
            and watched.customer_id = earlier.customer_id
),

flow_events as (
    select
        moves.business_date,
        moves.customer_id,
        rules.event_kind,
        abs(moves.change_cny) as amount_cny,
        cast(null as {{ dbt.type_string() }}) as account_id,
        moves.business_date as event_date,
        cast(null as {{ dbt.type_string() }}) as detail_code,
        cast(null as {{ dbt.type_string() }}) as scheme_code
    from moves
    inner join rules
        on
            moves.business_date = rules.business_date
            and rules.event_kind
            = case when moves.change_cny > 0 then 'large_inflow' else 'large_outflow' end
    where
        moves.month_avg_cny >= rules.min_month_avg_cny
        and abs(moves.change_cny) >= rules.min_amount_cny
        and abs(moves.change_cny) >= {{ multiply_money('moves.month_avg_cny', 'rules.min_rate') }}
),

month_ends as (
    {%- for month_end in plan()['past_month_ends'] %}
    select
        {{ loop.index }} as month_count,
        {{ date_literal(month_end) }} as month_end_date
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

falls as (
    select
        falls.month_count,
        falls.min_rate,
        month_ends.month_end_date
    from {{ source('policy', 'event_fall') }} as falls
    inner join month_ends on falls.month_count = month_ends.month_count
    where
        falls.effective_from <= {{ as_of_date() }}
        and falls.effective_to > {{ as_of_date() }}
        and {{ 'true' if is_evaluation() else 'false' }}
),

compared_months as (
    select month_end_date from falls
    union
    select {{ as_of_date() }} as month_end_date
    where {{ 'true' if is_evaluation() else 'false' }}
),

compared_averages as (
    select
        measures.evaluation_date,
        coalesce(successors.new_customer_id, measures.customer_id) as customer_id,
        sum(measures.aum_month_avg_cny) as month_avg_cny
    from {{ ref('fct_month_measure') }} as measures
    inner join compared_months on measures.evaluation_date = compared_months.month_end_date
    left join successors on measures.customer_id = successors.old_customer_id
    where measures.asset_set = 'standard'
    group by
        measures.evaluation_date,
        coalesce(successors.new_customer_id, measures.customer_id)
),

fall_events as (
    select
        rules.business_date,
        owned.customer_id,
        rules.event_kind,
        min_by(earlier.month_avg_cny - todays.month_avg_cny, falls.month_count) as amount_cny,
        cast(null as {{ dbt.type_string() }}) as account_id,
        rules.business_date as event_date,
        cast(min(falls.month_count) as {{ dbt.type_string() }}) || 'm' as detail_code,
        cast(null as {{ dbt.type_string() }}) as scheme_code
    from rules
    inner join owned on rules.business_date = owned.business_date
    inner join compared_averages as todays
        on
            rules.business_date = todays.evaluation_date
            and owned.customer_id = todays.customer_id
    inner join compared_averages as earlier on todays.customer_id = earlier.customer_id
    inner join falls on earlier.evaluation_date = falls.month_end_date
    where
        rules.event_kind = 'aum_fall'
        and earlier.month_avg_cny >= rules.min_month_avg_cny
        and earlier.month_avg_cny - todays.month_avg_cny
        >= {{ multiply_money('earlier.month_avg_cny', 'falls.min_rate') }}
    group by rules.business_date, owned.customer_id, rules.event_kind
),

-- What is delivered for a day that is decided already is told on the first one that is not.
told_life_events as (
    select distinct
        case
            when life_events.business_date < {{ decided_from() }} then {{ decided_from() }}
            else life_events.business_date
        end as business_date,
        coalesce(successors.new_customer_id, life_events.customer_id) as customer_id,
        life_events.event_date,
        life_events.event_kind as detail_code
    from {{ ref('fct_life_event') }} as life_events
    left join successors on life_events.customer_id = successors.old_customer_id
    where
        life_events.business_date >= {{ decided_from() }}
        or life_events.batch_id in ({{ late_batches }})
),

life_events as (
    select
        told.business_date,
        told.customer_id,
        rules.event_kind,
        cast(null as decimal(18, 2)) as amount_cny,
        cast(null as {{ dbt.type_string() }}) as account_id,
        told.event_date,
        told.detail_code,
        cast(null as {{ dbt.type_string() }}) as scheme_code
    from told_life_events as told
    inner join owned
        on told.business_date = owned.business_date and told.customer_id = owned.customer_id
    inner join rules on told.business_date = rules.business_date
    where rules.event_kind = 'life_event'
),

-- What was told before this advance, of states that are not told again for a while.
told_before as (
    {%- if has_base() %}
    select
        customer_id,
        event_kind,
        coalesce(scheme_code, '') as scheme_code,
        coalesce(detail_code, '') as detail_code,
        max(business_date) as told_date
    from {{ kept_relation('fct_customer_event') }}
    where
        business_date < {{ decided_from() }}
        and event_kind in ('near_threshold_up', 'near_threshold_down', 'missing_contact_data')
    group by customer_id, event_kind, coalesce(scheme_code, ''), coalesce(detail_code, '')
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as customer_id,
        cast(null as {{ dbt.type_string() }}) as event_kind,
        cast(null as {{ dbt.type_string() }}) as scheme_code,
        cast(null as {{ dbt.type_string() }}) as detail_code,
        cast(null as date) as told_date
    where 1 = 0
    {%- endif %}
),

near as (
    select
        as_of_date,
        customer_id,
        scheme_code,
        direction,
        target_tier_code,
        gap_cny
    from {{ ref('fct_near_threshold') }}
),

dates_before as (
    select max(as_of_date) as as_of_date
    from near
    where as_of_date < {{ as_of_date() }}
),

earlier_near as (
    select near.*
    from near
    inner join dates_before on near.as_of_date = dates_before.as_of_date
),

newly_near as (
    select
        near.as_of_date as business_date,
        near.customer_id,
        'near_threshold_' || near.direction as event_kind,
        near.gap_cny,
        near.target_tier_code,
        near.scheme_code
    from near
    left join earlier_near as earlier
        on
            near.customer_id = earlier.customer_id
            and near.scheme_code = earlier.scheme_code
            and near.direction = earlier.direction
            and near.target_tier_code = earlier.target_tier_code
    where near.as_of_date = {{ as_of_date() }} and earlier.customer_id is null
),

unreachable as (
    select
        approachable.business_date,
        approachable.customer_id,
        'missing_contact_data' as event_kind
    from approachable
    inner join customers on approachable.customer_id = customers.customer_id
    where
        approachable.business_date = {{ as_of_date() }}
        and not coalesce(customers.has_mobile, false)
        and not coalesce(customers.has_address, false)
),

states as (
    select
        newly_near.business_date,
        newly_near.customer_id,
        newly_near.event_kind,
        newly_near.gap_cny as amount_cny,
        newly_near.target_tier_code as detail_code,
        newly_near.scheme_code
    from newly_near
    inner join approachable
        on
            newly_near.business_date = approachable.business_date
            and newly_near.customer_id = approachable.customer_id
    union all
    select
        business_date,
        customer_id,
        event_kind,
        cast(null as decimal(18, 2)) as amount_cny,
        cast(null as {{ dbt.type_string() }}) as detail_code,
        cast(null as {{ dbt.type_string() }}) as scheme_code
    from unreachable
),

state_events as (
    select
        states.business_date,
        states.customer_id,
        states.event_kind,
        states.amount_cny,
        cast(null as {{ dbt.type_string() }}) as account_id,
        states.business_date as event_date,
        states.detail_code,
        states.scheme_code
    from states
    inner join rules
        on states.business_date = rules.business_date and states.event_kind = rules.event_kind
    left join told_before
        on
            states.customer_id = told_before.customer_id
            and states.event_kind = told_before.event_kind
            and coalesce(states.scheme_code, '') = told_before.scheme_code
            and coalesce(states.detail_code, '') = told_before.detail_code
            and told_before.told_date > {{ add_days('states.business_date', '-rules.repeat_days') }}
    where told_before.customer_id is null
),

salary_rules as (
    select
        business_date,
        event_kind,
        month_count,
        {{ add_days('business_date', '-quiet_days') }} as last_paid_date
    from rules
    where event_kind = 'salary_stopped'
),

salary_bounds as (
    select min({{ add_days('last_paid_date', '-31 * month_count') }}) as first_date
    from salary_rules
),

-- Pay days of the months looked back on, of customers as they are now.
pay_days as (
    select
        salaries.business_date,
        coalesce(successors.new_customer_id, salaries.customer_id) as customer_id,
        {{ month_number('salaries.business_date') }} as month_no,
        sum(salaries.salary_cny) as salary_cny
    from {{ ref('fct_salary_day') }} as salaries
    inner join salary_bounds on salaries.business_date >= salary_bounds.first_date
    left join successors on salaries.customer_id = successors.old_customer_id
    group by
        salaries.business_date,
        coalesce(successors.new_customer_id, salaries.customer_id)
),

last_paid as (
    select
        salary_rules.business_date,
        salary_rules.event_kind,
        salary_rules.month_count,
        salary_rules.last_paid_date,
        pay_days.customer_id,
        pay_days.month_no,
        pay_days.salary_cny
    from salary_rules
    inner join pay_days on salary_rules.last_paid_date = pay_days.business_date
    inner join owned
        on
            salary_rules.business_date = owned.business_date
            and pay_days.customer_id = owned.customer_id
),

salary_events as (
    select
        last_paid.business_date,
        last_paid.customer_id,
        last_paid.event_kind,
        max(last_paid.salary_cny) as amount_cny,
        cast(null as {{ dbt.type_string() }}) as account_id,
        last_paid.last_paid_date as event_date,
        cast(null as {{ dbt.type_string() }}) as detail_code,
        cast(null as {{ dbt.type_string() }}) as scheme_code
    from last_paid
    inner join pay_days
        on
            last_paid.customer_id = pay_days.customer_id
            and last_paid.business_date >= pay_days.business_date
            and last_paid.month_no - pay_days.month_no < last_paid.month_count
    group by
        last_paid.business_date,
        last_paid.customer_id,
        last_paid.event_kind,
        last_paid.month_count,
        last_paid.last_paid_date
    having
        max(pay_days.business_date) = last_paid.last_paid_date
        and count(distinct pay_days.month_no) = last_paid.month_count
),

occasions as (
    select
        rules.business_date,
        rules.event_kind,
        rules.min_month_avg_cny,
        occasions.occasion_key,
        occasions.occasion_date
    from rules
    inner join {{ source('build', 'occasion') }} as occasions
        on
            rules.event_kind = occasions.occasion_code
            and {{ add_days('rules.business_date', 'rules.lead_days') }}
            = occasions.occasion_date
),

birthday_events as (
    select
        occasions.business_date,
        customers.customer_id,
        occasions.event_kind,
        cast(null as decimal(18, 2)) as amount_cny,
        cast(null as {{ dbt.type_string() }}) as account_id,
        occasions.occasion_date as event_date,
        cast(null as {{ dbt.type_string() }}) as detail_code,
        cast(null as {{ dbt.type_string() }}) as scheme_code
    from occasions
    inner join customers
        on
            occasions.occasion_key
            = substring(cast(customers.birth_date as {{ dbt.type_string() }}), 6, 2)
            || substring(cast(customers.birth_date as {{ dbt.type_string() }}), 9, 2)
    inner join approachable
        on
            occasions.business_date = approachable.business_date
            and customers.customer_id = approachable.customer_id
    where occasions.event_kind = 'birthday'
),

festival_events as (
    select
        occasions.business_date,
        approachable.customer_id,
        occasions.event_kind,
        cast(null as decimal(18, 2)) as amount_cny,
        cast(null as {{ dbt.type_string() }}) as account_id,
        occasions.occasion_date as event_date,
        occasions.occasion_key as detail_code,
        cast(null as {{ dbt.type_string() }}) as scheme_code
    from occasions
    inner join approachable on occasions.business_date = approachable.business_date
    inner join month_averages
        on
            approachable.customer_id = month_averages.customer_id
            and occasions.min_month_avg_cny <= month_averages.month_avg_cny
    where occasions.event_kind = 'festival'
),

events as (
    select * from account_events
    union all
    select * from flow_events
    union all
    select * from fall_events
    union all
    select * from life_events
    union all
    select * from state_events
    union all
    select * from salary_events
    union all
    select * from birthday_events
    union all
    select * from festival_events
),

final as (
    select
        {{ sha256_text(
            "cast(events.business_date as " ~ dbt.type_string() ~ ") || '|' || events.customer_id || '|' || "
            ~ "events.event_kind || '|' || coalesce(events.account_id, '') || '|' || "
            ~ "cast(events.event_date as " ~ dbt.type_string() ~ ") || '|' || "
            ~ "coalesce(events.scheme_code, '') || '|' || coalesce(events.detail_code, '')"
        ) }} as event_id,
        events.business_date,
        events.customer_id,
        events.event_kind,
        cast(events.amount_cny as decimal(18, 2)) as amount_cny,
        events.account_id,
        events.event_date,
        events.detail_code,
        events.scheme_code,
        rules.rule_id,
        rules.policy_version
    from events
    inner join rules
        on
            events.business_date = rules.business_date
            and events.event_kind = rules.event_kind
)

select * from final
