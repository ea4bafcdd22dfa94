select
    actions.employee_id,
    actions.business_date,
    actions.rank,
    actions.customer_id,
    suppressed.reason_code
from {{ ref('fct_action') }} as actions
inner join {{ ref('int_maintenance__suppressed_day') }} as suppressed
    on
        actions.business_date = suppressed.business_date
        and actions.customer_id = suppressed.customer_id
where actions.business_date >= {{ decided_from() }}
