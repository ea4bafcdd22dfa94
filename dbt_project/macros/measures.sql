{#- The value of the measure that a policy names, out of the columns of fct_customer_measure. -#}
{% macro measure_value(measure_code, relation) -%}
    case {{ measure_code }}
        when 'aum_cny' then {{ relation }}.aum_cny
        when 'aum_month_avg_cny' then {{ relation }}.aum_month_avg_cny
        when 'aum_quarter_avg_cny' then {{ relation }}.aum_quarter_avg_cny
        when 'aum_year_avg_cny' then {{ relation }}.aum_year_avg_cny
    end
{%- endmacro %}
