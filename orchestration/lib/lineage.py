"""Which columns a column of a dbt model is made of, read out of the SQL that dbt compiled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlglot import exp, parse_one
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, build_scope
from sqlglot.schema import MappingSchema

# Relation (<schema>.<name>) and column.
Column = tuple[str, str]

_DATE_LITERAL = re.compile(r"'\d{4}-\d\d-\d\d'")


@dataclass(frozen=True)
class Model:
    """A model as dbt compiled it: ``layer`` is its folder, ``relation`` where it lies."""

    name: str
    layer: str
    relation: str
    sql: str


@dataclass(frozen=True)
class Project:
    """The models of a dbt project, each after those that it reads, and the columns of every relation."""

    models: tuple[Model, ...]
    columns: dict[str, tuple[str, ...]]


def _relation(node: Mapping[str, Any]) -> str:
    return f"{node['schema']}.{node.get('alias') or node['name']}"


def read_project(manifest: Mapping[str, Any]) -> Project:
    """Models and relations of a dbt manifest that was compiled; a model without SQL was not and has ''."""
    nodes = {key: node for key, node in manifest["nodes"].items() if node["resource_type"] == "model"}
    models = tuple(
        Model(nodes[key]["name"], nodes[key]["fqn"][1], _relation(nodes[key]), nodes[key].get("compiled_code") or "")
        for key in _in_order(nodes)
    )
    columns = {_relation(node): tuple(node["columns"]) for node in [*manifest["sources"].values(), *nodes.values()]}
    return Project(models, columns)


def _in_order(nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    done: set[str] = set()

    def visit(key: str) -> Iterator[str]:
        if key in nodes and key not in done:
            done.add(key)
            for above in sorted(nodes[key]["depends_on"]["nodes"]):
                yield from visit(above)
            yield key

    for key in sorted(nodes):
        yield from visit(key)


def made_of(model: Model, columns: Mapping[str, Iterable[str]]) -> dict[str, frozenset[Column]]:
    """Output column -> the columns of other relations that its values are computed from.

    Conditions inside of the expression count. What chooses and orders rows does not: joins, filters, the partitions
    and order of windows. A column that cannot be placed is taken to come from every relation of its query.
    """
    # A literal is made of no column: from day to day, and from build to build of a process, queries differ by dates.
    sql = _DATE_LITERAL.sub("'2000-01-01'", model.sql)
    return dict(_followed(model.name, sql, tuple((relation, tuple(names)) for relation, names in columns.items())))


@lru_cache(maxsize=1024)
def _followed(
    model_name: str, sql: str, columns: tuple[tuple[str, tuple[str, ...]], ...]
) -> dict[str, frozenset[Column]]:
    tree = parse_one(sql, dialect="duckdb")
    known = dict(columns)
    schema: dict[str, Any] = {}
    for table in tree.find_all(exp.Table):
        table.set("catalog", None)
        # Only what the model reads: a schema of all relations takes longer to prepare than the query to follow.
        if names := known.get(f"{table.db}.{table.name}"):
            schema.setdefault(table.db, {})[table.name] = dict.fromkeys(names, "text")
    qualified = qualify(
        tree,
        dialect="duckdb",
        schema=MappingSchema(schema, dialect="duckdb"),
        quote_identifiers=False,
        allow_partial_qualification=True,
        validate_qualify_columns=False,
    )
    scope = build_scope(qualified)
    assert scope is not None, f"{model_name}: not a query"
    return {name: frozenset(found) for name, found in _outputs(scope, {}).items()}


def _outputs(scope: Scope, known: dict[int, dict[str, set[Column]]]) -> dict[str, set[Column]]:
    if id(scope) not in known:
        known[id(scope)] = _union(scope, known) if scope.set_operation_scopes else _select(scope, known)
    return known[id(scope)]


def _union(scope: Scope, known: dict[int, dict[str, set[Column]]]) -> dict[str, set[Column]]:
    # Columns of a union match by position and are called as in its first query.
    first, *others = (_outputs(part, known) for part in scope.set_operation_scopes)
    merged = {name: set(found) for name, found in first.items()}
    for other in others:
        for name, more in zip(merged, other.values(), strict=True):
            merged[name] |= more
    return merged


def _select(scope: Scope, known: dict[int, dict[str, set[Column]]]) -> dict[str, set[Column]]:
    if not isinstance(scope.expression, exp.Select):  # values, unnest: made of nothing that lies in a table
        return {}
    inner = {id(part.expression): part for part in scope.subquery_scopes}
    outputs: dict[str, set[Column]] = {}
    for projection in scope.expression.selects:
        found: set[Column] = set()
        for node in projection.walk(prune=lambda node: id(node) in inner or _orders_rows(node)):
            if id(node) in inner:
                found |= {c for columns in _outputs(inner[id(node)], known).values() for c in columns}
            elif _orders_rows(node):
                continue
            elif isinstance(node, exp.Column):
                found |= _origins(node, scope, known)
        outputs[projection.alias_or_name] = found
    return outputs


def _orders_rows(node: exp.Expr) -> bool:
    """Whether a node says which rows a window is over, and in which order: not part of a value."""
    return isinstance(node.parent, exp.Window) and node.arg_key in {"partition_by", "order", "spec"}


def _origins(column: exp.Column, scope: Scope, known: dict[int, dict[str, set[Column]]]) -> set[Column]:
    names = [column.table] if column.table in scope.sources else list(scope.sources)
    found: set[Column] = set()
    for name in names:
        source = scope.sources[name]
        if isinstance(source, exp.Table):
            found.add((f"{source.db}.{source.name}", column.name))
        elif isinstance(source, Scope):
            found |= _outputs(source, known).get(column.name, set())
    return found
