{%- set columns = ['opening', 'new', 'lost', 'closing'] -%}

-- What a book, an outlet, a branch with all below it or the bank has at the end is what it had, and
-- what came and went: to the customer and to the fen. Books and queues together are the bank, and
-- what one gives another takes.
with flows as (
    select *
    from {{ ref('fct_book_flow') }}
    where evaluation_date = {{ as_of_date() }}
),

moved as (
    select
        period_code,
        subject_kind,
        subject_id
    from flows
    where
        opening_count + new_count + transferred_in_count - transferred_out_count - lost_count
        != closing_count
        or opening_aum_cny + new_aum_cny + transferred_in_aum_cny - transferred_out_aum_cny
        - lost_aum_cny + change_aum_cny
        != closing_aum_cny
        or (subject_kind = 'bank' and transferred_in_count + transferred_out_count != 0)
),

books as (
    select
        period_code,
        {% for column in columns %}
        sum({{ column }}_count) as {{ column }}_count,
        sum({{ column }}_aum_cny) as {{ column }}_aum_cny,
        {% endfor %}
        sum(transferred_in_count - transferred_out_count) as transferred_count,
        sum(transferred_in_aum_cny - transferred_out_aum_cny) as transferred_aum_cny,
        sum(change_aum_cny) as change_aum_cny
    from flows
    where subject_kind = 'employee'
    group by period_code
),

banks as (
    select *
    from flows
    where subject_kind = 'bank'
),

unequal as (
    select
        coalesce(books.period_code, banks.period_code) as period_code,
        'bank' as subject_kind,
        'bank' as subject_id
    from books
    full outer join banks on books.period_code = banks.period_code
    where
        books.period_code is null
        or banks.period_code is null
        or books.transferred_count != 0
        or books.transferred_aum_cny != 0
        or books.change_aum_cny != banks.change_aum_cny
        {%- for column in columns %}
        or books.{{ column }}_count != banks.{{ column }}_count
        or books.{{ column }}_aum_cny != banks.{{ column }}_aum_cny
        {%- endfor %}
)

select * from moved
union all
select * from unequal
