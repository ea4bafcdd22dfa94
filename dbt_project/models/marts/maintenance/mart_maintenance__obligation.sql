{{ config(schema='maintenance', alias='obligation', materialized='view') }}

with final as (
    select
        as_of_date,
        obligation_id,
        customer_id,
        kind,
        occasion_code,
        occasion_key,
        occurrence_no,
        cadence_code,
        rule_id,
        employee_id,
        owner_role_code,
        branch_id,
        performer_role_code,
        channel,
        due_from_date,
        due_to_date,
        status,
        suppressed_reason_code,
        done_contact_id,
        done_date,
        is_closed,
        created_date,
        policy_version
    from {{ ref('fct_obligation') }}
    where as_of_date = {{ as_of_date() }} or is_closed
)

select * from final
