"""Whatever breaks at whatever point of a run: readers see one whole version all the while, nothing that was
acknowledged is lost, and the next run ends as if nothing had been."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib import fault
from orchestration.lib.home import Home
from tests import conftest, support
from tests.guarantees import faults
from tests.guarantees.faults import CONTEXT, DISK_FULL, FAULTS, FSYNC, KILL, LOCK, MEMORY, WAREHOUSE
from tests.guarantees.records import Acknowledged, Seen, acknowledged, fingerprint, names_in, read_on
from tests.guarantees.scenarios import (
    ADVANCE,
    SCENARIOS,
    Scenario,
    Stages,
    assert_feeds_are_whole,
    refuse_rival,
)

REPORT_VARIABLE = "TIERHOUSE_REPORTS"
# A process that a fault has stopped without ending it (a library that waits for a thread) is ended by its supervisor.
LOOKS_AFTER_SECONDS = 10


@dataclass
class Matrix:
    """What each cell came to."""

    cells: list[dict[str, Any]] = field(default_factory=list)
    # Digests of states from which the next run was seen to end right: it need not be taken from them again.
    healed: set[str] = field(default_factory=set)

    def add(self, point: str, kind: str, seen: Seen, outcome: str, lost: list[str], finish: str) -> None:
        self.cells.append(
            {
                "point": point.split(":", maxsplit=1)[0],
                "fault": kind,
                "outcome": outcome,
                "reads": seen.reads,
                "inconsistent_reads": len(seen.inconsistent),
                "reader_errors": len(seen.errors),
                "work_lost": len(lost),
                "next_run": finish,
            }
        )

    def lines(self) -> list[str]:
        totals: Counter[str] = Counter()
        by_fault: dict[str, Counter[str]] = defaultdict(Counter)
        for cell in self.cells:
            for name in ("reads", "inconsistent_reads", "reader_errors", "work_lost"):
                by_fault[cell["fault"]][name] += cell[name]
                totals[name] += cell[name]
            by_fault[cell["fault"]]["points"] += 1
            by_fault[cell["fault"]]["struck down"] += cell["outcome"] != "went on"
        names = ("points", "struck down", "reads", "inconsistent_reads", "reader_errors", "work_lost")
        rows = ["kill matrix".ljust(16) + "".join(name.replace("_", " ").rjust(20) for name in names)]
        rows += [kind.ljust(16) + "".join(str(found[n]).rjust(20) for n in names) for kind, found in by_fault.items()]
        points = len({cell["point"] for cell in self.cells})
        said = ", ".join(f"{totals[n]:,} {n.replace('_', ' ')}" for n in names[2:])
        return [*rows, f"{points} points, {len(self.cells)} cells: {said}"]


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest) -> Iterator[Matrix]:
    """The report: said at the end, and written to the folder that TIERHOUSE_REPORTS names."""
    made = Matrix()
    yield made
    terminal, capture = map(request.config.pluginmanager.get_plugin, ("terminalreporter", "capturemanager"))
    if terminal is not None and made.cells:  # none in a worker of xdist: there the file is the report
        with capture.global_and_fixture_disabled():
            terminal.write_line("")
            for line in made.lines():
                terminal.write_line(line)
    folder = os.environ.get(REPORT_VARIABLE)
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        content = json.dumps({"cells": made.cells, "summary": made.lines()}, ensure_ascii=False, indent=1)
        (Path(folder) / "kill_matrix.json").write_text(content, "utf-8")


@pytest.fixture(scope="session")
def stages(built_home: conftest.BuiltHome, tmp_path_factory: pytest.TempPathFactory) -> Stages:
    return Stages(tmp_path_factory.mktemp("stages"), built_home.home, built_home.landing)


class Reader:
    """A process that reads the published version in a loop."""

    def __init__(self) -> None:
        self.parent, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=read_on, args=(theirs,), daemon=True)
        self.process.start()

    @contextmanager
    def watching(self, home: Home) -> Iterator[Seen]:
        """It has read once when the context begins, and once more when it ends; then what it saw is told."""
        seen = Seen()
        self.parent.send(home)
        assert self.parent.recv() == "reads"
        try:
            yield seen
        finally:
            self.parent.send("stop")
            vars(seen).update(vars(self.parent.recv()))


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    made = Reader()
    yield made
    made.parent.send(None)
    made.process.join()


def megabytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) >> 20


def run_of(
    stack: ExitStack, target: Any, *arguments: object
) -> tuple[Connection, Any]:  # fmt: skip
    """A process that takes a step, and the line to it. It is ended with the test."""
    ours, theirs = CONTEXT.Pipe()
    run = CONTEXT.Process(target=target, args=(theirs, *arguments))
    run.start()
    theirs.close()
    stack.callback(lambda: (run.kill(), run.join()) if run.is_alive() else None)
    return ours, run


def outcome_of(ours: Connection, run: Any) -> str:
    """How the process ended: it went on to its end in spite of the fault, failed, or died."""
    used = -1.0
    while not ours.poll(LOOKS_AFTER_SECONDS):
        before, used = used, faults.cpu_seconds(run.pid)
        if used == before:
            run.kill()
            return "stood still and was ended"
    try:
        said, error = ours.recv()
    except EOFError:
        run.join()
        return f"died by signal {-run.exitcode}" if run.exitcode < 0 else f"died with {run.exitcode}"
    assert said == "ended"
    return f"failed: {error}" if error else "went on"


@dataclass(frozen=True)
class Struck:
    """A faulty run that is over: what a reader saw meanwhile, how it ended, what it had acknowledged before."""

    home: Home
    seen: Seen
    outcome: str
    known: Acknowledged


@contextmanager
def struck(scenario: Scenario, point: str, kind: str, stages: Stages, reader: Reader, folder: Path) -> Iterator[Struck]:
    """The faulty run, with a reader beside it. The fault is taken away; the home is there while the context is."""
    start = stages.home(scenario.start)
    with ExitStack() as stack:
        try:
            disk = stack.enter_context(faults.small_disk(folder / "disk", 2 * megabytes(start.root) + 64))
        except faults.NoSmallDisk as error:
            if kind == DISK_FULL:
                pytest.skip(f"a full disk needs the right to mount one: {error}")
            disk = folder
        home = support.copy_home(start, disk / "home")
        with reader.watching(home) as seen:
            ours, run = run_of(
                stack, faults.suffer, folder / "run.log", point, kind, home, scenario.step, stages.arguments(scenario)
            )
            said, known = ours.recv()
            assert said == "struck", f"{point} was not passed: {known}; {(folder / 'run.log').read_text('utf-8')}"
            outcome = break_and_wait(kind, home, ours, run)
        (home.root / faults.FILLER).unlink(missing_ok=True)
        yield Struck(home, seen, outcome, known)


def break_and_wait(kind: str, home: Home, ours: Connection, run: Any) -> str:
    """Let the fault strike; returns how the run ended."""
    with ExitStack() as held:
        if kind == WAREHOUSE:
            try:
                held.enter_context(duckdb.connect(str(home.warehouse)))
            except duckdb.IOException:  # the run itself has the file open
                ours.send("leave")
                run.join()
                return "the other was refused"
        ours.send("go")
        if kind != KILL:
            armed = ours.recv()
            assert armed == ("armed", None), armed
        return outcome_of(ours, run)


CELLS = [(s, point, kind) for s in SCENARIOS for point in s.points for kind in (*FAULTS, WAREHOUSE)
         if kind != LOCK and (kind != WAREHOUSE or s.uses_warehouse)]  # fmt: skip
# A spread for every day: cheap cells of each fault, at points of each part of the house.
QUICK = {
    ("landing.placed", DISK_FULL),
    ("landing.placing", FSYNC),
    ("landing.judging:5", MEMORY),
    ("publish.after_log", KILL),
    ("close.after_files", DISK_FULL),
    ("close.after_rename", FSYNC),
    ("close.before_freeze", MEMORY),
    ("objections.before_journal", KILL),
    ("audit.before_override", DISK_FULL),
}


def cell(scenario: Scenario, point: str, kind: str) -> Any:
    marks = () if (point, kind) in QUICK else pytest.mark.full
    return pytest.param(scenario, point, kind, marks=marks, id=f"{point}-{kind}".replace(" ", "_"))


@pytest.mark.parametrize(("scenario", "point", "kind"), [cell(*each) for each in CELLS])
def test_a_run_in_which_something_breaks_is_made_good_by_the_next(
    scenario: Scenario,
    point: str,
    kind: str,
    stages: Stages,
    matrix: Matrix,
    reader: Reader,
    tmp_path: Path,
) -> None:
    with struck(scenario, point, kind, stages, reader, tmp_path) as run:
        lost = run.known.lost(run.home)
        if kind == FSYNC:  # what is not on the disk is not acknowledged
            assert acknowledged(run.home).lines == run.known.lines
        assert_feeds_are_whole(run.home)
        finish = "taken"
        if scenario.finish == ADVANCE:
            state = fingerprint(run.home)
            # What a full disk left half written beside the records is not in the fingerprint.
            is_known = kind != DISK_FULL and state in matrix.healed
            finish = "seen before from this state" if is_known else finish
        if finish == "taken":
            stages.finish(scenario, run.home)
            assert scenario.end(run.home).items() == stages.end(scenario).items()
            if scenario.finish == ADVANCE:
                matrix.healed.add(state)
        lost = lost or run.known.lost(run.home)
        matrix.add(point, kind, run.seen, run.outcome, lost, finish)
        assert (run.seen.inconsistent, run.seen.errors, lost) == ([], [], [])
        if kind == KILL:
            assert run.outcome == "died by signal 9"
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize(
    "scenario",
    [pytest.param(s, marks=() if s.name in ("land", "close") else pytest.mark.full, id=s.name.replace(" ", "_"))
     for s in SCENARIOS],
)  # fmt: skip
def test_a_second_run_is_refused_at_every_point_of_the_first(
    scenario: Scenario, stages: Stages, matrix: Matrix, reader: Reader, tmp_path: Path
) -> None:
    home = support.copy_home(stages.home(scenario.start), tmp_path / "home")
    points = tuple(point.split(":")[0] for point in scenario.points)
    passed = []
    with ExitStack() as stack, reader.watching(home) as seen:
        ours, run = run_of(
            stack, faults.pass_every_point, tmp_path / "run.log", points, home, scenario.step,
            stages.arguments(scenario),
        )  # fmt: skip
        while (said := ours.recv())[0] == "at":
            before = acknowledged(home), names_in(home.root), names_in(home.published)
            refuse_rival(home, stages.next_day)
            assert before == (acknowledged(home), names_in(home.root), names_in(home.published))
            passed.append(said[1])
            ours.send("go")
        run.join()
    assert said == ("ended", "")
    assert sorted(passed) == sorted(points)
    if scenario.name in ("build", "audit"):  # what they leave needs no run after it: it was not disturbed
        assert support.state_hashes(home) == support.state_hashes(stages.home("published"))
    else:
        stages.finish(scenario, home)
        assert scenario.end(home).items() == stages.end(scenario).items()
    for point in passed:
        matrix.add(point, LOCK, seen if point == passed[0] else Seen(), "the other was refused", [], "went on")
    assert (seen.inconsistent, seen.errors) == ([], [])
    shutil.rmtree(tmp_path)


def test_every_declared_point_is_struck() -> None:
    struck = [point.split(":")[0] for scenario in SCENARIOS for point in scenario.points]
    # A purge takes away what was acknowledged: tests/guarantees/test_purge.py kills it at each of its points.
    assert sorted(struck) == sorted(name for name in fault.declared() if not name.startswith(("purge.", "postgres.")))
    assert len(struck) >= 40
