"""Whatever others can see of a deployment is changed behind a fault point: a test can stop the run before it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestration.lib.home import PROJECT_ROOT

LIB = PROJECT_ROOT / "orchestration" / "lib"
POINT = "fault.point"
# Calls that change files, as the code writes them; a leading dot stands for any value.
EFFECTS = {
    "os.replace", "os.rename", "os.link", "os.unlink", "os.remove", "os.symlink", "os.truncate", "os.ftruncate",
    "os.write", "shutil.rmtree", "shutil.copyfile", "shutil.copy", "shutil.copy2", "shutil.copytree", "shutil.move",
    "pq.write_table", "append_lines", "write_atomically", ".rename", ".unlink", ".rmdir", ".symlink_to",
    ".hardlink_to", ".write_text", ".write_bytes", ".touch", ".commit",
}  # fmt: skip
# Appends to the journal and to the ledger, and transactions of the warehouse.
RECORDS = {"journal.append", "Journal.append", "self.ledger.append"}
# Functions that change what nobody sees yet, or what is nobody's record; module.function -> why.
OUT_OF_SIGHT = {
    "files.write_atomically": "its callers pass a point",
    "json_lines.append_lines": "its callers pass a point",
    "journal.append": "its callers pass a point",
    "ledger.append": "its callers pass a point",
    "build_record.write": "its caller passes a point",
    "landing.__init__": "the hidden folder of a landing run",
    "landing.close": "the hidden folder of a landing run",
    "landing._place": "the second effect is the hidden folder of a delivery, emptied",
    "publish._export_mart": "the hidden folder of a version",
    "publish._export": "the hidden folder of a version",
    "publish.publish": "writes into the hidden folder of a version; its visible steps are tried one by one",
    "publish._journal_published": "its callers pass a point",
    "publish._move_pointer": "the new link lies beside the pointer until it is moved",
    "hr_feed._write_period": "the hidden folder of a version",
    "delivery._write_file": "no delivery without its manifest",
    "delivery.write_delivery": "the temporary manifest lies beside the one that it becomes",
    "close.close_quarter": "the manifest is written into the hidden folder of a close",
    "results.keep_result": "Parquet in memory",
    "compile.compile_policies": "Parquet in memory; the new table lies beside the one that it replaces",
    "expectation_run.run_suites": "results of a build that has no verdict yet",
    "expectation_run._run_suite": "results of a build that has no verdict yet",
    "data_docs.build_data_docs": "pages of a build that has no verdict yet",
    "dagster_home.prepare_dagster_home": "settings of the UI, written anew when they are missing",
    "generated.column_contents": "generated files of the project, not of a deployment",
    "generated._write": "generated files of the project, not of a deployment",
    "alerts.notify": "who was told what; cut off, one alert is told again",
    "load.set_up": "tables and rules of PostgreSQL, all or none; run again it changes nothing",
    "load.set_readers": "who each login is, all or none",
    "purge._parquet": "Parquet in memory",
    "purge._tell_ledger": "its caller passes a point",
    "rebuild.rebuild": "a deployment that nobody reads yet; one that was cut off is begun anew in an empty folder",
    "rebuild._bring": "a deployment that nobody reads yet",
    "rollback._write": "the hidden folder of a version",
    "dbt_manifest.ensure_manifest": "the parsed project, beside the sources; no home has it",
    "diff.load_draft": "a temporary folder",
    "diff.write_report": "a report at the user's own path",
}


@dataclass(frozen=True)
class Step:
    """A call in a function, in the order of the code."""

    line: int
    name: str
    is_point: bool


def name_of(call: ast.Call) -> str:
    """The called thing as written: ``os.replace``, ``append_lines``, ``.unlink`` of any value."""
    function = call.func
    if isinstance(function, ast.Name):
        return function.id
    if not isinstance(function, ast.Attribute):
        return ""
    whole = ast.unparse(function).replace("Journal(home.journal)", "Journal")
    known = EFFECTS | RECORDS | {POINT}
    if whole in known:
        return whole
    if f".{function.attr}" in known:
        return f".{function.attr}"
    # Path.replace has one argument; that of a text has two, that of a date names them.
    if function.attr == "replace" and len(call.args) == 1 and not call.keywords:
        return ".replace"
    # A transaction of the warehouse.
    if function.attr == "execute" and call.args and isinstance(call.args[0], ast.Constant):
        return "commit" if call.args[0].value == "commit" else ""
    return ""


def steps(function: ast.FunctionDef) -> Iterator[Step]:
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0)):
        name = name_of(call)
        if name == POINT:
            yield Step(call.lineno, name, True)
        elif name in EFFECTS | RECORDS | {".replace", "commit"}:
            yield Step(call.lineno, name, False)


def unguarded(source: str, module: str) -> list[str]:
    """Effects of a module before which no point is passed since the effect before them, by function."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef):
            continue
        is_guarded = False
        for step in steps(function):
            if step.is_point:
                is_guarded = True
                continue
            if not is_guarded:
                found.append(f"{module}.{function.name}: {step.name} in line {step.line}")
            is_guarded = False
    return found


def modules() -> list[Path]:
    # The demo bank writes an invented bank, no deployment.
    return [path for path in sorted(LIB.rglob("*.py")) if "demo_bank" not in path.parts]


def test_every_effect_that_others_see_lies_behind_a_point() -> None:
    found = [effect for path in modules() for effect in unguarded(path.read_text("utf-8"), path.stem)]
    assert [effect for effect in found if effect.split(":")[0] not in OUT_OF_SIGHT] == []
    # An exemption that nothing needs any more would hide the next effect of that function.
    assert {effect.split(":")[0] for effect in found} == OUT_OF_SIGHT.keys()


VISIBLE_STEPS = {
    "publish.publish": ["os.replace", "append_lines"],
    "publish._move_pointer": ["os.replace"],
    "landing._place": ["shutil.rmtree", ".rename"],
    "close.close_quarter": ["shutil.rmtree", "os.replace", "journal.append"],
    "compile.compile_policies": ["os.replace"],
    "delivery.write_delivery": [".unlink", "os.replace"],
}


@pytest.mark.parametrize("place", VISIBLE_STEPS)
def test_the_visible_steps_of_a_function_that_works_out_of_sight_too_lie_behind_a_point(place: str) -> None:
    module, name = place.split(".")
    (path,) = [path for path in modules() if path.stem == module]
    functions = [f for f in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(f, ast.FunctionDef)]
    (function,) = [f for f in functions if f.name == name]
    passed = list(steps(function))
    for wanted in VISIBLE_STEPS[place]:
        guarded = [a.is_point for a, b in zip([Step(0, "", False), *passed], passed, strict=False) if b.name == wanted]
        assert any(guarded), f"{place}: {wanted}"


@pytest.mark.parametrize(
    "effect",
    ["os.replace(a, b)", "a.rename(b)", "a.replace(b)", "append_lines(a, [b])", "Journal(home.journal).append(b)",
     "journal.append(b)", "a.unlink()", "shutil.rmtree(a)", "con.execute('commit')", "write_atomically(a, b)",
     "pq.write_table(a, b)", "a.write_text(b)"],
)  # fmt: skip
def test_a_new_effect_without_a_point_is_found(effect: str) -> None:
    guarded = f"def f():\n    fault.point(P)\n    {effect}\n"
    assert unguarded(guarded, "m") == []
    assert len(unguarded(f"def f():\n    {effect}\n", "m")) == 1
    assert len(unguarded(f"{guarded}    {effect}\n", "m")) == 1


@pytest.mark.parametrize("harmless", ["text.replace('a', 'b')", "day.replace(day=1)", "rows.append(row)"])
def test_what_changes_no_file_needs_no_point(harmless: str) -> None:
    assert unguarded(f"def f():\n    {harmless}\n", "m") == []
