-- Every customer in the books has an archive, his owner or the role of his queue collects it (G26),
-- and what it says of itself agrees.
with owners as (
    select
        owners.customer_id,
        owners.employee_id,
        owners.owner_role_code
    from {{ ref('int_maintenance__owner_day') }} as owners
    left join {{ ref('int_maintenance__suppressed_day') }} as suppressed
        on
            owners.business_date = suppressed.business_date
            and owners.customer_id = suppressed.customer_id
            and suppressed.reason_code in ('deceased', 'closed')
    where owners.business_date = {{ as_of_date() }} and suppressed.customer_id is null
)

select coalesce(archives.customer_id, owners.customer_id) as customer_id
from owners
full outer join {{ ref('mart_maintenance__archive_completeness') }} as archives
    on owners.customer_id = archives.customer_id
where
    archives.customer_id is null
    or archives.collector_role_code is null
    or (
        owners.customer_id is not null
        and coalesce(owners.employee_id, owners.owner_role_code)
        != coalesce(archives.collector_employee_id, archives.collector_role_code)
    )
    or (owners.customer_id is null and archives.collector_employee_id is not null)
    or (archives.missing_count = 0) != (archives.completeness_rate = 1)
    or (archives.missing_count = 0) != (archives.missing_fields is null)
    or (archives.missing_count = 0) != (archives.due_to_date is null)
    or archives.missing_count
    != length(archives.missing_fields) - length(replace(archives.missing_fields, ',', '')) + 1
