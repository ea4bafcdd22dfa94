{{ config(materialized='range', partition_column='business_date') }}

with situations as (
    select
        business_date,
        revenue_id,
        posted_date,
        customer_id,
        amount_cny,
        situation_code,
        owner_employee_id,
        initial_employee_id,
        referrer_employee_id,
        specialist_employee_id
    from {{ ref('int_books__revenue_situation') }}
),

splits as (
    select
        policy_version,
        effective_from,
        effective_to,
        situation_code,
        credit_kind,
        share,
        is_shadow,
        rule_id
    from {{ source('policy', 'revenue_split') }}
),

-- Who is in the bank's employment by the close of the day, on leave or not.
employed as (
    select
        batch_days.business_date,
        employees.employee_id
    from {{ source('build', 'batch_day') }} as batch_days
    inner join {{ ref('stg_hr__employees') }} as employees
        on batch_days.batch_id = employees.batch_id
    where
        batch_days.feed_id = 'hr.employees'
        and employees.status != 'left'
        and (employees.left_date is null or employees.left_date > batch_days.business_date)
),

customers as (
    select
        customer_id,
        home_branch_id
    from {{ ref('dim_customer') }}
),

-- Who comes first has the fen that shares leave over.
credits as (
    select
        situations.business_date,
        situations.revenue_id,
        situations.posted_date,
        situations.customer_id,
        situations.situation_code,
        situations.amount_cny as revenue_cny,
        splits.credit_kind,
        splits.is_shadow,
        splits.share,
        splits.rule_id,
        splits.policy_version,
        case splits.credit_kind
            when 'initial' then situations.initial_employee_id
            when 'referrer' then situations.referrer_employee_id
            when 'specialist' then situations.specialist_employee_id
            when 'current' then situations.owner_employee_id
        end as employee_id,
        {{ share_of_money('situations.amount_cny', 'splits.share') }} as cut_cny,
        row_number() over (
            partition by situations.business_date, situations.revenue_id, splits.is_shadow
            order by
                case splits.credit_kind
                    when 'initial' then 1
                    when 'referrer' then 2
                    when 'specialist' then 3
                    when 'current' then 4
                    else 5
                end
        ) as place
    from situations
    inner join splits
        on
            situations.situation_code = splits.situation_code
            and situations.posted_date >= splits.effective_from
            and situations.posted_date < splits.effective_to
),

cut_sums as (
    select
        business_date,
        revenue_id,
        sum(cut_cny) as cut_cny
    from credits
    where not is_shadow
    group by business_date, revenue_id
),

-- What would go to somebody who has left, or to nobody, goes to the pool of the customer's branch.
final as (
    select
        credits.business_date,
        credits.revenue_id,
        credits.posted_date,
        credits.customer_id,
        credits.situation_code,
        credits.credit_kind,
        case when employed.employee_id is null then 'pool' else 'employee' end as recipient_kind,
        coalesce(employed.employee_id, customers.home_branch_id, 'unknown_branch')
            as recipient_id,
        credits.is_shadow,
        credits.share,
        cast(
            case
                when credits.is_shadow or credits.place > 1 then credits.cut_cny
                else credits.cut_cny + credits.revenue_cny - cut_sums.cut_cny
            end as decimal(18, 2)
        ) as amount_cny,
        credits.rule_id,
        credits.policy_version
    from credits
    left join cut_sums
        on
            credits.business_date = cut_sums.business_date
            and credits.revenue_id = cut_sums.revenue_id
    left join employed
        on
            credits.business_date = employed.business_date
            and credits.employee_id = employed.employee_id
    left join customers on credits.customer_id = customers.customer_id
)

select * from final
