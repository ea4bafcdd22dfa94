"""History that the warehouse lets go stays published: the file of a version before, hard-linked, with its hash."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest

from orchestration.lib import marts, publish
from orchestration.lib.audit import Verdict
from orchestration.lib.build_record import BuildRecord
from orchestration.lib.content_hash import content_hash
from orchestration.lib.home import Home
from orchestration.lib.marts import Mart, hash_marts

LOG = Mart(
    "maintenance",
    "log",
    ("business_date", "n"),
    file_partition="strftime(business_date, 'month=%Y-%m')",
    date_column="business_date",
    is_fact=False,
    is_archived=True,
)
OCTOBER, NOVEMBER, DECEMBER = "month=2026-10", "month=2026-11", "month=2026-12"
FIRST = date(2026, 10, 1)


@dataclass
class Deployment:
    """A warehouse with one mart, a row a day, of which it keeps the months that hold one of the last ``kept_days``."""

    home: Home
    kept_days: int = 35
    version: int = 0

    @property
    def below(self) -> Path | None:
        return self.home.published / str(self.version) if self.version else None

    def write(self, through: date, corrected: dict[date, int] | None = None) -> None:
        """Write the warehouse as of a day; the value of a row is its day's number, or what ``corrected`` says."""
        self.home.warehouse.unlink(missing_ok=True)
        first = max(FIRST, (through - timedelta(days=self.kept_days - 1)).replace(day=1))
        days = [first + timedelta(days=n) for n in range((through - first).days + 1)]
        with duckdb.connect(str(self.home.warehouse)) as con:
            con.execute("create schema maintenance; create table maintenance.log (business_date date, n integer)")
            con.executemany(
                "insert into maintenance.log values (?, ?)",
                [(day, (corrected or {}).get(day, day.toordinal())) for day in days],
            )

    def publish(self, base: date | None) -> dict[str, Any]:
        """Audit and export the warehouse over the last version; returns the manifest."""
        with duckdb.connect(str(self.home.warehouse), read_only=True) as con:
            partitions = hash_marts(con, self.below, base)
        verdict = Verdict("b", FIRST, True, (), {}, marts.mart_hashes(partitions.hashes), partitions)
        folder = self.home.published / str(self.version + 1)
        folder.mkdir(parents=True)
        record = cast(BuildRecord, SimpleNamespace(published_version=self.version))
        publish._export(self.home, record, verdict, folder, {})
        manifest = {
            "mart_bases": partitions.bases,
            "partition_hashes": partitions.hashes,
            "archived_hashes": partitions.archived,
        }
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        self.version += 1
        return manifest

    def file(self, label: str, version: int | None = None) -> Path:
        return self.home.published / str(version or self.version) / LOG.file(label)

    def days(self, label: str) -> int:
        """Rows of a partition's file, after its content is found to have the hash that the manifest says."""
        manifest = json.loads((self.file(label).parents[4] / "manifest.json").read_text(encoding="utf-8"))
        name = LOG.partition(label)
        with duckdb.connect() as con:
            relation = f"read_parquet('{self.file(label)}', hive_partitioning = false)"
            said = {**manifest["partition_hashes"], **manifest["archived_hashes"]}[name]
            assert content_hash(con, relation) == said
            (found,) = con.execute(f"select count(*) from {relation}").fetchall()
        return int(found[0])


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """Published as of 10 November: all of October and ten days of November."""
    for module in (marts, publish):
        monkeypatch.setattr(module, "MARTS", (LOG,))
    (tmp_path / "home" / "published").mkdir(parents=True)
    made = Deployment(Home(tmp_path / "home"), kept_days=60)
    made.home.warehouse.parent.mkdir(parents=True, exist_ok=True)
    made.write(date(2026, 11, 10))
    made.publish(None)
    made.kept_days = 35
    return made


def test_a_month_that_left_the_warehouse_is_linked_from_version_to_version(deployment: Deployment) -> None:
    published = deployment.home.published / "1" / "manifest.json"
    october = json.loads(published.read_text(encoding="utf-8"))["partition_hashes"][LOG.partition(OCTOBER)]
    for through in (date(2026, 12, 4), date(2026, 12, 5), date(2026, 12, 10)):
        deployment.write(through)
        manifest = deployment.publish(through - timedelta(days=1))
        is_kept = through <= date(2026, 12, 4)
        assert manifest["archived_hashes"] == ({} if is_kept else {LOG.partition(OCTOBER): october})
        assert deployment.file(OCTOBER).samefile(deployment.file(OCTOBER, 1))
    assert LOG.partition(OCTOBER) not in manifest["partition_hashes"]
    assert deployment.days(OCTOBER) == 31
    assert deployment.days(NOVEMBER) == 30
    assert deployment.days(DECEMBER) == 10


def test_a_correction_of_a_month_that_is_still_held_rewrites_its_file_alone(deployment: Deployment) -> None:
    deployment.write(date(2026, 12, 5))
    deployment.publish(date(2026, 11, 10))
    deployment.write(date(2026, 12, 5), corrected={date(2026, 11, 3): 0})
    manifest = deployment.publish(None)
    assert list(manifest["archived_hashes"]) == [LOG.partition(OCTOBER)]
    assert deployment.file(OCTOBER).samefile(deployment.file(OCTOBER, 1))
    assert not deployment.file(NOVEMBER).samefile(deployment.file(NOVEMBER, 2))
    assert deployment.days(NOVEMBER) == 30
    assert deployment.file(DECEMBER).samefile(deployment.file(DECEMBER, 2))


def test_a_month_that_lost_some_of_its_days_is_no_archive(deployment: Deployment) -> None:
    deployment.kept_days = 60
    deployment.write(date(2026, 11, 11))
    with duckdb.connect(str(deployment.home.warehouse)) as con:
        con.execute("delete from maintenance.log where business_date between '2026-10-05' and '2026-10-09'")
    assert deployment.publish(None)["archived_hashes"] == {}
    assert deployment.days(OCTOBER) == 26


def test_a_warehouse_made_anew_gives_the_same_hashes_and_files(deployment: Deployment) -> None:
    deployment.write(date(2026, 12, 5))
    before = deployment.publish(date(2026, 11, 10))
    deployment.version -= 1
    (deployment.home.published / "2").rename(deployment.home.published / "before")
    deployment.write(date(2026, 12, 5))
    assert deployment.publish(None) == before
    again, first = (deployment.home.published / name / LOG.file(OCTOBER) for name in ("2", "before"))
    assert again.samefile(first)


def test_everything_is_archived_when_the_warehouse_holds_nothing_any_more(deployment: Deployment) -> None:
    deployment.write(date(2026, 11, 11))
    with duckdb.connect(str(deployment.home.warehouse)) as con:
        con.execute("delete from maintenance.log")
    assert list(deployment.publish(None)["archived_hashes"]) == [LOG.partition(m) for m in (OCTOBER, NOVEMBER)]
    assert deployment.days(NOVEMBER) == 10


def test_what_is_still_open_is_never_archived(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    is_open = f"case when n < 0 then 'month=none' else {LOG.file_partition} end"
    for module in (marts, publish):
        monkeypatch.setattr(module, "MARTS", (replace(LOG, file_partition=is_open),))
    deployment.kept_days = 1
    for through in (date(2026, 11, 11), date(2026, 11, 12)):
        deployment.write(through, corrected={through: -1})
        manifest = deployment.publish(None)
        assert list(manifest["archived_hashes"]) == [LOG.partition(OCTOBER)]
        assert deployment.days("month=none") == 1


def test_a_missing_archived_file_is_not_passed_over(deployment: Deployment) -> None:
    deployment.write(date(2026, 12, 5))
    deployment.file(OCTOBER).unlink()
    with pytest.raises(publish.NotPublishable, match=r"log/month=2026-10: expected its archived file .* restore"):
        deployment.publish(date(2026, 11, 10))


def test_a_mart_that_is_not_archived_loses_what_the_warehouse_lost(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (marts, publish):
        monkeypatch.setattr(module, "MARTS", (replace(LOG, is_archived=False),))
    deployment.write(date(2026, 12, 10))
    assert deployment.publish(date(2026, 11, 10))["archived_hashes"] == {}
    assert not deployment.file(OCTOBER).exists()
