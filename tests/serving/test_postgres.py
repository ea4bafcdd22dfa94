"""PostgreSQL shows each reader his own rows of one version, whatever he tries, and no policy is there for nothing."""

from __future__ import annotations

import functools
import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import adbc_driver_manager
import pytest
from adbc_driver_postgresql import dbapi

from orchestration.lib.contracts import C2
from orchestration.lib.home import PROJECT_ROOT, Home
from orchestration.lib.mart_contracts import QUALITY_SCHEMAS, mart_contracts
from orchestration.lib.policies.load import load_access
from orchestration.lib.postgres.load import (
    PostgresError,
    load_version,
    read_readers,
    set_readers,
    set_up,
    versions_kept,
)
from orchestration.lib.postgres.setup import masked_view, schemas
from tests.serving.postgres_server import Server, Session, run, run_alone, running_server, session
from tests.serving.small_version import (
    CELLS,
    CUSTOMERS,
    EMPLOYEES,
    GRANTS,
    OWN_CUSTOMERS,
    rows,
    subjects,
    write_version,
)

VERSION = 7
# Login -> the kind of reader, the employee and the branches that he is.
LOGINS: dict[str, tuple[str, str | None, tuple[str, ...]]] = {
    **{f"maintainer_{employee}": ("maintainer", employee, ()) for employee in EMPLOYEES},
    "maintainer_nobody": ("maintainer", None, ()),
    "head_b1": ("branch_head", "e1", ("b1",)),
    "head_nowhere": ("branch_head", None, ()),
    "province_p": ("province", None, ("b1", "b2")),
    "hr_one": ("hr", None, ()),
    "analyst_one": ("analyst", None, ()),
    "auditor_one": ("auditor", None, ()),
    "stranger": ("", "e1", ("b1",)),
}
MAINTAINERS = [login for login, (kind, _, _) in LOGINS.items() if kind == "maintainer"]
SMALLEST_CELL = 10


@dataclass(frozen=True)
class Bank:
    server: Server
    home: Home

    def url(self, login: str) -> str:
        return self.server.url(login)

    @property
    def admin(self) -> str:
        return self.server.url("postgres")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    home = Home(tmp_path_factory.mktemp("postgres"))
    write_version(home, VERSION)
    with running_server() as server:
        made = Bank(server, home)
        set_up(made.admin)
        for login, (kind, _, _) in LOGINS.items():
            run(made.admin, f"create role {login} login {f'in role tierhouse_{kind}' if kind else ''}")
        set_readers(
            made.url("tierhouse_loader"),
            [
                (login, employee, branch)
                for login, (_, employee, branches) in LOGINS.items()
                for branch in branches or ((None,) if employee else ())
            ],
        )
        load_version(home, made.url("tierhouse_loader"))
        yield made


@functools.cache
def documented() -> dict[tuple[str, str], str]:
    """Mart and kind of reader -> what docs/postgres.md says that he reads."""
    lines = (PROJECT_ROOT / "docs" / "postgres.md").read_text("utf-8").splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    kinds, body = table[0][1:], table[1:]
    return {(line[0], kind): cell for line in body for kind, cell in zip(kinds, line[1:], strict=True)}


def expected(relation: str, login: str) -> set[tuple[Any, ...]] | None:
    """Subjects of the rows that a login sees, by the documented table and the grants said by hand; None: no right."""
    kind, employee, branches = LOGINS[login]
    what = documented().get((relation, kind), "").removesuffix(", masked")
    if not what:
        return None
    names = subjects(column.name for column in mart_contracts()[relation])
    own = OWN_CUSTOMERS.get(employee or "", set())

    def is_seen(row: dict[str, Any]) -> bool:
        is_own_customer, is_own_work = row.get("customer_id") in own, row.get("employee_id") == employee
        branch = row.get("branch_id", row.get("home_branch_id"))
        return {
            "customers": is_own_customer,
            "work": is_own_work,
            "both": is_own_customer and is_own_work,
            "branches": branch in branches,
            "cells": row.get("customer_count", 0) >= SMALLEST_CELL,
            "all": True,
        }[what]

    return {tuple(row[name] for name in names) for row in rows(relation, VERSION) if is_seen(row)}


def seen(reader: Session, relation: str) -> set[tuple[Any, ...]] | None:
    """Subjects of the rows that a reader gets from a mart; None when he has no right to it."""
    names = subjects(column.name for column in mart_contracts()[relation])
    query = f"select {', '.join(names) or '1'} from {relation}"
    return None if reader.is_refused(query) else {row if names else () for row in reader.ask(query)}


MARTS = tuple(mart_contracts())


@pytest.mark.rule("A9-18", "A9-20", "G21", "G22")
@pytest.mark.parametrize("login", LOGINS)
def test_each_login_reads_of_each_mart_what_the_table_says(bank: Bank, login: str) -> None:
    with session(bank.url(login)) as reader:
        found = {relation: seen(reader, relation) for relation in MARTS}
    assert found == {relation: expected(relation, login) for relation in MARTS}


def test_the_matrix_has_all_marts_and_cases_on_both_sides() -> None:
    assert {relation for relation, _ in documented()} == set(MARTS)
    cells = [expected(relation, login) for relation, login in itertools.product(MARTS, LOGINS)]
    assert len(cells) >= 500
    assert sum(cell is None for cell in cells) > 100
    assert sum(bool(cell) for cell in cells) > 100
    assert {cell for cell in CELLS if cell < SMALLEST_CELL}
    # Every kind of grant, and customers of whom nobody has one.
    assert {purpose for _, _, purpose, _, _ in GRANTS} == {"maintenance", "acting_backup", "specialist", "queue"}
    assert set(CUSTOMERS) - set().union(*OWN_CUSTOMERS.values()) == {"c08", "c09"}


def test_every_table_has_forced_policies_and_nobody_logs_in_as_its_owner(bank: Bank) -> None:
    found = run(
        bank.admin,
        "select n.nspname || '.' || c.relname, c.relrowsecurity, c.relforcerowsecurity, r.rolcanlogin, r.rolsuper "
        "from pg_class as c inner join pg_namespace as n on c.relnamespace = n.oid "
        "inner join pg_roles as r on c.relowner = r.oid "
        f"where c.relkind in ('r', 'p', 'm') and n.nspname in ({', '.join(repr(s) for s in schemas())})",
    )
    assert {name for name, *_ in found} == set(MARTS)
    assert {tuple(rest) for _, *rest in found} == {(True, True, False, False)}
    views = run(
        bank.admin,
        "select relname, reloptions::text from pg_class where relkind = 'v' and relnamespace = 'masked'::regnamespace",
    )
    assert views
    assert all("security_invoker=true" in options for _, options in views)


def test_the_owner_sees_nothing_but_the_grants(bank: Bank) -> None:
    for relation in MARTS:
        (count,) = run(bank.admin, "set local role tierhouse_owner", f"select count(*) from {relation}")[0]
        assert count == (len(GRANTS) if relation == "crm.access_grant" else 0), relation


def test_no_policy_is_there_for_nothing(bank: Bank) -> None:
    """Without any one of them some login reads something else; all this is rolled back."""
    policies = run(bank.admin, "select policyname, schemaname || '.' || tablename, roles::text from pg_policies")
    assert len(policies) > 100
    unnoticed = []
    with dbapi.connect(bank.admin) as connection, connection.cursor() as cursor:
        for policy, relation, roles in policies:
            logins = [name for name, (kind, _, _) in LOGINS.items() if kind and f"tierhouse_{kind}" in roles]
            logins = logins or ["maintainer_e1"]
            of = relation if policy != "functions" else "tiering.customer_tier"
            before, after = [], []
            for when, result in (("with", before), ("without", after)):
                # A row of a load that is of no version: what the newest version does not show.
                cursor.execute(f"insert into {relation} (load_id) values (0)")
                if when == "without":
                    cursor.execute(f"drop policy {policy} on {relation}")
                for login in logins:
                    cursor.execute(f"set local session authorization {login}")
                    cursor.execute(f"select count(*) from {of}")
                    result.append(cursor.fetchone()[0])
                    cursor.execute("reset session authorization")
                connection.rollback()
            if before == after:
                unnoticed.append((policy, relation, before))
    assert unnoticed == []


@pytest.mark.rule("G22")
@pytest.mark.parametrize("login", ["head_b1", "province_p", "analyst_one"])
def test_of_a_masked_mart_nothing_of_class_c2_is_read(bank: Bank, login: str) -> None:
    kind = LOGINS[login][0]
    masked = [relation for (relation, of), what in documented().items() if of == kind and "masked" in what]
    assert masked
    with session(bank.url(login)) as reader:
        for relation in masked:
            columns = mart_contracts()[relation]
            hidden = [column.name for column in columns if column.classification == C2]
            names = subjects(column.name for column in columns)
            assert reader.is_refused(f"select * from {relation}")
            assert all(reader.is_refused(f"select 1 from {relation} where {name} is not null") for name in hidden)
            assert hidden
            found = reader.ask(f"select {', '.join([*names, *hidden])} from {masked_view(relation)}")
            assert {row[: len(names)] for row in found} == expected(relation, login)
            assert {value for row in found for value in row[len(names) :]} == {None}
            # The same columns as the mart, so that a query need not change.
            reader.ask(f"select {', '.join(column.name for column in columns)} from {masked_view(relation)}")


@pytest.mark.parametrize("login", LOGINS)
def test_nobody_writes_or_takes_a_mart_out(bank: Bank, login: str) -> None:
    columns = {"access.reader": "login_name = null", "publish.version": "version = 1"}
    with session(bank.url(login)) as reader:
        for relation in ("tiering.customer_tier", "crm.access_grant", *columns):
            for statement in (
                f"delete from {relation}",
                f"update {relation} set {columns.get(relation, 'load_id = 1')}",
                f"insert into {relation} select * from {relation}",
                f"truncate {relation}",
                f"alter table {relation} disable row level security",
                f"drop table {relation}",
                f"copy {relation} to '/tmp/rows.csv'",
                f"copy {relation} to program 'cat'",
                f"copy {relation} from program 'cat'",
            ):
                assert reader.is_refused(statement), statement
        for statement in (
            "select * from access.reader",
            "select pg_read_file('postgresql.conf')",
            "set role tierhouse_loader",
            "set role tierhouse_owner",
            "set session authorization maintainer_nobody" if login != "maintainer_nobody" else "set role postgres",
            "set log_min_messages = panic",
            "create table crm.mine (a int)",
            "create function crm.mine() returns int language sql as 'select 1'",
            "create policy mine on crm.access_grant using (true)",
        ):
            assert reader.is_refused(statement), statement


@pytest.mark.parametrize("login", MAINTAINERS)
def test_no_way_of_asking_shows_more_than_the_own_rows(bank: Bank, login: str) -> None:
    mart = "tiering.customer_tier"
    own = {(customer,) for customer in OWN_CUSTOMERS.get(LOGINS[login][1] or "", set())}
    listed = ", ".join(f"('{customer}')" for customer in CUSTOMERS)
    own_list = ", ".join(f"'{customer}'" for (customer,) in own) or "''"
    # A function of his own that costs nothing, so that the planner would like to call it before anything else.
    leak = (
        "create function pg_temp.leak(id text) returns boolean language plpgsql cost 0.0000001 as "
        "$$ begin insert into heard values (id); return true; end $$"
    )
    matching = f"(select from {mart} where customer_id = id)"
    with session(bank.url(login)) as reader:
        ways = {
            "a view": (f"create temp view v as select * from {mart}", "select customer_id from v"),
            "a prepared statement": (f"prepare p as select customer_id from {mart}", "execute p"),
            "a copy": (f"create temp table t as select * from {mart}", "select customer_id from t"),
            "a cursor": (f"declare c cursor for select customer_id from {mart}", "fetch all from c"),
            "two marts": (f"select customer_id from {mart} union select customer_id from assets.customer_assets",),
            "a leaky function": (
                "create temp table heard (id text)", leak, f"select 1 from {mart} where pg_temp.leak(customer_id)",
                "select distinct id from heard",
            ),
            "a list of ids": (f"select id from (values {listed}) v (id) where exists {matching}",),
        }  # fmt: skip
        for way, statements in ways.items():
            assert set(reader.ask(*statements)) == own, way
        assert reader.ask(f"select count(distinct customer_id) from {mart}") == [(len(own),)]
        assert reader.ask(f"select max(customer_id) from {mart} where customer_id not in ({own_list})") == [(None,)]
        # Errors that a row would cause.
        for other in sorted(set(CUSTOMERS) - {customer for (customer,) in own}):
            divided = f"1 / (case when customer_id = '{other}' then 0 else 1 end)"
            reader.ask(f"select {divided} from {mart}")
            reader.ask(f"select 1 from {mart} where {divided} = 1")
        # What the planner knows of columns it tells nobody who sees only some rows.
        assert reader.ask("select count(*) from pg_stats where schemaname = 'tiering'") == [(0,)]


def test_a_plan_made_for_one_reader_shows_another_his_own_rows(bank: Bank) -> None:
    found = []
    with dbapi.connect(bank.admin) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        cursor.execute("prepare p as select customer_id from tiering.customer_tier")
        for login in ("auditor_one", "maintainer_e1", "maintainer_e2"):
            cursor.execute(f"set session authorization {login}")
            cursor.execute("execute p")
            found.append({customer for (customer,) in cursor.fetchall()})
            cursor.execute("reset session authorization")
    assert found == [set(CUSTOMERS), OWN_CUSTOMERS["e1"], OWN_CUSTOMERS["e2"]]


def test_who_belongs_to_two_kinds_sees_both_and_stays_who_he_is(bank: Bank) -> None:
    run(bank.admin, "create role two_hats login in role tierhouse_maintainer, tierhouse_hr")
    with session(bank.url("two_hats")) as reader:
        assert reader.ask("select count(*) from tiering.customer_tier") == [(0,)]
        assert reader.ask("select count(*) > 0 from appraisal.scorecard_total") == [(True,)]
        assert reader.ask("set role tierhouse_hr", "select count(*) > 0 from appraisal.scorecard_total") == [(True,)]
        assert reader.is_refused("set role tierhouse_hr", "select * from tiering.customer_tier")
    run(bank.admin, "drop role two_hats")


def test_who_looked_at_what_is_in_the_log_of_the_server(bank: Bank) -> None:
    query = "select * from tiering.customer_tier where customer_id = 'c06'"
    with session(bank.url("maintainer_e5")) as reader:
        reader.ask("set client_min_messages = error", query)
    log = bank.server.log()
    assert f"tierhouse access: login=maintainer_e5 mart=tiering.customer_tier version={VERSION}" in log
    assert f"STATEMENT:  {query}" in log


# --- versions ---------------------------------------------------------------------------------------------


@pytest.fixture
def second(bank: Bank, tmp_path: Path) -> Iterator[Bank]:
    """Another database of the server, with a home of its own."""
    run_alone(bank.admin, "create database second")
    made = Bank(replace(bank.server, database="second"), Home(tmp_path))
    set_up(made.admin)
    yield made
    run_alone(bank.admin, "drop database second with (force)")


def marks(reader: Session) -> set[tuple[Any, ...]]:
    """Versions that the rows of three marts, and the database itself, say they are of: one, if nothing is mixed."""
    return set(
        reader.ask(
            "select measure_value::bigint from tiering.customer_tier union "
            "select aum_cny::bigint from assets.customer_assets union "
            "select tier_rank from crm.assignment union select publish.version_in_view()"
        )
    )


def test_readers_see_one_version_whole_while_twenty_are_loaded(second: Bank) -> None:
    write_version(second.home, 1)
    loader = second.url("tierhouse_loader")
    load_version(second.home, loader)
    is_over, found, errors = threading.Event(), [], []

    def read_on() -> None:
        try:
            with session(second.url("auditor_one")) as reader:
                while not is_over.is_set():
                    found.append(marks(reader))
        except adbc_driver_manager.Error as error:
            errors.append(error)

    readers = [threading.Thread(target=read_on) for _ in range(3)]
    for thread in readers:
        thread.start()
    for version in range(2, 22):
        write_version(second.home, version)
        assert load_version(second.home, loader)["version"] == version
    is_over.set()
    for thread in readers:
        thread.join()
    assert errors == []
    assert {len(each) for each in found} == {1}
    assert len(set().union(*found)) >= 5
    # Two are kept, and nothing of the others is left.
    assert run(second.admin, "select version from publish.version order by version") == [(20,), (21,)]
    known = set(run(second.admin, "select load_id from publish.version_load"))
    assert all(set(run(second.admin, f"select load_id from {relation}")) <= known for relation in MARTS)


def test_a_reader_names_a_kept_version_and_sees_in_it_only_customers_that_are_his_today(second: Bank) -> None:
    loader = second.url("tierhouse_loader")
    kept, lost = ("e1", "c01", "maintenance", -3, None), ("e1", "c02", "maintenance", -3, None)
    write_version(second.home, 1, grants=[kept, lost])
    load_version(second.home, loader)
    write_version(second.home, 2, grants=[kept])
    load_version(second.home, loader)
    set_readers(loader, [("maintainer_e1", "e1", None)])
    query = "select distinct customer_id, tier_rank from tiering.customer_tier"
    with session(second.url("maintainer_e1")) as reader:
        assert reader.ask(query) == [("c01", 2)]
        assert reader.ask("set tierhouse.version = 1", query) == [("c01", 1)]
        with pytest.raises(adbc_driver_manager.Error, match=r"expected a version that is kept here \(1, 2\), found 9"):
            reader.ask("set tierhouse.version = 9", query)


def test_what_did_not_change_is_not_written_again(second: Bank) -> None:
    loader = second.url("tierhouse_loader")
    write_version(second.home, 1)
    first = load_version(second.home, loader)
    assert load_version(second.home, loader) == {"version": 1, "rows": 0, "partitions": 0}
    # The same content again: the marts of quality alone tell of publishing.
    write_version(second.home, 2, like=1)
    again = load_version(second.home, loader)
    assert first["partitions"] >= len(MARTS)
    assert again["partitions"] == len(QUALITY_SCHEMAS)
    assert run(second.admin, "select count(*) from tiering.customer_tier") == [(len(rows("tiering.customer_tier", 1)),)]


@pytest.mark.parametrize("point", ["postgres.before_rows", "postgres.before_commit", "postgres.after_commit"])
def test_a_load_that_is_killed_shows_nothing_or_all_and_the_next_one_makes_it_good(second: Bank, point: str) -> None:
    loader = second.url("tierhouse_loader")
    write_version(second.home, 1)
    load_version(second.home, loader)
    write_version(second.home, 2)
    killed = subprocess.run(
        [Path(sys.executable).with_name("tierhouse"), "postgres", "load", "--home", str(second.home.root)],
        env={**os.environ, "TIERHOUSE_FAULT": point, "TIERHOUSE_POSTGRES_URL": loader},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with session(second.url("auditor_one")) as reader:
        assert marks(reader) == {(2 if point == "postgres.after_commit" else 1,)}
        load_version(second.home, loader)
        assert marks(reader) == {(2,)}


# --- set-up -----------------------------------------------------------------------------------------------


def test_setting_up_again_changes_nothing(second: Bank) -> None:
    write_version(second.home, 1)
    load_version(second.home, second.url("tierhouse_loader"))
    grants = "select table_schema, table_name, column_name, grantee from information_schema.column_privileges"
    state = (
        "select policyname, schemaname, tablename, qual from pg_policies order by 1, 2, 3",
        f"{grants} order by 1, 2, 3, 4",
        "select count(*) from tiering.customer_tier",
    )
    before = [run(second.admin, query) for query in state]
    set_up(second.admin)
    assert [run(second.admin, query) for query in state] == before


def test_a_reader_who_is_taken_out_of_the_rules_reads_no_more(second: Bank) -> None:
    write_version(second.home, 1)
    load_version(second.home, second.url("tierhouse_loader"))
    access = load_access()
    fewer = access.model_copy(update={"readers": {k: v for k, v in access.readers.items() if k != "hr"}})
    set_up(second.admin, fewer)
    with session(second.url("hr_one")) as reader:
        assert reader.is_refused("select * from appraisal.scorecard_total")
    with pytest.raises(PostgresError, match="found others; have a superuser run `tierhouse postgres setup`"):
        load_version(second.home, second.url("tierhouse_loader"))
    load_version(second.home, second.url("tierhouse_loader"), fewer)


def test_a_table_with_other_columns_is_made_anew_with_its_policies(second: Bank) -> None:
    write_version(second.home, 1)
    loader = second.url("tierhouse_loader")
    load_version(second.home, loader)
    run(second.admin, "alter table crm.book add column an_older_release_had_it text")
    set_up(second.admin)
    assert run(second.admin, "select relforcerowsecurity from pg_class where oid = 'crm.book'::regclass") == [(True,)]
    with session(second.url("auditor_one")) as reader:
        assert reader.ask("select count(*) from tiering.customer_tier") == [(0,)]
        load_version(second.home, loader)
        assert reader.ask("select count(*) > 0 from crm.book") == [(True,)]
        assert marks(reader) == {(1,)}


def test_what_cannot_be_used_is_said(second: Bank, tmp_path: Path) -> None:
    with pytest.raises(PostgresError, match="nothing has been published yet"):
        load_version(second.home, second.url("tierhouse_loader"))
    write_version(second.home, 1)
    with pytest.raises(PostgresError, match="expected to log in as tierhouse_loader"):
        load_version(second.home, second.url("auditor_one"))
    for connect in (set_up, lambda url: load_version(second.home, url)):
        with pytest.raises(PostgresError, match="PostgreSQL: ") as error:
            connect("postgresql://somebody:a-secret-word@/bank?host=/nowhere")
        assert "a-secret-word" not in str(error.value)
    with pytest.raises(PostgresError, match="expected a whole number from 1, found 'two'"):
        versions_kept({"TIERHOUSE_POSTGRES_VERSIONS": "two"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "login,employee\n",
            "readers.csv:1: expected the columns login_name, employee_id, branch_id, found login, e",
        ),
        ("login_name,employee_id,branch_id\nx,,\n", "readers.csv:2: expected a login with an employee or a branch"),
        ("login_name,employee_id,branch_id\n,e1,\n", "readers.csv:2: expected a login with an employee or a branch"),
    ],
)
def test_a_file_of_readers_that_says_too_little_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "readers.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PostgresError, match=said):
        read_readers(file)
