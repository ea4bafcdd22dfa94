-- Every change names a reason of the policy; an owner who is still there is replaced only by the
-- customer's choice or an accepted proposal: an upgrade or downgrade moves nobody (A9-06, G12).
with changes as (
    select
        change_id,
        slot,
        from_employee_id,
        to_employee_id,
        reason_code
    from {{ ref('fct_assignment_change') }}
    where business_date >= {{ decided_from() }}
),

reasons as (
    select reason_code
    from {{ source('policy', 'book_reason') }}
    where policy_version = '{{ plan()['book_policy_version'] }}'
)

select changes.*
from changes
left join reasons on changes.reason_code = reasons.reason_code
where
    reasons.reason_code is null
    or (
        changes.slot = 'a'
        and changes.from_employee_id is not null
        and changes.to_employee_id is not null
        and changes.reason_code in (
            'continuity_upgrade', 'continuity_downgrade', 'new_in_scope', 'parent_branch', 'old_crm'
        )
    )
