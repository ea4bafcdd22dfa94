{{ config(schema='maintenance', alias='survey_summary') }}

with final as (
    select
        month_end_date,
        subject_kind,
        subject_id,
        as_of_date,
        survey_count,
        phone_count,
        visit_count,
        online_count,
        score_avg,
        score_change,
        manager_score_avg,
        manager_score_change,
        complaint_count,
        sampled_count,
        sampled_done_count,
        reached_rate,
        received_complaint_count,
        answered_complaint_count,
        answered_in_time_count
    from {{ ref('fct_survey_month') }}
)

select * from final
