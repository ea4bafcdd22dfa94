"""docs/rule_coverage.md: every rule of the rule books, the policy line that says it and the tests that exercise it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from orchestration.lib.home import DBT_PROJECT_DIR, POLICIES_DIR, PROJECT_ROOT
from orchestration.lib.policies import PolicySet, load_policies
from orchestration.lib.policies.load import DAILY_FILES
from orchestration.lib.policies.model import Rule, SourcedRule, Strict
from orchestration.lib.policies.yaml_file import Loc, read_yaml

ELSEWHERE = PROJECT_ROOT / "docs" / "rules_elsewhere.yml"
MARKER = "pytest.mark.rule"

INTRODUCTION = """\
# Rule coverage

Generated from `policies/`, `docs/rules_elsewhere.yml` and the markers of tests by `tierhouse docs`; change those, not
this page.

A test names the rules that it exercises: `@pytest.mark.rule("A9-05", "G3")` on a test or its class, or
`config: {meta: {rule_ids: [A9-05]}}` on a dbt unit test. A marker of a rule that is not on this page is refused.
Words are those of the sources, with the line they stand on.

"""


class UnknownRule(ValueError):
    """Tests name rules that neither policies nor rules_elsewhere.yml know; the message has a line for each."""


class RuleElsewhere(Rule):
    """A rule that no policy file quotes, and why."""

    reason: str


class Reading(Strict):
    """What a policy takes where its sources leave something open; ``reason`` says why no test exercises it."""

    rule_id: str
    question: str
    reading: str
    change_in: str
    reason: str = ""


class Elsewhere(Strict):
    rules: tuple[RuleElsewhere, ...]
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class Mark:
    """One rule that one test names; ``place`` is the file and line of the marker."""

    rule_id: str
    test: str
    place: str


@dataclass(frozen=True)
class Coverage:
    """What the page says of one rule or reading. ``quotes``: words and their source line; ``places``: file:line."""

    rule_id: str
    places: tuple[str, ...]
    tests: tuple[str, ...]
    reason: str = ""
    quotes: tuple[tuple[str, int], ...] = ()
    reading: Reading | None = None


def read_elsewhere(path: Path = ELSEWHERE) -> Elsewhere:
    """Rules without a policy line, and readings. Raises Unreadable."""
    return read_yaml(path, Elsewhere).value


def read_marks(tests: Path = PROJECT_ROOT / "tests", models: Path = DBT_PROJECT_DIR / "models") -> list[Mark]:
    """Every marker of pytest tests and of dbt unit tests. Nothing is imported or run."""
    marks: list[Mark] = []
    for path in sorted(tests.rglob("*.py")):
        name = path.relative_to(tests.parent).as_posix()
        marks += _pytest_marks(ast.parse(path.read_text(encoding="utf-8"), name).body, name, name)
    for path in sorted(models.rglob("*unit_tests.yml")):
        name = path.relative_to(models.parents[1]).as_posix()
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["unit_tests"]:
            for rule_id in test.get("config", {}).get("meta", {}).get("rule_ids", []):
                marks.append(Mark(rule_id, f"{name}::{test['name']}", name))
    return marks


def _pytest_marks(body: Sequence[ast.stmt], prefix: str, file: str) -> Iterator[Mark]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            test = f"{prefix}::{node.name}"
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == MARKER:
                    for argument in decorator.args:
                        yield Mark(str(ast.literal_eval(argument)), test, f"{file}:{argument.lineno}")
            if isinstance(node, ast.ClassDef):
                yield from _pytest_marks(node.body, test, file)


def rule_coverage(policies: PolicySet, elsewhere: Elsewhere, marks: Sequence[Mark]) -> list[Coverage]:
    """One Coverage per rule and reading, in the order of their ids. Raises UnknownRule."""
    said: dict[str, list[tuple[Rule, str]]] = defaultdict(list)
    for name, part in _books(policies).items():
        for rule, loc in _rules(part):
            line = policies.line(name, (*loc, "rule_id"))
            said[rule.rule_id].append((rule, f"{name}.yml:{line}"))
    tests: dict[str, list[str]] = defaultdict(list)
    for mark in marks:
        tests[mark.rule_id].append(mark.test)

    def of(rule_id: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(tests[rule_id]))

    found = [
        Coverage(
            rule_id,
            places=tuple(place for _, place in rules),
            tests=of(rule_id),
            quotes=tuple(dict.fromkeys((rule.quote, rule.source_line) for rule, _ in rules)),
        )
        for rule_id, rules in said.items()
    ]
    found += [
        Coverage(rule.rule_id, (), of(rule.rule_id), rule.reason, ((rule.quote, rule.source_line),))
        for rule in elsewhere.rules
    ]
    comments = _commented_lines(POLICIES_DIR)
    found += [
        Coverage(each.rule_id, comments.get(each.rule_id, ()), of(each.rule_id), each.reason, reading=each)
        for each in elsewhere.readings
    ]
    known = {coverage.rule_id for coverage in found}
    unknown = [
        f"{mark.place}: {mark.test.rpartition('::')[2]}: found rule {mark.rule_id!r}, expected one of policies/ or "
        f"{ELSEWHERE.name}; correct the marker or add the rule"
        for mark in marks
        if mark.rule_id not in known
    ]
    if unknown:
        raise UnknownRule("\n".join(unknown))
    return sorted(found, key=lambda coverage: _in_order(coverage.rule_id))


def _books(policies: PolicySet) -> dict[str, Any]:
    """File -> what it says, of all files that quote a rule book."""
    daily = {name: getattr(policies, name) for name in DAILY_FILES}
    return {**{s.scheme_code: s for s in policies.schemes}, "books": policies.books, **daily}


def _rules(part: object, loc: Loc = ()) -> Iterator[tuple[Rule, Loc]]:
    """Every quoted rule in a part of a policy file, and the path to it."""
    if isinstance(part, Rule):
        yield part, loc
    if isinstance(part, BaseModel):
        for name, value in part:
            yield from _rules(value, (*loc, name))
    elif isinstance(part, tuple):
        for number, value in enumerate(part):
            yield from _rules(value, (*loc, number))


def _commented_lines(directory: Path) -> Mapping[str, tuple[str, ...]]:
    """Reading -> places in policy files whose comments name it."""
    places: dict[str, tuple[str, ...]] = defaultdict(tuple)
    for path in sorted(directory.glob("*.yml")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for rule_id in re.findall(r"\bG\d+\b", line.partition("#")[2]):
                places[rule_id] += (f"{path.name}:{number}",)
    return places


def _in_order(rule_id: str) -> list[tuple[int, str]]:
    """Sort key of a rule id: numbers by their value."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.findall(r"\d+|\D+", rule_id)]


def render_rule_coverage() -> str:
    """docs/rule_coverage.md as text. Raises UnknownRule, Unreadable, PolicyError."""
    policies = load_policies(POLICIES_DIR)
    coverages = rule_coverage(policies, read_elsewhere(), read_marks())
    rules = [coverage for coverage in coverages if not coverage.reading]
    readings = [coverage for coverage in coverages if coverage.reading]
    parts = [INTRODUCTION, f"{_count(rules, 'rules')} {_count(readings, 'readings')}\n"]
    titles: dict[str, set[str]] = defaultdict(set)
    for said in _books(policies).values():
        for rule, _ in _rules(said):
            titles[_book(rule.rule_id)].add(rule.source_file if isinstance(rule, SourcedRule) else said.source_file)
    for book in dict.fromkeys(_book(coverage.rule_id) for coverage in rules):
        parts.append(f"\n## {book} {_text(', '.join(sorted(titles[book])))}\n\n")
        parts.append("| rule | words of the source | line | policy | tests, or why none |\n|---|---|---|---|---|\n")
        parts += [_render_rule(coverage) for coverage in rules if _book(coverage.rule_id) == book]
    parts.append(
        "\n## Readings\n\nWhat the rule books leave open or say twice, and what the policies take. Another bank may "
    )
    parts.append("take another reading: the fourth column is the key to change.\n\n")
    parts.append("| id | open | reading | change it in | policy | tests, or why none |\n|---|---|---|---|---|---|\n")
    parts += [_render_reading(coverage, coverage.reading) for coverage in readings if coverage.reading]
    return "".join(parts)


def _book(rule_id: str) -> str:
    return rule_id.partition("-")[0]


def _count(coverages: Sequence[Coverage], what: str) -> str:
    tested = sum(bool(coverage.tests) for coverage in coverages)
    return f"Of {len(coverages)} {what} {tested} are exercised by tests."


def _render_rule(coverage: Coverage) -> str:
    quotes = "<br>".join(_text(quote) for quote, _ in coverage.quotes)
    lines = "<br>".join(str(line) for _, line in coverage.quotes)
    return f"| {coverage.rule_id} | {quotes} | {lines} | {_policy_lines(coverage)} | {_tests(coverage)} |\n"


def _render_reading(coverage: Coverage, reading: Reading) -> str:
    cells = [_text(reading.question), _text(reading.reading), reading.change_in, _policy_lines(coverage)]
    return f"| {coverage.rule_id} | {' | '.join(cells)} | {_tests(coverage)} |\n"


def _policy_lines(coverage: Coverage) -> str:
    links = []
    for place in coverage.places:
        file, _, line = place.partition(":")
        links.append(f"[{place}](../policies/{file}#L{line})")
    return "<br>".join(links)


def _tests(coverage: Coverage) -> str:
    return "<br>".join([*(f"`{test}`" for test in coverage.tests), *([coverage.reason] if coverage.reason else [])])


def _text(words: str) -> str:
    """Words as they stand, in a cell of a table."""
    return re.sub(r"([|*])", r"\\\1", words)
