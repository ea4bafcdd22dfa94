"""The facts depend on what was delivered, not on how the days were cut into runs or the files were written."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from orchestration.lib import landing
from orchestration.lib.delivery import MANIFEST
from orchestration.lib.home import Home
from tests import conftest, support

NewHome = Callable[[str], Home]


@pytest.mark.full
@pytest.mark.parametrize("days", [5, 40], ids=["five_days", "forty_days"])
def test_day_by_day_over_a_month_end_equals_one_advance(
    days: int, new_home: NewHome, small_bank: Path, built_home: conftest.BuiltHome
) -> None:
    home = new_home("daily")
    start = conftest.AS_OF_DATE - timedelta(days=days)
    for number in range(days + 1):
        outcome = support.published(support.advance(home, small_bank, start + timedelta(days=number)))
        assert outcome.plan is not None
        assert outcome.plan.base_date == (start + timedelta(days=number - 1) if number else None)
    assert start < date(2026, 4, 30)
    assert support.fact_hashes(home) == support.fact_hashes(built_home.home)
    assert support.state_hashes(home) == support.state_hashes(built_home.home)


def lines_of(path: Path) -> tuple[bytes, list[bytes]]:
    raw = path.read_bytes()
    header, *rows = (gzip.decompress(raw) if path.suffix == ".gz" else raw).splitlines(keepends=True)
    return header, rows


def rewrite(folder: Path, rng: random.Random) -> None:
    """The same rows in another order, in two files, one of them compressed."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    (entry,) = manifest["files"]
    if ".csv" not in entry["name"]:
        return
    header, rows = lines_of(folder / entry["name"])
    (folder / entry["name"]).unlink()
    rng.shuffle(rows)
    cut = rng.randint(0, len(rows))
    manifest["files"] = []
    for name, part in (("b.csv", rows[:cut]), ("a.csv.gz", rows[cut:])):
        content = header + b"".join(part)
        content = gzip.compress(content) if name.endswith(".gz") else content
        (folder / name).write_bytes(content)
        manifest["files"].append({"name": name, "row_count": len(part), "sha256": sha256(content).hexdigest()})
    (folder / MANIFEST).write_text(json.dumps(manifest), "utf-8")


@pytest.mark.full
def test_shuffled_rows_split_files_and_another_order_of_arrival_make_the_same_facts(
    new_home: NewHome, small_bank: Path, built_home: conftest.BuiltHome, tmp_path: Path
) -> None:
    rng = random.Random(20260504)
    source = support.copy_deliveries(small_bank, tmp_path / "source", lambda day: day <= conftest.AS_OF_DATE)
    folders = sorted(path.parent for path in source.glob(f"*/*/*/{MANIFEST}"))
    rng.shuffle(folders)
    home, root = new_home("shuffled"), tmp_path / "landing"
    for number, folder in enumerate(folders):
        rewrite(folder, rng)
        target = root / folder.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder, target)
        if number in (len(folders) // 3, 2 * len(folders) // 3):
            assert not landing.land(home, root).rejected
    support.published(support.advance(home, root))
    assert support.fact_hashes(home) == support.fact_hashes(built_home.home)
    assert support.state_hashes(home) == support.state_hashes(built_home.home)


@pytest.mark.full
def test_a_correction_that_comes_late_makes_the_facts_of_one_that_came_in_time(
    home: Home, new_home: NewHome, small_bank: Path, tmp_path: Path
) -> None:
    corrected_on = date(2026, 4, 20)
    root = support.copy_deliveries(small_bank, tmp_path / "landing", lambda day: day <= conftest.AS_OF_DATE)

    def dearer_dollars(rates: pa.Table) -> pa.Table:
        return support.add_to(rates, "rate_cny", "0.10000000", pc.equal(rates.column("currency"), "USD"))

    support.redeliver(root, "market.fx_rates", corrected_on, dearer_dollars, sequence_no=2)
    in_time = new_home("in_time")
    support.published(support.advance(in_time, root))
    late = support.published(support.advance(home, root))
    assert late.plan is not None
    assert (late.plan.dirty_from, late.plan.base_date) == (corrected_on, date(2026, 3, 31))
    assert support.fact_hashes(home) == support.fact_hashes(in_time)
    assert support.state_hashes(home) == support.state_hashes(in_time)

    accounts, _, _ = support.read_delivery(root, "core_banking.deposit_accounts", corrected_on)
    holders = {
        row["customer_id"]
        for row in accounts.to_pylist()
        if row["currency"] == "USD" and row["balance"] > 10 and row["customer_id"]
    }
    restated = support.query(home, "select customer_id, business_date, cause_batch_id from assets.restatement")
    assert holders
    assert holders <= {customer for customer, day, _ in restated if day == corrected_on}
    assert {cause for _, _, cause in restated} == {f"market.fx_rates.{corrected_on}.2"}
