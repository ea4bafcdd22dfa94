with policies as (
    select
        policy_version,
        most_offers,
        maturity_days,
        minimum_support,
        minimum_confidence,
        minimum_lift,
        senior_age,
        senior_highest,
        unknown_appetite
    from {{ source('policy', 'offer') }}
    where effective_from <= {{ as_of_date() }} and effective_to > {{ as_of_date() }}
),

kinds as (
    select
        kinds.offer_kind,
        kinds.preference,
        kinds.rule_id
    from {{ source('policy', 'offer_kind') }} as kinds
    inner join policies on kinds.policy_version = policies.policy_version
),

families as (
    select
        families.product_family,
        families.label_zh
    from {{ source('policy', 'offer_family') }} as families
    inner join policies on families.policy_version = policies.policy_version
),

appetites as (
    select
        appetites.risk_appetite,
        appetites.highest_risk
    from {{ source('policy', 'offer_appetite') }} as appetites
    inner join policies on appetites.policy_version = policies.policy_version
),

reasons as (
    select
        reasons.reason_code,
        reasons.label_zh
    from {{ source('policy', 'offer_reason') }} as reasons
    inner join policies on reasons.policy_version = policies.policy_version
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

-- Deposits and the like have no level of risk: they suit everyone. What is sold no more has no
-- grade and is still held.
products as (
    select
        products.product_code,
        products.product_name,
        products.product_family,
        products.product_grade,
        coalesce(products.risk_level, '') as risk_level
    from {{ ref('dim_product') }} as products
    inner join families on products.product_family = families.product_family
),

-- The least risky product of each grade of a family stands for it.
grades as (
    select
        product_family,
        product_grade,
        product_code,
        product_name,
        risk_level,
        row_number() over (
            partition by product_family order by risk_level, product_grade, product_code
        ) as family_place
    from (
        select
            *,
            row_number() over (
                partition by product_family, product_grade order by risk_level, product_code
            ) as grade_place
        from products
        where product_grade is not null
    ) as ranked
    where grade_place = 1
),

-- Whom the maintainer may sell to: customers in the books who said yes to a channel.
consenting as (
    select distinct customer_id
    from {{ ref('int_maintenance__consent_day') }}
    where business_date = {{ as_of_date() }} and is_allowed
),

suppressed as (
    select customer_id
    from {{ ref('int_maintenance__suppressed_day') }}
    where business_date = {{ as_of_date() }}
),

customers as (
    select
        owners.customer_id,
        customers.risk_appetite,
        {{ completed_years('customers.birth_date', as_of_date()) }} as age_years
    from {{ ref('int_maintenance__owner_day') }} as owners
    inner join consenting on owners.customer_id = consenting.customer_id
    inner join {{ ref('dim_customer') }} as customers
        on owners.customer_id = customers.customer_id
    left join suppressed on owners.customer_id = suppressed.customer_id
    where owners.business_date = {{ as_of_date() }} and suppressed.customer_id is null
),

holdings as (
    select
        coalesce(successors.new_customer_id, balances.customer_id) as customer_id,
        products.product_family,
        max(products.product_grade) as product_grade
    from {{ ref('fct_customer_product_balance') }} as balances
    inner join products on balances.product_code = products.product_code
    left join successors on balances.customer_id = successors.old_customer_id
    where balances.as_of_date = {{ as_of_date() }} and balances.value_cny > 0
    group by
        coalesce(successors.new_customer_id, balances.customer_id),
        products.product_family
),

holders as (
    select count(distinct customer_id) as customer_count
    from holdings
),

family_holders as (
    select
        product_family,
        count(*) as customer_count
    from holdings
    group by product_family
),

pair_holders as (
    select
        first_holdings.product_family as first_family,
        second_holdings.product_family as second_family,
        count(*) as customer_count
    from holdings as first_holdings
    inner join holdings as second_holdings
        on first_holdings.customer_id = second_holdings.customer_id
    where first_holdings.product_family != second_holdings.product_family
    group by first_holdings.product_family, second_holdings.product_family
),

associations as (
    select
        pairs.first_family,
        pairs.second_family,
        {{ rate('pairs.customer_count', 'holders.customer_count') }} as support,
        {{ rate('pairs.customer_count', 'firsts.customer_count') }} as confidence,
        {{ rate(
            '(pairs.customer_count * holders.customer_count)',
            '(firsts.customer_count * seconds.customer_count)'
        ) }} as lift
    from pair_holders as pairs
    cross join holders
    inner join family_holders as firsts on pairs.first_family = firsts.product_family
    inner join family_holders as seconds on pairs.second_family = seconds.product_family
),

often_together as (
    select associations.*
    from associations
    cross join policies
    where
        associations.support >= policies.minimum_support
        and associations.confidence >= policies.minimum_confidence
        and associations.lift >= policies.minimum_lift
),

held as (
    select
        holdings.customer_id,
        holdings.product_family,
        holdings.product_grade
    from holdings
    inner join customers on holdings.customer_id = customers.customer_id
),

maturities as (
    select
        'deposit' as account_kind,
        accounts.account_id,
        accounts.maturity_date
    from {{ ref('stg_core_banking__deposit_accounts') }} as accounts
    inner join batch_days
        on
            batch_days.feed_id = 'core_banking.deposit_accounts'
            and accounts.batch_id = batch_days.batch_id
    where accounts.maturity_date > {{ as_of_date() }}
    union all
    select
        'holding' as account_kind,
        holdings.holding_id as account_id,
        holdings.maturity_date
    from {{ ref('stg_wealth__wealth_holdings') }} as holdings
    inner join batch_days
        on
            batch_days.feed_id = 'wealth.wealth_holdings'
            and holdings.batch_id = batch_days.batch_id
    where holdings.maturity_date > {{ as_of_date() }}
),

maturing as (
    select
        maturities.account_kind,
        maturities.account_id,
        maturities.maturity_date
    from maturities
    cross join policies
    where maturities.maturity_date <= {{ add_days(as_of_date(), 'policies.maturity_days') }}
),

falling_due as (
    select
        coalesce(successors.new_customer_id, balances.customer_id) as customer_id,
        products.product_family,
        maturing.maturity_date,
        products.product_code,
        products.product_name,
        products.product_grade,
        products.risk_level
    from maturing
    inner join {{ ref('fct_account_balance') }} as balances
        on
            maturing.account_kind = balances.account_kind
            and maturing.account_id = balances.account_id
            and balances.as_of_date = {{ as_of_date() }}
            and balances.value_cny > 0
    inner join products on balances.product_code = products.product_code
    left join successors on balances.customer_id = successors.old_customer_id
    where products.product_grade is not null
),

-- Of a family what matures first.
repeat_offers as (
    select *
    from (
        select
            *,
            row_number() over (
                partition by customer_id, product_family order by maturity_date, product_code
            ) as place
        from falling_due
    ) as ranked
    where place = 1
),

up_offers as (
    select
        held.customer_id,
        held.product_family,
        held.product_grade as held_grade,
        min(grades.product_grade) as product_grade
    from held
    inner join grades
        on
            held.product_family = grades.product_family
            and held.product_grade < grades.product_grade
    group by held.customer_id, held.product_family, held.product_grade
),

cross_offers as (
    select
        held.customer_id,
        pairs.second_family as product_family,
        pairs.first_family,
        pairs.support,
        pairs.confidence,
        pairs.lift,
        row_number() over (
            partition by held.customer_id, pairs.second_family
            order by pairs.lift desc, pairs.confidence desc, pairs.first_family asc
        ) as place
    from held
    inner join often_together as pairs on held.product_family = pairs.first_family
    left join held as already
        on
            held.customer_id = already.customer_id
            and pairs.second_family = already.product_family
    where already.customer_id is null
),

offers as (
    select
        repeats.customer_id,
        repeats.product_family,
        'repeat_sell' as offer_kind,
        repeats.product_code,
        repeats.product_grade,
        repeats.risk_level,
        cast(null as decimal(18, 8)) as support,
        cast(null as decimal(18, 8)) as confidence,
        cast(null as decimal(18, 8)) as lift,
        '持有的' || repeats.product_name || '将于'
        || cast(repeats.maturity_date as {{ dbt.type_string() }}) || '到期,可续做' as sentence_zh
    from repeat_offers as repeats
    inner join customers on repeats.customer_id = customers.customer_id
    union all
    select
        ups.customer_id,
        ups.product_family,
        'up_sell' as offer_kind,
        grades.product_code,
        grades.product_grade,
        grades.risk_level,
        cast(null as decimal(18, 8)) as support,
        cast(null as decimal(18, 8)) as confidence,
        cast(null as decimal(18, 8)) as lift,
        '已持有' || cast(ups.held_grade as {{ dbt.type_string() }}) || '级' || families.label_zh
        || ',可升级至' || cast(grades.product_grade as {{ dbt.type_string() }}) || '级的'
        || grades.product_name as sentence_zh
    from up_offers as ups
    inner join grades
        on
            ups.product_family = grades.product_family
            and ups.product_grade = grades.product_grade
    inner join families on ups.product_family = families.product_family
    union all
    select
        crosses.customer_id,
        crosses.product_family,
        'cross_sell' as offer_kind,
        grades.product_code,
        grades.product_grade,
        grades.risk_level,
        crosses.support,
        crosses.confidence,
        crosses.lift,
        '持有' || first_families.label_zh || '的客户中'
        || cast(cast(crosses.confidence * 100 as decimal(18, 2)) as {{ dbt.type_string() }})
        || '%同时持有' || families.label_zh || ',是全体客户的'
        || cast(cast(crosses.lift as decimal(18, 2)) as {{ dbt.type_string() }}) || '倍'
            as sentence_zh
    from cross_offers as crosses
    inner join grades
        on crosses.product_family = grades.product_family and grades.family_place = 1
    inner join families on crosses.product_family = families.product_family
    inner join families as first_families
        on crosses.first_family = first_families.product_family
    where crosses.place = 1
),

judged as (
    select
        offers.*,
        kinds.preference,
        kinds.rule_id,
        policies.policy_version,
        policies.most_offers,
        case
            when
                offers.risk_level > coalesce(appetites.highest_risk, policies.unknown_appetite)
                then 'risk_level'
            when
                customers.age_years >= policies.senior_age
                and offers.risk_level > policies.senior_highest
                then 'senior_duty'
        end as unsuitable_reason_code,
        row_number() over (
            partition by offers.customer_id, offers.product_family
            order by kinds.preference, offers.product_code
        ) as family_place
    from offers
    cross join policies
    inner join kinds on offers.offer_kind = kinds.offer_kind
    inner join customers on offers.customer_id = customers.customer_id
    left join appetites on customers.risk_appetite = appetites.risk_appetite
),

-- What suits comes first, then by the way of selling, then what is held together most.
ranked as (
    select
        *,
        row_number() over (
            partition by customer_id
            order by
                case when unsuitable_reason_code is null then 0 else 1 end asc,
                preference asc,
                coalesce(lift, 0) desc,
                product_family asc
        ) as offer_rank
    from judged
    where family_place = 1
),

final as (
    select
        ranked.customer_id,
        ranked.product_family,
        {{ as_of_date() }} as as_of_date,
        ranked.offer_kind,
        ranked.offer_rank,
        ranked.product_code,
        ranked.product_grade,
        nullif(ranked.risk_level, '') as risk_level,
        ranked.support,
        ranked.confidence,
        ranked.lift,
        ranked.sentence_zh || case
            when reasons.label_zh is not null then ';' || reasons.label_zh else ''
        end || '(' || ranked.rule_id || ')' as reason_zh,
        ranked.unsuitable_reason_code is null as is_suitable,
        ranked.unsuitable_reason_code,
        ranked.rule_id,
        ranked.policy_version
    from ranked
    left join reasons on ranked.unsuitable_reason_code = reasons.reason_code
    where ranked.offer_rank <= ranked.most_offers
)

select * from final
