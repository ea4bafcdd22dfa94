{{ config(materialized='view') }}

-- depends_on: {{ ref('fct_account_balance') }}
-- depends_on: {{ ref('fct_tier_evaluation') }}
-- depends_on: {{ ref('int_assets__product_day') }}
-- depends_on: {{ ref('int_assets__asset_set_weight') }}
-- depends_on: {{ ref('stg_core_banking__opening_balance_days') }}
{%- set schemes = [] -%}
{%- for scheme in explained_schemes() if scheme.measure and scheme.measure.quantity == 'assets' -%}
    {%- do schemes.append(scheme) -%}
{%- endfor %}

with successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

{% for scheme in schemes -%}
{%- set number = loop.index -%}
{%- set measure = scheme.measure -%}
{%- set base_date = plan()['windows'][plan()['as_of_date']][measure.window].base_date if measure.window != 'point' -%}
explained_{{ number }} as (
    select customer_id
    from {{ ref('fct_tier_evaluation') }}
    where
        evaluation_date = {{ as_of_date() }}
        and scheme_code = '{{ scheme.scheme_code }}'
        and (tier_rank > 0 or indicative_tier_rank > 0)
),

-- Running sums of the evaluation date less those of the window's base.
signed_{{ number }} as (
    select
        account_kind,
        account_id,
        customer_id,
        product_code,
        {{ 'value_cny' if measure.window == 'point' else 'balance_days_cny' }} as balance_days_cny
    from {{ ref('fct_account_balance') }}
    where as_of_date = {{ as_of_date() }}
    {%- if base_date %}
    union all
    select
        account_kind,
        account_id,
        customer_id,
        cast(null as {{ dbt.type_string() }}) as product_code,
        -balance_days_cny as balance_days_cny
    from {{ ref('fct_account_balance') }}
    where as_of_date = {{ date_literal(base_date) }}
    {%- endif %}
    {%- if base_date and base_date < plan()['first_date'] %}
    -- The eve of the deployment: balance-days came as a feed of their own.
    union all
    select
        balances.account_kind,
        balances.account_id,
        balances.customer_id,
        cast(null as {{ dbt.type_string() }}) as product_code,
        -opening.balance_days as balance_days_cny
    from {{ ref('stg_core_banking__opening_balance_days') }} as opening
    inner join {{ ref('fct_account_balance') }} as balances
        on
            opening.account_id = balances.account_id
            and opening.customer_id = balances.customer_id
            and balances.as_of_date = {{ as_of_date() }}
    where opening.as_of_date = {{ date_literal(base_date) }}
    {%- endif %}
),

accounts_{{ number }} as (
    select
        '{{ scheme.scheme_code }}' as scheme_code,
        explained.customer_id,
        signed.account_kind,
        signed.account_id,
        max(signed.product_code) as product_code,
        cast(sum(signed.balance_days_cny) as decimal(28, 2)) as balance_days_cny
    from signed_{{ number }} as signed
    left join successors on signed.customer_id = successors.old_customer_id
    inner join explained_{{ number }} as explained
        on coalesce(successors.new_customer_id, signed.customer_id) = explained.customer_id
    group by explained.customer_id, signed.account_kind, signed.account_id
),

components_{{ number }} as (
    select
        accounts.scheme_code,
        accounts.customer_id,
        accounts.account_kind,
        accounts.account_id,
        accounts.product_code,
        accounts.balance_days_cny,
        {%- if measure.asset_set == 'standard' %}
        weights.aum_coefficient as coefficient
        {%- else %}
        weights.coefficient
        {%- endif %}
    from accounts_{{ number }} as accounts
    {%- if measure.asset_set == 'standard' %}
    inner join {{ ref('int_assets__product_day') }} as weights
        on
            accounts.product_code = weights.product_code
            and weights.business_date = {{ as_of_date() }}
    {%- else %}
    inner join {{ ref('int_assets__asset_set_weight') }} as weights
        on
            accounts.product_code = weights.product_code
            and weights.business_date = {{ as_of_date() }}
            and weights.asset_set = '{{ measure.asset_set }}'
    {%- endif %}
),

{% endfor -%}

components as (
    {%- for scheme in schemes %}
    select * from components_{{ loop.index }}
    {{ 'union all' if not loop.last }}
    {%- else %}
    select
        cast(null as {{ dbt.type_string() }}) as scheme_code,
        old_customer_id as customer_id,
        cast(null as {{ dbt.type_string() }}) as account_kind,
        cast(null as {{ dbt.type_string() }}) as account_id,
        cast(null as {{ dbt.type_string() }}) as product_code,
        cast(null as decimal(28, 2)) as balance_days_cny,
        cast(null as decimal(18, 8)) as coefficient
    from successors
    where 1 = 0
    {%- endfor %}
),

final as (
    select
        scheme_code,
        customer_id,
        account_kind,
        account_id,
        product_code,
        balance_days_cny,
        coefficient,
        cast(
            case
                when coefficient = 1 then balance_days_cny
                else round(
                    cast(balance_days_cny as decimal(22, 2))
                    * cast(coefficient as decimal(15, 8)),
                    2
                )
            end as decimal(28, 2)
        ) as contribution_cny
    from components
    where coefficient != 0 and balance_days_cny != 0
)

select * from final
