"""One small bank, built and published twice, for all tests that only read it or work on a copy."""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from orchestration.lib.audit import Verdict
from orchestration.lib.build_record import BuildRecord
from orchestration.lib.dbt_manifest import environment
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
SLOW_FOLDERS = ("appraisal", "pipeline", "books", "dbt", "expectations", "berka", "maintenance", "guarantees")


# Last: what is not asked for has been left out then.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process makes the judged bank while another makes the small one; who reads the judged one too comes later."""
    judged = list(dict.fromkeys(i.path for i in items if "judged_bank" in getattr(i, "fixturenames", ())))

    def place(item: pytest.Item) -> int:
        if item.path in judged:
            return judged.index(item.path) and SLOW_FOLDERS.index("dbt")
        folder = item.path.parent.name
        return SLOW_FOLDERS.index(folder) if folder in SLOW_FOLDERS else len(SLOW_FOLDERS)

    items.sort(key=place)


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
def built_home(small_bank: Path, made_once: MadeOnce, tmp_path_factory: pytest.TempPathFactory) -> BuiltHome:
    """The small bank, published twice. Each process has its own copy: one that writes to a warehouse locks it."""

    def make(folder: Path) -> None:
        home = Home(folder / "home")
        for through in (FIRST_AS_OF_DATE, AS_OF_DATE):
            outcome = support.published(support.advance(home, small_bank, through))
        (folder / "verdict").write_bytes(pickle.dumps(outcome.verdict))

    folder = tmp_path_factory.mktemp("built") / "of_this_process"
    # Not shutil: files that versions share stay one file.
    subprocess.run(["cp", "-a", made_once("built", make), folder], check=True)
    home, verdict = Home(folder / "home"), pickle.loads((folder / "verdict").read_bytes())
    return BuiltHome(
        home=home,
        landing=small_bank,
        dbt_target=home.root / "dbt_target",
        record=BuildRecord.read(home, verdict.build_id),
        verdict=verdict,
    )
