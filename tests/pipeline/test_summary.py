"""The lines that a run ends with say what the version that readers see says."""

from __future__ import annotations

from pathlib import Path

import duckdb

from orchestration.lib.home import Home
from orchestration.lib.summary import summary_rows
from tests import support
from tests.conftest import AS_OF_DATE, BuiltHome


def test_before_the_first_publish_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert summary_rows(Home(tmp_path / "home")) == []


def test_customers_in_scope_are_maintained_or_wait_in_the_queue(built_home: BuiltHome) -> None:
    lines = dict(summary_rows(built_home.home))
    (in_scope,) = support.query(built_home.home, "select count(*) from assets.customer_assets where is_in_scope")[0]
    owned = support.query(built_home.home, "select customer_id from crm.assignment where slot = 'a'")
    reasons = [reason for (reason,) in support.query(built_home.home, "select reason_code from crm.exception_queue")]
    assert lines["version"].startswith(f"2 (as of {AS_OF_DATE}")
    assert lines["customers"].endswith(f"of them {in_scope} in scope")
    assert lines["maintained"] == f"{len(owned)} customers; 0 employees over capacity"
    assert sorted(lines["in the queue"].split(", ")) == sorted(f"{reasons.count(r)} {r}" for r in set(reasons))
    assert len(owned) + len(reasons) == in_scope
    assert owned
    assert reasons


def test_books_over_capacity_and_an_empty_queue_are_told(built_home: BuiltHome, tmp_path: Path) -> None:
    home = support.copy_home(built_home.home, tmp_path / "home")
    with duckdb.connect(str(home.current / "marts.duckdb")) as con:
        con.execute("update crm.book set capacity = customer_count")
        largest = "select employee_id from crm.book order by customer_count desc, employee_id limit 2"
        con.execute(f"update crm.book set capacity = customer_count - 1 where employee_id in ({largest})")
        con.execute("delete from crm.exception_queue")
    lines = dict(summary_rows(home))
    assert lines["maintained"].endswith("; 2 employees over capacity")
    assert lines["in the queue"] == "nobody"
