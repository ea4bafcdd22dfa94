{#- Fails on keys that occur twice or have a NULL part: NULL keys never compare equal and would pass.
    `as_of_column` looks at the as-of date only: kept partitions were tested when they were built. -#}
{% test unique_combination(model, columns, as_of_column=none) %}
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
{%- if as_of_column %}
where {{ as_of_column }} = {{ as_of_date() }}
{%- endif %}
group by {{ columns | join(', ') }}
having count(*) > 1 or {% for column in columns %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}
{% endtest %}
