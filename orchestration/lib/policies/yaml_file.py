"""YAML files that people edit, read into models: every problem is named with its line, all at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestration.lib.findings import shown

T = TypeVar("T", bound=BaseModel)
Loc = tuple[str | int, ...]

# What a tier may not do: decide against a customer without a person (G40, PIPL Art. 24).
AUTOMATIC_ACTIONS = re.compile(
    r"(auto|automatic)(_.*)?|actions?|(.*_)?(credit|loan)_limit(_.*)?|(.*_)?(rate|price|fee)_(increase|decrease|change)"
    r"|(interest|loan)_rate|reject|block|freeze|close_account|eliminate"
)


class Unreadable(ValueError):
    """A file that cannot be read into its model; ``problems`` are lines that name file and line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Parsed(Generic[T]):
    """A file's content as its model, and the nodes that say where its parts stand."""

    value: T
    root: yaml.Node


def line_of(node: yaml.Node, loc: Loc) -> int:
    """Line, from 1, of the deepest node on the path ``loc``; that of its key, if it has one."""
    mark = node.start_mark
    for step in loc:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(step)]
            if not found:
                break
            mark, node = found[0][0].start_mark, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            mark = node.start_mark
        else:
            break
    return int(mark.line) + 1


def read_yaml(path: Path, model: type[T]) -> Parsed[T]:
    """Read a file into its model. Raises Unreadable with all of its problems."""
    name = path.name
    try:
        loader = yaml.CSafeLoader(path.read_text(encoding="utf-8"))
        root = loader.get_single_node()
    except OSError as error:
        found = f"no readable file ({error.strerror})"
        raise Unreadable([f"{name}:1: found {found}, expected it in {path.parent.name}/; add it"]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Unreadable([f"{name}:{line}: found bytes that are not utf-8; save the file as utf-8"]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        line = mark.line + 1 if mark else 1
        raise Unreadable([f"{name}:{line}: found no valid YAML ({what}); mend punctuation or indentation"]) from error
    except yaml.YAMLError as error:
        raise Unreadable([f"{name}:1: found no valid YAML ({error}); remove what is not text"]) from error
    if root is None:
        raise Unreadable([f"{name}:1: found an empty file, expected {model.__name__}; write it or delete the file"])
    problems = [*_repeated_keys(name, root), *_impossible_dates(name, loader, root)]
    if problems:
        raise Unreadable(problems)
    try:
        return Parsed(model.model_validate(loader.construct_document(root)), root)
    except yaml.MarkedYAMLError as error:  # a tag that is not plain YAML
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Unreadable([f"{name}:{line}: found {error.problem}; write plain text, numbers or dates"]) from error
    except ValidationError as error:
        raise Unreadable([_problem(name, root, each) for each in error.errors()]) from error


def _nodes(root: yaml.Node) -> Iterator[yaml.Node]:
    """Every node once: anchors may make a node appear in several places, or within itself."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in reversed(node.value) for part in reversed(pair)]
        elif isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)


def _repeated_keys(name: str, root: yaml.Node) -> Iterator[str]:
    for node in _nodes(root):
        if isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, _ in node.value:
                line = key.start_mark.line + 1
                if str(key.value) in first:
                    yield (
                        f"{name}:{line}: {key.value}: found a second time (first on line {first[str(key.value)]}), "
                        "expected once; remove one of them"
                    )
                first.setdefault(str(key.value), line)


def _impossible_dates(name: str, loader: yaml.CSafeLoader, root: yaml.Node) -> Iterator[str]:
    for node in _nodes(root):
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:timestamp":
            try:
                loader.construct_object(node)
            except ValueError as error:
                line = node.start_mark.line + 1
                yield f"{name}:{line}: found {node.value}, expected a date ({error}); write YYYY-MM-DD"


def _problem(name: str, root: yaml.Node, error: ErrorDetails) -> str:
    """One pydantic error as a line: place, found, expected, mend."""
    loc, kind = error["loc"], error["type"]
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc).lstrip(".") or "the file"
    place = f"{name}:{line_of(root, loc)}: {where}"
    key = str(loc[-1]) if loc else ""
    if kind == "missing":
        return f"{place}: found nothing, expected a value; add {key!r}"
    if kind == "extra_forbidden" and AUTOMATIC_ACTIONS.fullmatch(key):
        return (
            f"{place}: found {shown(error['input'])}, expected no action: a tier is reported and automatic action "
            f"against customers is out of scope (G40, PIPL Art. 24); remove {key!r}"
        )
    if kind == "extra_forbidden":
        return f"{place}: found an unknown key, expected one that schema.json lists; correct or remove {key!r}"
    if kind == "value_error":
        return f"{place}: {error['msg'].removeprefix('Value error, ')}; correct it"
    expected = error["msg"].removeprefix("Input should be ")
    return f"{place}: found {shown(error['input'])}, expected {expected}; correct it"
