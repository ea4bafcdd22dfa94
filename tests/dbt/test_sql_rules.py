"""Rules that every model keeps: exact money, no clock, SQL of both engines, a stated grain, layers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from orchestration.lib.home import DBT_PROJECT_DIR
from tests.conftest import BuiltHome

ENGINE_FOLDER = DBT_PROJECT_DIR / "macros" / "engine"
# The materialization is of DuckDB by declaration; another engine brings its own.
ENGINE_FILES = {DBT_PROJECT_DIR / "macros" / "materialize_range.sql"}
SQL_FILES = sorted(
    path
    for folder in ("models", "macros", "tests")
    for path in (DBT_PROJECT_DIR / folder).rglob("*.sql")
    if ENGINE_FOLDER not in path.parents and path not in ENGINE_FILES
)

DIVISIONS = {"division": r"/", "avg": r"\bavg\s*\(", "mean": r"\bmean\s*\("}
CLOCKS_AND_DICE = {
    "now": r"\bnow\s*\(",
    "current date or time": r"\b(current_date|current_time|current_timestamp|localtime|localtimestamp|today)\b",
    "dbt's clock": r"\b(run_started_at|modules\.datetime|invocation_id)\b",
    "random": r"\b(random|rand|randn|uuid|gen_random_uuid|setseed|tablesample)\b",
}
# What Spark 3.5 refuses, or answers otherwise than DuckDB.
ENGINE_ONLY = {
    "cast by ::": r"::",
    "qualify": r"\bqualify\b",
    "asof": r"\basof\b",
    "exclude or replace columns": r"\*\s*(exclude|except|replace)\b|\bexclude\s*\(",
    "by name": r"\bby\s+name\b",
    "distinct on": r"\bdistinct\s+on\b",
    "recursive": r"\brecursive\b",
    "interval": r"\binterval\b",
    "integer division": r"//|\bdiv\b",
    "text as varchar": r"\bas\s+(varchar|text|string|hugeint)\b",
    "double quoted name": r'"',
    "regular expression": r"\bregexp_\w+\s*\(",
    "arg_max": r"\barg_(max|min)\s*\(",
    "lists and structs": r"\b(list|list_\w+|array_agg|string_agg|listagg|struct_pack|unnest|explode|sequence)\s*\(",
    "generated series": r"\b(generate_series|range)\s*\(",
    "date arithmetic": r"\b(date_diff|datediff|date_add|date_sub|dateadd)\s*\(",
    "parts of dates": r"\b(date_part|extract|dayofweek|strftime|date_format)\s*\(",
    "hash of an engine": r"\b(hash|sha256|sha2|md5_number)\s*\(",
    "reading files": r"\b(read_parquet|read_csv|read_json)\s*\(",
    "semi join": r"\b(semi|anti)\s+join\b",
    "double": r"\b(double|float|real)\b",
    "concat": r"\bconcat\s*\(",
}
JINJA_COMMENT = re.compile(r"{#.*?#}", re.DOTALL)
JINJA = re.compile(r"{{.*?}}|{%.*?%}", re.DOTALL)
TEXT = re.compile(r"'(?:[^']|'')*'")
SQL_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def code_of(path: Path) -> str:
    """SQL and Jinja of a file without comments and without the insides of text."""
    text = JINJA_COMMENT.sub(" ", path.read_text("utf-8"))
    return TEXT.sub("''", SQL_COMMENT.sub("", text)).lower()


def sql_of(path: Path) -> str:
    """SQL of a file alone: Jinja expressions are macros that say themselves what they may."""
    text = JINJA_COMMENT.sub(" ", path.read_text("utf-8"))
    return TEXT.sub("''", SQL_COMMENT.sub("", JINJA.sub("x", text))).lower()


def offences(rules: dict[str, str], texts: dict[str, str]) -> list[str]:
    return [
        f"{name}: {rule}" for name, text in texts.items() for rule, pattern in rules.items() if re.search(pattern, text)
    ]


def named(read: Any) -> dict[str, str]:
    assert len(SQL_FILES) > 50
    return {str(path.relative_to(DBT_PROJECT_DIR)): read(path) for path in SQL_FILES}


def test_money_is_divided_by_the_dispatched_macro_alone() -> None:
    assert offences(DIVISIONS, named(code_of)) == []


def test_no_model_macro_or_test_reads_a_clock_or_throws_dice() -> None:
    assert offences(CLOCKS_AND_DICE, named(code_of)) == []


def test_models_and_tests_keep_to_the_sql_of_both_engines() -> None:
    assert offences(ENGINE_ONLY, named(sql_of)) == []


@pytest.mark.parametrize(
    ("rules", "sql"),
    [
        (DIVISIONS, "select a / 2"),
        (DIVISIONS, "select avg (a)"),
        (CLOCKS_AND_DICE, "select current_date"),
        (CLOCKS_AND_DICE, "select random()"),
        (CLOCKS_AND_DICE, "{{ run_started_at }}"),
        (ENGINE_ONLY, "select a::int"),
        (ENGINE_ONLY, "select * exclude (a) from t"),
        (ENGINE_ONLY, "select cast(a as varchar)"),
        (ENGINE_ONLY, "select a from t qualify row_number() over (order by a) = 1"),
        (ENGINE_ONLY, 'select "a"'),
        (ENGINE_ONLY, "select date_diff('day', a, b)"),
        (ENGINE_ONLY, "select a + interval 1 day"),
    ],
)
def test_the_rules_find_what_they_forbid(tmp_path: Path, rules: dict[str, str], sql: str) -> None:
    file = tmp_path / "model.sql"
    file.write_text(f"-- a comment\n{sql}\n", encoding="utf-8")
    read = sql_of if rules is ENGINE_ONLY else code_of
    assert offences(rules, {"model": read(file)})


def test_what_comments_and_text_say_is_not_sql(tmp_path: Path) -> None:
    file = tmp_path / "model.sql"
    file.write_text("{# a / b -#}\nselect 'now() / 2' as note -- avg(a)\n", encoding="utf-8")
    assert offences({**DIVISIONS, **CLOCKS_AND_DICE}, {"model": code_of(file)}) == []


def models(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {n["name"]: n for n in manifest["nodes"].values() if n["resource_type"] == "model"}
    assert found
    return found


def test_every_model_says_its_grain_first(manifest: dict[str, Any]) -> None:
    assert [n for n, m in models(manifest).items() if not m["description"].startswith("One row per ")] == []


def test_every_column_of_every_model_is_described_and_no_other(manifest: dict[str, Any], built_home: BuiltHome) -> None:
    with duckdb.connect(str(built_home.home.warehouse), read_only=True) as con:
        built: dict[tuple[str, str], set[str]] = {}
        for schema, table, column in con.execute(
            "select table_schema, table_name, column_name from information_schema.columns"
        ).fetchall():
            built.setdefault((schema, table), set()).add(column)
    for name, model in models(manifest).items():
        described = {c for c, doc in model["columns"].items() if doc["description"].strip()}
        assert described == built[model["schema"], model["alias"]], name


def unordered_windows(sql: str) -> list[str]:
    """Windows whose answer depends on the order of rows without saying which."""
    return [
        window.sql()
        for window in sqlglot.parse_one(sql, dialect="duckdb").find_all(exp.Window)
        if window.args.get("order") is None
        and not (isinstance(window.this, exp.Sum | exp.Min | exp.Max | exp.Count) and not window.args.get("spec"))
    ]


def test_every_window_is_ordered_or_a_whole_partition(manifest: dict[str, Any]) -> None:
    compiled = {n: m["compiled_code"] for n, m in models(manifest).items()}
    assert any(" over (" in sql for sql in compiled.values())
    assert {n: found for n, sql in compiled.items() if (found := unordered_windows(sql))} == {}


@pytest.mark.parametrize(
    ("window", "is_fine"),
    [
        ("row_number() over (partition by a)", False),
        ("lead(b) over (partition by a)", False),
        ("sum(b) over (partition by a rows between 1 preceding and current row)", False),
        ("sum(b) over (partition by a)", True),
        ("row_number() over (partition by a order by b)", True),
    ],
)
def test_a_window_without_an_order_is_found(window: str, is_fine: bool) -> None:
    assert (unordered_windows(f"select {window} as c from t") == []) == is_fine


# A layer -> the layers and sources that it may read.
READS = {
    "staging": {"raw"},
    "intermediate": {"staging", "intermediate", "core", "build", "policy"},
    "core": {"staging", "intermediate", "core", "build", "policy"},
    "audit": {"staging", "core", "build"},
    "marts": {"intermediate", "core", "build", "policy"},
}


def test_each_layer_reads_only_the_layers_below_it(manifest: dict[str, Any]) -> None:
    wrong = []
    for name, model in models(manifest).items():
        for unique_id in model["depends_on"]["nodes"]:
            if unique_id.startswith("source."):
                layer = manifest["sources"][unique_id]["source_name"]
            else:
                layer = manifest["nodes"][unique_id]["fqn"][1]
            if layer not in READS[model["fqn"][1]]:
                wrong.append((name, unique_id))
    assert wrong == []
