with rules as (
    {{ flag_rules(['month_end_deviation', 'book_deviation', 'in_and_out', 'family_shifting']) }}
),

books as (
    {{ flagged_books() }}
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

-- The regulator's deviation: the last day of a month against the average of the month.
month_ends as (
    select
        books.period_code,
        books.employee_id,
        books.customer_id,
        measures.aum_cny,
        measures.aum_month_avg_cny,
        measures.aum_cny - measures.aum_month_avg_cny as excess_cny
    from books
    inner join (select distinct period_code, through_date from rules) as ends
        on books.period_code = ends.period_code
    inner join {{ ref('fct_month_measure') }} as measures
        on
            ends.through_date = measures.evaluation_date
            and books.customer_id = measures.customer_id
            and measures.asset_set = 'standard'
),

month_end_flags as (
    select
        rules.period_code,
        month_ends.employee_id,
        month_ends.customer_id,
        rules.flag_kind,
        {{ rate(units('month_ends.excess_cny', 2), units('month_ends.aum_month_avg_cny', 2)) }}
            as value,
        '客户' || month_ends.customer_id || '在' || {{ plain_text('rules.through_date') }}
        || '的金融资产为' || {{ amount_text('month_ends.aum_cny') }}
        || ',当月日均' || {{ amount_text('month_ends.aum_month_avg_cny') }}
        || ',月末高出日均' || {{ amount_text('month_ends.excess_cny') }}
        || ',偏离度'
        || {{ percent_text(rate(
            units('month_ends.excess_cny', 2), units('month_ends.aum_month_avg_cny', 2)
        )) }}
        || ',超过' || {{ percent_text('rules.rate_limit') }} || '的限度。' as evidence_zh,
        rules.policy_version
    from month_ends
    inner join rules
        on
            month_ends.period_code = rules.period_code
            and rules.flag_kind = 'month_end_deviation'
    where
        month_ends.aum_month_avg_cny > 0
        and month_ends.excess_cny >= rules.amount_cny
        and month_ends.excess_cny > month_ends.aum_month_avg_cny * rules.rate_limit
),

book_sums as (
    select
        period_code,
        employee_id,
        count(*) as customer_count,
        cast(sum(aum_cny) as decimal(28, 2)) as aum_cny,
        cast(sum(aum_month_avg_cny) as decimal(28, 2)) as aum_month_avg_cny,
        cast(sum(excess_cny) as decimal(28, 2)) as excess_cny
    from month_ends
    group by period_code, employee_id
),

book_flags as (
    select
        rules.period_code,
        book_sums.employee_id,
        '' as customer_id,
        rules.flag_kind,
        {{ rate(units('book_sums.excess_cny', 2), units('book_sums.aum_month_avg_cny', 2)) }}
            as value,
        '名下' || {{ plain_text('book_sums.customer_count') }} || '户客户在'
        || {{ plain_text('rules.through_date') }}
        || '的金融资产合计' || {{ amount_text('book_sums.aum_cny') }}
        || ',当月日均合计' || {{ amount_text('book_sums.aum_month_avg_cny') }}
        || ',偏离度'
        || {{ percent_text(rate(
            units('book_sums.excess_cny', 2), units('book_sums.aum_month_avg_cny', 2)
        )) }}
        || ',超过' || {{ percent_text('rules.rate_limit') }} || '的限度。' as evidence_zh,
        rules.policy_version
    from book_sums
    inner join rules
        on book_sums.period_code = rules.period_code and rules.flag_kind = 'book_deviation'
    where
        book_sums.aum_month_avg_cny > 0
        and book_sums.customer_count >= rules.least_count
        and book_sums.excess_cny > 0
        and book_sums.excess_cny > book_sums.aum_month_avg_cny * rules.rate_limit
),

-- Days on which balances are compared: the end, and so many days before and after it.
windows as (
    select
        *,
        {{ add_days('through_date', '-window_days') }} as before_date,
        {{ add_days('through_date', 'window_days') }} as after_date
    from rules
    where flag_kind = 'family_shifting' or flag_kind = 'in_and_out' and is_final
),

balances as (
    select
        balances.as_of_date,
        coalesce(successors.new_customer_id, balances.customer_id) as customer_id,
        balances.aum_cny
    from {{ ref('fct_customer_balance') }} as balances
    inner join (
        select before_date as as_of_date from windows
        union
        select through_date as as_of_date from windows
        union
        select after_date as as_of_date from windows
    ) as dates
        on balances.as_of_date = dates.as_of_date
    left join successors on balances.customer_id = successors.old_customer_id
),

-- A day of which balances are kept no more would make newcomers of everybody.
known_windows as (
    select windows.*
    from windows
    inner join (select distinct as_of_date from balances) as befores
        on windows.before_date = befores.as_of_date
    left join (select distinct as_of_date from balances) as afters
        on windows.after_date = afters.as_of_date
    where windows.flag_kind = 'family_shifting' or afters.as_of_date is not null
),

moves as (
    select
        windows.period_code,
        windows.flag_kind,
        balances.customer_id,
        sum(case when balances.as_of_date = windows.before_date then balances.aum_cny else 0 end)
            as before_cny,
        sum(case when balances.as_of_date = windows.through_date then balances.aum_cny else 0 end)
            as end_cny,
        sum(case when balances.as_of_date = windows.after_date then balances.aum_cny else 0 end)
            as after_cny
    from balances
    inner join known_windows as windows
        on
            balances.as_of_date = windows.before_date
            or balances.as_of_date = windows.through_date
            or balances.as_of_date = windows.after_date
    group by windows.period_code, windows.flag_kind, balances.customer_id
),

visits as (
    select
        books.period_code,
        books.employee_id,
        moves.customer_id,
        moves.end_cny - moves.before_cny as in_cny,
        moves.end_cny - moves.after_cny as out_cny,
        least(moves.end_cny - moves.before_cny, moves.end_cny - moves.after_cny) as visiting_cny,
        greatest(moves.before_cny, moves.after_cny) as staying_cny
    from moves
    inner join books
        on moves.period_code = books.period_code and moves.customer_id = books.customer_id
    where moves.flag_kind = 'in_and_out'
),

visit_flags as (
    select
        rules.period_code,
        visits.employee_id,
        visits.customer_id,
        rules.flag_kind,
        cast(visits.visiting_cny as decimal(28, 8)) as value,
        '客户' || visits.customer_id || '在' || {{ plain_text('rules.through_date') }} || '前'
        || {{ plain_text('rules.window_days') }} || '日内净增' || {{ amount_text('visits.in_cny') }}
        || ',其后' || {{ plain_text('rules.window_days') }} || '日内又净减'
        || {{ amount_text('visits.out_cny') }} || ',期末过夜资金'
        || {{ amount_text('visits.visiting_cny') }} || '。' as evidence_zh,
        rules.policy_version
    from visits
    inner join rules
        on visits.period_code = rules.period_code and rules.flag_kind = 'in_and_out'
    where
        visits.visiting_cny >= rules.amount_cny
        and visits.visiting_cny > visits.staying_cny * rules.rate_limit
),

members as (
    select
        moves.period_code,
        members.household_id,
        moves.customer_id,
        moves.end_cny - moves.before_cny as change_cny
    from moves
    inner join {{ ref('int_customer__household_member') }} as members
        on moves.customer_id = members.customer_id
    where moves.flag_kind = 'family_shifting'
),

-- The others of a household are one total: an employee sees no other customer here.
families as (
    select
        period_code,
        household_id,
        customer_id,
        change_cny,
        change_cny - sum(change_cny) over (partition by period_code, household_id) as others_fall_cny
    from members
),

family_flags as (
    select
        rules.period_code,
        books.employee_id,
        families.customer_id,
        rules.flag_kind,
        cast(families.change_cny as decimal(28, 8)) as value,
        '客户' || families.customer_id || '在' || {{ plain_text('rules.through_date') }} || '前'
        || {{ plain_text('rules.window_days') }} || '日内净增'
        || {{ amount_text('families.change_cny') }} || ',同期同一家庭其他成员合计净减'
        || {{ amount_text('families.others_fall_cny') }} || ',两者相差不超过'
        || {{ percent_text('rules.rate_limit') }} || '。' as evidence_zh,
        rules.policy_version
    from families
    inner join books
        on
            families.period_code = books.period_code
            and families.customer_id = books.customer_id
    inner join rules
        on families.period_code = rules.period_code and rules.flag_kind = 'family_shifting'
    where
        families.change_cny >= rules.amount_cny
        and abs(families.change_cny - families.others_fall_cny)
        <= families.change_cny * rules.rate_limit
),

flags as (
    select * from month_end_flags
    union all
    select * from book_flags
    union all
    select * from visit_flags
    union all
    select * from family_flags
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
