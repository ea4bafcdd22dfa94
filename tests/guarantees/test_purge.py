"""After a purge no byte of the deployment or of its landing archive says who the customer is, and no fact has moved."""

from __future__ import annotations

import contextlib
import gzip
import json
import multiprocessing
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration.lib import fault, landing
from orchestration.lib.contracts import load_contracts
from orchestration.lib.delivery import MANIFEST
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.ledger import Ledger
from orchestration.lib.purge import PurgeError, purge
from tests import conftest, support
from tests.books.support import read_rows

CUSTOMERS = "core_banking.customers"
IDENTITY = ("customer_name", "id_number", "mobile", "address")
NEXT_DATE = conftest.AS_OF_DATE + timedelta(days=1)
NAMES = ("A. Chen", "B. Wu")
POINTS = [name for name in fault.declared() if name.startswith("purge.")]


def holders(root: Path, values: set[str]) -> set[str]:
    """Files below a folder that hold one of the values, in their bytes or in what those decode to."""
    wanted = [value.encode() for value in values]
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and any(w in text for text in contents(path) for w in wanted)
    }


def contents(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    yield data
    if path.suffix == ".gz":
        with contextlib.suppress(gzip.BadGzipFile):
            yield gzip.decompress(data)
    elif path.suffix == ".parquet":
        yield json.dumps(pq.ParquetFile(path).read().to_pylist(), default=str, ensure_ascii=False).encode()
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as con:
            tables = con.execute(
                "select table_schema, table_name from information_schema.tables where table_type = 'BASE TABLE'"
            ).fetchall()
            for schema, table in tables:
                rows = con.execute(f'select * from "{schema}"."{table}"').fetchall()
                yield "\n".join(map(str, rows)).encode()


@dataclass(frozen=True)
class Known:
    """A deployment and its archive, and a customer whose name, id number, mobile and address are his alone."""

    home: Home
    archive: Path
    customer: str
    values: set[str]

    def purge(self, *names: str) -> None:
        purge(self.home, self.archive, load_contracts(), self.customer, *(names or NAMES))

    def holders(self) -> set[str]:
        return holders(self.home.root, self.values) | holders(self.archive, self.values)


@pytest.fixture
def known(built_home: conftest.BuiltHome, small_bank: Path, tmp_path: Path) -> Known:
    """His identity is in deliveries that were built, in one that was landed and in one that is rejected."""
    home = support.copy_home(built_home.home, tmp_path / "home")
    archive = support.copy_deliveries(small_bank, tmp_path / "archive", lambda day: day <= NEXT_DATE)
    rows = read_rows(archive, CUSTOMERS, conftest.FIRST_DATE)
    often = Counter(row[column] for row in rows for column in IDENTITY)
    his = next(r for r in rows if all(r[c] and often[r[c]] == 1 for c in IDENTITY))
    folder = support.delivery_folder(archive, CUSTOMERS, conftest.FIRST_DATE)
    rejected = folder / "2"
    rejected.mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (rejected / path.name).write_bytes(path.read_bytes())
    report = landing.land(home, archive, through=NEXT_DATE)
    assert [b.batch_id for b in report.rejected] == [f"{CUSTOMERS}.{conftest.FIRST_DATE}.2"]
    return Known(home, archive, his["customer_id"], {his[column] for column in IDENTITY})


def test_no_byte_names_a_purged_customer_and_no_fact_moves(known: Known) -> None:
    facts, state = support.fact_hashes(known.home), support.state_hashes(known.home)
    before = known.holders()
    assert len(before) > 2
    assert any(path.endswith(".parquet") for path in before)
    others = read_rows(known.archive, CUSTOMERS, conftest.FIRST_DATE)

    known.purge()

    assert known.holders() == set()
    assert (support.fact_hashes(known.home), support.state_hashes(known.home)) == (facts, state)
    told = read_rows(known.archive, CUSTOMERS, conftest.FIRST_DATE)
    assert [r for r in told if r["customer_id"] != known.customer] == [
        r for r in others if r["customer_id"] != known.customer
    ]
    last = list(Journal(known.home.journal).events())[-1]
    assert (last["event"], last["customer_id"], last["by"], last["approved_by"]) == ("purge", known.customer, *NAMES)


@pytest.mark.full
def test_the_purged_archive_is_known_to_the_ledger_and_lands_anew_with_the_same_rows(
    known: Known, tmp_path: Path
) -> None:
    known.purge()

    again = landing.land(known.home, known.archive, through=NEXT_DATE)
    assert not again.accepted
    assert [b.batch_id for b in again.rejected] == [f"{CUSTOMERS}.{conftest.FIRST_DATE}.2"]
    only = tmp_path / "only"
    first = Home(tmp_path / "anew")
    source = support.delivery_folder(known.archive, CUSTOMERS, conftest.FIRST_DATE)
    target = support.delivery_folder(only, CUSTOMERS, conftest.FIRST_DATE)
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_file():
            (target / path.name).write_bytes(path.read_bytes())
    (landed,) = landing.land(first, only).accepted
    lost = next(b for b in Ledger(known.home.ledger).accepted() if b.batch_id == landed.batch_id)
    found, expected = (
        pq.ParquetFile(h.lake / b.path / "part.parquet").read() for h, b in ((first, landed), (known.home, lost))
    )
    assert found.equals(expected)
    assert landed.content_hash == lost.content_hash


@pytest.mark.full
@pytest.mark.parametrize("point", POINTS)
def test_a_purge_killed_at_any_step_is_finished_by_the_next(point: str, known: Known) -> None:
    run = multiprocessing.get_context("spawn").Process(
        target=support.die_at, args=(point, purge, known.home, known.archive, load_contracts(), known.customer, *NAMES)
    )
    run.start()
    run.join()
    assert run.exitcode == -signal.SIGKILL

    known.purge()

    assert known.holders() == set()
    assert not landing.land(known.home, known.archive, through=NEXT_DATE).accepted


@pytest.mark.full
def test_one_person_alone_purges_nobody(known: Known) -> None:
    before = known.holders()
    with pytest.raises(PurgeError, match="two different names"):
        known.purge("A. Chen", "a. chen ")
    assert known.holders() == before


@pytest.mark.full
def test_an_unknown_customer_is_not_purged(known: Known) -> None:
    with pytest.raises(PurgeError, match="expected one that a feed with names delivered"):
        purge(known.home, known.archive, load_contracts(), "nobody", *NAMES)
    assert all(event["event"] != "purge" for event in Journal(known.home.journal).events())


@pytest.mark.full
def test_a_file_that_cannot_be_read_stops_a_purge_before_it_begins(known: Known) -> None:
    folder = support.delivery_folder(known.archive, CUSTOMERS, NEXT_DATE)
    (folder / "customers.csv.gz").write_bytes(b"\x1f\x8b cut off")
    before = known.holders()
    with pytest.raises(PurgeError, match="cannot be read"):
        known.purge()
    assert known.holders() == before
    assert (folder / MANIFEST).exists()
