"""The feed of action lists: a file per branch, form of the landing contract, out of the published mart alone."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.action_feed import LISTS, write_action_lists
from orchestration.lib.contracts import load_contracts
from orchestration.lib.crm_feed import OUTGOING_DIR
from tests.conftest import AS_OF_DATE, BuiltHome

GO_LIVE = date(2026, 9, 1)
DAY = date(2026, 9, 4)
# Branch, employee, rank, customer; one branch has a name that no file can have.
LINES = [
    ("0010", "e1", 2, "001"),
    ("0020", "e3", 1, "004"),
    ("0010", "e1", 1, "002"),
    ("a/b 支行", "e4", 1, "005"),
    ("0010", "e2", 1, "003"),
]


@pytest.fixture
def marts(tmp_path: Path) -> Path:
    file = tmp_path / "marts.duckdb"
    with duckdb.connect(str(file)) as con:
        con.execute("create schema crm; create schema maintenance")
        con.execute("create table crm.assignment_change (business_date date)")
        con.execute("insert into crm.assignment_change values (?)", [GO_LIVE])
        con.execute(
            "create table maintenance.action_list (business_date date, employee_id varchar, rank bigint, "
            "branch_id varchar, planned_for_date date, customer_id varchar, action_kind varchar, rule_id varchar, "
            "reason_zh varchar, due_to_date date, amount_cny decimal(18,2), points bigint, left_out_count bigint, "
            "policy_version varchar)"
        )
        for day in (DAY - timedelta(days=1), DAY):
            for branch, employee, rank, customer in LINES:
                con.execute(
                    "insert into maintenance.action_list values (?, ?, ?, ?, ?, ?, 'contact', 'E6-10', "
                    "'请联络客户,截止9月30日', ?, 12.30, 70, 0, 'actions@1')",
                    [day, employee, rank, branch, day + timedelta(days=1), customer, date(2026, 9, 30)],
                )
    return file


def delivered(folder: Path) -> dict[str, list[dict[str, str]]]:
    """Rows of each file that the manifest names, which must be all there are."""
    manifest = json.loads((folder / "_manifest.json").read_text("utf-8"))
    names = [file["name"] for file in manifest["files"]]
    assert sorted([*names, "_manifest.json"]) == sorted(p.name for p in folder.iterdir())
    found = {}
    for file in manifest["files"]:
        content = (folder / file["name"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(content).hexdigest()
        found[file["name"]] = list(csv.DictReader(gzip.decompress(content).decode("utf-8").splitlines()))
        assert file["row_count"] == len(found[file["name"]])
    assert manifest["row_count"] == sum(map(len, found.values()))
    return found


def test_each_branch_has_its_own_lines_and_no_others(marts: Path, tmp_path: Path) -> None:
    folder = write_action_lists(marts, tmp_path / "feeds", DAY)
    assert folder == tmp_path / "feeds" / "action_list" / "2026-09-04"
    files = delivered(folder)
    branches = [{row["branch_id"] for row in rows} for rows in files.values()]
    assert sorted(map(tuple, branches)) == [("0010",), ("0020",), ("a/b 支行",)]
    (first,) = [rows for rows in files.values() if rows[0]["branch_id"] == "0010"]
    assert [(r["employee_id"], r["rank"], r["customer_id"]) for r in first] == [
        ("e1", "1", "002"),
        ("e1", "2", "001"),
        ("e2", "1", "003"),
    ]
    assert first[0]["reason_zh"] == "请联络客户,截止9月30日"


def test_the_manifest_says_what_a_delivery_of_the_landing_contract_says(marts: Path, tmp_path: Path) -> None:
    folder = write_action_lists(marts, tmp_path / "feeds", DAY)
    assert folder is not None
    manifest = json.loads((folder / "_manifest.json").read_text("utf-8"))
    assert (manifest["system"], manifest["entity"], manifest["mode"]) == ("maintenance", "action_list", "full")
    assert manifest["business_date"] == str(DAY)
    rows = [row for rows in delivered(folder).values() for row in rows]
    feed = load_contracts(OUTGOING_DIR)[LISTS]
    assert list(rows[0]) == [column.name for column in feed.columns]
    keys = ["\x1f".join(row[name] for name in feed.key) for row in rows]
    total = sum(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") for key in keys)
    assert manifest["key_hash"] == f"{total % 2**64:016x}"


def test_a_day_that_is_written_again_gives_the_same_bytes(marts: Path, tmp_path: Path) -> None:
    one, two = (write_action_lists(marts, tmp_path / name, DAY) for name in ("one", "two"))
    assert one is not None
    assert two is not None
    assert {p.name: p.read_bytes() for p in one.iterdir()} == {p.name: p.read_bytes() for p in two.iterdir()}


def test_a_day_without_a_line_is_told_and_one_before_go_live_is_not(marts: Path, tmp_path: Path) -> None:
    empty = write_action_lists(marts, tmp_path / "feeds", DAY + timedelta(days=1))
    assert empty is not None
    assert delivered(empty) == {}
    assert write_action_lists(marts, tmp_path / "before", GO_LIVE - timedelta(days=1)) is None
    assert not (tmp_path / "before").exists()


def test_the_files_of_a_version_add_up_to_the_lists_of_its_day(built_home: BuiltHome) -> None:
    current = built_home.home.current
    rows: list[dict[str, Any]] = []
    for name, lines in delivered(current / "feeds" / "action_list" / str(AS_OF_DATE)).items():
        assert {line["branch_id"] for line in lines} == {name.split(".")[1]}
        rows += lines
    told = {(r["employee_id"], int(r["rank"]), r["customer_id"], Decimal(r["amount_cny"])) for r in rows}
    with duckdb.connect(str(current / "marts.duckdb"), read_only=True) as con:
        listed = con.execute(
            "select employee_id, rank, customer_id, amount_cny from maintenance.action_list where business_date = ?",
            [AS_OF_DATE],
        ).fetchall()
    assert len(rows) == len(listed) > 0
    assert told == set(listed)
