{{ config(materialized='range', partition_column='evaluation_date') }}

-- depends_on: {{ ref('fct_tier_evaluation') }}
-- depends_on: {{ ref('fct_tier_explanation_context') }}
-- depends_on: {{ ref('fct_month_measure') }}
-- depends_on: {{ ref('fct_customer_factor') }}
-- depends_on: {{ ref('fct_population_bin') }}
-- depends_on: {{ ref('int_tiering__account_component') }}
-- depends_on: {{ ref('int_tiering__vetoed_customer') }}
-- depends_on: {{ ref('int_customer__successor') }}
-- depends_on: {{ source('build', 'batch_day') }}
-- depends_on: {{ source('policy', 'tier') }}
-- depends_on: {{ source('policy', 'tier_band') }}
-- depends_on: {{ source('policy', 'household_band') }}
{%- set schemes = explained_schemes() -%}
{%- set feeds = {
    'deposit': 'core_banking.deposit_accounts',
    'holding': 'wealth.wealth_holdings',
    'custody_margin': 'brokerage.custody_accounts',
    'security': 'brokerage.security_positions',
    'loan': 'loan.loans',
    'card': 'card.card_accounts',
} %}

with {% if schemes -%}
successors as (
    select
        old_customer_id,
        new_customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

tiers as (
    select
        scheme_code,
        policy_version,
        tier_code,
        tier_rank,
        label_zh,
        rule_id,
        downgrade_after_months
    from {{ source('policy', 'tier') }}
),

-- Where a tier begins; a tier without floor begins nowhere.
floors as (
    select
        policy_version,
        tier_code,
        nullif(min(lower_value), {{ missing_value() }}) as lower_value
    from {{ source('policy', 'tier_band') }}
    group by policy_version, tier_code
),

household_floors as (
    select
        policy_version,
        tier_code,
        min(lower_value) as lower_value
    from {{ source('policy', 'household_band') }}
    group by policy_version, tier_code
),

batches as (
    {%- for kind, feed_id in feeds.items() %}
    select
        '{{ kind }}' as account_kind,
        batch_id
    from {{ source('build', 'batch_day') }}
    where business_date = {{ as_of_date() }} and feed_id = '{{ feed_id }}'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

{% for scheme in schemes -%}
{%- set number = loop.index -%}
{%- set measure = scheme.measure -%}
{%- set is_assets = measure and measure.quantity == 'assets' -%}
{%- set unit = '元' if is_assets else ('分' if scheme.kind == 'scorecard' else '') -%}
{%- set days = measure_days(measure) -%}
explained_{{ number }} as (
    select
        customer_id,
        measure_value,
        tier_code,
        grace_months_below,
        recent_ranks,
        decided_by,
        rule_id,
        policy_version
    from {{ ref('fct_tier_evaluation') }}
    where
        evaluation_date = {{ as_of_date() }}
        and scheme_code = '{{ scheme.scheme_code }}'
        and (tier_rank > 0 or indicative_tier_rank > 0)
),

context_{{ number }} as (
    select
        context.customer_id,
        context.previous_tier_code,
        context.previous_months_below,
        context.previous_rule_id,
        context.previous_policy_version,
        context.other_members_value,
        context.member_count,
        context.member_without_consent_count,
        explained.recent_ranks,
        explained.decided_by,
        {%- if scheme.household == 'average' %}
        {{ divide_half_up(
            '(context.other_members_value + coalesce(explained.measure_value, 0))', 'context.member_count'
        ) }} as household_value
        {%- else %}
        context.other_members_value + coalesce(explained.measure_value, 0) as household_value
        {%- endif %}
    from {{ ref('fct_tier_explanation_context') }} as context
    inner join explained_{{ number }} as explained on context.customer_id = explained.customer_id
    where
        context.evaluation_date = {{ as_of_date() }}
        and context.scheme_code = '{{ scheme.scheme_code }}'
),

reached_{{ number }} as (
    select
        explained.customer_id,
        explained.measure_value,
        explained.tier_code,
        explained.grace_months_below,
        explained.decided_by,
        explained.rule_id,
        explained.policy_version,
        tiers.label_zh,
        tiers.downgrade_after_months,
        context.member_count,
        context.household_value,
        case
            when explained.decided_by = 'household' then household_floors.lower_value
            {%- if scheme.kind != 'matrix' %}
            else floors.lower_value
            {%- endif %}
        end as threshold_value,
        case
            when explained.decided_by = 'household' then context.household_value
            else explained.measure_value
        end as compared_value
    from explained_{{ number }} as explained
    inner join tiers
        on
            explained.policy_version = tiers.policy_version
            and explained.tier_code = tiers.tier_code
    left join floors
        on
            explained.policy_version = floors.policy_version
            and explained.tier_code = floors.tier_code
    left join household_floors
        on
            explained.policy_version = household_floors.policy_version
            and explained.tier_code = household_floors.tier_code
    left join context_{{ number }} as context on explained.customer_id = context.customer_id
),

tier_{{ number }} as (
    select
        {{ component('tier', {
            'customer_id': 'customer_id',
            'scheme_code': "'" ~ scheme.scheme_code ~ "'",
            'component_code': "'" ~ scheme.measure_code ~ "'",
            'component_value': 'measure_value',
            'days': days or 'null',
            'threshold_value': 'threshold_value',
            'margin_value': 'compared_value - threshold_value',
            'tier_code': 'tier_code',
            'decided_by': 'decided_by',
            'months_below': 'grace_months_below',
            'rule_id': 'rule_id',
            'policy_version': 'policy_version',
            'sentence_zh': 'sentence_zh',
        }) }}
    from (
        select
            reached.*,
            '{{ plan()["as_of_date"] }}评定为“' || label_zh || '”：{{ measure_zh(scheme) }}'
            || coalesce({{ amount_zh('measure_value', unit) }}, '未知')
            || case
                when decided_by = 'household'
                    then
                        '，家庭' || cast(member_count as {{ dbt.type_string() }})
                        || '人{{ "平均" if scheme.household == "average" else "合计" }}'
                        || {{ amount_zh('household_value', unit) }}
                else ''
            end
            || case
                when threshold_value is null or compared_value is null then ''
                when compared_value >= threshold_value
                    then
                        '，起点' || {{ amount_zh('threshold_value', unit) }}
                        || '，高出' || {{ amount_zh('compared_value - threshold_value', unit) }}
                else
                    '，低于起点' || {{ amount_zh('threshold_value', unit) }}
                    || '，差' || {{ amount_zh('threshold_value - compared_value', unit) }}
            end
            || case
                when grace_months_below > 0
                    then
                        '，已连续' || cast(grace_months_below as {{ dbt.type_string() }})
                        || '个月未达标，满'
                        || cast(downgrade_after_months as {{ dbt.type_string() }}) || '个月前保留等级'
                else ''
            end
            || case when decided_by = 'veto' then '，风险否决，不作营销' else '' end
            || '。依据规则' || rule_id || '。' as sentence_zh
        from reached_{{ number }} as reached
    ) as reached
),

previous_{{ number }} as (
    select
        {{ component('previous', {
            'customer_id': 'context.customer_id',
            'scheme_code': "'" ~ scheme.scheme_code ~ "'",
            'tier_code': 'context.previous_tier_code',
            'months_below': 'context.previous_months_below',
            'recent_ranks': 'substring(context.recent_ranks, 3)',
            'rule_id': 'context.previous_rule_id',
            'policy_version': 'context.previous_policy_version',
            'sentence_zh':
                "'上次评定为“' || tiers.label_zh || '”，当时已连续'"
                ~ " || cast(context.previous_months_below as " ~ dbt.type_string() ~ ") || '个月未达标。'",
        }) }}
    from context_{{ number }} as context
    inner join tiers
        on
            context.previous_policy_version = tiers.policy_version
            and context.previous_tier_code = tiers.tier_code
),

household_{{ number }} as (
    select
        {{ component('household', {
            'customer_id': 'customer_id',
            'scheme_code': "'" ~ scheme.scheme_code ~ "'",
            'component_value': 'other_members_value',
            'member_count': 'member_count',
            'member_without_consent_count': 'member_without_consent_count',
            'policy_version': "'" ~ scheme.policy_version ~ "'",
            'sentence_zh':
                "'家庭共' || cast(member_count as " ~ dbt.type_string() ~ ") || '人，其他成员合计'"
                ~ " || " ~ amount_zh('other_members_value') ~ " || '，未同意'"
                ~ " || cast(member_without_consent_count as " ~ dbt.type_string() ~ ") || '人。'",
        }) }}
    from context_{{ number }}
    where member_count is not null
),

veto_{{ number }} as (
    select
        {{ component('veto', {
            'customer_id': 'explained.customer_id',
            'scheme_code': "'" ~ scheme.scheme_code ~ "'",
            'component_code': 'vetoed.veto_tier_code',
            'rule_id': 'vetoed.veto_rule_id',
            'policy_version': "'" ~ scheme.policy_version ~ "'",
            'sentence_zh': "'评定日风险分层为“' || vetoed.veto_label_zh || '”，不作营销。'",
        }) }}
    from explained_{{ number }} as explained
    inner join {{ ref('int_tiering__vetoed_customer') }} as vetoed
        on
            vetoed.scheme_code = '{{ scheme.scheme_code }}'
            and explained.customer_id = vetoed.customer_id
),

{% if is_assets -%}
-- Rows are numbered before they grow wide. Other facts of a customer are fewer than a thousand.
accounts_{{ number }} as (
    select
        accounts.customer_id,
        accounts.account_kind,
        accounts.account_id,
        accounts.product_code,
        accounts.balance_days_cny,
        accounts.coefficient,
        accounts.contribution_cny,
        1000 + row_number() over (
            partition by accounts.customer_id
            order by accounts.account_kind, accounts.account_id
        ) as component_no
    from {{ ref('int_tiering__account_component') }} as accounts
    where accounts.scheme_code = '{{ scheme.scheme_code }}'
),

account_{{ number }} as (
    select
        {{ component('account', {
            'customer_id': 'accounts.customer_id',
            'scheme_code': "'" ~ scheme.scheme_code ~ "'",
            'component_no': 'accounts.component_no',
            'account_kind': 'accounts.account_kind',
            'account_id': 'accounts.account_id',
            'product_code': 'accounts.product_code',
            'balance_days_cny': 'accounts.balance_days_cny',
            'coefficient': 'accounts.coefficient',
            'days': days,
            'contribution_cny': 'accounts.contribution_cny',
            'source_batch_id': 'batches.batch_id',
            'policy_version': "'" ~ scheme.policy_version ~ "'",
            'sentence_zh':
                "'账户' || accounts.account_id || '（产品' || accounts.product_code || '）积数'"
                ~ " || " ~ amount_zh('accounts.balance_days_cny', '元·天') ~ " || '，系数'"
                ~ " || " ~ plain_number('accounts.coefficient') ~ " || '，按" ~ days ~ "天计入日均'"
                ~ " || " ~ amount_zh(divide_half_up('accounts.contribution_cny', days)) ~ " || '。'",
        }) }}
    from accounts_{{ number }} as accounts
    left join batches on accounts.account_kind = batches.account_kind
),

-- What accounts cannot show: weights are rounded per customer and product, and an account that changed its product
-- is shown with the last one alone. Whoever has no account that counts is told so.
remainder_{{ number }} as (
    select
        {{ component('remainder', {
            'customer_id': 'customer_id',
            'scheme_code': "'" ~ scheme.scheme_code ~ "'",
            'days': days,
            'contribution_cny': 'contribution_cny',
            'policy_version': "'" ~ scheme.policy_version ~ "'",
            'sentence_zh':
                "case when has_accounts then '加权取整与产品变更差额' || "
                ~ amount_zh('contribution_cny', '元·天') ~ " || '。' else '本期没有计入的账户。' end",
        }) }}
    from (
        select
            explained.customer_id,
            accounts.customer_id is not null as has_accounts,
            {%- if measure.window == 'point' %}
            measures.aum_cny
            {%- else %}
            measures.{{ measure.window }}_balance_days_cny
            {%- endif %} - coalesce(accounts.contribution_cny, 0) as contribution_cny
        from explained_{{ number }} as explained
        inner join {{ ref('fct_month_measure') }} as measures
            on
                explained.customer_id = measures.customer_id
                and measures.evaluation_date = {{ as_of_date() }}
                and measures.asset_set = '{{ measure.asset_set }}'
        left join (
            select
                customer_id,
                sum(contribution_cny) as contribution_cny
            from accounts_{{ number }}
            group by customer_id
        ) as accounts
            on explained.customer_id = accounts.customer_id
    ) as remainders
    where contribution_cny != 0 or not has_accounts
),

{% elif measure -%}
measure_{{ number }} as (
    select
        {{ component('measure', {
            'customer_id': 'explained.customer_id',
            'scheme_code': "'" ~ scheme.scheme_code ~ "'",
            'component_code': "'" ~ measure.quantity ~ "'",
            'component_value': 'measures.' ~ measure.quantity,
            'policy_version': "'" ~ scheme.policy_version ~ "'",
            'sentence_zh': "'" ~ measure.quantity ~ "为' || cast(measures." ~ measure.quantity ~ " as "
                ~ dbt.type_string() ~ ") || '。'",
        }) }}
    from explained_{{ number }} as explained
    inner join {{ ref('fct_customer_factor') }} as measures
        on
            explained.customer_id = measures.customer_id
            and measures.evaluation_date = {{ as_of_date() }}
            and measures.{{ measure.quantity }} is not null
),

{% endif -%}

{% if measure and measure.best_of_months > 1 -%}
past_measure_{{ number }} as (
    select
        {{ component('past_measure', {
            'customer_id': 'customer_id',
            'scheme_code': "'" ~ scheme.scheme_code ~ "'",
            'component_code': 'cast(evaluation_date as ' ~ dbt.type_string() ~ ')',
            'component_value': 'month_value',
            'policy_version': "'" ~ scheme.policy_version ~ "'",
            'sentence_zh': "cast(evaluation_date as " ~ dbt.type_string() ~ ") || '评定值'"
                ~ " || " ~ amount_zh('month_value') ~ " || '。'",
        }) }}
    from (
        select
            month_values.customer_id,
            month_values.evaluation_date,
            month_values.month_value
        from (
            {{ month_values(measure) }}
        ) as month_values
        inner join explained_{{ number }} as explained
            on month_values.customer_id = explained.customer_id
        where month_values.evaluation_date < {{ as_of_date() }}
    ) as months
),

{% endif -%}

{% for factor in scheme.factors -%}
{%- set factor_days = measure_days(factor.measure) -%}
factor_{{ number }}_{{ loop.index }} as (
    select
        {{ component('factor', {
            'customer_id': 'explained.customer_id',
            'scheme_code': "'" ~ scheme.scheme_code ~ "'",
            'component_code': "'" ~ factor.factor_code ~ "'",
            'component_value': measure_value(factor.measure, 'measures'),
            'days': factor_days or 'null',
            'contribution_cny': 'measures.' ~ (
                'aum_cny' if factor.measure.window == 'point' else factor.measure.window ~ '_balance_days_cny'
            ) if factor_days else 'null',
            'policy_version': "'" ~ scheme.policy_version ~ "'",
            'sentence_zh': "'" ~ factor.label_zh ~ "：' || coalesce(cast("
                ~ measure_value(factor.measure, 'measures') ~ " as " ~ dbt.type_string() ~ "), '未知') || '。'",
        }) }}
    from explained_{{ number }} as explained
    left join {{ measure_relation(factor.measure) }} as measures
        on
            explained.customer_id = measures.customer_id
            and measures.evaluation_date = {{ as_of_date() }}
),

{% if factor.is_population -%}
cut_{{ number }}_{{ loop.index }} as (
    select
        {{ component('cut', {
            'customer_id': 'explained.customer_id',
            'scheme_code': "'" ~ scheme.scheme_code ~ "'",
            'component_code': "bins.factor_code || ':' || bins.bin_code",
            'component_value': 'bins.lower_value',
            'policy_version': 'bins.policy_version',
            'sentence_zh': "'" ~ factor.label_zh ~ "第' || bins.bin_code || '组自'"
                ~ " || cast(bins.lower_value as " ~ dbt.type_string() ~ ") || '起。'",
        }) }}
    from explained_{{ number }} as explained
    inner join {{ ref('fct_population_bin') }} as bins
        on
            bins.evaluation_date = {{ as_of_date() }}
            and bins.policy_version = '{{ scheme.policy_version }}'
            and bins.factor_code = '{{ factor.factor_code }}'
),

{% endif -%}
{%- endfor -%}
{%- endfor -%}

components as (
    {%- for scheme in schemes %}
    {%- set number = loop.index -%}
    {%- set parts = ['tier', 'previous', 'household', 'veto'] -%}
    {%- if scheme.measure -%}
        {%- do parts.append('remainder' if scheme.measure.quantity == 'assets' else 'measure') -%}
    {%- endif -%}
    {%- if scheme.measure and scheme.measure.best_of_months > 1 %}{% do parts.append('past_measure') %}{% endif -%}
    {%- for part in parts %}
    select * from {{ part }}_{{ number }}
    union all
    {%- endfor %}
    {%- for factor in scheme.factors %}
    select * from factor_{{ number }}_{{ loop.index }}
    union all
    {%- if factor.is_population %}
    select * from cut_{{ number }}_{{ loop.index }}
    union all
    {%- endif %}
    {%- endfor %}
    {%- endfor %}
    {{ no_components() }}
),

account_components as (
    {%- for scheme in schemes if scheme.measure and scheme.measure.quantity == 'assets' %}
    select * from account_{{ schemes.index(scheme) + 1 }}
    union all
    {%- endfor %}
    {{ no_components() }}
),

{% else -%}
components as (
    {{ no_components() }}
),

account_components as (
    {{ no_components() }}
),

{% endif -%}

numbers as (
    select
        {{ explanation_columns('components', with_number=false) }},
        row_number() over (
            partition by components.scheme_code, components.customer_id
            order by components.kind_no, components.component_code
        ) as component_no
    from components
),

final as (
    select
        {{ as_of_date() }} as evaluation_date,
        {{ explanation_columns('numbers') }}
    from numbers
    union all
    select
        {{ as_of_date() }} as evaluation_date,
        {{ explanation_columns('account_components') }}
    from account_components
)

select * from final
