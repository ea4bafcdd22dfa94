{{ config(materialized='range', partition_column='business_date', is_decision=true) }}

with days as (
    {{ decision_days() }}
),

held as (
    select
        entries.as_of_date as business_date,
        entries.customer_id,
        entries.slot,
        entries.slot_no,
        entries.employee_id,
        entries.role_code,
        entries.reason_code,
        entries.initial_employee_id,
        entries.initial_lost_date,
        entries.initial_lost_reason_code
    from {{ ref('fct_book_entry') }} as entries
    inner join days on entries.as_of_date = days.business_date
    where entries.slot != 'queue' and entries.as_of_date >= {{ date_literal(plan()['seed_date']) }}
),

-- On the first day everyone who holds a customer is news.
earlier as (
    select
        {{ add_days('entries.as_of_date', 1) }} as business_date,
        entries.customer_id,
        entries.slot,
        entries.slot_no,
        entries.employee_id
    from {{ ref('fct_book_entry') }} as entries
    inner join days on days.business_date = {{ add_days('entries.as_of_date', 1) }}
    where
        entries.slot != 'queue'
        and entries.as_of_date >= {{ date_literal(plan()['seed_date']) }}
),

customers as (
    select
        business_date,
        customer_id,
        branch_id
    from {{ ref('int_books__customer_day') }}
),

queue as (
    select
        as_of_date as business_date,
        customer_id,
        reason_code
    from {{ ref('fct_book_entry') }}
    where slot = 'queue'
),

merged as (
    select old_customer_id as customer_id
    from {{ ref('int_customer__successor') }}
    where measure_date = {{ as_of_date() }}
),

compared as (
    select
        coalesce(held.business_date, earlier.business_date) as business_date,
        coalesce(held.customer_id, earlier.customer_id) as customer_id,
        coalesce(held.slot, earlier.slot) as slot,
        coalesce(held.slot_no, earlier.slot_no) as slot_no,
        earlier.employee_id as from_employee_id,
        held.employee_id as to_employee_id,
        held.reason_code,
        held.role_code,
        held.initial_employee_id,
        held.initial_lost_date,
        held.initial_lost_reason_code
    from held
    full outer join earlier
        on
            held.business_date = earlier.business_date
            and held.customer_id = earlier.customer_id
            and held.slot = earlier.slot
            and held.slot_no = earlier.slot_no
    where
        held.employee_id is null
        or earlier.employee_id is null
        or held.employee_id != earlier.employee_id
),

final as (
    select
        {{ sha256_text(
            "cast(compared.business_date as " ~ dbt.type_string() ~ ") || '|' || compared.customer_id || '|' || "
            ~ "compared.slot || '|' || cast(compared.slot_no as " ~ dbt.type_string() ~ ") || '|' || "
            ~ "coalesce(compared.from_employee_id, '') || '|' || coalesce(compared.to_employee_id, '')"
        ) }} as change_id,
        compared.business_date,
        compared.customer_id,
        compared.slot,
        compared.slot_no,
        compared.from_employee_id,
        compared.to_employee_id,
        case
            when compared.to_employee_id is not null then compared.reason_code
            when merged.customer_id is not null then 'merged_customer'
            when customers.customer_id is null then 'out_of_scope'
            when queue.reason_code is not null then queue.reason_code
            when compared.slot = 'b' then 'backup_replaced'
            else 'team'
        end as reason_code,
        customers.branch_id,
        compared.role_code,
        compared.initial_employee_id,
        compared.initial_lost_date,
        compared.initial_lost_reason_code,
        '{{ plan()['book_policy_version'] }}' as policy_version
    from compared
    left join customers
        on
            compared.business_date = customers.business_date
            and compared.customer_id = customers.customer_id
    left join queue
        on
            compared.business_date = queue.business_date
            and compared.customer_id = queue.customer_id
    left join merged on compared.customer_id = merged.customer_id
)

select * from final
