"""What the Dagster UI, the schedule and the sensor offer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from orchestration.definitions import defs
from orchestration.defs.jobs import compulsory_feeds_arrived, daily_at_six
from orchestration.defs.session import BuildSession
from orchestration.lib import build
from orchestration.lib.delivery import MANIFEST
from orchestration.lib.home import PROJECT_ROOT, Home
from tests import conftest, support
from tests.pipeline.conftest import DATE_AFTER, NEXT_DATE

INVENTORY = Path(__file__).with_name("definitions.txt")


def inventory() -> str:
    """Asset keys, asset checks, jobs, schedules and sensors, one a line."""
    repository = defs.get_repository_def()
    graph = repository.asset_graph
    lines = [f"asset {key.to_user_string()}" for key in graph.get_all_asset_keys()]
    lines += [f"job {job.name}" for job in repository.get_all_jobs() if not job.name.startswith("__")]
    lines += [f"schedule {s.name} {s.cron_schedule} {s.execution_timezone}" for s in repository.schedule_defs]
    lines += [f"sensor {s.name}" for s in repository.sensor_defs]
    return "\n".join(sorted(lines)) + "\n"


def test_the_code_location_offers_what_is_written_down() -> None:
    assert inventory() == INVENTORY.read_text("utf-8"), "if the change is meant, write inventory() to definitions.txt"


def test_definitions_load_without_environment_and_make_no_deployment(tmp_path: Path) -> None:
    code = "from orchestration.definitions import defs; print(len(list(defs.resolve_all_asset_keys())))"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(loaded.stdout) == INVENTORY.read_text("utf-8").count("asset ")
    assert list(tmp_path.iterdir()) == []


def test_a_range_of_days_is_one_run_for_every_asset() -> None:
    materializable = [d for d in defs.get_repository_def().assets_defs_by_key.values() if d.is_materializable]
    assert materializable
    assert {d.backfill_policy for d in materializable} == {dg.BackfillPolicy.single_run()}


def test_every_asset_says_what_it_is_and_whose() -> None:
    graph = defs.get_repository_def().asset_graph
    untold = [
        key.to_user_string()
        for key in graph.materializable_asset_keys
        if not (
            graph.get(key).description and graph.get(key).owners and graph.get(key).group_name and graph.get(key).kinds
        )
    ]
    assert untold == []


@pytest.fixture
def session(home: Home, landing: Path) -> BuildSession:
    return BuildSession(home_path=str(home.root), landing_path=str(landing))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def at_six(session: BuildSession, instance: dg.DagsterInstance, day: datetime) -> dg.RunRequest | dg.SkipReason:
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=day, resources={"session": session}
    ) as context:
        result = daily_at_six(context)
    assert isinstance(result, dg.RunRequest | dg.SkipReason)
    return result


def test_at_six_in_shanghai_the_schedule_asks_for_yesterday(
    session: BuildSession, instance: dg.DagsterInstance
) -> None:
    six = datetime(DATE_AFTER.year, DATE_AFTER.month, DATE_AFTER.day, 6, tzinfo=ZoneInfo("Asia/Shanghai"))
    request = at_six(session, instance, six)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key == NEXT_DATE.isoformat()
    # 06:00 in Shanghai is still the day before in UTC: the business date must not slip.
    assert six.astimezone(ZoneInfo("UTC")).date() == NEXT_DATE


def test_at_six_nothing_is_asked_for_when_yesterday_is_published(
    session: BuildSession, instance: dg.DagsterInstance
) -> None:
    day = NEXT_DATE
    answer = at_six(session, instance, datetime(day.year, day.month, day.day, 6, tzinfo=ZoneInfo("Asia/Shanghai")))
    assert isinstance(answer, dg.SkipReason)
    assert conftest.AS_OF_DATE.isoformat() in str(answer.skip_message)


def tick(
    session: BuildSession, instance: dg.DagsterInstance
) -> dg._core.definitions.sensor_definition.SensorExecutionData:
    with dg.build_sensor_context(
        instance=instance, repository_def=defs.get_repository_def(), resources={"session": session}
    ) as context:
        return compulsory_feeds_arrived.evaluate_tick(context)


def test_the_sensor_waits_for_the_manifests_of_the_next_day(
    session: BuildSession, instance: dg.DagsterInstance, landing: Path
) -> None:
    folder = support.delivery_folder(landing, "core_banking.customers", NEXT_DATE)
    manifest = (folder / MANIFEST).read_bytes()
    (folder / MANIFEST).unlink()
    waiting = tick(session, instance)
    assert not waiting.run_requests
    assert f"{NEXT_DATE}: waiting for core_banking.customers" == waiting.skip_message

    (folder / MANIFEST).write_bytes(manifest)
    for _ in range(2):  # Dagster starts one run per run key
        (request,) = tick(session, instance).run_requests
        assert (request.run_key, request.partition_key) == (NEXT_DATE.isoformat(), NEXT_DATE.isoformat())


def test_the_sensor_goes_on_to_the_day_after_what_is_published(
    session: BuildSession, instance: dg.DagsterInstance, landing: Path
) -> None:
    support.published(support.advance(session.home, landing, NEXT_DATE))
    (request,) = tick(session, instance).run_requests
    assert request.run_key == (NEXT_DATE + timedelta(days=1)).isoformat()


def test_sensor_and_schedule_look_on_while_a_build_runs(session: BuildSession, instance: dg.DagsterInstance) -> None:
    with build.build_lock(session.home):
        assert len(tick(session, instance).run_requests) == 1
        six = datetime(DATE_AFTER.year, DATE_AFTER.month, DATE_AFTER.day, 6, tzinfo=ZoneInfo("Asia/Shanghai"))
        assert isinstance(at_six(session, instance, six), dg.RunRequest)
        assert "process" in session.home.lock.with_suffix(".holder").read_text("utf-8")
