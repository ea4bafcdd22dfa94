with closed as (
    select
        done_contact_id,
        kind,
        count(distinct obligation_id) as obligation_count
    from {{ ref('fct_obligation') }}
    where done_contact_id is not null
    group by done_contact_id, kind
)

select * from closed
where obligation_count > 1
