{{ config(schema='appraisal', alias='book_flow') }}

with newest as (
    select
        period_code,
        max(evaluation_date) as evaluation_date
    from {{ ref('fct_book_flow') }}
    group by period_code
),

flows as (
    select
        flows.*,
        flows.evaluation_date as as_of_date
    from {{ ref('fct_book_flow') }} as flows
    inner join newest
        on
            flows.period_code = newest.period_code
            and flows.evaluation_date = newest.evaluation_date
),

final as (
    {{ told('flows', 'closed_book_flow', [
        'period_code', 'subject_kind', 'subject_id', 'as_of_date', 'through_date', 'is_final',
        'opening_count', 'new_count', 'transferred_in_count', 'transferred_out_count', 'lost_count',
        'closing_count', 'opening_aum_cny', 'new_aum_cny', 'transferred_in_aum_cny',
        'transferred_out_aum_cny', 'lost_aum_cny', 'change_aum_cny', 'closing_aum_cny',
    ], is_cte=true) }}
)

select * from final
