-- What is to be done is on somebody's list, counted as left out of it, or counted with the queues.
with candidates as (
    select
        branch_id,
        count(*) as candidate_count,
        sum(case when employee_id = 'queue' then 1 else 0 end) as queue_count
    from {{ ref('int_maintenance__action_candidate') }}
    group by branch_id
),

lines as (
    select
        employee_id,
        branch_id,
        count(*) as line_count,
        max(rank) as last_rank,
        max(left_out_count) as left_out_count,
        min(left_out_count) as least_left_out_count
    from {{ ref('fct_action') }}
    where business_date = {{ as_of_date() }} and {{ as_of_date() }} >= {{ decided_from() }}
    group by employee_id, branch_id
),

branches as (
    select
        branch_id,
        sum(line_count) as line_count,
        sum(left_out_count) as left_out_count
    from lines
    group by branch_id
),

counted as (
    select
        branch_id,
        line_count,
        left_out_count,
        queue_count
    from {{ ref('fct_action_branch_day') }}
    where business_date = {{ as_of_date() }} and {{ as_of_date() }} >= {{ decided_from() }}
),

unfit_branches as (
    select
        candidates.branch_id,
        'branch' as found
    from candidates
    full outer join counted on candidates.branch_id = counted.branch_id
    left join branches on candidates.branch_id = branches.branch_id
    where
        candidates.branch_id is null
        or counted.branch_id is null
        or candidates.candidate_count
        != counted.line_count + counted.left_out_count + counted.queue_count
        or candidates.queue_count != counted.queue_count
        or coalesce(branches.line_count, 0) != counted.line_count
        or coalesce(branches.left_out_count, 0) != counted.left_out_count
),

unfit_lists as (
    select
        employee_id,
        'list' as found
    from lines
    where last_rank != line_count or left_out_count != least_left_out_count
),

final as (
    select * from unfit_branches
    union all
    select * from unfit_lists
)

select * from final
