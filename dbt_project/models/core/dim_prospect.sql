-- Prospects are no customers of any system: they are listed for the branch that met them, and not
-- tiered (G39).
with final as (
    select
        prospects.prospect_id,
        {{ as_of_date() }} as as_of_date,
        prospects.met_date,
        prospects.met_where,
        prospects.branch_id
    from {{ ref('stg_crm__prospects') }} as prospects
    inner join {{ source('build', 'batch_day') }} as batch_days
        on
            batch_days.feed_id = 'crm.prospects'
            and prospects.batch_id = batch_days.batch_id
            and batch_days.business_date = {{ as_of_date() }}
)

select * from final
