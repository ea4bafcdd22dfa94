"""One small bank, built and published twice, for all tests that only read it or work on a copy."""

from __future__ import annotations

from collections.abc import Iterator
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
SLOW_FOLDERS = ("pipeline", "appraisal", "books", "dbt", "expectations", "berka", "maintenance", "guarantees")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return SLOW_FOLDERS.index(folder) if folder in SLOW_FOLDERS else len(SLOW_FOLDERS)

    items.sort(key=place)


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
def small_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Landing root of a demo bank of 300 customers, FIRST_DATE..LAST_DELIVERED_DATE. Read only."""
    root = tmp_path_factory.mktemp("bank")
    generate(root, customers=300, start=FIRST_DATE, through=LAST_DELIVERED_DATE, seed=10, go_live=GO_LIVE_DATE)
    return root / "landing"


@pytest.fixture(scope="session")
def built_home(small_bank: Path, tmp_path_factory: pytest.TempPathFactory) -> BuiltHome:
    home = Home(tmp_path_factory.mktemp("built") / "home")
    for through in (FIRST_AS_OF_DATE, AS_OF_DATE):
        outcome = support.published(support.advance(home, small_bank, through))
    assert outcome.verdict is not None
    return BuiltHome(
        home=home,
        landing=small_bank,
        dbt_target=home.root / "dbt_target",
        record=BuildRecord.read(home, outcome.verdict.build_id),
        verdict=outcome.verdict,
    )
