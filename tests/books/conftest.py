"""The simulated bank, built over its forty live days in two runs, with the books of every day."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib import warehouse
from orchestration.lib.books.results import book_moves
from orchestration.lib.home import Home
from tests import support as runs
from tests.books import support
from tests.oracle.told import DecidedBank

DAYS = 40
# Two more days are delivered, for tests that go on.
DAYS_DELIVERED = DAYS + 2
Row = dict[str, Any]


@contextmanager
def own_policies(policies: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIERHOUSE_POLICIES", str(policies))
        yield


def read(home: Home, sql: str) -> list[Row]:
    """Rows of a query on the working file."""
    with warehouse.connect(home.warehouse, read_only=True) as con:
        found: list[Row] = con.execute(sql).to_arrow_table().to_pylist()
    return found


def read_log(home: Home) -> list[Row]:
    return read(home, "select * from core.fct_assignment_change order by business_date, customer_id, slot, slot_no")


@dataclass(frozen=True)
class SimulatedBank(DecidedBank):
    """``home`` is published as of the last day; ``eve`` the day before go-live. Read only."""

    eve: Home
    home: Home


def decide_days(folder: Path, days: int) -> SimulatedBank:
    """Generate the bank, build its eve and then all live days in one run."""
    policies = support.write_policies(folder)
    landing = support.simulate(folder / "bank", days + DAYS_DELIVERED - DAYS)
    last = support.live_day(days - 1)
    with own_policies(policies):
        home = Home(folder / "home")
        runs.published(runs.advance(home, landing, support.GO_LIVE - support.DAY))
        eve = runs.copy_home(home, folder / "eve")
        # Books of past days are dropped once they are published: read before.
        audited = runs.advance(home, landing, last, is_published=False)
        assert audited.verdict is not None
        assert audited.verdict.is_passed, [c for c in audited.verdict.checks if c.blocks]
        assert not audited.report.rejected, audited.report.rejected
        entries = read(home, f"select * from core.fct_book_entry where as_of_date >= date '{support.GO_LIVE}'")
        log = read_log(home)
        tiers = read(
            home,
            "select customer_id, valid_from, tier_code, tier_rank, change_kind from core.fct_tier_change "
            f"where scheme_code = '{support.PRIMARY}' order by valid_from, customer_id",
        )
        runs.publish_audited(home, audited)
    decided = [support.live_day(n) for n in range(days)]
    return SimulatedBank(
        landing=landing,
        policies=policies,
        eve=eve,
        home=home,
        go_live=support.GO_LIVE,
        world=support.World(landing),
        days=decided,
        entries=entries,
        log=log,
        tiers=tiers,
        moves=book_moves(home, decided).to_pylist(),
    )


@pytest.fixture(scope="session")
def simulated_bank(tmp_path_factory: pytest.TempPathFactory) -> SimulatedBank:
    return decide_days(tmp_path_factory.mktemp("simulated"), DAYS)


@pytest.fixture(scope="session")
def long_simulated_bank(tmp_path_factory: pytest.TempPathFactory) -> SimulatedBank:
    return decide_days(tmp_path_factory.mktemp("long_simulated"), 90)
