"""A run killed at any step leaves readers on a whole version, and the next run completes."""

from __future__ import annotations

import json
import multiprocessing
import signal
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path

import duckdb
import pytest

from orchestration.lib import fault, publish
from orchestration.lib.home import Home
from orchestration.lib.marts import MARTS, hash_rows, mart_hashes
from tests import conftest, support
from tests.pipeline.conftest import NEXT_DATE

POINTS = [name for name in fault.declared() if name.split(".")[0] in ("build", "audit", "publish")]


@pytest.fixture(scope="module")
def warm_processes() -> ForkServerContext:
    """Processes that have the slow libraries loaded; a cold one takes longer to import than to build."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support", "dbt.cli.main", "dbt.adapters.duckdb", "great_expectations"])
    return context


@pytest.fixture(scope="module")
def next_day(small_bank: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("next_day")
    return support.copy_deliveries(small_bank, target, lambda day: day == NEXT_DATE)


@dataclass(frozen=True)
class NextBuild:
    """The next day's build, audited and not published, and what its publish makes."""

    audited: Home
    build_id: str
    facts: dict[str, str]
    state: dict[str, str]


@pytest.fixture(scope="module")
def next_build(built_home: conftest.BuiltHome, next_day: Path, tmp_path_factory: pytest.TempPathFactory) -> NextBuild:
    root = tmp_path_factory.mktemp("next_build")
    audited = support.copy_home(built_home.home, root / "audited")
    outcome = support.advance(audited, next_day, is_published=False)
    assert outcome.plan is not None
    finished = support.copy_home(audited, root / "finished")
    support.published(support.publish_audited(finished, outcome))
    return NextBuild(audited, outcome.plan.build_id, support.fact_hashes(finished), support.state_hashes(finished))


def assert_readers_see_a_whole_version(home: Home) -> str:
    """The version that `current` names: its marts are those that its manifest describes. Returns its date."""
    folder = home.current.resolve()
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert folder.name == str(manifest["version"])
    with duckdb.connect(str(folder / "marts.duckdb"), read_only=True) as con:
        hashes = {m.partition(label): h for m in MARTS for label, h in hash_rows(con, m, "").items()}
        assert hashes == manifest["partition_hashes"]
        assert mart_hashes(hashes) == manifest["mart_hashes"]
        dates = con.execute("select distinct as_of_date from assets.customer_assets").fetchall()
        assert con.execute("select max(version) from quality.publish_log").fetchall() == [(manifest["version"],)]
    assert [d.isoformat() for (d,) in dates] == [manifest["as_of_date"]]
    assert json.loads((folder / "verdict.json").read_text("utf-8"))["is_passed"]
    return str(manifest["as_of_date"])


def test_every_step_that_changes_what_others_see_can_be_killed() -> None:
    assert {name.split(".")[0] for name in POINTS} == {"build", "audit", "publish"}


# The next run makes whatever was not there yet: the earlier the kill, the longer.
LONG = {
    "build.before_begin",
    "build.after_begin",
    "build.after_models",
    "publish.before_export",
    "publish.after_export",
}


@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=pytest.mark.full) if point in LONG else point for point in POINTS]
)
def test_a_run_killed_at(
    point: str,
    built_home: conftest.BuiltHome,
    next_build: NextBuild,
    next_day: Path,
    warm_processes: ForkServerContext,
    tmp_path: Path,
) -> None:
    # A step works on what earlier ones left on disk: those are not all taken anew for each point.
    stage = point.split(".", maxsplit=1)[0]
    before = built_home.home if stage == "build" else next_build.audited
    home = support.copy_home(before, tmp_path / "home")
    steps = {
        "build": (support.advance, home, next_day),
        "audit": (support.audit_again, home, next_build.build_id),
        "publish": (publish.publish, home, next_build.build_id),
    }
    run = warm_processes.Process(target=support.die_at, args=(point, *steps[stage]))
    run.start()
    run.join()
    assert run.exitcode == -signal.SIGKILL

    seen = assert_readers_see_a_whole_version(home)
    committed = publish.read_publish_log(home)[-1]["as_of_date"]
    assert conftest.AS_OF_DATE.isoformat() <= seen <= committed <= NEXT_DATE.isoformat()

    finished = support.advance(home, next_day)
    assert assert_readers_see_a_whole_version(home) == NEXT_DATE.isoformat()
    assert support.fact_hashes(home) == next_build.facts
    if finished.plan is not None:  # a publish that was only finished leaves old state to the next build
        assert support.state_hashes(home) == next_build.state
    assert [entry["version"] for entry in publish.read_publish_log(home)] == [1, 2, 3]
    assert sorted(path.name for path in home.published.iterdir()) == ["1", "2", "3", "current", "publish_log.jsonl"]
    assert support.advance(home, next_day).plan is None
