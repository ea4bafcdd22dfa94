"""One small bank, built and published twice, for all tests that only read it or work on a copy."""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from orchestration.lib.audit import Verdict
from orchestration.lib.build import environment
from orchestration.lib.build_record import BuildRecord
from orchestration.lib.demo_bank import generate
from orchestration.lib.home import Home
from orchestration.lib.policies.load import POLICIES_VARIABLE
from tests import support
from tests.policies.support import copy_policies, edit

# March and April are whole, so their ends are official evaluations; soon after books go live; the last day is an
# advance of its own.
FIRST_DATE = date(2026, 3, 1)
GO_LIVE_DATE = date(2026, 5, 2)
FIRST_AS_OF_DATE = date(2026, 5, 3)
AS_OF_DATE = date(2026, 5, 4)
# Deliveries of these later days lie in the landing folder and are not built.
LAST_DELIVERED_DATE = date(2026, 5, 8)


# Files of these folders take minutes each: they are dealt to the processes first, or the suite would wait for the last.
# While one process makes the bank that most tests read, another makes the judged one.
SLOW_FOLDERS = ("appraisal", "pipeline", "books", "dbt", "expectations", "berka", "maintenance", "guarantees")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return SLOW_FOLDERS.index(folder) if folder in SLOW_FOLDERS else len(SLOW_FOLDERS)

    items.sort(key=place)
    # A file's tests share what the file builds, the judged bank is shared by files: one process builds each.
    judged = {item.path for item in items if "judged_bank" in getattr(item, "fixturenames", ())}
    for item in items:
        group = "judged_bank" if item.path in judged else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


# Name of a folder and how to fill it -> the folder.
MadeOnce = Callable[[str, Callable[[Path], None]], Path]


@dataclass(frozen=True)
class BuiltHome:
    """A deployment with two published versions: nine weeks from nothing, then one day. Read only."""

    home: Home
    landing: Path
    dbt_target: Path
    record: BuildRecord
    verdict: Verdict


@pytest.fixture(scope="session", autouse=True)
def policies_in_force(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The shipped policies but for the day on which books go live, in a folder of the bank's own."""
    folder = copy_policies(tmp_path_factory.mktemp("bank"))
    edit(folder, "books", lambda content: content["versions"][0].update(go_live_date=GO_LIVE_DATE))
    with environment({POLICIES_VARIABLE: str(folder)}):
        yield folder


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Makes a folder that all processes of this run of tests read; the first that asks makes it, others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent / "shared" if "PYTEST_XDIST_WORKER" in os.environ else base / "shared"

    def folder_of(name: str, make: Callable[[Path], None]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        shared.mkdir(exist_ok=True)
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return folder_of


@pytest.fixture(scope="session")
def small_bank(made_once: MadeOnce) -> Path:
    """Landing root of a demo bank of 300 customers, FIRST_DATE..LAST_DELIVERED_DATE. Read only."""

    def make(folder: Path) -> None:
        generate(folder, customers=300, start=FIRST_DATE, through=LAST_DELIVERED_DATE, seed=10, go_live=GO_LIVE_DATE)

    return made_once("bank", make) / "landing"


@pytest.fixture(scope="session")
def built_home(small_bank: Path, made_once: MadeOnce) -> BuiltHome:
    def make(folder: Path) -> None:
        home = Home(folder / "home")
        for through in (FIRST_AS_OF_DATE, AS_OF_DATE):
            outcome = support.published(support.advance(home, small_bank, through))
        (folder / "verdict").write_bytes(pickle.dumps(outcome.verdict))

    folder = made_once("built", make)
    home, verdict = Home(folder / "home"), pickle.loads((folder / "verdict").read_bytes())
    return BuiltHome(
        home=home,
        landing=small_bank,
        dbt_target=home.root / "dbt_target",
        record=BuildRecord.read(home, verdict.build_id),
        verdict=verdict,
    )
