"""What a column holds follows from the deliveries it is made of, and a build that lets it out is stopped."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orchestration.lib import audit
from orchestration.lib.confidentiality import Content, annotated, derive_contents, lineage_offences
from orchestration.lib.contracts import Column, Feed, load_contracts
from orchestration.lib.ledger import Ledger
from orchestration.lib.lineage import Model, Project, made_of
from orchestration.lib.staging import raw_columns, render_staging
from tests.conftest import BuiltHome

COLUMNS = {"raw.t": ("id", "amount", "name", "pin"), "core.state": ("id", "amount"), "policy.tier": ("code", "floor")}
PUBLIC, MONEY, NAME = Content("C1"), Content("C2"), Content("C2", is_personal=True)


def model(sql: str, relation: str = "core.m", layer: str = "core") -> Model:
    return Model(relation.replace(".", "_"), layer, relation, sql)


def origins(sql: str) -> dict[str, set[str]]:
    return {
        name: {f"{relation}.{column}" for relation, column in found}
        for name, found in made_of(model(sql), COLUMNS).items()
    }


@pytest.mark.parametrize(
    ("sql", "made"),
    [
        ("select id as a from raw.t", {"a": {"raw.t.id"}}),
        ('select x.amount as a from "file"."raw"."t" as x', {"a": {"raw.t.amount"}}),
        ("select 1 as a, count(*) as b from raw.t where amount > 0", {"a": set(), "b": set()}),
        ("select case when amount > 0 then 1 end as a from raw.t", {"a": {"raw.t.amount"}}),
        ("select lag(name) over (partition by id order by amount) as a from raw.t", {"a": {"raw.t.name"}}),
        ("select row_number() over (order by amount) + id as a from raw.t", {"a": {"raw.t.id"}}),
        ("with c as (select name || id as n from raw.t) select * from c", {"n": {"raw.t.name", "raw.t.id"}}),
        ("select id as a, name as b from raw.t union all select name, id from raw.t", None),
        ("select (select max(amount) from core.state) as a, id from raw.t", {"a": {"core.state.amount"}, "id": None}),
        (
            "select t.id, p.code from raw.t as t inner join policy.tier as p on t.amount >= p.floor",
            {"id": {"raw.t.id"}, "code": {"policy.tier.code"}},
        ),
        (
            "select amount as a from (select s.amount from core.state as s left join raw.t on s.id = t.name) as q",
            {"a": {"core.state.amount"}},
        ),
    ],
)
def test_a_column_is_made_of_what_its_expression_reads(sql: str, made: dict[str, set[str] | None] | None) -> None:
    if made is None:  # columns of a union meet by position
        made = {"a": {"raw.t.id", "raw.t.name"}, "b": {"raw.t.id", "raw.t.name"}}
    found = origins(sql)
    assert list(found) == list(made)
    assert {name: found[name] for name, columns in made.items() if columns is not None} == {
        name: columns for name, columns in made.items() if columns is not None
    }


def column(name: str, classification: str, is_personal: bool = False) -> Column:
    return Column(name, "str", False, None, (), classification, False, is_personal, f"{name}.", name)


@pytest.fixture
def contracts() -> dict[str, Feed]:
    """One feed, raw.s__t, of a plain id, money, a person's name and a password."""
    columns = (column("id", "C1"), column("amount", "C2"), column("name", "C2", True), column("pin", "C3"))
    feed = dataclasses.replace(
        load_contracts()["market.fx_rates"], system="s", entity="t", columns=columns, control_totals=()
    )
    return {feed.feed_id: feed}


def project(*models: Model) -> Project:
    staged = {"raw.s__t": ("id", "amount", "name")}
    return Project(models, staged | {m.relation: tuple(made_of(m, staged)) for m in models if m.sql})


def offences(found: Project, contracts: dict[str, Feed], stated: dict[str, dict[str, Content]], **more: Any) -> Any:
    return {
        o.check_name.removeprefix("confidentiality."): list(o.found)
        for o in lineage_offences(found, contracts, stated, **more)
    }


def test_a_column_that_says_what_it_holds_and_stays_where_it_may_is_fine(contracts: dict[str, Feed]) -> None:
    found = project(model("select id, amount, name from raw.s__t"))
    stated = {"core_m": {"id": PUBLIC, "amount": MONEY, "name": NAME}}
    assert offences(found, contracts, stated) == {"c3": [], "personal": [], "classes": []}


def test_a_name_may_only_be_in_a_mart_that_is_listed(contracts: dict[str, Feed]) -> None:
    core = model("select id, name as called from raw.s__t")
    mart = model("select id, upper(called) || '!' as greeting from core.m", "crm.book", "marts")
    columns = {"core.m": ("id", "called"), "crm.book": ("id", "greeting")}
    found = Project((core, mart), columns)
    stated = {"core_m": {"id": PUBLIC, "called": NAME}, "crm_book": {"id": PUBLIC, "greeting": NAME}}
    (offence,) = offences(found, contracts, stated)["personal"]
    assert "crm.book.greeting" in offence
    assert offences(found, contracts, stated, allowed=frozenset({"crm.book.greeting"}))["personal"] == []


def test_a_c3_column_is_found_wherever_it_goes(contracts: dict[str, Feed]) -> None:
    # A model can only read it when someone lays it beside the generated relation.
    columns = {"raw.s__t": ("id", "pin"), "intermediate.m": ("a",)}
    leak = Model("int_m", "intermediate", "intermediate.m", "select substr(pin, 1, 2) as a from raw.s__t")
    raw, model_found = offences(Project((leak,), columns), contracts, {})["c3"]
    assert "raw.s__t.pin" in raw
    assert "int_m.a" in model_found


def test_a_c3_column_is_not_staged(contracts: dict[str, Feed]) -> None:
    (feed,) = contracts.values()
    assert [name for name, _ in raw_columns(feed)] == ["id", "amount", "name", "business_date", "batch_id"]
    customers = load_contracts()["core_banking.customers"]
    secret = dataclasses.replace(customers, columns=(*customers.columns, column("one_time_code", "C3")))
    files = render_staging({**load_contracts(), secret.feed_id: secret})
    assert [path for path, text in files.items() if "one_time_code" in text] == []
    assert any("risk_appetite" in text for text in files.values())


@pytest.mark.parametrize("says", [{}, {"id": PUBLIC, "sum": PUBLIC}])
def test_a_column_that_holds_more_than_it_says_is_found(contracts: dict[str, Feed], says: dict[str, Content]) -> None:
    found = project(model("select id, sum(amount) as sum from raw.s__t group by id"))
    assert any("core_m.sum holds C2" in text for text in offences(found, contracts, {"core_m": says})["classes"])


def test_state_passes_on_what_it_says_on_days_whose_sql_does_not_show_it(contracts: dict[str, Feed]) -> None:
    core = model("select cast(null as decimal) as amount where false")
    mart = model("select amount from core.m", "assets.x", "marts")
    found = Project((core, mart), {"core.m": ("amount",), "assets.x": ("amount",)})
    stated = {"core_m": {"amount": MONEY}, "assets_x": {"amount": PUBLIC}}
    (offence,) = offences(found, contracts, stated)["classes"]
    assert offence.startswith("assets_x.amount holds C2 and says C1")


def test_a_model_that_was_not_compiled_is_found(contracts: dict[str, Feed]) -> None:
    (offence,) = offences(project(model("")), contracts, {})["classes"]
    assert "not compiled" in offence


def test_a_model_whose_columns_cannot_be_told_is_found(contracts: dict[str, Feed]) -> None:
    found = Project((model("select r.* from raw.unheard_of as r"),), {"core.m": ("id", "amount")})
    (offence,) = offences(found, contracts, {"core_m": {"id": PUBLIC, "amount": PUBLIC}})["classes"]
    assert "amount, id cannot be followed" in offence


def test_contents_are_followed_through_state_and_over_every_compilation(contracts: dict[str, Feed]) -> None:
    columns = {"raw.s__t": ("id", "amount"), "core.m": ("a", "b")}
    one = Project((model("select id as a, a as b from core.m, raw.s__t"),), columns)
    other = Project((model("select amount as a, null as b from raw.s__t"),), columns)
    assert derive_contents([one], contracts)["core_m"] == {"a": PUBLIC, "b": PUBLIC}
    assert derive_contents([one, other], contracts)["core_m"] == {"a": MONEY, "b": MONEY}


def test_the_class_is_written_beside_the_data_type_and_nothing_else_changes() -> None:
    text = (
        "version: 2\nmodels:\n- name: m\n  description: One row.\n  data_tests:\n  - unique_combination:\n"
        "      name: m__key\n  columns:\n  - name: a\n    description: A.\n    data_type: string\n"
        "    constraints:\n    - type: not_null\n  - name: b\n    description: B.\n    data_type: date\n"
    )
    once = annotated(text, {"m": {"a": NAME, "b": PUBLIC}})
    doc = yaml.safe_load(once)
    metas = {c["name"]: c.pop("config")["meta"] for c in doc["models"][0]["columns"]}
    assert metas == {"a": {"classification": "C2", "is_personal": True}, "b": {"classification": "C1"}}
    assert doc == yaml.safe_load(text)
    assert annotated(once, {"m": {"a": NAME, "b": PUBLIC}}) == once
    assert annotated(annotated(once, {"m": {"a": MONEY, "b": MONEY}}), {"m": {"a": NAME, "b": PUBLIC}}) == once
    assert annotated(once, {}) == text


# --- on a build ------------------------------------------------------------------------------------


NAMES = ("c3", "personal", "classes", "values")


@pytest.fixture(scope="module")
def warehouse_file(built_home: BuiltHome, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("values") / built_home.home.warehouse.name
    shutil.copy(built_home.home.warehouse, copy)
    return copy


@pytest.fixture
def con(warehouse_file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose changes are all taken back after the test."""
    connection = duckdb.connect(str(warehouse_file))
    connection.execute("begin")
    yield connection
    connection.execute("rollback")
    connection.close()


def judge(built: BuiltHome, con: duckdb.DuckDBPyConnection, target: Path | None = None) -> dict[str, audit.Check]:
    batches: dict[str, list[Any]] = {}
    for batch in sorted(Ledger(built.home.ledger).batches(), key=lambda b: (b.business_date, b.sequence_no)):
        if batch.batch_id in built.record.inputs:
            batches.setdefault(batch.feed_id, []).append(batch)
    checks = audit.confidentiality_checks(
        con, built.home, built.record, load_contracts(), batches, target or built.dbt_target, {}
    )
    return {c.check_name.removeprefix("confidentiality."): c for c in checks}


def known_mobile(built: BuiltHome) -> str:
    files = sorted(built.home.identity.glob("core_banking/customers/*/*/part.parquet"))
    with duckdb.connect() as con:
        sql = "select mobile from read_parquet(?, hive_partitioning = false) where mobile is not null order by 1"
        (mobile,) = con.execute(f"{sql} limit 1", [str(files[0])]).fetchall()[0]
    return str(mobile)


@pytest.mark.rule("A9-18")
def test_a_healthy_build_passes_and_its_verdict_says_so(built_home: BuiltHome) -> None:
    statuses = {c.check_name: (c.severity, c.status) for c in built_home.verdict.checks}
    assert {name: statuses[f"confidentiality.{name}"] for name in NAMES} == dict.fromkeys(NAMES, ("block", "pass"))


@pytest.mark.rule("A9-18", "G22")
def test_a_build_whose_sql_brings_a_name_into_a_mart_is_stopped(
    built_home: BuiltHome, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    manifest = json.loads((built_home.dbt_target / "manifest.json").read_text("utf-8"))
    mart = next(n for n in manifest["nodes"].values() if n["name"] == "mart_tiering__prospect")
    mart["compiled_code"] = (
        f"with made as ({mart['compiled_code']}) select m.prospect_id, m.as_of_date, m.met_date, "
        "e.employee_name as met_where, m.branch_id from made as m cross join stage.stg_hr__employees as e"
    )
    mart["depends_on"]["nodes"].append("model.tierhouse.stg_hr__employees")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    checks = judge(built_home, con, tmp_path)
    assert {name for name, check in checks.items() if check.blocks} == {"personal", "classes"}
    assert "tiering.prospect.met_where" in checks["personal"].detail


@pytest.mark.rule("A9-18")
@pytest.mark.parametrize(
    ("text", "is_of_a_person"),
    [
        ("11010519491231002X", True),
        ("证件11010519491231002x。", True),
        ("110105194912310021", False),  # wrong check digit
        ("0011010519491231002X", False),  # part of a longer number
        ("ab11010519491231002X", False),  # part of a hash
        ("客户电话{mobile}，下午", True),
        ("{mobile}", True),
        ("13000000000", False),  # nobody's
        ("{mobile}9", False),
    ],
)
def test_a_number_of_a_person_in_a_text_of_a_mart_stops_the_build(
    built_home: BuiltHome, con: duckdb.DuckDBPyConnection, text: str, is_of_a_person: bool
) -> None:
    con.execute(
        "update tiering.customer_tier set label_zh = ? where customer_id = (select min(customer_id) from "
        "tiering.customer_tier)",
        [text.format(mobile=known_mobile(built_home))],
    )
    check = judge(built_home, con)["values"]
    assert check.blocks == is_of_a_person
    assert ("tiering.customer_tier.label_zh" in check.detail) == is_of_a_person


def test_long_ids_that_are_id_numbers_by_chance_alone_stop_nothing(
    built_home: BuiltHome, con: duckdb.DuckDBPyConnection
) -> None:
    # Running numbers in the form of id numbers: one in eleven has the right check digit.
    con.execute(
        "update tiering.customer_tier set label_zh = '11010519491231' || lpad(cast(n as varchar), 4, '0') "
        "from (select customer_id as id, row_number() over (order by customer_id) as n from assets.customer_assets) "
        "where customer_id = id"
    )
    assert judge(built_home, con)["values"].status == "pass"


def test_a_version_says_the_class_of_every_column_of_its_marts(built_home: BuiltHome) -> None:
    manifest = json.loads((built_home.home.current / "manifest.json").read_text("utf-8"))
    with duckdb.connect(str(built_home.home.current / "marts.duckdb"), read_only=True) as con:
        found: dict[str, set[str]] = {}
        for relation, name in con.execute(
            "select table_schema || '.' || table_name, column_name from information_schema.columns "
            "where table_schema != 'quality'"
        ).fetchall():
            found.setdefault(relation, set()).add(name)
    classes = manifest["column_classes"]
    assert {relation: set(columns) for relation, columns in classes.items()} == found
    assert classes["assets.customer_assets"]["aum_cny"] == "C2"
    assert classes["assets.customer_assets"]["home_branch_id"] == "C1"
