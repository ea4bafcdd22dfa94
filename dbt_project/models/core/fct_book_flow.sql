{{ config(materialized='range', partition_column='evaluation_date') }}

{%- set flows = ['opening', 'new', 'transferred_in', 'transferred_out', 'lost', 'closing'] %}

with periods as (
    select *
    from (
        {{ appraised_periods() }}
    ) as appraised
    where has_books
),

opening as (
    select
        periods.period_code,
        cohorts.customer_id,
        coalesce(cohorts.employee_id, {{ pool_of('cohorts.branch_id') }}) as holder_id,
        cohorts.branch_id
    from {{ ref('fct_cohort') }} as cohorts
    inner join periods on cohorts.cohort_date = periods.start_date
),

closing as (
    select
        closing.period_code,
        closing.customer_id,
        closing.holder_id,
        closing.branch_id
    from {{ ref('int_appraisal__closing_book') }} as closing
    inner join periods on closing.period_code = periods.period_code
),

-- Days on which a customer was nobody's are no place he came from or went to.
steps as (
    select
        steps.period_code,
        steps.customer_id,
        steps.valid_from,
        0 as is_closing,
        steps.holder_id,
        steps.branch_id
    from {{ ref('int_appraisal__book_step') }} as steps
    inner join periods on steps.period_code = periods.period_code
    where steps.holder_id is not null
    union all
    select
        period_code,
        customer_id,
        cast(null as date) as valid_from,
        1 as is_closing,
        holder_id,
        branch_id
    from closing
),

ordered as (
    select
        period_code,
        customer_id,
        holder_id,
        branch_id,
        lag(holder_id) over (
            partition by period_code, customer_id order by is_closing, valid_from
        ) as earlier_holder_id,
        row_number() over (
            partition by period_code, customer_id order by is_closing asc, valid_from asc
        ) as place,
        row_number() over (
            partition by period_code, customer_id order by is_closing desc, valid_from desc
        ) as place_from_end
    from steps
),

measures as (
    select
        evaluation_date,
        customer_id,
        aum_cny
    from {{ ref('fct_month_measure') }}
    where asset_set = 'standard'
),

last_holders as (
    select
        period_code,
        customer_id,
        holder_id
    from ordered
    where place_from_end = 1
),

-- What moves with a customer is what he had when the quarter began; what a new one has at its end.
customers as (
    select
        ordered.period_code,
        ordered.customer_id,
        opening.customer_id is not null as is_opening,
        closing.customer_id is not null as is_closing,
        opening.holder_id as opening_holder_id,
        closing.holder_id as closing_holder_id,
        ordered.holder_id as first_holder_id,
        last_holders.holder_id as last_holder_id,
        coalesce(opening.branch_id, closing.branch_id, ordered.branch_id) as first_branch_id,
        coalesce(closing.branch_id, opening.branch_id, ordered.branch_id) as last_branch_id,
        coalesce(eves.aum_cny, 0) as eve_aum_cny,
        coalesce(ends.aum_cny, 0) as end_aum_cny,
        case
            when opening.customer_id is null then coalesce(ends.aum_cny, 0)
            else coalesce(eves.aum_cny, 0)
        end as moved_aum_cny
    from ordered
    inner join periods on ordered.period_code = periods.period_code
    inner join last_holders
        on
            ordered.period_code = last_holders.period_code
            and ordered.customer_id = last_holders.customer_id
    left join opening
        on ordered.period_code = opening.period_code and ordered.customer_id = opening.customer_id
    left join closing
        on ordered.period_code = closing.period_code and ordered.customer_id = closing.customer_id
    left join measures as eves
        on
            periods.eve_date = eves.evaluation_date
            and ordered.customer_id = eves.customer_id
    left join measures as ends
        on
            periods.through_date = ends.evaluation_date
            and ordered.customer_id = ends.customer_id
    where ordered.place = 1
),

holder_moves as (
    select
        ordered.period_code,
        ordered.customer_id,
        ordered.holder_id,
        ordered.earlier_holder_id,
        customers.moved_aum_cny
    from ordered
    inner join customers
        on
            ordered.period_code = customers.period_code
            and ordered.customer_id = customers.customer_id
    where ordered.earlier_holder_id != ordered.holder_id
),

moves as (
    select
        period_code,
        opening_holder_id as subject_id,
        'opening' as flow,
        eve_aum_cny as aum_cny,
        cast(0 as decimal(18, 2)) as change_aum_cny
    from customers
    where is_opening
    union all
    select
        period_code,
        first_holder_id as subject_id,
        'new' as flow,
        moved_aum_cny as aum_cny,
        cast(0 as decimal(18, 2)) as change_aum_cny
    from customers
    where not is_opening
    union all
    select
        period_code,
        holder_id as subject_id,
        'transferred_in' as flow,
        moved_aum_cny as aum_cny,
        cast(0 as decimal(18, 2)) as change_aum_cny
    from holder_moves
    union all
    select
        period_code,
        earlier_holder_id as subject_id,
        'transferred_out' as flow,
        moved_aum_cny as aum_cny,
        cast(0 as decimal(18, 2)) as change_aum_cny
    from holder_moves
    union all
    select
        period_code,
        last_holder_id as subject_id,
        'lost' as flow,
        moved_aum_cny as aum_cny,
        cast(0 as decimal(18, 2)) as change_aum_cny
    from customers
    where not is_closing
    union all
    select
        period_code,
        closing_holder_id as subject_id,
        'closing' as flow,
        end_aum_cny as aum_cny,
        end_aum_cny - moved_aum_cny as change_aum_cny
    from customers
    where is_closing
),

employee_flows as (
    select
        period_code,
        'employee' as subject_kind,
        subject_id,
        {%- for flow in flows %}
        sum(case when flow = '{{ flow }}' then 1 else 0 end) as {{ flow }}_count,
        sum(case when flow = '{{ flow }}' then aum_cny else 0 end) as {{ flow }}_aum_cny,
        {%- endfor %}
        sum(change_aum_cny) as change_aum_cny
    from moves
    group by period_code, subject_id
),

-- Customers who came from the same branch to the same branch move alike in the whole tree.
branch_pairs as (
    select
        period_code,
        first_branch_id,
        last_branch_id,
        is_opening,
        is_closing,
        count(*) as customer_count,
        sum(eve_aum_cny) as eve_aum_cny,
        sum(end_aum_cny) as end_aum_cny,
        sum(moved_aum_cny) as moved_aum_cny
    from customers
    group by period_code, first_branch_id, last_branch_id, is_opening, is_closing
),

sides as (
    select
        branch_id,
        ancestor_id
    from {{ ref('int_appraisal__branch_tree') }}
),

-- A branch has the customers of all below it: a move within it is none.
subjects as (
    select
        'branch' as subject_kind,
        firsts.ancestor_id as subject_id,
        true as is_first,
        lasts.ancestor_id is not null as is_last,
        pairs.*
    from branch_pairs as pairs
    inner join sides as firsts on pairs.first_branch_id = firsts.branch_id
    left join sides as lasts
        on pairs.last_branch_id = lasts.branch_id and firsts.ancestor_id = lasts.ancestor_id
    union all
    select
        'branch' as subject_kind,
        lasts.ancestor_id as subject_id,
        false as is_first,
        true as is_last,
        pairs.*
    from branch_pairs as pairs
    inner join sides as lasts on pairs.last_branch_id = lasts.branch_id
    left join sides as firsts
        on pairs.first_branch_id = firsts.branch_id and lasts.ancestor_id = firsts.ancestor_id
    where firsts.ancestor_id is null
    union all
    select
        'bank' as subject_kind,
        'bank' as subject_id,
        true as is_first,
        true as is_last,
        pairs.*
    from branch_pairs as pairs
),

{%- set conditions = [
    ('opening', 'is_opening and is_first', 'eve_aum_cny'),
    ('new', 'not is_opening and is_first', 'moved_aum_cny'),
    ('transferred_in', 'is_last and not is_first', 'moved_aum_cny'),
    ('transferred_out', 'is_first and not is_last', 'moved_aum_cny'),
    ('lost', 'not is_closing and is_last', 'moved_aum_cny'),
    ('closing', 'is_closing and is_last', 'end_aum_cny'),
] %}

branch_flows as (
    select
        period_code,
        subject_kind,
        subject_id,
        {%- for flow, condition, amount in conditions %}
        sum(case when {{ condition }} then customer_count else 0 end) as {{ flow }}_count,
        sum(case when {{ condition }} then {{ amount }} else 0 end) as {{ flow }}_aum_cny,
        {%- endfor %}
        sum(case when is_closing and is_last then end_aum_cny - moved_aum_cny else 0 end)
            as change_aum_cny
    from subjects
    group by period_code, subject_kind, subject_id
),

flows as (
    select * from employee_flows
    union all
    select * from branch_flows
),

final as (
    select
        {{ as_of_date() }} as evaluation_date,
        flows.period_code,
        flows.subject_kind,
        flows.subject_id,
        periods.through_date,
        periods.is_final,
        {%- for flow in flows %}
        cast(flows.{{ flow }}_count as bigint) as {{ flow }}_count,
        {%- endfor %}
        {%- for flow in flows %}
        cast(flows.{{ flow }}_aum_cny as decimal(18, 2)) as {{ flow }}_aum_cny,
        {%- endfor %}
        cast(flows.change_aum_cny as decimal(18, 2)) as change_aum_cny
    from flows
    inner join periods on flows.period_code = periods.period_code
)

select * from final
