{#- CTEs `<name>_windows`, `<name>_contacts`, `<name>_pairs`, `<name>`: contacts that close obligations, one each. In a
    window the n-th contact closes the n-th obligation; a contact in two windows closes in the one that ends first,
    and what that leaves over is matched again. `obligations`: undone ones that may be closed; `contacts`: those of
    their customers and kinds. -#}
{% macro match_contacts(name, obligations, contacts) -%}
{{ name }}_obligations as (
    select
        obligation_id,
        customer_id,
        kind,
        due_from_date,
        due_to_date,
        created_date,
        row_number() over (
            partition by customer_id, kind, due_to_date, due_from_date, created_date
            order by occurrence_no, obligation_id
        ) as place
    from {{ obligations }}
),

{{ name }}_contacts as (
    select
        windows.customer_id,
        windows.kind,
        windows.due_from_date,
        windows.due_to_date,
        windows.created_date,
        contacts.contact_id,
        contacts.business_date,
        row_number() over (
            partition by
                windows.customer_id,
                windows.kind,
                windows.due_to_date,
                windows.due_from_date,
                windows.created_date
            order by contacts.business_date, contacts.contact_id
        ) as place
    from (
        select distinct
            customer_id,
            kind,
            due_from_date,
            due_to_date,
            created_date
        from {{ obligations }}
    ) as windows
    inner join {{ contacts }} as contacts
        on
            windows.customer_id = contacts.customer_id
            and windows.kind = contacts.kind
            and contacts.business_date >= windows.due_from_date
            and contacts.business_date >= windows.created_date
            and contacts.business_date <= windows.due_to_date
),

{{ name }}_pairs as (
    select
        obligations.obligation_id,
        contacts.kind,
        contacts.contact_id,
        contacts.business_date,
        row_number() over (
            partition by contacts.contact_id, contacts.kind
            order by obligations.due_to_date, obligations.due_from_date, obligations.obligation_id
        ) as choice
    from {{ name }}_contacts as contacts
    inner join {{ name }}_obligations as obligations
        on
            contacts.customer_id = obligations.customer_id
            and contacts.kind = obligations.kind
            and contacts.due_from_date = obligations.due_from_date
            and contacts.due_to_date = obligations.due_to_date
            and contacts.created_date = obligations.created_date
            and contacts.place = obligations.place
),

{{ name }} as (
    select
        obligation_id,
        kind,
        contact_id,
        business_date
    from {{ name }}_pairs
    where choice = 1
)
{%- endmacro %}
