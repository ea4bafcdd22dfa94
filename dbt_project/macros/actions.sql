{#- A date as Chinese sentences say it: 10月12日. -#}
{% macro date_zh(day) -%}
    cast(cast(substring(cast({{ day }} as {{ dbt.type_string() }}), 6, 2) as integer) as {{ dbt.type_string() }})
    || '月'
    || cast(cast(substring(cast({{ day }} as {{ dbt.type_string() }}), 9, 2) as integer) as {{ dbt.type_string() }})
    || '日'
{%- endmacro %}

{#- An amount as Chinese sentences say it, without its sign: whole yuan, from 1万元 on whole 万. -#}
{% macro rounded_amount_zh(amount) -%}
    case
        when abs({{ amount }}) >= 10000
            then cast({{ floor_divide('floor(abs(' ~ amount ~ '))', 10000) }} as {{ dbt.type_string() }}) || '万元'
        else cast({{ floor_divide('floor(abs(' ~ amount ~ '))', 1) }} as {{ dbt.type_string() }}) || '元'
    end
{%- endmacro %}

{#- A policy's sentence with its placeholders filled. `words`: placeholder -> what stands in its place, both as SQL. -#}
{% macro filled(sentence, words) -%}
    {%- set filled = namespace(sql=sentence) -%}
    {%- for word, text in words -%}
        {%- set filled.sql = "replace(" ~ filled.sql ~ ", '{" ~ word ~ "}', " ~ text ~ ")" -%}
    {%- endfor -%}
    {{ filled.sql }}
{%- endmacro %}
