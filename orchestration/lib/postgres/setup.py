"""What a database must hold before versions are loaded into it: roles, tables, policies, masks; as SQL.

Facts measured on PostgreSQL decide the form. A table that is made anew has no policy: tables are permanent, versions
come and go as rows. A view shows what its owner may see unless it is ``security_invoker``. The owner of a table is
bound by its policies only when they are forced. Nobody logs in as the owner.

A row belongs to a load: one partition of a mart with one content. A version is the loads that it is made of, so
that what did not change is not written again. Readers see the loads of the newest version, or of a kept one that they
name: ``set tierhouse.version = 12``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from orchestration.lib.column_rules import identifier, literal
from orchestration.lib.contracts import C2
from orchestration.lib.mart_contracts import MartColumn, mart_contracts
from orchestration.lib.policies.access import Access, Reader, Scope
from orchestration.lib.policies.lint_access import BRANCH

OWNER, LOADER = "tierhouse_owner", "tierhouse_loader"
LOAD_COLUMN = "load_id"
# Look-ups by customer, by employee and by branch.
INDEXED = ("customer_id", "employee_id", *BRANCH)
# security_invoker is of 15.
OLDEST_SERVER = 15

_ROLES = f"""
do $$
begin
    if current_setting('server_version_num')::int < {OLDEST_SERVER}0000 then
        raise exception 'PostgreSQL %: expected {OLDEST_SERVER} or newer; upgrade the server',
            current_setting('server_version');
    end if;
    if not exists (select from pg_roles where rolname = '{OWNER}') then
        create role {OWNER} nologin;
    end if;
    if not exists (select from pg_roles where rolname = '{LOADER}') then
        create role {LOADER} login bypassrls;
    end if;
end $$
"""

_BOOKKEEPING = (
    """
    create table if not exists publish.version (
        version bigint primary key, build_id text not null, as_of_date date not null,
        published_at timestamp with time zone not null, loaded_at timestamp with time zone not null default now()
    )
    """,
    """
    create table if not exists publish.load (
        load_id int generated always as identity primary key, relation text not null, partition text not null,
        content_hash text not null
    )
    """,
    """
    create table if not exists publish.version_load (
        version bigint not null references publish.version on delete cascade,
        load_id int not null references publish.load, primary key (version, load_id)
    )
    """,
    """
    create table if not exists publish.setup (content_hash text not null)
    """,
    """
    create table if not exists access.reader (
        login_name text not null, employee_id text, branch_id text,
        check (employee_id is not null or branch_id is not null)
    )
    """,
)

# Bodies run with the rights of the owner: readers have none on what they read.
_FUNCTIONS = (
    """
    create or replace function publish.version_in_view() returns bigint
    language plpgsql stable parallel safe security definer set search_path = pg_catalog as $$
    declare
        wanted text := nullif(current_setting('tierhouse.version', true), '');
        found bigint;
    begin
        if wanted is null then
            return (select max(version) from publish.version);
        end if;
        select version into found from publish.version where version::text = wanted;
        if found is null then
            raise exception 'tierhouse.version: expected a version that is kept here (%), found %',
                (select coalesce(string_agg(version::text, ', ' order by version), 'none') from publish.version), wanted
                using hint = 'reset tierhouse.version shows the newest';
        end if;
        return found;
    end $$
    """,
    """
    create or replace function publish.loads(of_version bigint, of_relation text) returns int[]
    language sql stable parallel safe security definer set search_path = pg_catalog as $$
        select array(
            select l.load_id from publish.version_load as v inner join publish.load as l on v.load_id = l.load_id
            where v.version = of_version and l.relation = of_relation
        )
    $$
    """,
    # Told to the server's log with the statement; a reader cannot keep it out.
    """
    create or replace function access.told(relation text) returns boolean
    language plpgsql stable parallel safe security definer set search_path = pg_catalog as $$
    begin
        raise log 'tierhouse access: login=% mart=% version=%', session_user, relation, publish.version_in_view();
        return true;
    end $$
    """,
    """
    create or replace function access.employees(relation text) returns text[]
    language plpgsql stable parallel safe security definer set search_path = pg_catalog as $$
    begin
        perform access.told(relation);
        return array(select employee_id from access.reader where login_name = session_user and employee_id is not null);
    end $$
    """,
    """
    create or replace function access.branches(relation text) returns text[]
    language plpgsql stable parallel safe security definer set search_path = pg_catalog as $$
    begin
        perform access.told(relation);
        return array(select branch_id from access.reader where login_name = session_user and branch_id is not null);
    end $$
    """,
    # Grants of the newest version: who names an older one sees of it only customers that are his today.
    """
    create or replace function access.customers(relation text) returns text[]
    language plpgsql stable parallel safe security definer set search_path = pg_catalog as $$
    declare
        newest bigint := (select max(version) from publish.version);
        today date := (select as_of_date from publish.version where version = newest);
        current_loads int[] := publish.loads(newest, 'crm.access_grant');
        own text[] := access.employees(relation);
    begin
        return array(
            select distinct g.customer_id from crm.access_grant as g
            where
                g.employee_id = any(own) and g.load_id = any(current_loads)
                and g.valid_from <= today and (g.valid_to is null or g.valid_to > today)
        );
    end $$
    """,
)

_READER_FUNCTIONS = (
    "publish.version_in_view()",
    "publish.loads(bigint, text)",
    "access.told(text)",
    "access.employees(text)",
    "access.branches(text)",
    "access.customers(text)",
)


def group_role(code: str) -> str:
    """The role whose members read as a reader of access.yml."""
    return f"tierhouse_{code}"


def postgres_type(sql_type: str) -> str:
    """A contract's type as PostgreSQL names it in its catalog."""
    return sql_type.replace("decimal", "numeric").replace("varchar", "text").replace("double", "double precision")


def schemas() -> list[str]:
    """Schemas of the marts."""
    return list(dict.fromkeys(relation.split(".")[0] for relation in mart_contracts()))


def masked_view(relation: str) -> str:
    """Where readers find a mart of which they see no C2 column."""
    return f"masked.{relation.replace('.', '_')}"


def setup_statements(access: Access) -> list[str]:
    """SQL that a superuser runs once, and again when access.yml or a mart's columns change: one transaction.

    Running it again changes nothing. A table whose columns changed is made anew, with its policies; versions are then
    to be loaded again.
    """
    statements = [_statement(text) for text in _statements(access)]
    return [*statements, f"insert into publish.setup values ({literal(setup_hash(access))})", "reset role"]


def setup_hash(access: Access) -> str:
    """Hash of all statements: what a load compares with what the database was set up with."""
    return hashlib.sha256("\n".join(map(_statement, _statements(access))).encode()).hexdigest()


def _statement(text: str) -> str:
    return text.strip()


def _statements(access: Access) -> Iterator[str]:
    contracts = mart_contracts()
    readers = {group_role(code): reader for code, reader in access.readers.items()}
    yield _ROLES
    for role in readers:
        yield _if_missing(f"pg_roles where rolname = {literal(role)}", f"create role {role} nologin")
    for schema in ("publish", "access", "masked", *schemas()):
        yield f"create schema if not exists {schema} authorization {OWNER}"
    yield f"set local role {OWNER}"
    yield from _BOOKKEEPING
    for relation, columns in contracts.items():
        yield from _table(relation, columns)
    yield from _FUNCTIONS
    yield from _revocations()
    for role in readers:
        yield f"grant usage on schema publish, access, masked, {', '.join(schemas())} to {role}"
        yield f"grant select on publish.version to {role}"
        yield from (f"grant execute on function {function} to {role}" for function in _READER_FUNCTIONS)
    # The owner's own functions read who has which grant, and nothing else.
    yield f"create policy functions on crm.access_grant for select to {OWNER} using (true)"
    yield from _loader_grants()
    for relation, columns in contracts.items():
        yield from _mart_access(relation, columns, readers, access.minimum_cell_count)
    yield "delete from publish.setup"


def _if_missing(what: str, statement: str) -> str:
    return f"do $$ begin if not exists (select from {what}) then {statement}; end if; end $$"


def _table(relation: str, columns: tuple[MartColumn, ...]) -> Iterator[str]:
    wanted = [(column.name, postgres_type(column.sql_type)) for column in columns] + [(LOAD_COLUMN, "integer")]
    text = ", ".join(f"{name} {sql_type}" for name, sql_type in wanted)
    # Versions are gone with a table that changed: what is left of them is no whole version.
    yield f"""
    do $$
    begin
        if to_regclass({literal(relation)}) is not null and (
            select string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum)
            from pg_attribute as a
            where a.attrelid = to_regclass({literal(relation)}) and a.attnum > 0 and not a.attisdropped
        ) is distinct from {literal(text)} then
            drop table {relation} cascade;
            delete from publish.version;
            delete from publish.load where relation = {literal(relation)};
        end if;
    end $$
    """
    quoted = ", ".join(f"{identifier(name)} {sql_type}" for name, sql_type in wanted)
    yield f"create table if not exists {relation} ({quoted})"
    yield f"alter table {relation} enable row level security"
    yield f"alter table {relation} force row level security"
    names = {column.name for column in columns}
    for name in INDEXED:
        if name in names:
            yield f"create index if not exists {relation.split('.')[1]}_{name} on {relation} ({name})"


def _revocations() -> Iterator[str]:
    """Whatever was granted before is taken back, so that what access.yml no longer says is gone."""
    everywhere = ", ".join(map(literal, ("publish", "access", "masked", *schemas())))
    yield f"""
    do $$
    declare
        found record;
    begin
        for found in select * from pg_views where schemaname = 'masked' loop
            execute format('drop view masked.%I', found.viewname);
        end loop;
        for found in select * from pg_policies where schemaname in ({everywhere}) loop
            execute format('drop policy %I on %I.%I', found.policyname, found.schemaname, found.tablename);
        end loop;
        for found in
            select n.nspname, r.rolname from pg_namespace as n, pg_roles as r
            where n.nspname in ({everywhere}) and r.rolname like 'tierhouse\\_%' and r.rolname != '{OWNER}'
        loop
            execute format('revoke all on all tables in schema %I from %I', found.nspname, found.rolname);
            execute format('revoke all on all functions in schema %I from %I', found.nspname, found.rolname);
            execute format('revoke all on schema %I from %I', found.nspname, found.rolname);
        end loop;
    end $$
    """
    for schema in ("publish", "access", "masked", *schemas()):
        yield f"revoke all on schema {schema} from public"
        yield f"revoke all on all functions in schema {schema} from public"
        yield f"revoke all on all tables in schema {schema} from public"


def _loader_grants() -> Iterator[str]:
    everywhere = ", ".join(schemas())
    yield f"grant usage on schema publish, access, {everywhere} to {LOADER}"
    yield f"grant select, insert, delete on all tables in schema publish, access, {everywhere} to {LOADER}"
    yield f"grant usage on all sequences in schema publish to {LOADER}"


def _condition(scope: Scope, relation: str, columns: set[str], minimum_cell_count: int) -> str:
    """Which rows a scope is. Each sub-query is answered once in a statement, so that an index can be used."""
    mart = literal(relation)
    customers = f"customer_id = any((select access.customers({mart}))::text[])"
    employees = f"employee_id = any((select access.employees({mart}))::text[])"
    if scope == "own_customers":
        return customers
    if scope == "own_work":
        return employees
    if scope == "own_work_on_own_customers":
        return f"{employees} and {customers}"
    if scope == "own_branches":
        branch = next(name for name in BRANCH if name in columns)
        return f"{branch} = any((select access.branches({mart}))::text[])"
    told = f"(select access.told({mart}))"
    return f"{told} and customer_count >= {minimum_cell_count}" if scope == "large_cells" else told


def _mart_access(
    relation: str, columns: tuple[MartColumn, ...], readers: dict[str, Reader], minimum_cell_count: int
) -> Iterator[str]:
    names = {column.name for column in columns}
    of_mart = {role: reader.scopes(relation) for role, reader in readers.items() if reader.scopes(relation)}
    if not of_mart:
        return
    yield (
        f"create policy version_in_view on {relation} as restrictive for select to {', '.join(of_mart)} using "
        f"({LOAD_COLUMN} = any((select publish.loads(publish.version_in_view(), {literal(relation)}))::int[]))"
    )
    open_columns = [LOAD_COLUMN, *(column.name for column in columns if column.classification != C2)]
    masked = [role for role in of_mart if relation in readers[role].masked]
    for role, scopes in of_mart.items():
        for scope in scopes:
            condition = _condition(scope, relation, names, minimum_cell_count)
            yield f"create policy {role}_{scope} on {relation} for select to {role} using ({condition})"
        granted = f"select ({', '.join(map(identifier, open_columns))})" if role in masked else "select"
        yield f"grant {granted} on {relation} to {role}"
    if masked:
        selected = ", ".join(
            f"null::{postgres_type(column.sql_type)} as {identifier(column.name)}"
            if column.classification == C2
            else identifier(column.name)
            for column in columns
        )
        view = masked_view(relation)
        yield (
            f"create view {view} with (security_invoker = true, security_barrier = true) as "
            f"select {selected} from {relation}"
        )
        yield f"grant select on {view} to {', '.join(masked)}"
