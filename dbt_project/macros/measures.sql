{%- macro window_codes() -%}
    {%- do return(['month', 'quarter', 'year']) -%}
{%- endmacro %}

{#- Customer x product balances of the as-of date and of the base of each of its windows, weighted: the policy in
    force at the windows' end governs them whole. Balances of merged customers are their successor's. -#}
{% macro weighted_balances(weights, coefficient, asset_set=none) -%}
    {%- set windows = plan()['windows'][plan()['as_of_date']] %}
    select
        balances.as_of_date,
        coalesce(successors.new_customer_id, balances.customer_id) as customer_id,
        weights.product_family,
        balances.value_cny,
        {{ multiply_money('balances.value_cny', 'weights.' ~ coefficient) }} as weighted_value_cny,
        cast(
            case
                when weights.{{ coefficient }} = 1 then balances.balance_days_cny
                else round(
                    cast(balances.balance_days_cny as decimal(22, 2))
                    * cast(weights.{{ coefficient }} as decimal(15, 8)),
                    2
                )
            end as decimal(28, 2)
        ) as weighted_balance_days_cny
    from {{ ref('fct_customer_product_balance') }} as balances
    left join {{ ref('int_customer__successor') }} as successors
        on
            balances.customer_id = successors.old_customer_id
            and successors.measure_date = {{ as_of_date() }}
    inner join {{ ref(weights) }} as weights
        on
            balances.product_code = weights.product_code
            and weights.business_date = {{ as_of_date() }}
            {%- if asset_set %}
            and weights.asset_set = '{{ asset_set }}'
            {%- endif %}
    where
        balances.as_of_date in (
            {{ as_of_date() }}
            {%- for code in window_codes() if windows[code].base_date %},
            {{ date_literal(windows[code].base_date) }}
            {%- endfor %}
        )
{%- endmacro %}

{#- Balance-days of each window that ends on the as-of date: running sum there less running sum at its base. -#}
{% macro window_balance_days(column) -%}
    {%- set windows = plan()['windows'][plan()['as_of_date']] -%}
    {%- for code in window_codes() %}
        cast(sum(
            case
                when as_of_date = {{ as_of_date() }} then {{ column }}
                when as_of_date = {{ date_literal(windows[code].base_date or '0001-01-01') }}
                    then -{{ column }}
                else 0
            end
        ) as decimal(28, 2)) as {{ code }}_balance_days_cny{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- The windows' averages, and what they are the averages of. -#}
{% macro window_averages(relation) -%}
    {%- set windows = plan()['windows'][plan()['as_of_date']] -%}
    {%- for code in window_codes() %}
        {{ divide_half_up(relation ~ '.' ~ code ~ '_balance_days_cny', windows[code].days) }}
            as aum_{{ code }}_avg_cny,
        {{ relation }}.{{ code }}_balance_days_cny{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#- Days that a measure's balance-days are divided by in the window of the as-of date; none for other measures. -#}
{% macro measure_days(measure) -%}
    {%- if not measure or measure.quantity != 'assets' -%}
        {%- do return(none) -%}
    {%- elif measure.window == 'point' -%}
        {%- do return(1) -%}
    {%- elif measure.day_count == 'thirty' -%}
        {%- do return({'month': 30, 'quarter': 90, 'year': 360}[measure.window]) -%}
    {%- else -%}
        {%- do return(plan()['windows'][plan()['as_of_date']][measure.window].days) -%}
    {%- endif -%}
{%- endmacro %}

{#- The column, or the arithmetic on columns, that a policy's measure stands for. Numbers of days are the
    measure's own parameter (a month taken as thirty days); thresholds are in the policy tables. -#}
{% macro measure_value(measure, relation) -%}
    {%- if measure.quantity != 'assets' -%}
        {{ relation }}.{{ measure.quantity }}
    {%- elif measure.window == 'point' -%}
        {{ relation }}.aum_cny
    {%- elif measure.day_count == 'thirty' -%}
        {{ divide_half_up(relation ~ '.' ~ measure.window ~ '_balance_days_cny', measure_days(measure)) }}
    {%- else -%}
        {{ relation }}.aum_{{ measure.window }}_avg_cny
    {%- endif -%}
{%- endmacro %}

{#- Asset sets beside the standard one that the schemes evaluated today measure by. -#}
{% macro evaluated_asset_sets() -%}
    {%- set sets = [] -%}
    {%- for scheme in plan()['evaluated_schemes'] -%}
        {%- for measure in [scheme.measure] + (scheme.factors | map(attribute='measure') | list) -%}
            {%- if measure and measure.quantity == 'assets' and measure.asset_set != 'standard' -%}
                {%- do sets.append(measure.asset_set) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do return(sets | unique | sort) -%}
{%- endmacro %}

{#- True when the build's as-of date is a month end on which official tiers are evaluated. -#}
{% macro is_evaluation() -%}
    {%- do return(plan()['evaluation_date'] is not none) -%}
{%- endmacro %}

{#- The column without which a measure is not known. -#}
{% macro measure_column(measure, relation) -%}
    {%- if measure.quantity == 'assets' and measure.day_count == 'thirty' -%}
        {{ relation }}.{{ measure.window }}_balance_days_cny
    {%- else -%}
        {{ measure_value(measure, relation) }}
    {%- endif -%}
{%- endmacro %}

{#- Where a measure's columns are: assets per asset set, any other quantity with the customer's factors. -#}
{% macro measure_relation(measure) -%}
    {%- if measure.quantity != 'assets' -%}
        {{ ref('fct_customer_factor') }}
    {%- else -%}
        (
            select *
            from {{ ref('fct_month_measure') }}
            where asset_set = '{{ measure.asset_set }}'
        )
    {%- endif -%}
{%- endmacro %}

{#- One row per customer and month end that a measure looks back on, this one included; merged customers add up.
    Reads the CTE `successors`. -#}
{% macro month_values(measure) -%}
    select
        coalesce(successors.new_customer_id, measures.customer_id) as customer_id,
        measures.evaluation_date,
        cast(sum({{ measure_value(measure, 'measures') }}) as decimal(18, 2)) as month_value
    from {{ measure_relation(measure) }} as measures
    left join successors on measures.customer_id = successors.old_customer_id
    where
        measures.evaluation_date > {{ date_literal(plan()['past_month_ends'][measure.best_of_months - 1]) }}
        and measures.evaluation_date <= {{ as_of_date() }}
    group by
        coalesce(successors.new_customer_id, measures.customer_id),
        measures.evaluation_date
{%- endmacro %}

{#- One row per customer whom a scheme can tier: the value that its tiers are intervals of. Bands: the measure.
    Scorecard and matrix: what the bins of its factors add up to. An absent measure is compared as a value
    below all others, where only a bin that takes it lies. -#}
{% macro scheme_values(scheme, factors=none) -%}
    {%- if scheme.measure and scheme.measure.best_of_months > 1 %}
    select
        customer_id,
        max(month_value) as measure_value
    from (
        {{ month_values(scheme.measure) }}
    ) as month_values
    group by customer_id
    {%- elif scheme.measure %}
    select
        measures.customer_id,
        cast({{ measure_value(scheme.measure, 'measures') }} as decimal(18, 2)) as measure_value
    from {{ measure_relation(scheme.measure) }} as measures
    where
        measures.evaluation_date = {{ as_of_date() }}
        and {{ measure_column(scheme.measure, 'measures') }} is not null
    {%- else %}
    select
        factors.customer_id,
        cast(
            {%- for factor in scheme.factors %}
            bins_{{ loop.index }}.points{{ ' +' if not loop.last }}
            {%- endfor %} as decimal(18, 2)
        ) as measure_value
    from {{ factors or ref('fct_customer_factor') }} as factors
    {%- for asset_set in scheme.factors | map(attribute='measure') | selectattr('quantity', 'eq', 'assets')
        | map(attribute='asset_set') | unique %}
    left join {{ ref('fct_month_measure') }} as assets_{{ asset_set }}
        on
            assets_{{ asset_set }}.evaluation_date = {{ as_of_date() }}
            and assets_{{ asset_set }}.asset_set = '{{ asset_set }}'
            and factors.customer_id = assets_{{ asset_set }}.customer_id
    {%- endfor %}
    {%- for factor in scheme.factors %}
    {%- set bin = 'bins_' ~ loop.index -%}
    {%- set relation = 'assets_' ~ factor.measure.asset_set if factor.measure.quantity == 'assets' else 'factors' -%}
    {%- set value = 'coalesce(' ~ measure_value(factor.measure, relation) ~ ', ' ~ missing_value() ~ ')' %}
    inner join (
        select
            lower_value,
            upper_value,
            points
        from bins
        where
            policy_version = '{{ scheme.policy_version }}'
            and factor_code = '{{ factor.factor_code }}'
    ) as {{ bin }}
        on {{ value }} >= {{ bin }}.lower_value and {{ value }} < {{ bin }}.upper_value
    {%- endfor %}
    where factors.evaluation_date = {{ as_of_date() }}
    {%- endif %}
{%- endmacro %}

{#- What an absent measure is compared as: the lowest number there is (policies/compile.py says the same). -#}
{% macro missing_value() -%}
    cast(-9999999999999999.99 as decimal(18, 2))
{%- endmacro %}

{#- Indicative ranks of the last evaluations as text, two digits each, newest first. -#}
{% macro recent_ranks(rank, previous_ranks, months) -%}
    substring(
        lpad(cast({{ rank }} as {{ dbt.type_string() }}), 2, '0') || {{ previous_ranks }}, 1, {{ 2 * months }}
    )
{%- endmacro %}

{#- Best of the newest ranks: of the last `months`, and no more than the column `counted` says. -#}
{% macro best_recent_rank(ranks, months, counted=none) -%}
    greatest(
        {%- for month in range(months) %}
        coalesce(
            cast(
                nullif(
                    {%- if counted %}
                    case when {{ month }} < {{ counted }} then substring({{ ranks }}, {{ 2 * month + 1 }}, 2) else '' end,
                    {%- else %}
                    substring({{ ranks }}, {{ 2 * month + 1 }}, 2),
                    {%- endif %}
                    ''
                ) as bigint
            ), 0
        ){{ ',' if not loop.last }}
        {%- endfor %}
    )
{%- endmacro %}

{#- True when a delivery of this build, or one before it, merged customers. -#}
{% macro is_merging() -%}
    {%- do return(plan().get('is_merging', true)) -%}
{%- endmacro %}

{#- An amount of each date, summed up to it. Where a build adds one date it is that itself: windows took half of the
    time of a day. -#}
{% macro summed_to_date(amount, customer_id, date) -%}
    {%- if plan_dates('customer_dates') | length == 1 -%}
        {{ amount }}
    {%- else -%}
        sum({{ amount }}) over (partition by {{ customer_id }} order by {{ date }})
    {%- endif -%}
{%- endmacro %}
