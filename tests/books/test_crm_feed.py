"""The CRM's files: form of the landing contract, out of published marts alone, the same bytes each time."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.lib.contracts import load_contracts
from orchestration.lib.crm_feed import OUTGOING_DIR, FeedError, replay_changes, write_feeds
from orchestration.lib.home import Home

GO_LIVE = date(2026, 9, 1)
AS_OF = date(2026, 9, 4)
ON = [GO_LIVE + timedelta(days=n) for n in range(4)]

# Day, customer, slot, from, to; nothing moves on the second day.
CHANGES = [
    (ON[0], "001", "a", None, "e1"),
    (ON[0], "001", "b", None, "e2"),
    (ON[0], "002", "a", None, "e1"),
    (ON[2], "002", "a", "e1", None),
    (ON[3], "001", "a", "e1", "e3"),
]


def change_id(day: date, customer: str, slot: str, *employees: str | None) -> str:
    return hashlib.sha256("|".join([str(day), customer, slot, *(e or "" for e in employees)]).encode()).hexdigest()


def write_marts(path: Path, changes: list[tuple[Any, ...]], as_of: date = AS_OF) -> Path:
    """The marts of books as readers see them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(path)) as con:
        con.execute("create schema crm")
        con.execute(
            "create table crm.assignment_change (change_id varchar, as_of_date date, business_date date, "
            "customer_id varchar, slot varchar, slot_no bigint, from_employee_id varchar, to_employee_id varchar, "
            "reason_code varchar, policy_version varchar)"
        )
        for day, customer, slot, *employees in reversed(changes):
            con.execute(
                "insert into crm.assignment_change values (?, ?, ?, ?, ?, 1, ?, ?, 'allocation', 'books@1')",
                [change_id(day, customer, slot, *employees), day, day, customer, slot, *employees],
            )
        con.execute(
            "create table crm.assignment as select * from (values "
            "('001', 'b', 1, 'e2', false, true), ('001', 'a', 1, 'e3', false, false)) "
            "as t(customer_id, slot, slot_no, employee_id, is_initial_maintainer, is_acting)"
        )
        con.execute(
            "create or replace table crm.assignment as select *, ?::date as as_of_date, '0010' as branch_id, "
            "'wealth_manager' as role_code, 'lobby_adopted' as tier_code, '客户,选择' as reason_code, "
            "'A9-06' as rule_id, ?::date as valid_from, null::date as choice_due_date, "
            "null::date as reassignment_due_date, 'books@1' as policy_version from crm.assignment",
            [as_of, as_of],
        )
        con.execute(
            "create table crm.exception_queue as select '002' as customer_id, 'A9-10' as rule_id, "
            "?::date as as_of_date, 'no_capacity' as reason_code, 'personal_finance_head' as owner_role_code, "
            "'0010' as branch_id, 'special_entry' as tier_code, ?::date as since_date, null::date as due_date, "
            "'books@1' as policy_version",
            [as_of, ON[2]],
        )
    return path


@pytest.fixture
def marts(tmp_path: Path) -> Path:
    return write_marts(tmp_path / "marts.duckdb", CHANGES)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A deployment of which nothing is there but the published marts and their date."""
    home = Home(tmp_path / "home")
    write_marts(home.published / "7" / "marts.duckdb", CHANGES)
    (home.published / "7" / "manifest.json").write_text(json.dumps({"as_of_date": str(AS_OF)}), "utf-8")
    home.current.symlink_to("7")
    return home


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def days(out: Path, entity: str) -> list[str]:
    return sorted(p.name for p in (out / "crm" / entity).iterdir())


def rows(folder: Path) -> list[dict[str, str]]:
    (file,) = folder.glob("*.csv.gz")
    return list(csv.DictReader(gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()))


def test_the_first_version_brings_every_day_since_go_live_and_the_whole_of_today(marts: Path, tmp_path: Path) -> None:
    out = tmp_path / "feeds"
    write_feeds(marts, out, after=None, through=AS_OF)
    assert days(out, "assignment_change") == [str(day) for day in ON]
    assert days(out, "assignment") == days(out, "exception_queue") == [str(AS_OF)]
    told = [row for day in ON for row in rows(out / "crm" / "assignment_change" / str(day))]
    expected = sorted(change_id(*change) for change in CHANGES)
    assert sorted(row["change_id"] for row in told) == expected
    assert [(r["from_employee_id"], r["to_employee_id"]) for r in told if r["business_date"] == str(ON[2])] == [
        ("e1", "")
    ]
    assert rows(out / "crm" / "exception_queue" / str(AS_OF))[0]["owner_role_code"] == "personal_finance_head"


@pytest.mark.parametrize(
    ("after", "first"), [(ON[1], ON[2]), (ON[2], ON[3]), (ON[3], ON[3]), (date(2026, 8, 1), ON[0])]
)
def test_a_version_brings_the_days_after_the_last_one_and_its_own_in_any_case(
    marts: Path, tmp_path: Path, after: date, first: date
) -> None:
    write_feeds(marts, tmp_path / "feeds", after=after, through=AS_OF)
    assert days(tmp_path / "feeds", "assignment_change") == [str(day) for day in ON if day >= first]


def test_before_go_live_there_is_no_feed(tmp_path: Path) -> None:
    marts = write_marts(tmp_path / "marts.duckdb", [])
    assert write_feeds(marts, tmp_path / "feeds", after=None, through=AS_OF) == []
    assert not (tmp_path / "feeds").exists()


def test_a_manifest_says_what_a_delivery_of_the_landing_contract_says(marts: Path, tmp_path: Path) -> None:
    for folder in write_feeds(marts, tmp_path / "feeds", after=None, through=AS_OF):
        manifest = json.loads((folder / "_manifest.json").read_text("utf-8"))
        system, entity, day = folder.relative_to(tmp_path / "feeds").parts
        assert (manifest["system"], manifest["entity"], manifest["business_date"]) == (system, entity, day)
        assert manifest["sequence_no"] == 1
        assert manifest["mode"] == ("events" if entity == "assignment_change" else "full")
        (file,) = manifest["files"]
        content = (folder / file["name"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        feed = load_contracts(OUTGOING_DIR)[f"{system}.{entity}"]
        told = rows(folder)
        assert manifest["row_count"] == file["row_count"] == len(told)
        header = gzip.decompress(content).decode("utf-8").splitlines()[0]
        assert header == ",".join(column.name for column in feed.columns)
        keys = ["\x1f".join(row[name] for name in feed.key) for row in told]
        assert keys == sorted(keys)
        total = sum(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") for key in keys)
        assert manifest["key_hash"] == f"{total % 2**64:016x}"


def test_a_day_without_changes_is_told_as_an_empty_file(marts: Path, tmp_path: Path) -> None:
    write_feeds(marts, tmp_path / "feeds", after=None, through=AS_OF)
    folder = tmp_path / "feeds" / "crm" / "assignment_change" / str(ON[1])
    assert rows(folder) == []
    assert json.loads((folder / "_manifest.json").read_text("utf-8"))["row_count"] == 0


def test_text_with_a_delimiter_comes_back_whole(marts: Path, tmp_path: Path) -> None:
    write_feeds(marts, tmp_path / "feeds", after=ON[2], through=AS_OF)
    told = rows(tmp_path / "feeds" / "crm" / "assignment" / str(AS_OF))
    assert [(r["slot"], r["is_acting"], r["reason_code"]) for r in told] == [
        ("a", "false", "客户,选择"),
        ("b", "true", "客户,选择"),
    ]


def test_a_day_that_is_run_again_gives_the_same_bytes(marts: Path, tmp_path: Path) -> None:
    write_feeds(marts, tmp_path / "one", after=None, through=AS_OF)
    write_feeds(marts, tmp_path / "two", after=None, through=AS_OF)
    first = files(tmp_path / "one")
    write_feeds(marts, tmp_path / "one", after=ON[2], through=AS_OF)
    assert files(tmp_path / "two") == files(tmp_path / "one") == first


def test_a_replay_from_any_day_gives_the_bytes_that_were_published(home: Home, tmp_path: Path) -> None:
    write_feeds(home.current / "marts.duckdb", tmp_path / "feeds", after=None, through=AS_OF)
    published = {n: b for n, b in files(tmp_path / "feeds").items() if "assignment_change" in n}
    for first in ON:
        replay_changes(home, tmp_path / f"from {first}", first)
        assert files(tmp_path / f"from {first}") == {
            n: b for n, b in published.items() if n.split("/")[2] >= str(first)
        }
    replay_changes(home, tmp_path / "one day", ON[2], ON[2])
    assert days(tmp_path / "one day", "assignment_change") == [str(ON[2])]


def test_changes_replayed_from_go_live_give_todays_holders(home: Home, tmp_path: Path) -> None:
    held: dict[tuple[str, str, str], str] = {}
    for folder in replay_changes(home, tmp_path / "out", GO_LIVE) * 2:  # a file taken twice changes nothing
        for row in rows(folder):
            slot = row["customer_id"], row["slot"], row["slot_no"]
            held.pop(slot, None)
            if row["to_employee_id"]:
                held[slot] = row["to_employee_id"]
    assert held == {("001", "a", "1"): "e3", ("001", "b", "1"): "e2"}


@pytest.mark.parametrize(
    ("first", "through"), [(GO_LIVE - timedelta(days=1), None), (ON[3], ON[2]), (ON[0], AS_OF + timedelta(days=1))]
)
def test_days_that_have_no_changes_to_tell_of_are_refused(
    home: Home, tmp_path: Path, first: date, through: date | None
) -> None:
    with pytest.raises(FeedError, match=r"expected days in order from 2026-09-01.* through 2026-09-04"):
        replay_changes(home, tmp_path / "out", first, through)
    assert not (tmp_path / "out").exists()


def test_the_command_writes_the_days_or_says_why_not(home: Home, tmp_path: Path) -> None:
    command = ["feed", "crm", "--home", str(home.root), "--out", str(tmp_path / "out"), "--from"]
    done = CliRunner().invoke(app, [*command, "2026-09-03"])
    assert done.exit_code == 0
    assert days(tmp_path / "out", "assignment_change") == ["2026-09-03", "2026-09-04"]
    refused = CliRunner().invoke(app, [*command, "2026-08-03"])
    assert refused.exit_code == 1
    assert "the first with changes" in refused.output
    home.current.unlink()
    assert "nothing has been published yet" in CliRunner().invoke(app, [*command, "2026-09-03"]).output


def test_outgoing_contracts_are_no_landing_feeds() -> None:
    outgoing = load_contracts(OUTGOING_DIR)
    assert set(outgoing) == {
        "crm.assignment",
        "crm.assignment_change",
        "crm.exception_queue",
        "hr.branch_scorecard",
        "hr.scorecard",
        "hr.scorecard_total",
        "maintenance.action_list",
    }
    assert not outgoing.keys() & load_contracts().keys()
