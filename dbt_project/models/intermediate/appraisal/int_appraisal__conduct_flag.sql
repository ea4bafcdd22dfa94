with rules as (
    {{ flag_rules([
        'bunching', 'opened_unused', 'handover_timing', 'contacts_in_bulk', 'supervisor_as_b',
    ]) }}
),

codes as (
    select
        policy_version,
        flag_kind,
        code
    from {{ source('policy', 'appraisal_flag_code') }}
),

books as (
    {{ flagged_books() }}
),

batch_days as (
    select
        feed_id,
        batch_id
    from {{ source('build', 'batch_day') }}
    where business_date = {{ as_of_date() }}
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

cuts as (
    select distinct
        rules.period_code,
        rules.through_date,
        bands.lower_value as cut_cny,
        bands.lower_value * rules.rate_limit as width_cny
    from rules
    inner join {{ source('policy', 'tier_band') }} as bands
        on
            bands.scheme_code = '{{ plan()['primary_scheme'].scheme_code }}'
            and rules.through_date >= bands.effective_from
            and rules.through_date < bands.effective_to
            and bands.tier_rank > 0
    where rules.flag_kind = 'bunching' and bands.lower_value > 0
),

-- Just above a cut against just below it and against what lies a step further up: a book of one
-- tier has nobody below its cut; customers are fewer the richer they are, but not by so much.
cut_counts as (
    select
        cuts.period_code,
        books.employee_id,
        cuts.cut_cny,
        cuts.width_cny,
        sum(
            case
                when
                    tiers.measure_value >= cuts.cut_cny
                    and tiers.measure_value < cuts.cut_cny + cuts.width_cny
                    then 1
                else 0
            end
        ) as above_count,
        sum(case when tiers.measure_value < cuts.cut_cny then 1 else 0 end) as below_count,
        sum(
            case when tiers.measure_value >= cuts.cut_cny + cuts.width_cny then 1 else 0 end
        ) as further_count
    from cuts
    inner join books on cuts.period_code = books.period_code
    inner join {{ ref('fct_tier_evaluation') }} as tiers
        on
            cuts.through_date = tiers.evaluation_date
            and books.customer_id = tiers.customer_id
            and tiers.scheme_code = '{{ plan()['primary_scheme'].scheme_code }}'
            and tiers.measure_value >= cuts.cut_cny - cuts.width_cny
            and tiers.measure_value < cuts.cut_cny + 2 * cuts.width_cny
    group by cuts.period_code, books.employee_id, cuts.cut_cny, cuts.width_cny
),

ranked_cuts as (
    select
        cut_counts.*,
        rules.flag_kind,
        rules.other_count,
        rules.policy_version,
        row_number() over (
            partition by cut_counts.period_code, cut_counts.employee_id
            order by cut_counts.above_count desc, cut_counts.cut_cny asc
        ) as standing
    from cut_counts
    inner join rules
        on cut_counts.period_code = rules.period_code and rules.flag_kind = 'bunching'
    where
        cut_counts.above_count >= rules.least_count
        and cut_counts.above_count
        >= rules.other_count * greatest(cut_counts.below_count, cut_counts.further_count)
),

bunching_flags as (
    select
        period_code,
        employee_id,
        '' as customer_id,
        flag_kind,
        above_count as value,
        '名下客户的月日均资产刚过' || {{ amount_text('cut_cny') }} || '一档(高出不足'
        || {{ amount_text('width_cny') }} || ')的有' || {{ plain_text('above_count') }}
        || '户,同样宽度内差一点未到的有' || {{ plain_text('below_count') }}
        || '户,再往上同样宽度内的有' || {{ plain_text('further_count') }} || '户,达到'
        || {{ plain_text('other_count') }} || '倍以上。' as evidence_zh,
        policy_version
    from ranked_cuts
    where standing = 1
),

-- What was opened in the quarter, as it stands at its end.
openings as (
    select
        rules.period_code,
        rules.through_date,
        accounts.account_kind,
        accounts.account_id,
        accounts.customer_id,
        accounts.opened_date
    from (
        select
            'deposit' as account_kind,
            deposits.account_id,
            deposits.customer_id,
            deposits.opened_date
        from {{ ref('stg_core_banking__deposit_accounts') }} as deposits
        inner join batch_days
            on
                batch_days.feed_id = 'core_banking.deposit_accounts'
                and deposits.batch_id = batch_days.batch_id
        union all
        select
            'holding' as account_kind,
            holdings.holding_id as account_id,
            holdings.customer_id,
            holdings.opened_date
        from {{ ref('stg_wealth__wealth_holdings') }} as holdings
        inner join batch_days
            on
                batch_days.feed_id = 'wealth.wealth_holdings'
                and holdings.batch_id = batch_days.batch_id
        union all
        select
            'card' as account_kind,
            cards.card_id as account_id,
            cards.customer_id,
            cards.opened_date
        from {{ ref('stg_card__card_accounts') }} as cards
        inner join batch_days
            on
                batch_days.feed_id = 'card.card_accounts'
                and cards.batch_id = batch_days.batch_id
    ) as accounts
    inner join rules
        on
            rules.flag_kind = 'opened_unused'
            and accounts.opened_date >= rules.start_date
            and accounts.opened_date <= rules.through_date
),

used_accounts as (
    select
        openings.period_code,
        openings.account_kind,
        openings.account_id
    from openings
    inner join {{ ref('fct_account_balance') }} as balances
        on
            openings.through_date = balances.as_of_date
            and openings.account_kind = balances.account_kind
            and openings.account_id = balances.account_id
    where balances.balance_days_cny != 0 or balances.balance != 0
    union
    select
        openings.period_code,
        openings.account_kind,
        openings.account_id
    from openings
    inner join {{ ref('fct_card_spend_day') }} as spends
        on
            openings.customer_id = spends.customer_id
            and openings.opened_date <= spends.business_date
            and openings.through_date >= spends.business_date
    where openings.account_kind = 'card' and spends.spend_count > 0
),

opened as (
    select
        books.period_code,
        books.employee_id,
        books.customer_id,
        count(*) as opened_count,
        sum(case when used_accounts.account_id is null then 1 else 0 end) as unused_count
    from openings
    left join successors on openings.customer_id = successors.old_customer_id
    inner join books
        on
            openings.period_code = books.period_code
            and coalesce(successors.new_customer_id, openings.customer_id) = books.customer_id
    left join used_accounts
        on
            openings.period_code = used_accounts.period_code
            and openings.account_kind = used_accounts.account_kind
            and openings.account_id = used_accounts.account_id
    group by books.period_code, books.employee_id, books.customer_id
),

opened_books as (
    select
        *,
        sum(opened_count) over (partition by period_code, employee_id) as book_opened_count,
        sum(unused_count) over (partition by period_code, employee_id) as book_unused_count
    from opened
),

opened_flags as (
    select
        rules.period_code,
        opened_books.employee_id,
        opened_books.customer_id,
        rules.flag_kind,
        opened_books.unused_count as value,
        '客户' || opened_books.customer_id || '本季新开的'
        || {{ plain_text('opened_books.opened_count') }} || '个产品中有'
        || {{ plain_text('opened_books.unused_count') }} || '个至'
        || {{ plain_text('rules.through_date') }} || '从未有过余额或使用;名下全部客户新开'
        || {{ plain_text('opened_books.book_opened_count') }} || '个,其中'
        || {{ plain_text('opened_books.book_unused_count') }} || '个从未使用。' as evidence_zh,
        rules.policy_version
    from opened_books
    inner join rules
        on opened_books.period_code = rules.period_code and rules.flag_kind = 'opened_unused'
    where
        opened_books.unused_count > 0
        and opened_books.book_unused_count >= rules.least_count
),

-- Changes that somebody wanted: a customer of who has left goes to another on any day.
handovers as (
    select
        rules.period_code,
        rules.through_date,
        rules.flag_kind,
        rules.window_days,
        rules.least_count,
        rules.policy_version,
        changes.customer_id,
        changes.business_date,
        changes.from_employee_id,
        changes.to_employee_id,
        changes.reason_code,
        count(*) over (partition by rules.period_code, changes.to_employee_id) as received_count,
        row_number() over (
            partition by rules.period_code, changes.to_employee_id, changes.customer_id
            order by changes.business_date desc
        ) as standing
    from rules
    inner join {{ ref('fct_assignment_change') }} as changes
        on
            changes.slot = 'a'
            and changes.business_date > {{ add_days('rules.through_date', '-rules.window_days') }}
            and rules.through_date >= changes.business_date
    inner join codes
        on
            rules.policy_version = codes.policy_version
            and rules.flag_kind = codes.flag_kind
            and changes.reason_code = codes.code
    where
        rules.flag_kind = 'handover_timing'
        and changes.from_employee_id is not null
        and changes.to_employee_id is not null
),

handover_flags as (
    select
        handovers.period_code,
        handovers.to_employee_id as employee_id,
        handovers.customer_id,
        handovers.flag_kind,
        {{ days_between('handovers.business_date', 'handovers.through_date') }} as value,
        '客户' || handovers.customer_id || '于' || {{ plain_text('handovers.business_date') }}
        || '由' || handovers.from_employee_id || '转至' || handovers.to_employee_id || '('
        || coalesce(reasons.label_zh, handovers.reason_code) || '),距期末'
        || {{ plain_text(days_between('handovers.business_date', 'handovers.through_date')) }}
        || '日;期末前' || {{ plain_text('handovers.window_days') }} || '日内共转入'
        || {{ plain_text('handovers.received_count') }} || '户。' as evidence_zh,
        handovers.policy_version
    from handovers
    left join {{ source('policy', 'book_reason') }} as reasons
        on
            handovers.reason_code = reasons.reason_code
            and reasons.policy_version = '{{ plan()['book_policy_version'] }}'
    where handovers.standing = 1 and handovers.received_count >= handovers.least_count
),

-- One message goes to many at once; to be seen or rung up takes a time for each.
contacts as (
    select distinct
        rules.period_code,
        rules.flag_kind,
        rules.other_count,
        rules.least_count,
        rules.policy_version,
        contacts.employee_id,
        contacts.customer_id,
        contacts.contacted_at,
        {{ bank_date('contacts.contacted_at') }} as contact_date
    from {{ ref('fct_contact') }} as contacts
    inner join rules
        on
            rules.flag_kind = 'contacts_in_bulk'
            and contacts.business_date >= rules.start_date
            and contacts.business_date <= rules.through_date
    inner join codes
        on
            rules.policy_version = codes.policy_version
            and rules.flag_kind = codes.flag_kind
            and contacts.channel = codes.code
    where contacts.employee_id is not null
),

bursts as (
    select
        firsts.period_code,
        firsts.employee_id,
        firsts.flag_kind,
        firsts.other_count,
        firsts.policy_version,
        firsts.contacted_at,
        firsts.contact_date,
        count(distinct others.customer_id) as customer_count
    from (
        select distinct
            period_code,
            employee_id,
            flag_kind,
            other_count,
            least_count,
            policy_version,
            contacted_at,
            contact_date
        from contacts
    ) as firsts
    inner join contacts as others
        on
            firsts.period_code = others.period_code
            and firsts.employee_id = others.employee_id
            and firsts.contact_date = others.contact_date
            and firsts.contacted_at <= others.contacted_at
            and {{ add_minutes('firsts.contacted_at', 'firsts.other_count') }}
            > others.contacted_at
    group by
        firsts.period_code,
        firsts.employee_id,
        firsts.flag_kind,
        firsts.other_count,
        firsts.least_count,
        firsts.policy_version,
        firsts.contacted_at,
        firsts.contact_date
    having count(distinct others.customer_id) >= firsts.least_count
),

ranked_bursts as (
    select
        *,
        row_number() over (
            partition by period_code, employee_id
            order by customer_count desc, contacted_at asc
        ) as standing
    from bursts
),

burst_flags as (
    select
        period_code,
        employee_id,
        '' as customer_id,
        flag_kind,
        customer_count as value,
        '在' || {{ plain_text('contact_date') }} || '的' || {{ plain_text('other_count') }}
        || '分钟内登记了对' || {{ plain_text('customer_count') }}
        || '户客户的当面或电话联系,疑为批量补录。' as evidence_zh,
        policy_version
    from ranked_bursts
    where standing = 1
),

backup_changes as (
    select
        rules.period_code,
        rules.through_date,
        rules.flag_kind,
        rules.least_count,
        rules.policy_version,
        changes.to_employee_id,
        changes.role_code,
        row_number() over (
            partition by rules.period_code, changes.customer_id order by changes.business_date desc
        ) as standing
    from rules
    inner join {{ ref('fct_assignment_change') }} as changes
        on changes.slot = 'b' and rules.through_date >= changes.business_date
    where rules.flag_kind = 'supervisor_as_b'
),

backup_flags as (
    select
        changes.period_code,
        changes.to_employee_id as employee_id,
        '' as customer_id,
        changes.flag_kind,
        count(*) as value,
        '作为' || coalesce(min(roles.label_zh), min(changes.role_code)) || '在'
        || {{ plain_text('changes.through_date') }} || '同时担任' || {{ plain_text('count(*)') }}
        || '户客户的B角,既审批又受考核。' as evidence_zh,
        changes.policy_version
    from backup_changes as changes
    inner join codes
        on
            changes.policy_version = codes.policy_version
            and changes.flag_kind = codes.flag_kind
            and changes.role_code = codes.code
    left join {{ source('policy', 'role') }} as roles on changes.role_code = roles.role_code
    where changes.standing = 1 and changes.to_employee_id is not null
    group by
        changes.period_code,
        changes.through_date,
        changes.to_employee_id,
        changes.flag_kind,
        changes.least_count,
        changes.policy_version
    having count(*) >= changes.least_count
),

flags as (
    select * from bunching_flags
    union all
    select * from opened_flags
    union all
    select * from handover_flags
    union all
    select * from burst_flags
    union all
    select * from backup_flags
),

final as (
    select
        period_code,
        employee_id,
        customer_id,
        flag_kind,
        cast(value as decimal(28, 8)) as value,
        evidence_zh,
        policy_version
    from flags
)

select * from final
