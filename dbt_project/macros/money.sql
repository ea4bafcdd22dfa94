{#- Amount x rate, rounded half up to whole fen. decimal(19,2) x decimal(18,8) is exact on every engine;
    decimal(18,2) x decimal(18,8) overflows in DuckDB from 100 million. Most money is CNY and most weights are
    1 or 0: 128-bit products only where needed (measured, 2.5 million accounts: 5.3 s instead of 9.8 s for the
    measures of a day). -#}
{% macro multiply_money(amount, rate) -%}
    case {{ rate }}
        when 1 then cast({{ amount }} as decimal(18, 2))
        when 0 then cast(0 as decimal(18, 2))
        else cast(
            round(cast({{ amount }} as decimal(19, 2)) * cast({{ rate }} as decimal(18, 8)), 2) as decimal(18, 2)
        )
    end
{%- endmacro %}

{#- Units x unit price, rounded half up to whole fen. -#}
{% macro multiply_units(units, unit_price) -%}
    cast(round(cast({{ units }} as decimal(19, 6)) * cast({{ unit_price }} as decimal(18, 8)), 2) as decimal(18, 2))
{%- endmacro %}

{#- Amount x share cut to whole fen towards zero; what is cut off goes to the primary owner. -#}
{% macro share_of_money(amount, share) -%}
    cast(
        sign({{ amount }}) * floor(abs(cast({{ amount }} as decimal(19, 2)) * cast({{ share }} as decimal(18, 8))) * 100)
        * cast(0.01 as decimal(3, 2)) as decimal(18, 2)
    )
{%- endmacro %}
