-- What branches tell adds up to what the bank tells; employees tell no more.
{%- set counts = [
    'survey_count', 'complaint_count', 'sampled_count', 'sampled_done_count', 'received_complaint_count',
    'answered_in_time_count'
] %}

with counted as (
    {%- for name in counts %}
    select
        month_end_date,
        subject_kind,
        '{{ name }}' as measure,
        {{ name }} as number
    from {{ ref('fct_survey_month') }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

totals as (
    select
        month_end_date,
        measure,
        sum(case when subject_kind = 'employee' then number else 0 end) as employees,
        sum(case when subject_kind = 'branch' then number else 0 end) as branches,
        sum(case when subject_kind = 'bank' then number else 0 end) as bank
    from counted
    group by month_end_date, measure
)

select
    month_end_date,
    measure,
    employees,
    branches,
    bank
from totals
where branches != bank or employees > bank
