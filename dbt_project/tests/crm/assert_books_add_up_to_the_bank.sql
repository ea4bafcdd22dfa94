-- Books and queue hold the customers in scope and their assets, to the fen, on every day on which
-- they are decided.
with days as (
    {{ decision_days() }}
),

books as (
    select
        sum(customer_count) as customer_count,
        sum(aum_cny) as aum_cny
    from {{ ref('mart_crm__book') }}
),

measures as (
    select
        customer_id,
        aum_cny
    from {{ ref('fct_customer_measure') }}
    where measure_date = {{ as_of_date() }}
),

queue as (
    select
        count(*) as customer_count,
        sum(coalesce(measures.aum_cny, 0)) as aum_cny
    from {{ ref('mart_crm__exception_queue') }} as queued
    left join measures on queued.customer_id = measures.customer_id
),

bank as (
    select
        count(*) as customer_count,
        sum(coalesce(measures.aum_cny, 0)) as aum_cny
    from {{ ref('fct_customer_tier') }} as tiers
    left join measures on tiers.customer_id = measures.customer_id
    where tiers.tier_rank > 0
)

select
    books.customer_count as in_books,
    queue.customer_count as in_queue,
    bank.customer_count as in_scope,
    books.aum_cny as books_aum_cny,
    queue.aum_cny as queue_aum_cny,
    bank.aum_cny as scope_aum_cny
from books
cross join queue
cross join bank
inner join days on days.business_date = {{ as_of_date() }}
where
    coalesce(books.customer_count, 0) + queue.customer_count != bank.customer_count
    or coalesce(books.aum_cny, 0) + coalesce(queue.aum_cny, 0) != coalesce(bank.aum_cny, 0)
