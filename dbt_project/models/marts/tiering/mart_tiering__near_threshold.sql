{{ config(schema='tiering', alias='near_threshold') }}

with final as (
    select
        customer_id,
        scheme_code,
        as_of_date,
        direction,
        target_tier_code,
        threshold_cny,
        measure_code,
        measure_value,
        gap_cny,
        decided_on_date,
        days_left,
        aum_cny,
        required_daily_balance_cny,
        may_leave_cny,
        matures_cny,
        matures_from_date,
        policy_version
    from {{ ref('fct_near_threshold') }}
    where as_of_date = {{ as_of_date() }}
)

select * from final
