"""Days on which files come late, twice, cut off, wrong and corrected, runs die, rules change and people leave.

Whatever happens on the way, readers see whole versions of the newest complete day, and in the end the facts are those
of a bank to which nothing ever happened. A seed that fails fails again: the message names it.
"""

from __future__ import annotations

import multiprocessing
import shutil
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path

import pytest

from orchestration.lib.demo_bank import generate
from orchestration.lib.home import Home
from orchestration.lib.ledger import Ledger
from tests import conftest, support
from tests.guarantees.bank_days import BankDays, World, policies_of
from tests.policies.support import copy_policies, edit

DAY = timedelta(days=1)
FIRST_DATE, EVE = date(2026, 4, 1), date(2026, 5, 20)
DAYS_PER_SEED = 80
LAST_DATE = EVE + DAYS_PER_SEED * DAY
QUARTER, CLOSE_FROM = "2026Q2", date(2026, 7, 31)
SEEDS = (1, 2, 3, 4, 5)
LEAST_FAULTS = 40


@pytest.fixture(scope="module")
def warm_processes() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support", "dbt.cli.main", "dbt.adapters.duckdb", "great_expectations"])
    return context


@dataclass(frozen=True)
class Eve:
    """A bank on the eve of its worst days: what is built, what the sources will deliver, the rules."""

    home: Home
    landing: Path
    policies: Path


@pytest.fixture(scope="module")
def eve(tmp_path_factory: pytest.TempPathFactory) -> Eve:
    """Sixty customers whose books go live on the first day, built up to the eve."""
    root = tmp_path_factory.mktemp("eve")
    generate(root, customers=60, start=FIRST_DATE, through=LAST_DATE, seed=10, go_live=FIRST_DATE)
    policies = copy_policies(root)
    edit(policies, "books", lambda content: content["versions"][0].update(go_live_date=FIRST_DATE))
    home = Home(root / "home")
    with policies_of(policies):
        support.published(support.advance(home, root / "landing", EVE))
    return Eve(home, root / "landing", policies)


def life(
    seed: int, eve: Eve, root: Path, last: date, processes: ForkServerContext, **habits: object
) -> tuple[BankDays, Path]:
    """A bank of its own, and what its sources will have said in the end."""
    world = World(
        landing=support.copy_deliveries(eve.landing, root / "world", lambda day: day <= last),
        policies=Path(shutil.copytree(eve.policies, root / "policies")),
        first=published_day(eve.home) + DAY,
        last=last,
    )
    landing = root / "landing"
    landing.mkdir()
    home = support.copy_home(eve.home, root / "home")
    return BankDays(seed, world, home, landing, processes, **habits), world.landing  # type: ignore[arg-type]


def published_day(home: Home) -> date:
    ((day,),) = support.query(home, "select distinct as_of_date from assets.customer_assets")
    return day


def assert_same_facts(bank: BankDays, undisturbed: Home) -> None:
    found, expected = support.fact_hashes(bank.home), support.fact_hashes(undisturbed)
    differing = sorted(name for name in expected if found[name] != expected[name])
    assert not differing, f"seed {bank.seed}: {differing}\n" + "\n".join(bank.told)


def report(bank: BankDays, days: int) -> None:
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(bank.faults.items()))
    sys.stdout.write(
        f"\nseed {bank.seed}: {days} bank days, {bank.runs} runs, {sum(bank.faults.values())} faults ({kinds})\n"
    )


@pytest.mark.full
@pytest.mark.parametrize("seed", SEEDS)
def test_bank_days_with_faults_end_as_days_without(
    seed: int, eve: Eve, warm_processes: ForkServerContext, tmp_path: Path
) -> None:
    bank, truth = life(seed, eve, tmp_path, LAST_DATE, warm_processes, closes=QUARTER, close_from=CLOSE_FROM)
    with policies_of(bank.world.policies):
        bank.run()
        report(bank, DAYS_PER_SEED)
        undisturbed = Home(tmp_path / "undisturbed")
        support.published(support.advance(undisturbed, truth, LAST_DATE))
        assert_same_facts(bank, undisturbed)
    assert sum(bank.faults.values()) >= LEAST_FAULTS
    assert bank.frozen


@pytest.mark.full
def test_a_few_bank_days_with_faults_keep_every_promise(
    built_home: conftest.BuiltHome,
    small_bank: Path,
    policies_in_force: Path,
    warm_processes: ForkServerContext,
    tmp_path: Path,
) -> None:
    """The days of the small bank that are delivered and not built, in two runs; the first refuses a file."""
    before = Eve(built_home.home, small_bank, policies_in_force)
    last = conftest.LAST_DELIVERED_DATE
    habits = {"longest_gap": 4, "crash_rate": 0.0, "policy_changes": 0, "leavers": 1}
    bank, _ = life(24, before, tmp_path, last, warm_processes, **habits)
    with policies_of(bank.world.policies):
        bank.run()
    report(bank, len(bank.world.days()))
    assert bank.published_through == last
    assert bank.faults.keys() >= {"corrected", "employee_leaves", "late", "out_of_order", "wrong"}
    assert any(not b.is_accepted for b in Ledger(bank.home.ledger).batches())
