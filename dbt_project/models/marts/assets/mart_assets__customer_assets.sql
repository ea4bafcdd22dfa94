{{ config(schema='assets', alias='customer_assets') }}

{%- set windows = plan()['windows'][plan()['as_of_date']] -%}
{%- set is_partial = windows.values() | selectattr('is_partial') | list -%}
{%- set families = [
    'deposit', 'wealth', 'fund', 'insurance', 'bond', 'precious_metal', 'securities', 'brokerage',
    'loan',
] -%}

{%- set values = ['aum_cny', 'aum_month_avg_cny', 'aum_quarter_avg_cny', 'aum_year_avg_cny'] -%}

with customers as (
    select
        customer_id,
        home_branch_id,
        household_id
    from {{ ref('dim_customer') }}
    union all
    select
        'unknown_customer' as customer_id,
        'unknown_branch' as home_branch_id,
        cast(null as {{ dbt.type_string() }}) as household_id
),

day_measures as (
    select
        measures.customer_id,
        {%- for value in values %}
        measures.{{ value }},
        {%- endfor %}
        {%- for family in families %}
        measures.{{ family }}_cny,
        {%- endfor %}
        measures.product_family_count
    from {{ ref('fct_customer_measure') }} as measures
    where measures.measure_date = {{ as_of_date() }}
),

-- Money whose customer the bank has not delivered is kept, in one row of its own.
unknown_measures as (
    select
        'unknown_customer' as customer_id,
        {%- for value in values %}
        sum(day_measures.{{ value }}) as {{ value }},
        {%- endfor %}
        {%- for family in families %}
        sum(day_measures.{{ family }}_cny) as {{ family }}_cny,
        {%- endfor %}
        max(day_measures.product_family_count) as product_family_count
    from day_measures
    left join customers on day_measures.customer_id = customers.customer_id
    where customers.customer_id is null
    having count(*) > 0
),

measures as (
    select * from day_measures
    union all
    select * from unknown_measures
),

tiers as (
    select
        tiers.customer_id,
        tiers.is_asset_door_open,
        tiers.door_rule_ids,
        schemes.asset_door_rule_id,
        tiers.tier_rank
    from {{ ref('fct_customer_tier') }} as tiers
    inner join {{ source('policy', 'scheme') }} as schemes
        on
            tiers.scheme_code = schemes.scheme_code
            and schemes.is_primary
            and schemes.effective_from <= {{ as_of_date() }}
            and schemes.effective_to > {{ as_of_date() }}
),

cards as (
    select
        customer_id,
        card_spend_365d_cny,
        highest_card_grade
    from {{ ref('fct_customer_card') }}
),

final as (
    select
        customers.customer_id,
        {{ as_of_date() }} as as_of_date,
        customers.home_branch_id,
        customers.household_id,
        {{ 'true' if is_partial else 'false' }} as is_partial_window,
        {%- for code in ['month', 'quarter', 'year'] %}
        {{ 'true' if windows[code].is_partial else 'false' }} as is_{{ code }}_partial,
        {%- endfor %}
        cast(coalesce(measures.aum_cny, 0) as decimal(18, 2)) as aum_cny,
        cast(coalesce(measures.aum_month_avg_cny, 0) as decimal(18, 2)) as aum_month_avg_cny,
        cast(coalesce(measures.aum_quarter_avg_cny, 0) as decimal(18, 2)) as aum_quarter_avg_cny,
        cast(coalesce(measures.aum_year_avg_cny, 0) as decimal(18, 2)) as aum_year_avg_cny,
        {%- for family in families %}
        cast(coalesce(measures.{{ family }}_cny, 0) as decimal(18, 2)) as {{
            {'brokerage': 'custody_margin_cny', 'loan': 'loan_balance_cny'}.get(family, family ~ '_cny')
        }},
        {%- endfor %}
        cast(coalesce(cards.card_spend_365d_cny, 0) as decimal(18, 2)) as card_spend_365d_cny,
        cards.highest_card_grade,
        cast(coalesce(measures.product_family_count, 0) as bigint) as product_family_count,
        coalesce(tiers.tier_rank, 0) > 0 as is_in_scope,
        case
            when tiers.is_asset_door_open and tiers.door_rule_ids is not null
                then tiers.asset_door_rule_id || ',' || tiers.door_rule_ids
            when tiers.is_asset_door_open then tiers.asset_door_rule_id
            else tiers.door_rule_ids
        end as entry_doors
    from customers
    left join measures on customers.customer_id = measures.customer_id
    left join cards on customers.customer_id = cards.customer_id
    left join tiers on customers.customer_id = tiers.customer_id
    -- The row for unknown customers appears only when there is such money.
    where customers.customer_id != 'unknown_customer' or measures.customer_id is not null
)

select * from final
