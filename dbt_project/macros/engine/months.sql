{#- Completed months from a date to a later one; a month that begins on the 31st is complete after the last day of a
    shorter one. -#}
{% macro completed_months(start, finish) %}{{ return(adapter.dispatch('completed_months', 'tierhouse')(start, finish)) }}{% endmacro %}
{% macro default__completed_months(start, finish) -%}
    (extract(year from {{ finish }}) - extract(year from {{ start }})) * 12
    + extract(month from {{ finish }}) - extract(month from {{ start }})
    - case when extract(day from {{ finish }}) < extract(day from {{ start }}) then 1 else 0 end
{%- endmacro %}
