with days as (
    {{ described_days() }}
),

entries as (
    select
        entries.as_of_date as business_date,
        entries.customer_id,
        entries.slot,
        entries.employee_id,
        entries.role_code,
        entries.branch_id,
        entries.tier_code,
        entries.tier_rank
    from {{ ref('fct_book_entry') }} as entries
    inner join days on entries.as_of_date = days.business_date
    where entries.slot in ('a', 'queue') or (entries.slot = 'b' and entries.is_acting)
),

-- B answers while he acts for A; the role that works the queue does while nobody does.
final as (
    select
        business_date,
        customer_id,
        coalesce(
            max(case when slot = 'b' then employee_id end),
            max(case when slot = 'a' then employee_id end)
        ) as employee_id,
        coalesce(
            max(case when slot = 'b' then role_code end),
            max(case when slot = 'a' then role_code end),
            max(case when slot = 'queue' then role_code end)
        ) as owner_role_code,
        max(branch_id) as branch_id,
        max(tier_code) as tier_code,
        max(tier_rank) as tier_rank
    from entries
    group by business_date, customer_id
)

select * from final
