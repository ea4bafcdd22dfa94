{#- Field of the policy -> condition that it is known. -#}
{%- set fields = {
    'address': 'coalesce(customers.has_address, false)',
    'annual_income': 'customers.annual_income is not null',
    'birth_date': 'customers.birth_date is not null',
    'customer_name': 'coalesce(customers.has_customer_name, false)',
    'education': 'customers.education is not null',
    'id_number': 'coalesce(customers.has_id_number, false)',
    'interests': 'customers.interests is not null',
    'mobile': 'coalesce(customers.has_mobile, false)',
    'occupation': 'customers.occupation is not null',
    'risk_appetite': 'customers.risk_appetite is not null',
    'sex': "coalesce(customers.sex, 'u') in ('m', 'f')",
} %}

with rules as (
    select
        rules.min_month_avg_cny,
        rules.due_days,
        rules.unowned_role_code,
        rules.policy_version
    from {{ source('policy', 'archive') }} as rules
    inner join (
        {{ described_days() }}
    ) as days
        on
            rules.effective_from <= days.business_date
            and rules.effective_to > days.business_date
    where days.business_date = {{ as_of_date() }}
),

wanted as (
    select
        policy_version,
        {%- for code in fields %}
        max(case when field_code = '{{ code }}' then 1 else 0 end) as {{ code }},
        {%- endfor %}
        count(*) as field_count
    from {{ source('policy', 'archive_field') }}
    group by policy_version
),

owners as (
    select
        customer_id,
        employee_id,
        owner_role_code,
        branch_id
    from {{ ref('int_maintenance__owner_day') }}
    where business_date = {{ as_of_date() }}
),

entries as (
    select
        customer_id,
        min(valid_from) as valid_from
    from {{ ref('fct_book_entry') }}
    where as_of_date = {{ as_of_date() }} and slot in ('a', 'queue')
    group by customer_id
),

gone as (
    select customer_id
    from {{ ref('int_maintenance__suppressed_day') }}
    where
        business_date = {{ as_of_date() }}
        and reason_code in ('deceased', 'closed')
),

measures as (
    select
        customer_id,
        aum_month_avg_cny
    from {{ ref('fct_customer_measure') }}
    where measure_date = {{ as_of_date() }}
),

customers as (
    select
        customers.*,
        rules.policy_version,
        rules.due_days,
        case
            when owners.customer_id is null then rules.unowned_role_code
            else owners.owner_role_code
        end as collector_role_code,
        owners.employee_id as collector_employee_id,
        coalesce(owners.branch_id, customers.home_branch_id) as branch_id,
        -- Nothing was due before the warehouse decided who collects it.
        greatest(
            coalesce(entries.valid_from, customers.opened_date),
            {{ date_literal(plan()['seed_date']) }}
        ) as held_from
    from {{ ref('dim_customer') }} as customers
    cross join rules
    left join owners on customers.customer_id = owners.customer_id
    left join entries on customers.customer_id = entries.customer_id
    left join measures on customers.customer_id = measures.customer_id
    left join gone on customers.customer_id = gone.customer_id
    where
        gone.customer_id is null
        and (
            owners.customer_id is not null
            or measures.aum_month_avg_cny >= rules.min_month_avg_cny
        )
),

archives as (
    select
        {%- for code, is_known in fields.items() %}
        case
            when {{ is_known }} then 0
            else wanted.{{ code }}
        end as {{ code }},
        {%- endfor %}
        customers.customer_id,
        customers.collector_employee_id,
        customers.collector_role_code,
        customers.branch_id,
        customers.held_from,
        customers.due_days,
        customers.policy_version,
        wanted.field_count
    from customers
    inner join wanted on customers.policy_version = wanted.policy_version
),

counted as (
    select
        archives.*,
        (
            {%- for code in fields %}
            {{ code }}{{ ' +' if not loop.last }}
            {%- endfor %}
        ) as missing_count,
        substring(
            (
                {%- for code in fields %}
                case {{ code }} when 1 then ',{{ code }}' else '' end{{ ' ||' if not loop.last }}
                {%- endfor %}
            ), 2
        ) as missing_fields
    from archives
),

final as (
    select
        customer_id,
        {{ as_of_date() }} as as_of_date,
        nullif(missing_fields, '') as missing_fields,
        cast(missing_count as bigint) as missing_count,
        cast(
            {{ divide_half_up('(field_count - missing_count) * 100', 'field_count') }}
            * cast(0.01 as decimal(3, 2)) as decimal(5, 4)
        ) as completeness_rate,
        collector_employee_id,
        collector_role_code,
        branch_id,
        case when missing_count > 0 then {{ add_days('held_from', 'due_days') }} end as due_to_date,
        policy_version
    from counted
)

select * from final
