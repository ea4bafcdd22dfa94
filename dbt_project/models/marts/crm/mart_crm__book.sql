{{ config(schema='crm', alias='book') }}

with employees as (
    select
        employee_id,
        branch_id,
        role_code,
        status,
        capacity,
        is_eligible
    from {{ ref('dim_employee') }}
),

entries as (
    select
        customer_id,
        slot,
        employee_id,
        branch_id,
        role_code,
        choice_due_date
    from {{ ref('fct_book_entry') }}
    where as_of_date = {{ as_of_date() }} and slot in ('a', 'b')
),

measures as (
    select
        customer_id,
        aum_cny
    from {{ ref('fct_customer_measure') }}
    where measure_date = {{ as_of_date() }}
),

books as (
    select
        entries.employee_id,
        max(entries.branch_id) as branch_id,
        max(entries.role_code) as role_code,
        sum(case when entries.slot = 'a' then 1 else 0 end) as a_count,
        sum(case when entries.slot = 'b' then 1 else 0 end) as b_count,
        sum(case when entries.choice_due_date is not null then 1 else 0 end) as choice_task_count,
        sum(case when entries.slot = 'a' then coalesce(measures.aum_cny, 0) else 0 end) as aum_cny
    from entries
    left join measures on entries.customer_id = measures.customer_id
    group by entries.employee_id
),

final as (
    select
        coalesce(employees.employee_id, books.employee_id) as employee_id,
        {{ as_of_date() }} as as_of_date,
        coalesce(employees.branch_id, books.branch_id) as branch_id,
        coalesce(employees.role_code, books.role_code) as role_code,
        coalesce(employees.status, 'left') as status,
        coalesce(employees.is_eligible, false) as is_eligible,
        cast(coalesce(books.a_count, 0) as bigint) as customer_count,
        coalesce(employees.capacity, 0) as capacity,
        cast(coalesce(books.aum_cny, 0) as decimal(18, 2)) as aum_cny,
        cast(coalesce(books.a_count, 0) as bigint) as a_count,
        cast(coalesce(books.b_count, 0) as bigint) as b_count,
        cast(coalesce(books.choice_task_count, 0) as bigint) as choice_task_count,
        '{{ plan()['book_policy_version'] }}' as policy_version
    from employees
    full outer join books on employees.employee_id = books.employee_id
    where books.employee_id is not null or employees.capacity > 0
)

select * from final
