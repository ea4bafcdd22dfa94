"""No name or number of a person leaves the places that are made for it, whatever a run does with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration.lib.home import Home
from orchestration.lib.ledger import Ledger
from tests import support
from tests.books.support import Row, read_rows, write_rows
from tests.conftest import AS_OF_DATE
from tests.pipeline.conftest import NEXT_DATE
from tests.pipeline.test_command_line import run

CUSTOMERS = "core_banking.customers"
SURVEYS = "crm.surveys"
NEW_CUSTOMERS = 60
MANY = 1_000  # as many rows as it takes for one bad one to be set aside
# Whatever begins so is of a person of this bank: names, id numbers, phones, addresses.
MARKS = re.compile(rb"Qxname|990101195\d|199000055\d|Qxroad")
# A phone that a source wrote into a text: it lies in raw and in the working file, and never gets further.
WRITTEN_INTO_TEXT = "19900005501"


def marked(number: int) -> Row:
    """A customer by whose marks he is found wherever he goes."""
    return {
        "customer_id": f"M{number:04d}", "customer_name": f"Qxname{number}", "sex": "f", "birth_date": date(1970, 1, 1),
        "id_number": f"99010119500101{number:03d}X", "mobile": f"199000055{number:02d}",
        "address": f"Qxroad {number}", "occupation": None, "education": None, "annual_income": None, "interests": None,
        "risk_appetite": "c3", "home_branch_id": None, "opened_date": AS_OF_DATE, "closed_date": None,
        "deceased_date": None, "is_employee": False,
    }  # fmt: skip


def texts(path: Path) -> Iterator[bytes]:
    """What a file holds, unpacked."""
    if path.suffix == ".parquet":
        table = pq.read_table(path, partitioning=None)
        yield repr(table.to_pylist()).encode()
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as con:
            for (relation,) in con.execute(
                "select '\"' || schema_name || '\".\"' || table_name || '\"' from duckdb_tables() union all "
                "select '\"' || schema_name || '\".\"' || view_name || '\"' from duckdb_views() where not internal"
            ).fetchall():
                yield repr(con.execute(f"select columns(c -> true)::varchar from {relation}").fetchall()).encode()
    else:
        yield path.read_bytes()


def places_with(pattern: re.Pattern[bytes], folder: Path) -> set[str]:
    """Files below a folder in which a pattern is found."""
    return {
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and any(pattern.search(text) for text in texts(path))
    }


BELONGS = ("lake/identity/", "lake/quarantine/")


def leaks(home: Home, *outputs: str) -> set[str]:
    """Files outside the places made for personal data that hold some, and what was printed that does."""
    found = {place for place in places_with(MARKS, home.root) if not place.startswith(BELONGS)}
    printed = {line for output in outputs for line in output.splitlines() if MARKS.search(line.encode())}
    return found | printed


@pytest.fixture
def people(landing: Path) -> Callable[..., None]:
    """Delivers the next day's customers with the marked ones behind them, some of them changed."""
    rows = read_rows(landing, CUSTOMERS, NEXT_DATE)
    _, mode, _ = support.read_delivery(landing, CUSTOMERS, NEXT_DATE)
    branch = branch_of(landing)

    def deliver(change: Callable[[list[Row]], None] = lambda _: None) -> None:
        new = [marked(number) | {"home_branch_id": branch} for number in range(NEW_CUSTOMERS)]
        change(new)
        write_rows(landing, CUSTOMERS, NEXT_DATE, [*rows, *new], mode=mode)

    return deliver


@pytest.mark.full
@pytest.mark.rule("A9-18")
def test_names_and_numbers_are_in_no_log_report_verdict_page_or_mart(
    home: Home, landing: Path, people: Callable[..., None]
) -> None:
    # A rejected delivery: columns have slipped in many rows.
    def slipped(rows: list[Row]) -> None:
        for row in rows[:50]:
            row["sex"], row["risk_appetite"] = row["mobile"], row["customer_name"]

    people(slipped)
    rejected = run(home, landing, "--through", NEXT_DATE)
    assert rejected.returncode != 0
    assert f"rejected {CUSTOMERS}.{NEXT_DATE}.1" in rejected.stdout
    assert leaks(home, rejected.stdout, rejected.stderr) == set()

    # A row set aside, and a build that its audit stops: a text of a mart holds a customer's phone.
    people()
    write_rows(landing, SURVEYS, NEXT_DATE, [survey(number) for number in range(MANY)])
    prospect = {"prospect_id": "P1", "met_date": NEXT_DATE, "branch_id": branch_of(landing)}
    write_rows(landing, "crm.prospects", NEXT_DATE, [prospect | {"met_where": f"call {WRITTEN_INTO_TEXT}"}])
    stopped = run(home, landing, "--through", NEXT_DATE)
    assert stopped.returncode != 0
    assert "confidentiality.values" in stopped.stderr
    raw_text = {"warehouse.duckdb", f"lake/raw/crm/prospects/business_date={NEXT_DATE}/sequence_no=1/part.parquet"}
    assert leaks(home, stopped.stdout, stopped.stderr) == raw_text
    accepted = {b.feed_id: b for b in Ledger(home.ledger).accepted() if b.business_date == NEXT_DATE}
    assert places_with(MARKS, home.lake / accepted[CUSTOMERS].identity_path)
    assert accepted[SURVEYS].quarantined_count == 1
    assert places_with(MARKS, home.lake / accepted[SURVEYS].quarantine_path)

    # The text corrected, the day is published.
    write_rows(landing, "crm.prospects", NEXT_DATE, [prospect | {"met_where": "a salon"}], sequence_no=2)
    published = run(home, landing, "--through", NEXT_DATE)
    assert published.returncode == 0, published.stderr
    assert support.query(home, "select count(*) from assets.customer_assets where customer_id like 'M____'") > [(0,)]
    assert leaks(home, published.stdout, published.stderr) == raw_text - {"warehouse.duckdb"}


def survey(number: int) -> Row:
    """One of them is told by no method that there is, and its comment holds a phone."""
    is_bad = number == 7
    return {
        "survey_id": f"Q{number:04d}", "customer_id": "M0001", "employee_id": None, "surveyed_date": NEXT_DATE,
        "method": "fax" if is_bad else "phone", "score": 4, "manager_score": None,
        "comment": "call 19900005502" if is_bad else None, "has_complaint": False,
    }  # fmt: skip


def branch_of(landing: Path) -> str:
    return str(read_rows(landing, "core_banking.deposit_accounts", NEXT_DATE)[0]["branch_id"])


def test_a_mark_is_found_wherever_a_file_may_hold_it(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as con:
        con.execute("create table t as select 1 as id, 'Qxname7' as label")
        con.execute(f"copy t to '{tmp_path / 'b.parquet'}' (format parquet, compression zstd)")
    (tmp_path / "c.json").write_text(json.dumps({"detail": "19900005501"}), "utf-8")
    (tmp_path / "d.log").write_text("nothing", "utf-8")
    assert places_with(MARKS, tmp_path) == {"a.duckdb", "b.parquet", "c.json"}
