"""`tierhouse policy check`, and the same judgement before every build."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.defs import warehouse
from orchestration.defs.session import BuildSession
from orchestration.lib.home import Home
from orchestration.lib.policies import load_policies
from tests.policies.support import PRIMARY, Edit, edit, first, tier

DAY = "2026-05-04"
BROKEN: list[tuple[str, Edit, str]] = [
    ("a finding", lambda c: tier(c, 1)["lower"].update(value="11万"), "A9-05 gap: [100,000, 110,000)"),
    ("a file that cannot be read", lambda c: tier(c, 1).update(credit_limit=0), "versions[0].tiers[1].credit_limit"),
]


def check(directory: Path) -> tuple[int, list[str]]:
    result = CliRunner().invoke(app, ["policy", "check", "--policies", str(directory)])
    return result.exit_code, result.stdout.splitlines()


def test_policies_in_order_are_one_line(directory: Path):
    dated = len(list(directory.glob("*.yml"))) - 2  # roles and access have no versions
    said = f"{dated} policies, {dated} versions: no findings"
    assert check(directory) == (0, [said])
    assert CliRunner().invoke(app, ["policy", "check"]).stdout == f"{said}\n"


def test_every_finding_is_a_line(directory: Path):
    edit(directory, PRIMARY, lambda c: first(c).update(near_threshold_rate=0))
    edit(directory, "rfm", lambda c: tier(c, 0).update(label_zh=" "))
    code, lines = check(directory)
    assert code == 1
    assert [line.split(":")[0] for line in lines] == [f"{PRIMARY}.yml", "rfm.yml"]
    assert lines[0].endswith("rate: near_threshold_rate 0 -> write a share above 0, at most 100%")


def test_every_problem_of_files_that_cannot_be_read_is_a_line(directory: Path):
    edit(directory, PRIMARY, lambda c: tier(c, 0).pop("label_zh"))
    (directory / "roles.yml").unlink()
    code, lines = check(directory)
    assert code == 1
    assert [line.split(":")[0] for line in lines] == [f"{PRIMARY}.yml", "roles.yml"]


def plan(
    home: Home, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dg.ExecuteInProcessResult, dg.AssetCheckEvaluation]:
    """Run the op that plans a build, with the policies of a folder."""
    monkeypatch.setattr(warehouse, "load_policies", lambda: load_policies(directory))
    result = dg.materialize(
        [warehouse.plan_next_build],
        partition_key=DAY,
        resources={"session": BuildSession(home_path=str(home.root), landing_path=str(home.landing))},
        raise_on_error=False,
    )
    (evaluation,) = result.get_asset_check_evaluations()
    return result, evaluation


@pytest.mark.parametrize(("change", "said"), [(c, s) for _, c, s in BROKEN], ids=[name for name, _, _ in BROKEN])
def test_nothing_is_built_with_broken_policies(
    tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch, change: Edit, said: str
):
    edit(directory, PRIMARY, change)
    home = Home(tmp_path / "home")
    result, evaluation = plan(home, directory, monkeypatch)
    assert not result.success
    assert not evaluation.passed
    assert evaluation.blocking
    assert evaluation.severity is dg.AssetCheckSeverity.ERROR
    failure = result.filter_events(lambda event: event.is_step_failure)[0].step_failure_data.error
    for text in (str(evaluation.description), str(failure)):
        assert f"{PRIMARY}.yml:" in text
        assert said in text
    assert result.get_asset_materialization_events() == []
    assert [path for path in home.root.rglob("*") if path.is_file() and not path.name.startswith("build.")] == []


def test_policies_in_order_pass_the_check_of_the_build(
    tmp_path: Path, directory: Path, monkeypatch: pytest.MonkeyPatch
):
    result, evaluation = plan(Home(tmp_path / "home"), directory, monkeypatch)
    assert evaluation.passed
    # Without a delivery there is nothing to plan: the failure is that, and not the policies.
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "a first run needs these feeds" in str(failure.step_failure_data.error)
