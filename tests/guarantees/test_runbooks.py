"""The commands of every runbook, executed as they stand on the page, against a deployment that needs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pyarrow.compute as pc
import pytest

from orchestration.lib import warehouse
from orchestration.lib.audit import record_override
from orchestration.lib.delivery import MANIFEST
from orchestration.lib.home import PROJECT_ROOT, Home
from orchestration.lib.journal import Journal
from orchestration.lib.policies.load import POLICIES_VARIABLE
from orchestration.lib.publish import read_publish_log
from tests import conftest, support
from tests.appraisal import small_quarter
from tests.books.support import days_of, read_rows

PAGE = PROJECT_ROOT / "docs" / "runbooks.md"
DEPOSITS, RATES = "core_banking.deposit_accounts", "market.fx_rates"
BUILT, NEXT_DATE = conftest.AS_OF_DATE, conftest.AS_OF_DATE + timedelta(days=1)


def runbooks() -> dict[str, list[str]]:
    """Blocks of commands by the title that they stand under."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        title = section.splitlines()[0]
        found[title] = re.findall(r"^```sh\n(.*?)^```", section, flags=re.MULTILINE | re.DOTALL)
    return found


@dataclass
class Desk:
    """Where an operator stands: the deployment, the landing root, and the variables of the page."""

    home: Home
    landing: Path
    variables: dict[str, object] = field(default_factory=dict)

    def execute(self, block: str) -> subprocess.CompletedProcess[str]:
        """Run a block line by line, stopping at the first that fails, with `tierhouse` as the command of this code."""
        kept = {
            k: v
            for k, v in os.environ.items()
            if k == POLICIES_VARIABLE or not k.startswith(("TIERHOUSE_", "DAGSTER_", "DBT_"))
        }
        names = {"TIERHOUSE_HOME": self.home.root, "LANDING": self.landing, **self.variables}
        tool = f'tierhouse() {{ "{sys.executable}" -m orchestration.cli "$@"; }}\nset -eu\n'
        return subprocess.run(
            ["bash", "-c", tool + block],
            cwd=PROJECT_ROOT,
            env=kept | {"COLUMNS": "200"} | {k: str(v) for k, v in names.items()},
            capture_output=True,
            text=True,
            check=False,
        )

    def as_of(self) -> date:
        ((day,),) = support.query(self.home, "select distinct as_of_date from assets.customer_assets")
        return day  # type: ignore[no-any-return]


# A story yields, ahead of each block, the exit code that the page promises.
Story = Callable[[Desk], Iterator[int]]


def a_file_is_late(desk: Desk) -> Iterator[int]:
    manifest = support.delivery_folder(desk.landing, DEPOSITS, NEXT_DATE) / MANIFEST
    held_back = manifest.rename(desk.landing / "held_back.json")
    desk.variables["DAY"] = NEXT_DATE
    yield 1
    assert desk.as_of() == BUILT
    held_back.rename(manifest)
    yield 0
    assert desk.as_of() == NEXT_DATE


def a_file_is_wrong(desk: Desk) -> Iterator[int]:
    file = next(support.delivery_folder(desk.landing, DEPOSITS, NEXT_DATE).glob("*.csv*"))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    desk.variables["DAY"] = NEXT_DATE
    yield 1
    file.write_bytes(whole)
    yield 0
    assert desk.as_of() == conftest.LAST_DELIVERED_DATE


def a_correction_after_publish(desk: Desk) -> Iterator[int]:
    desk.variables["DAY"] = BUILT
    support.redeliver(
        desk.landing,
        RATES,
        BUILT,
        lambda t: support.add_to(t, "rate_cny", "0.10000000", pc.equal(t.column("currency"), "USD")),
        sequence_no=2,
    )
    yield 0
    causes = support.query(desk.home, "select distinct cause_batch_id from assets.restatement")
    assert (f"{RATES}.{BUILT}.2",) in causes


def a_quarter_must_be_restated(desk: Desk) -> Iterator[int]:
    quarter = Home(desk.landing.parent / "quarter")
    small_quarter.publish_version(quarter)
    desk.home = quarter
    cell = "employee_id: wm1, measure_code: m1_retention, customer_id: c2"
    text = f"- {{{cell}, action: exclude, reason: closed by mistake}}\n"
    desk.variables |= {
        "QUARTER": small_quarter.PERIOD,
        "OBJECTIONS": small_quarter.write_objections(desk.landing.parent, text),
    }
    yield 0
    assert len(Journal(quarter.journal).read().objections) == 1
    small_quarter.publish_version(quarter, date(2026, 8, 1))  # what the next run does
    yield 0
    assert len(Journal(quarter.journal).read().closes) == 1


def a_version_must_be_taken_back(desk: Desk) -> Iterator[int]:
    before, log = support.fact_hashes(desk.home), read_publish_log(desk.home)
    desk.variables |= {"VERSION": 1, "DAY": BUILT}
    first_marts = (desk.home.published / "1" / "marts.duckdb").read_bytes()
    yield 0
    assert (desk.home.current / "marts.duckdb").read_bytes() == first_marts
    assert support.fact_hashes(desk.home) != before
    entry = read_publish_log(desk.home)[-1]
    assert (entry["version"], entry["restored_version"]) == (len(log) + 1, 1)
    assert (entry["by"], entry["approved_by"]) == ("A. Chen", "B. Wu")
    yield 0
    assert desk.as_of() == conftest.LAST_DELIVERED_DATE
    assert read_publish_log(desk.home)[-1]["version"] == len(log) + 2
    never_taken_back = support.copy_home(desk.variables["built"], desk.landing.parent / "undisturbed")  # type: ignore[arg-type]
    support.published(support.advance(never_taken_back, desk.landing))
    assert support.fact_hashes(desk.home) == support.fact_hashes(never_taken_back)


def a_customer_must_be_forgotten(desk: Desk) -> Iterator[int]:
    feed_id = "core_banking.customers"
    day, customer_id = next(
        (day, row["customer_id"])
        for day in days_of(desk.landing, feed_id)
        for row in read_rows(desk.landing, feed_id, day)
        if row["mobile"]
    )
    desk.variables["CUSTOMER"] = customer_id
    yield 0
    told = {row["customer_id"]: row["mobile"] for row in read_rows(desk.landing, feed_id, day)}
    assert told[customer_id] == "purged"


def the_disk_is_full(desk: Desk) -> Iterator[int]:
    left_behind = desk.home.published / ".build-that-was-cut-off"
    left_behind.mkdir()
    for build in desk.home.builds.iterdir():
        os.utime(build, (0, 0))
    yield 0
    assert desk.as_of() == conftest.LAST_DELIVERED_DATE
    assert not left_behind.exists()
    assert len(list(desk.home.builds.iterdir())) == 1


def the_disk_is_lost(desk: Desk) -> Iterator[int]:
    backup = Home(desk.landing.parent / "backup")
    shutil.copytree(desk.home.lake, backup.lake)
    shutil.rmtree(desk.home.root)
    archive: Path = desk.variables["archive"]  # type: ignore[assignment]
    desk.landing = support.copy_deliveries(archive, desk.landing.parent / "archive", lambda day: day <= BUILT)
    desk.variables["BACKUP"] = backup.root
    yield 0
    assert desk.as_of() == BUILT


STORIES: dict[str, Story] = {
    "A file is late": a_file_is_late,
    "A file is wrong": a_file_is_wrong,
    "A correction after publish": a_correction_after_publish,
    "A quarter must be restated": a_quarter_must_be_restated,
    "A version must be taken back": a_version_must_be_taken_back,
    "A customer must be forgotten": a_customer_must_be_forgotten,
    "The disk is full": the_disk_is_full,
    "The disk is lost": the_disk_is_lost,
}


def test_every_runbook_is_executed() -> None:
    assert runbooks().keys() == STORIES.keys()
    assert all(runbooks().values())


@pytest.mark.full
@pytest.mark.parametrize("title", STORIES)
def test_the_commands_of(title: str, built_home: conftest.BuiltHome, small_bank: Path, tmp_path: Path) -> None:
    landing = support.copy_deliveries(small_bank, tmp_path / "landing", lambda day: day >= BUILT)
    home = support.copy_home(built_home.home, tmp_path / "home")
    desk = Desk(home, landing, {"archive": small_bank, "built": built_home.home})
    story = STORIES[title](desk)
    for block in runbooks()[title]:
        promised = next(story)
        done = desk.execute(block)
        assert done.returncode == promised, f"{block}\n{done.stdout}\n{done.stderr}"
    assert next(story, None) is None, "the page has fewer blocks than the story"


@pytest.mark.full
def test_a_deployment_made_again_from_archive_and_journal_has_every_hash(
    built_home: conftest.BuiltHome, small_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From an empty disk: every mart of every version, and every state table, is that of the lost deployment, also
    of a day on which two people let checks pass."""
    archive = support.copy_deliveries(small_bank, tmp_path / "archive", lambda day: day <= NEXT_DATE)
    support.redeliver(archive, DEPOSITS, NEXT_DATE, lambda accounts: accounts.slice(0, accounts.num_rows // 2))
    # Without that day's ledger: reconciliation would find the half that is missing.
    shutil.rmtree(support.delivery_folder(archive, "finance.gl_balances", NEXT_DATE))
    gone = support.copy_home(built_home.home, tmp_path / "gone")
    for check_name in support.advance(gone, archive, NEXT_DATE).blocking:
        record_override(gone, check_name, NEXT_DATE, "branch closed", ("L. Wang", "M. Zhao"))
    support.published(support.advance(gone, archive, NEXT_DATE))
    backup = Home(tmp_path / "backup")
    backup.lake.mkdir(parents=True)
    shutil.copy(gone.journal, backup.journal)
    shutil.copytree(gone.books, backup.books)
    desk = Desk(Home(tmp_path / "home"), archive, {"BACKUP": backup.root})
    ((command,),) = [re.findall(r"^tierhouse rebuild .*$", "\n".join(runbooks()["The disk is lost"]), re.MULTILINE)]

    done = desk.execute(f"SECONDS=0\n{command}\necho took $SECONDS s")

    assert done.returncode == 0, done.stderr
    lost, found = read_publish_log(gone), read_publish_log(desk.home)
    told = ("version", "build_id", "as_of_date", "inputs_hash", "outputs_hash", "overrides")
    assert [[e[k] for k in told] for e in found] == [[e[k] for k in told] for e in lost]
    assert found[-1]["overrides"]
    assert support.state_hashes(desk.home) == support.state_hashes(gone)
    sizes = {
        name: size_of(path) for name, path in (("archive", archive), ("backup", backup.root), ("home", desk.home.root))
    }
    with capsys.disabled():
        sys.stdout.write(f"\nrebuilt {len(found)} versions: {done.stdout.splitlines()[-1]}, bytes: {sizes}\n")


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_a_rebuild_says_which_delivery_the_archive_lacks(built_home: conftest.BuiltHome, tmp_path: Path) -> None:
    empty = tmp_path / "archive"
    empty.mkdir()
    desk = Desk(Home(tmp_path / "home"), empty, {"BACKUP": built_home.home.root})
    done = desk.execute('tierhouse rebuild --from "$BACKUP" --landing "$LANDING"')
    assert done.returncode == 1
    assert "expected the delivery brokerage.custody_accounts." in done.stderr
    assert not warehouse.kept_dates(desk.home)


def test_a_version_is_taken_back_by_two_people_only(built_home: conftest.BuiltHome, tmp_path: Path) -> None:
    home = support.copy_home(built_home.home, tmp_path / "home")
    before = support.snapshot(home)
    alone = Desk(home, tmp_path).execute('tierhouse rollback 1 --reason "wrong" --by "A. Chen" --approved-by "a. chen"')
    assert (alone.returncode, "two different names" in alone.stderr) == (1, True)
    unknown = Desk(home, tmp_path).execute('tierhouse rollback 9 --reason "wrong" --by "A. Chen" --approved-by "B. Wu"')
    assert (unknown.returncode, "version 9: expected one that is kept (1, 2)" in unknown.stderr) == (1, True)
    assert support.snapshot(home) == before
