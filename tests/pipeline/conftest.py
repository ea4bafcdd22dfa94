"""Copies of the built bank that a test may advance, break and heal."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from orchestration.lib.home import Home
from tests import conftest, support
from tests.berka.conftest import berka, berka_landing

__all__ = ["berka", "berka_landing"]  # fixtures of another folder

NEXT_DATE = conftest.AS_OF_DATE + timedelta(days=1)
DATE_AFTER = conftest.AS_OF_DATE + timedelta(days=2)


@pytest.fixture
def new_home(built_home: conftest.BuiltHome, tmp_path: Path) -> Callable[[str], Home]:
    """An empty deployment that need not parse the dbt project anew."""

    def make(name: str) -> Home:
        home = Home(tmp_path / name)
        shutil.copytree(built_home.dbt_target, home.root / "dbt_target")
        return home

    return make


@pytest.fixture
def home(built_home: conftest.BuiltHome, tmp_path: Path) -> Home:
    """The built bank as a deployment of the test's own."""
    return support.copy_home(built_home.home, tmp_path / "home")


@pytest.fixture
def undisturbed(built_home: conftest.BuiltHome, tmp_path: Path) -> Callable[[Path], Home]:
    """The built bank advanced over deliveries that need no mending."""

    def advance(landing_root: Path) -> Home:
        home = support.copy_home(built_home.home, tmp_path / "undisturbed")
        support.published(support.advance(home, landing_root))
        return home

    return advance


@pytest.fixture
def landing(small_bank: Path, tmp_path: Path) -> Path:
    """The two days that follow the built ones, to be altered; earlier deliveries are known to the ledger."""
    return support.copy_deliveries(small_bank, tmp_path / "landing", lambda day: day in (NEXT_DATE, DATE_AFTER))
