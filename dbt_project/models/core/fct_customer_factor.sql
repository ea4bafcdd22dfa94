{{ config(materialized='range', partition_column='evaluation_date') }}

{%- set evaluation_date = date_literal(plan()['evaluation_date'] or '0001-01-01') -%}
{%- set year_before = add_days(as_of_date(), -365) %}

with evaluation as (
    select {{ evaluation_date }} as evaluation_date
    where {{ evaluation_date }} = {{ as_of_date() }}
),

successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

batch_days as (
    select
        feed_id,
        batch_id
    from {{ source('build', 'batch_day') }}
    where business_date = {{ as_of_date() }}
),

code_ranks as (
    select
        measure_code,
        code,
        cast(code_rank as decimal(18, 2)) as code_rank
    from {{ source('policy', 'code_rank') }}
    where effective_from <= {{ as_of_date() }} and effective_to > {{ as_of_date() }}
),

customers as (
    select
        customer_id,
        birth_date,
        opened_date,
        occupation,
        education,
        annual_income,
        interests,
        risk_appetite
    from {{ ref('dim_customer') }}
),

balances as (
    select
        customer_id,
        deposit_cny,
        loan_cny,
        brokerage_cny,
        product_family_count
    from {{ ref('fct_customer_measure') }}
    where measure_date = {{ as_of_date() }}
),

cards as (
    select
        customer_id,
        card_spend_365d_cny,
        highest_card_grade
    from {{ ref('fct_customer_card') }}
),

spend as (
    select
        coalesce(successors.new_customer_id, spend_days.customer_id) as customer_id,
        sum(spend_days.spend_count) as spend_count,
        max(case when spend_days.spend_count > 0 then spend_days.business_date end)
            as last_spend_date
    from {{ ref('fct_card_spend_day') }} as spend_days
    left join successors on spend_days.customer_id = successors.old_customer_id
    where
        spend_days.business_date > {{ year_before }}
        and spend_days.business_date <= {{ as_of_date() }}
    group by coalesce(successors.new_customer_id, spend_days.customer_id)
),

revenue as (
    select
        coalesce(successors.new_customer_id, revenue_days.customer_id) as customer_id,
        sum(revenue_days.revenue_cny) as revenue_cny
    from {{ ref('fct_revenue_day') }} as revenue_days
    left join successors on revenue_days.customer_id = successors.old_customer_id
    where
        revenue_days.business_date > {{ year_before }}
        and revenue_days.business_date <= {{ as_of_date() }}
    group by coalesce(successors.new_customer_id, revenue_days.customer_id)
),

loans as (
    select
        coalesce(successors.new_customer_id, loans.customer_id) as customer_id,
        max(loans.days_past_due) as days_past_due,
        max(ranks.code_rank) as loan_class_rank
    from {{ ref('stg_loan__loans') }} as loans
    inner join batch_days
        on batch_days.feed_id = 'loan.loans' and loans.batch_id = batch_days.batch_id
    left join code_ranks as ranks
        on ranks.measure_code = 'loan_class_rank' and loans.loan_class = ranks.code
    left join successors on loans.customer_id = successors.old_customer_id
    where loans.status != 'closed'
    group by coalesce(successors.new_customer_id, loans.customer_id)
),

-- Months of term weighted by balance; demand deposits have a term of 0.
tenors as (
    select
        coalesce(successors.new_customer_id, legs.customer_id) as customer_id,
        sum(legs.value_cny * accounts.term_months) as balance_months_cny,
        sum(legs.value_cny) as balance_cny
    from {{ ref('int_assets__leg_day') }} as legs
    inner join {{ ref('stg_core_banking__deposit_accounts') }} as accounts
        on legs.account_id = accounts.account_id
    inner join batch_days
        on
            batch_days.feed_id = 'core_banking.deposit_accounts'
            and accounts.batch_id = batch_days.batch_id
    left join successors on legs.customer_id = successors.old_customer_id
    where
        legs.business_date = {{ as_of_date() }}
        and legs.account_kind = 'deposit'
        and legs.value_cny > 0
    group by coalesce(successors.new_customer_id, legs.customer_id)
),

risks as (
    select
        customer_id,
        risk_result_rank,
        special_flag_rank,
        aml_class_rank
    from {{ ref('int_tiering__risk_factor') }}
),

final as (
    select
        evaluation.evaluation_date,
        customers.customer_id,
        cards.card_spend_365d_cny,
        cast(nullif(spend.spend_count, 0) as decimal(18, 2)) as spend_365d_count,
        cast(
            {{ days_between('spend.last_spend_date', as_of_date()) }} as decimal(18, 2)
        ) as days_since_spend,
        balances.loan_cny as loan_balance_cny,
        balances.brokerage_cny as custody_margin_cny,
        balances.deposit_cny,
        {{ divide_half_up('tenors.balance_months_cny * 100', 'tenors.balance_cny * 100') }}
            as deposit_tenor_months,
        cast(revenue.revenue_cny as decimal(18, 2)) as revenue_365d_cny,
        cast(loans.days_past_due as decimal(18, 2)) as days_past_due,
        loans.loan_class_rank,
        cast(balances.product_family_count as decimal(18, 2)) as product_family_count,
        grades.code_rank as highest_card_grade_rank,
        risks.risk_result_rank,
        risks.special_flag_rank,
        risks.aml_class_rank,
        appetites.code_rank as risk_appetite_rank,
        customers.annual_income as annual_income_cny,
        cast({{ completed_years('customers.birth_date', as_of_date()) }} as decimal(18, 2))
            as age_years,
        cast({{ completed_years('customers.opened_date', as_of_date()) }} as decimal(18, 2))
            as relationship_years,
        cast(
            case when customers.birth_date is not null then 1 else 0 end
            + case when customers.occupation is not null then 1 else 0 end
            + case when customers.education is not null then 1 else 0 end
            + case when customers.annual_income is not null then 1 else 0 end
            + case when customers.interests is not null then 1 else 0 end
            + case when customers.risk_appetite is not null then 1 else 0 end
            as decimal(18, 2)
        ) as known_field_count
    from customers
    cross join evaluation
    left join balances on customers.customer_id = balances.customer_id
    left join cards on customers.customer_id = cards.customer_id
    left join spend on customers.customer_id = spend.customer_id
    left join revenue on customers.customer_id = revenue.customer_id
    left join loans on customers.customer_id = loans.customer_id
    left join tenors on customers.customer_id = tenors.customer_id
    left join risks on customers.customer_id = risks.customer_id
    left join code_ranks as grades
        on
            grades.measure_code = 'highest_card_grade_rank'
            and cards.highest_card_grade = grades.code
    left join code_ranks as appetites
        on
            appetites.measure_code = 'risk_appetite_rank'
            and customers.risk_appetite = appetites.code
)

select * from final
