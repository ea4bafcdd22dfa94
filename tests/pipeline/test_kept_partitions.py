"""A partition that a build did not write comes from the published version, and reads as if it had been made anew."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.lib import marts, publish, warehouse
from orchestration.lib.audit import Verdict
from orchestration.lib.content_hash import content_hash
from orchestration.lib.expectation_run import KEPT, load_suites, run_suites
from orchestration.lib.home import Home
from orchestration.lib.marts import MARTS, hash_marts, hash_rows, mart_hashes, outputs_hash
from tests import conftest, support
from tests.pipeline.conftest import NEXT_DATE

WHOLE_MONTHS = ["month=2026-03", "month=2026-04"]
BASE = conftest.AS_OF_DATE


@pytest.fixture(scope="module")
def audited(built_home: conftest.BuiltHome, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, support.Outcome]:
    """The day after the published one, audited and not published. Read only."""
    home = support.copy_home(built_home.home, tmp_path_factory.mktemp("audited") / "home")
    outcome = support.advance(home, built_home.landing, NEXT_DATE, is_published=False)
    assert outcome.plan is not None
    assert outcome.plan.base_date == BASE
    return home, outcome


@pytest.fixture
def own(audited: tuple[Home, support.Outcome], tmp_path: Path) -> tuple[Home, support.Outcome]:
    home, outcome = audited
    return support.copy_home(home, tmp_path / "home"), outcome


def hashes_again(home: Home) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Partition hashes of the warehouse over the published version, and what is kept of that."""
    with warehouse.connect(home.warehouse, read_only=True) as con:
        found = hash_marts(con, home.current.resolve(), BASE)
    return found.hashes, {relation: labels for relation, labels in found.kept.items() if labels}


def change(home: Home, sql: str) -> None:
    with warehouse.connect(home.warehouse) as con:
        con.execute(sql)


def test_whole_months_are_kept_and_have_the_hashes_of_a_full_recompute(
    audited: tuple[Home, support.Outcome],
) -> None:
    home, outcome = audited
    assert outcome.verdict is not None
    kept = outcome.verdict.partitions.kept
    assert kept["assets.customer_assets_monthly"] == WHOLE_MONTHS
    assert kept["assets.branch_assets_daily"] == WHOLE_MONTHS
    assert not kept["assets.customer_assets"]
    with warehouse.connect(home.warehouse, read_only=True) as con:
        assert hash_marts(con, None, None).hashes == outcome.verdict.partitions.hashes


def test_table_and_files_of_a_version_with_kept_months_hold_what_the_warehouse_holds(
    own: tuple[Home, support.Outcome],
) -> None:
    home, outcome = own
    before = home.current.resolve()
    support.publish_audited(home, outcome)
    assert outcome.verdict is not None
    now = home.current.resolve()
    with duckdb.connect(str(now / "marts.duckdb"), read_only=True) as con:
        for mart in MARTS:
            partitions = hash_rows(con, mart, "")
            assert {mart.partition(label): h for label, h in partitions.items()} == {
                name: h for name, h in outcome.verdict.partitions.hashes.items() if name.split("/")[0] == mart.relation
            }
            for label, digest in partitions.items():
                file = now / mart.file(label)
                assert content_hash(con, f"read_parquet('{file}', hive_partitioning = false)") == digest
                if label in WHOLE_MONTHS:
                    assert file.samefile(before / mart.file(label))


def test_a_changed_row_after_the_base_changes_its_partition(own: tuple[Home, support.Outcome]) -> None:
    home, outcome = own
    assert outcome.verdict is not None
    change(home, f"update core.fct_branch_balance_day set balance_cny = balance_cny + 1 where business_date > '{BASE}'")
    hashes, kept = hashes_again(home)
    audited = outcome.verdict.partitions.hashes
    assert {n for n in hashes if hashes[n] != audited[n]} == {"assets.branch_assets_daily/month=2026-05"}
    assert kept["assets.branch_assets_daily"] == WHOLE_MONTHS
    assert outcome.plan is not None
    with pytest.raises(publish.NotPublishable, match="branch_assets_daily/month=2026-05 changed after the audit"):
        publish.publish(home, outcome.plan.build_id)


def test_a_month_with_a_row_after_the_base_is_hashed_anew(own: tuple[Home, support.Outcome]) -> None:
    home, _ = own
    with warehouse.connect(home.warehouse, read_only=True) as con:
        found = hash_marts(con, home.current.resolve(), date(2026, 4, 29))
    assert found.kept["assets.customer_assets_monthly"] == WHOLE_MONTHS[:1]
    assert found.kept["assets.branch_assets_daily"] == WHOLE_MONTHS[:1]


@pytest.mark.parametrize(
    ("damage", "kept_still"),
    [
        (
            "delete from core.fct_branch_balance_day where business_date = '2026-03-05' and product_family = 'loan'",
            ["month=2026-04"],
        ),
        ("delete from core.dim_branch where branch_id != 'unknown_branch'", []),
    ],
    ids=["rows_are_missing", "branches_are_not_the_published_ones"],
)
def test_a_month_is_not_kept_when(damage: str, kept_still: list[str], own: tuple[Home, support.Outcome]) -> None:
    home, outcome = own
    assert outcome.verdict is not None
    change(home, damage)
    hashes, kept = hashes_again(home)
    assert kept.get("assets.branch_assets_daily", []) == kept_still
    assert (
        hashes["assets.branch_assets_daily/month=2026-03"]
        != (outcome.verdict.partitions.hashes["assets.branch_assets_daily/month=2026-03"])
    )
    assert kept["assets.customer_assets_monthly"] == WHOLE_MONTHS


def test_a_published_month_that_the_warehouse_lets_go_stays_in_every_later_version(
    own: tuple[Home, support.Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, outcome = own
    assert outcome.plan is not None
    assert outcome.verdict is not None
    archived = tuple(replace(m, is_archived=m.relation == "assets.customer_assets_monthly") for m in MARTS)
    for module in (marts, publish):
        monkeypatch.setattr(module, "MARTS", archived)
    before = home.current.resolve()
    change(home, "delete from assets.customer_assets_monthly where month_end_date < '2026-04-01'")
    with warehouse.connect(home.warehouse, read_only=True) as con:
        found = hash_marts(con, before, BASE)
    audited = replace(outcome.verdict, partitions=found, mart_hashes=mart_hashes(found.hashes))
    Verdict.path(home, outcome.plan.build_id).write_text(audited.to_json(), encoding="utf-8")
    publish.publish(home, outcome.plan.build_id)

    (mart,) = (m for m in archived if m.is_archived)
    manifests = [json.loads((v / "manifest.json").read_text()) for v in (before, home.current)]
    name = mart.partition(WHOLE_MONTHS[0])
    assert manifests[1]["archived_hashes"] == {name: manifests[0]["partition_hashes"][name]}
    assert name not in manifests[1]["partition_hashes"]
    assert (home.current / mart.file(WHOLE_MONTHS[0])).samefile(before / mart.file(WHOLE_MONTHS[0]))
    log = publish.read_publish_log(home)
    assert log[-1]["archives_hash"] == outputs_hash(manifests[1]["archived_hashes"])
    assert log[-1]["archives_hash"] != log[-2]["archives_hash"]


def test_expectations_judge_only_what_the_build_wrote(own: tuple[Home, support.Outcome], tmp_path: Path) -> None:
    home, outcome = own
    assert outcome.verdict is not None
    details = {c.check_name: c.detail for c in outcome.verdict.checks}
    suites = tuple(s for s in load_suites() if s.table == "assets.customer_assets_monthly")
    (suite,) = suites
    assert {details[f"gx.{suite.name}.{e.name}"] for e in suite.expectations} == {KEPT}
    assert KEPT not in {detail for name, detail in details.items() if name.startswith("gx.marts.assets__branch")}

    change(home, "update assets.customer_assets_monthly set aum_cny = null where month_end_date = '2026-04-30'")

    def statuses(kept: list[str]) -> set[str]:
        results = run_suites(home.warehouse, NEXT_DATE, tmp_path, suites=suites, kept={suite.table: kept})
        return {r.status for r in results if r.check_name.endswith("aum_is_known")}

    assert statuses(WHOLE_MONTHS) == {"skipped"}
    # A month that is not taken over is judged, whatever other month is.
    assert statuses(WHOLE_MONTHS[:1]) == {"fail"}
