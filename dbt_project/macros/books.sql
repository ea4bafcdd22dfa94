{#- The business date that a model of the materialization `daily` decides on. The comment tells it from other dates. -#}
{% macro decision_date(date=none) -%}
    {%- set dates = plan_dates('decision_dates') -%}
    cast('{{ date or (dates[0] if dates else plan()['as_of_date']) }}' /* decided */ as date)
{%- endmacro %}

{#- The first date of this advance on which nothing was decided yet. -#}
{% macro decided_from() -%}
    {{ date_literal(plan()['decided_from']) }}
{%- endmacro %}

{#- Conditions on dates of this advance: those that are decided on; and those with the as-of date. -#}
{% macro decision_days() -%}
    {%- set dates = plan_dates('decision_dates') -%}
    {%- for date in dates %}
    select {{ date_literal(date) }} as business_date{{ ' union all' if not loop.last }}
    {%- endfor %}
    {%- if not dates %}
    select {{ as_of_date() }} as business_date where 1 = 0
    {%- endif %}
{%- endmacro %}

{#- The dates of this advance on which live books are decided: none before they go live. -#}
{% macro live_days() -%}
    select
        business_date
    from (
        {{ decision_days() }}
    ) as decided_days
    where {{ 'true' if plan()['is_live'] else 'false' }}
{%- endmacro %}

{#- Those dates and the as-of date, which a build that restates the past describes and does not decide again. -#}
{% macro described_days() -%}
    {{ live_days() }}
    union
    select {{ as_of_date() }} as business_date
    where {{ 'true' if plan()['is_live'] else 'false' }}
{%- endmacro %}

{#- Condition on the days of a log of which something is delivered late with this advance. -#}
{% macro is_late(feed_id, business_date) -%}
    {{ business_date }} in (
        {%- for batch_id in plan()['late_batches'] if batch_id.startswith(feed_id ~ '.') %}
        {{ date_literal(batch_id.split('.')[2]) }},
        {%- endfor %}
        {{ date_literal('0001-01-01') }}
    )
{%- endmacro %}

{#- Condition on events that are decided on: those of the day, and on the first day of an advance those that were delivered
    late, for days decided before. -#}
{% macro is_new_event(relation) -%}
    (
        {{ relation }}.business_date = {{ decision_date() }}
        {%- for batch_id in plan()['late_batches'] %}
        or ({{ relation }}.batch_id = '{{ batch_id }}' and {{ decision_date() }} = {{ decided_from() }})
        {%- endfor %}
    )
{%- endmacro %}

{#- CTEs `<name>_ranked`, `<name>_loads`, `<name>`: customers dealt to employees of their role in the unit `level` steps
    up, each to the one with the lowest load against capacity once he has him; of equal loads to the one who was dealt
    fewer, then by id. A customer has the place in his pool that tier and id give him, a seat of an employee the
    place that the load it leads to gives it: the n-th customer takes the n-th seat. `waiting`: customer_id,
    role_code, tier_rank, branch_id. `loads`: employee_id, customer_count. -#}
{% macro deal(name, waiting, loads, level) -%}
{{ name }}_ranked as (
    select
        waiting.customer_id,
        waiting.role_code,
        waiting.lost_reason_code,
        units.unit_id,
        row_number() over (
            partition by units.unit_id, waiting.role_code
            order by waiting.tier_rank desc, waiting.customer_id asc
        ) as place
    from {{ waiting }} as waiting
    inner join units on waiting.branch_id = units.branch_id and units.level_no = {{ level }}
),

{{ name }}_seats as (
    select
        ranked.unit_id,
        ranked.role_code,
        employees.employee_id,
        row_number() over (
            partition by ranked.unit_id, ranked.role_code
            order by
                {{ floor_divide(
                    '(coalesce(loads.customer_count, 0) + ranked.place) * 1000000', 'employees.capacity'
                ) }} asc,
                ranked.place asc,
                employees.employee_id asc
        ) as place
    from {{ name }}_ranked as ranked
    inner join eligible_employees as employees
        on
            ranked.unit_id = employees.unit_id
            and ranked.role_code = employees.role_code
    left join {{ loads }} as loads on employees.employee_id = loads.employee_id
    where coalesce(loads.customer_count, 0) + ranked.place <= employees.capacity
),

{{ name }} as (
    select
        ranked.customer_id,
        seats.employee_id,
        ranked.role_code,
        ranked.lost_reason_code
    from {{ name }}_ranked as ranked
    inner join {{ name }}_seats as seats
        on
            ranked.unit_id = seats.unit_id
            and ranked.role_code = seats.role_code
            and ranked.place = seats.place
)
{%- endmacro %}
