"""Mutants of a model's SQL: one small error put in at one place of what dbt compiled.

The place is told by what is written there and in which CTE, not by its number: the same error can then be put into
every compilation of the model, those of its unit tests as well as those of a build. What a template repeats within
a CTE is one place.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp

FIXTURE = "__dbt__cte__"
TESTED = "_dbt_internal_unit_test_actual"
FLIPS: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.LTE,
    exp.LTE: exp.LT,
    exp.GT: exp.GTE,
    exp.GTE: exp.GT,
    exp.EQ: exp.NEQ,
    exp.NEQ: exp.EQ,
}
AGGREGATES: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.Sum: exp.Max,
    exp.Max: exp.Min,
    exp.Min: exp.Max,
    exp.ArgMax: exp.ArgMin,
    exp.ArgMin: exp.ArgMax,
}


@dataclass(frozen=True, order=True)
class Mutant:
    """One error: which kind, in which model and CTE, and what it alters there (``nth``: which part of it)."""

    model: str
    operator: str
    cte: str
    text: str
    nth: int = 0

    @property
    def draw(self) -> str:
        """Orders mutants as if by lot, the same way each time."""
        return hashlib.sha256(f"{self.model}|{self.operator}|{self.cte}|{self.text}|{self.nth}".encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.model}.{self.cte}: {self.operator} of `{self.text}`" + (f" [{self.nth}]" if self.nth else "")


# What is done to a node and, for nodes of several parts, to which part.
Change = Callable[[exp.Expr, int], None]


def parse(sql: str) -> exp.Expr:
    return sqlglot.parse_one(sql, dialect="duckdb")


def model_of(tree: exp.Expr) -> exp.Expr:
    """The model's own query: a unit test holds it in a subquery."""
    for subquery in tree.find_all(exp.Subquery):
        if subquery.alias == TESTED:
            return subquery.this
    return tree


def own_nodes(tree: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    """Every node of the model with the name of its CTE; what a unit test gives as input is none of it."""
    model = model_of(tree)
    ctes = model.args["with_"].expressions if model.args.get("with_") else []
    for cte in ctes:
        if not cte.alias.startswith(FIXTURE):
            for node in cte.this.walk():
                yield _stem(cte.alias), node
    for node in model.walk(prune=lambda n: isinstance(n, exp.With)):
        yield "", node


def _stem(name: str) -> str:
    return re.sub(r"\d+", "N", name)


def _text(node: exp.Expr) -> str:
    """What is written at a node, without what differs between compilations: dates, versions, relations."""
    text = node.sql(dialect="duckdb", comments=False)
    text = text.replace(FIXTURE, "").replace('"', "")
    text = re.sub(r"CAST\('\d{4}-\d\d-\d\d' AS DATE\)", "DATE", text)
    text = re.sub(r"'\d{4}-\d\d-\d\d'", "DATE", text)
    text = re.sub(r"'\w+@\w+'", "VERSION", text)
    # A unit test calls a source by both its names, a model by its own.
    text = re.sub(r"\bwarehouse\.(raw|build|policy)\.(\w+)", r"\1__\2", text)
    text = re.sub(r"\bwarehouse\.\w+\.(\w+)", r"\1", text)
    return _stem(text) if re.search(r"_\d+\.", text) else text


def _built(text: str, model: str) -> str:
    """A unit test gives rows in the place of the model's own kept table, a build its name."""
    return re.sub(r"\(SELECT (?:(?! FROM ).)*?\) AS present\b", f"{model.rpartition('__')[2]} AS present", text)


def _parts(condition: exp.Expr) -> list[exp.Expr]:
    """Conjuncts of a condition."""
    condition = condition.unnest()
    return list(condition.flatten()) if isinstance(condition, exp.And) else [condition]


def _without(holder: exp.Expr, name: str, nth: int) -> None:
    parts = _parts(holder.args[name])
    kept = [part.copy() for number, part in enumerate(parts) if number != nth]
    holder.set(name, exp.and_(*kept, copy=False) if kept else exp.true())


def _becomes(kind: type[exp.Expr]) -> Change:
    def change(node: exp.Expr, _: int) -> None:
        other = kind(**node.args)
        # Within a chain the tree, not the text, says what belongs together.
        node.replace(exp.Paren(this=other) if isinstance(other, exp.And | exp.Or) else other)

    return change


def _other_default(node: exp.Expr, _: int) -> None:
    """Another value in the place of the last argument."""
    (*_, last) = node.expressions
    if isinstance(last, exp.Literal) and last.is_string:
        other: exp.Expr = exp.Literal.string(f"{last.this}~")
    elif isinstance(last, exp.Literal):
        other = exp.Literal.number(f"{int(last.this) + 1}" if last.this.isdigit() else f"{last.this}1")
    elif isinstance(last, exp.Boolean):
        other = exp.Boolean(this=not last.this)
    else:
        other = exp.null()
    last.replace(other)


def _one_more(node: exp.Expr, _: int) -> None:
    node.replace(exp.Literal.number(str(int(node.this) + 1)))


def _no_partition(node: exp.Expr, nth: int) -> None:
    keys = node.args["partition_by"]
    node.set("partition_by", [key for number, key in enumerate(keys) if number != nth])


def _turned(node: exp.Expr, _: int) -> None:
    node.set("desc", not node.args.get("desc"))


def _inner(node: exp.Expr, _: int) -> None:
    node.set("side", None)
    node.set("kind", "INNER")


def _is_constant(node: exp.Expr) -> bool:
    """An integer that the model computes with: not the precision of a type or of a rounding, not a position."""
    if not isinstance(node, exp.Literal) or node.is_string or not node.this.isdigit():
        return False
    parent = node.parent
    if isinstance(parent, exp.Round):
        return parent.this is node
    # The default of a coalesce has an operator of its own; sqlglot gives a hash its length.
    others = exp.DataTypeParam | exp.Group | exp.Ordered | exp.Limit | exp.Interval | exp.Coalesce | exp.SHA2
    return not isinstance(parent, others) and not (type(parent) in FLIPS and _is_placeholder(parent))


def _is_placeholder(node: exp.Expr) -> bool:
    """`1 = 0` and the like: what a template writes where it has nothing to say."""
    return node.find(exp.Column) is None and node.find(exp.Func) is None


def _places(node: exp.Expr) -> Iterator[tuple[str, exp.Expr, int, Change]]:
    """Errors that can be made at a node: operator, what tells the place, which part of it, and the change."""
    if type(node) in FLIPS and not _is_placeholder(node):
        yield "comparison", node, 0, _becomes(FLIPS[type(node)])
    if type(node) in AGGREGATES:
        yield "aggregate", node, 0, _becomes(AGGREGATES[type(node)])
    if isinstance(node, exp.Add | exp.Sub) and not isinstance(node.parent, exp.Interval):
        yield "sign", node, 0, _becomes(exp.Sub if isinstance(node, exp.Add) else exp.Add)
    if isinstance(node, exp.And | exp.Or):
        yield "and_or", node, 0, _becomes(exp.Or if isinstance(node, exp.And) else exp.And)
    if isinstance(node, exp.Coalesce):
        yield "default", node, 0, _other_default
    if isinstance(node, exp.Join):
        if node.side in ("LEFT", "RIGHT", "FULL"):
            yield "inner_join", node, 0, _inner
        if node.args.get("on") and len(_parts(node.args["on"])) > 1:
            for nth in range(len(_parts(node.args["on"]))):
                yield "join_key", node, nth, lambda n, number: _without(n, "on", number)
    if isinstance(node, exp.Where | exp.Having | exp.Qualify) and not _is_placeholder(node):
        for nth, part in enumerate(_parts(node.this)):
            if not _is_placeholder(part):
                yield "filter", node, nth, lambda n, number: _without(n, "this", number)
    if isinstance(node, exp.Window):
        for nth in range(len(node.args.get("partition_by") or [])):
            yield "partition_key", node, nth, _no_partition
    if isinstance(node, exp.Ordered):
        yield "direction", node, 0, _turned
    if _is_constant(node):
        yield "constant", node, 0, _one_more


def _context(operator: str, node: exp.Expr) -> exp.Expr:
    """A number is told by the expression that it stands in, an order by its window."""
    if operator == "constant" and node.parent is not None:
        return node.parent
    if operator == "direction" and isinstance(node.parent, exp.Order) and node.parent.parent is not None:
        return node.parent.parent
    return node


def _number(operator: str, node: exp.Expr, nth: int) -> int:
    """Which part of what the place is told by."""
    context = _context(operator, node)
    if context is node:
        return nth
    return next(n for n, each in enumerate(e for e in context.walk() if type(e) is type(node)) if each is node)


def mutants_of(model: str, trees: list[exp.Expr]) -> dict[str, set[Mutant]]:
    """Every mutant of a model that one of its compilations has a place for, by operator."""
    found: dict[str, set[Mutant]] = defaultdict(set)
    for tree in trees:
        for cte, node in own_nodes(tree):
            for operator, at, nth, _ in _places(node):
                text = _text(_context(operator, at))
                found[operator].add(Mutant(model, operator, cte, text, _number(operator, at, nth)))
    return found


def mutated(tree: exp.Expr, mutant: Mutant) -> str | None:
    """SQL of a compilation with the error in it, None where the compilation has no such place."""
    copy = tree.copy()
    changes = [
        (at, nth, change)
        for cte, node in own_nodes(copy)
        if cte == mutant.cte
        for operator, at, nth, change in _places(node)
        if operator == mutant.operator
        and _number(operator, at, nth) == mutant.nth
        and _built(_text(_context(operator, at)), mutant.model) == mutant.text
    ]
    for at, nth, change in changes:
        change(at, nth)
    sql = copy.sql(dialect="duckdb")
    return sql if changes and sql != tree.sql(dialect="duckdb") else None
