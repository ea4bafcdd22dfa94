-- depends_on: {{ ref('int_assets__opening_balance') }}
{{ config(materialized='range', partition_column='as_of_date') }}

{%- set key = ['account_kind', 'account_id', 'customer_id'] -%}
{%- set attributes = ['product_code', 'branch_id', 'currency'] -%}

with legs as (
    select
        business_date,
        account_kind,
        account_id,
        customer_id,
        product_code,
        branch_id,
        currency,
        balance,
        value_cny
    from {{ ref('int_assets__leg_day') }}
),

calendar as (
    select
        business_date,
        account_segment_date
    from {{ source('build', 'calendar_day') }}
),

base as (
    {{ kept_partition('fct_account_balance', [
        ('account_kind', 'string'), ('account_id', 'string'), ('customer_id', 'string'),
        ('product_code', 'string'), ('branch_id', 'string'), ('currency', 'string'),
        ('balance_days_cny', 'decimal(28,2)'), ('last_seen_date', 'date'),
    ]) }}
    {%- if not has_base() %}
    union all
    select
        account_kind,
        account_id,
        customer_id,
        product_code,
        branch_id,
        currency,
        balance_days_cny,
        as_of_date as last_seen_date
    from {{ ref('int_assets__opening_balance') }}
    {%- endif %}
),

-- A segment ends on an emitted date; values are those of its last day, balance-days those of all
-- its days.
segment_increments as (
    {%- if is_single_day() %}
    select
        business_date as segment_date,
        account_kind,
        account_id,
        customer_id,
        product_code,
        branch_id,
        currency,
        balance,
        value_cny,
        value_cny as balance_days_cny,
        business_date as last_seen_date
    from legs
    {%- else %}
    select
        calendar.account_segment_date as segment_date,
        legs.account_kind,
        legs.account_id,
        legs.customer_id,
        {%- for attribute in attributes %}
        max_by(legs.{{ attribute }}, legs.business_date) as {{ attribute }},
        {%- endfor %}
        sum(
            case
                when legs.business_date = calendar.account_segment_date then legs.balance
                else 0
            end
        ) as balance,
        sum(
            case
                when legs.business_date = calendar.account_segment_date then legs.value_cny
                else 0
            end
        ) as value_cny,
        sum(legs.value_cny) as balance_days_cny,
        max(legs.business_date) as last_seen_date
    from legs
    inner join calendar on legs.business_date = calendar.business_date
    group by calendar.account_segment_date, legs.account_kind, legs.account_id, legs.customer_id
    {%- endif %}
),

{% for date in plan_dates('account_dates') %}
increments_{{ loop.index }} as (
    {%- if loop.length == 1 %}
    select * from segment_increments
    {%- else %}
    select
        account_kind,
        account_id,
        customer_id,
        {%- for attribute in attributes %}
        max_by({{ attribute }}, segment_date) as {{ attribute }},
        {%- endfor %}
        sum(case when segment_date = {{ date_literal(date) }} then balance else 0 end) as balance,
        sum(
            case when segment_date = {{ date_literal(date) }} then value_cny else 0 end
        ) as value_cny,
        sum(balance_days_cny) as balance_days_cny,
        max(last_seen_date) as last_seen_date
    from segment_increments
    where segment_date <= {{ date_literal(date) }}
    group by account_kind, account_id, customer_id
    {%- endif %}
),

{% endfor -%}

final as (
    {%- for date in plan_dates('account_dates') %}
    select
        {{ date_literal(date) }} as as_of_date,
        {%- for column in key + attributes %}
        coalesce(increments.{{ column }}, base.{{ column }}) as {{ column }},
        {%- endfor %}
        cast(coalesce(increments.balance, 0) as decimal(18, 2)) as balance,
        cast(coalesce(increments.value_cny, 0) as decimal(18, 2)) as value_cny,
        cast(
            coalesce(base.balance_days_cny, 0) + coalesce(increments.balance_days_cny, 0)
            as decimal(28, 2)
        ) as balance_days_cny,
        coalesce(increments.last_seen_date, base.last_seen_date) as last_seen_date
    from base
    full outer join increments_{{ loop.index }} as increments
        on
            base.account_kind = increments.account_kind
            and base.account_id = increments.account_id
            and base.customer_id = increments.customer_id
    -- A closed account stays until it is out of the longest window, the year to date.
    where
        coalesce(increments.last_seen_date, base.last_seen_date)
        >= {{ date_literal(date[:4] ~ '-01-01') }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from final
