"""What pages tell a reader to type is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from orchestration.cli import app

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/*.md")),
]
CODE = re.compile(r"`([^`\n]+)`|^ {4,}(\S.*(?:\\\n.*)*)$", re.MULTILINE)
OPERATING = ROOT / "docs" / "operating.md"


def commands_named(text: str) -> list[str]:
    """Code of a page that calls the `tierhouse` command, a line each."""
    code = (match[1] or match[2].replace("\\\n", " ") for match in CODE.finditer(text))
    return [line for line in code if re.match(r"(\.venv/bin/)?tierhouse [a-z]", line)]


def resolve(line: str) -> tuple[str, set[str]]:
    """Name of the command that a line calls and the options it gives; fails on an unknown one."""
    command: Any = get_command(app)
    words = line.split()[1:]
    name = []
    while commands := getattr(command, "commands", None):
        assert words, f"{line}: names no command"
        assert words[0] in commands, f"{line}: no command {words[0]}"
        name.append(words[0])
        command = commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    given = set(re.findall(r"--[a-z-]+", line))
    assert given <= known, f"{line}: unknown options {given - known}"
    return " ".join(name), given


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_on_a_page_exists_with_its_options(page: Path):
    for line in commands_named(page.read_text(encoding="utf-8")):
        resolve(line)


def test_an_unknown_option_on_a_page_is_noticed():
    with pytest.raises(AssertionError, match="unknown options"):
        resolve("tierhouse run --landing-root DIR")


def test_every_command_is_on_the_operating_page():
    documented = {resolve(line)[0] for line in commands_named(OPERATING.read_text(encoding="utf-8"))}
    cli: Any = get_command(app)
    commands = {
        f"{name} {sub}".strip() for name, command in cli.commands.items() for sub in getattr(command, "commands", [""])
    }
    assert documented == commands


def test_every_make_target_on_a_page_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        (page.name, match)
        for page in PAGES
        for line in re.findall(r"`make ([a-z -]+)`|^    make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        for match in " ".join(line).split()
    }
    assert named
    assert {target for _, target in named} <= targets


def test_every_environment_variable_of_the_operating_page_is_read_somewhere():
    page = OPERATING.read_text(encoding="utf-8")
    sources = [ROOT / "Makefile", *ROOT.glob("orchestration/**/*.py"), *ROOT.glob("dbt_project/*.yml")]
    sources += ROOT.glob("dbt_project/macros/*.sql")
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    named = set(re.findall(r"TIERHOUSE_[A-Z_]+", page))
    assert named
    assert {name for name in named if name not in code} == set()


def test_both_readmes_show_the_same_first_look():
    looks = [
        re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
        for name in ("README.md", "README.zh-CN.md")
    ]
    assert looks[0]
    assert looks[0] == looks[1]
