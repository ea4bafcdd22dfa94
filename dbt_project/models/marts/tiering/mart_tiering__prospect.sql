{{ config(schema='tiering', alias='prospect') }}

-- Prospects are no customers of any system: they are listed for the branch that met them, and not
-- tiered (G39).
with final as (
    select
        prospect_id,
        as_of_date,
        met_date,
        met_where,
        branch_id
    from {{ ref('dim_prospect') }}
)

select * from final
