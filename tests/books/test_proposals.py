"""Go-live and quarterly proposals out of a warehouse, and what it takes to accept one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.lib.books.accept import accept, propose, summaries
from orchestration.lib.books.propose import propose_rebalancing, solve_go_live
from orchestration.lib.books.results import BooksError, book_moves, ensure_results, last_proposal
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.policies import compile_policies, load_policies

STATE = date(2026, 12, 31)
QUARTER = date(2027, 1, 1)
GO_LIVE = date(2026, 10, 26)
TABLES = """
create schema core;
create schema intermediate;
create schema policy;
create table intermediate.int_books__branch_unit (branch_id varchar, level_no bigint, unit_id varchar);
create table intermediate.int_books__employee_day (
    business_date date, employee_id varchar, branch_id varchar, unit_id varchar, role_code varchar, status varchar,
    has_nda boolean, capacity bigint, is_eligible boolean
);
create table intermediate.int_books__customer_day (
    business_date date, customer_id varchar, tier_code varchar, tier_rank bigint, branch_id varchar,
    required_role_code varchar, is_queue_role boolean, is_above_age boolean, exclusion_code varchar,
    policy_version varchar
);
create table core.fct_customer_balance (as_of_date date, customer_id varchar, aum_cny decimal(18,2));
create table core.fct_book_entry (
    as_of_date date, customer_id varchar, slot varchar, slot_no bigint, employee_id varchar, reason_code varchar,
    valid_from date, choice_due_date date
);
insert into intermediate.int_books__branch_unit values
    ('O1', 0, 'O1'), ('O1', 1, 'CITY'), ('O2', 0, 'O2'), ('O2', 1, 'CITY'), ('CITY', 0, 'CITY');
"""


class Bank:
    """Two outlets below a city: tellers T1 and T2 at O1, a wealth manager W1 in the city, T9 without the agreement."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con

    def employ(self, name: str, unit: str, role: str, capacity: int, *, is_eligible: bool = True) -> None:
        self.con.execute(
            "insert into intermediate.int_books__employee_day values (?, ?, ?, ?, ?, 'active', ?, ?, ?)",
            [STATE, name, unit, unit, role, is_eligible, capacity, is_eligible],
        )

    def add(
        self,
        name: str,
        role: str = "teller",
        owner: str | None = None,
        reason: str = "allocation",
        branch: str = "O1",
        exclusion: str | None = None,
        choice_due: date | None = None,
        since: date = date(2026, 11, 1),
        is_queue_role: bool = False,
    ) -> None:
        self.con.execute(
            "insert into intermediate.int_books__customer_day values (?, ?, 'tier', 1, ?, ?, ?, false, ?, 'p')",
            [STATE, name, branch, role, is_queue_role, exclusion],
        )
        self.con.execute("insert into core.fct_customer_balance values (?, ?, 100000)", [STATE, name])
        slot = "a" if owner else "queue"
        self.con.execute(
            "insert into core.fct_book_entry values (?, ?, ?, 1, ?, ?, ?, ?)",
            [STATE, name, slot, owner, reason, since, choice_due],
        )

    def proposed(self) -> dict[str, tuple[str | None, str]]:
        table = propose_rebalancing(self.con, STATE, QUARTER)
        return {r["customer_id"]: (r["from_employee_id"], r["to_employee_id"]) for r in table.to_pylist()}

    def allocated(self, owners: pa.Table | None = None) -> dict[str, str]:
        table = solve_go_live(self.con, STATE, QUARTER, owners)
        return {r["customer_id"]: r["employee_id"] for r in table.to_pylist()}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def bank(home: Home) -> Iterator[Bank]:
    home.root.mkdir(parents=True)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(TABLES)
        for name, file in compile_policies(load_policies(), home.policy).items():
            con.execute(f"create view policy.{name} as select * from read_parquet('{file}')")
        found = Bank(con)
        found.employ("T1", "O1", "teller", 20)
        found.employ("T2", "O1", "teller", 20)
        found.employ("T9", "O2", "teller", 20, is_eligible=False)
        found.employ("W1", "CITY", "wealth_manager", 20)
        yield found


@pytest.mark.rule("A9-10", "A9-11")
def test_go_live_gives_everyone_an_owner_in_the_first_unit_that_has_one(bank: Bank) -> None:
    bank.add("C1", owner="T1", reason="old_crm")
    bank.add("C2")
    bank.add("C3", role="wealth_manager", branch="O2")
    bank.add("C4", owner="T9", branch="O1", reason="old_crm")
    # T9 has not signed, and the unit above O2 has no tellers yet.
    bank.add("C5", branch="O2")
    assert "C5" not in bank.allocated()
    bank.employ("T7", "CITY", "teller", 20)
    dealt = bank.allocated()
    assert dealt.pop("C5") == "T7"
    assert dealt.pop("C3") == "W1"
    assert {name: to in {"T1", "T2"} for name, to in dealt.items()} == {"C2": True, "C4": True}


@pytest.mark.rule("A9-18", "G35")
def test_excluded_customers_and_those_of_queues_are_nobodys(bank: Bank) -> None:
    bank.add("C1", exclusion="risk_veto")
    bank.add("C2", exclusion="staff_conflict")
    bank.add("C3", is_queue_role=True)
    assert bank.allocated() == {}
    assert bank.proposed() == {}


def test_go_live_takes_the_owners_it_is_given(bank: Bank) -> None:
    bank.add("C1")
    bank.add("C2")
    owners = pa.table({"customer_id": ["C1"], "employee_id": ["T1"], "valid_from": [date(2020, 1, 1)]})
    assert bank.allocated(owners) == {"C2": "T2"}


def uneven(bank: Bank, **changes: object) -> None:
    """T1 has 16 customers, T2 none."""
    for n in range(16):
        bank.add(f"C{n:02}", owner="T1", **changes)  # type: ignore[arg-type]


@pytest.mark.rule("G12")
def test_uneven_books_are_proposed_to_be_evened_and_shadow_prices_are_said(bank: Bank) -> None:
    uneven(bank)
    moves = bank.proposed()
    assert set(moves.values()) == {("T1", "T2")}
    assert 6 <= len(moves) <= 8
    rows = propose_rebalancing(bank.con, STATE, QUARTER).to_pylist()
    assert {r["branch_id"] for r in rows} == {"O1"}
    assert {r["method"] for r in rows} == {"optimiser"}
    assert all(r["saving"] > 0 for r in rows)
    assert all(r["shadow_price"] > 0 for r in rows)
    assert len({r["proposal_id"] for r in rows}) == len(rows)


@pytest.mark.rule("A9-06", "G11")
@pytest.mark.parametrize(
    "changes",
    [{"reason": "customer_choice"}, {"reason": "continuity_upgrade"}, {"choice_due": date(2027, 1, 15)}],
)
def test_a_chosen_owner_or_an_open_choice_is_never_touched(bank: Bank, changes: dict[str, object]) -> None:
    uneven(bank, **changes)
    assert bank.proposed() == {}


@pytest.mark.rule("G12")
def test_after_a_downgrade_the_rebalancing_finds_an_owner_of_the_right_role(bank: Bank) -> None:
    bank.add("C1", owner="W1", reason="continuity_downgrade")
    # Nobody above O2 may serve him: he stays.
    bank.add("C2", owner="W1", reason="continuity_downgrade", branch="O2")
    (move,) = bank.proposed().items()
    assert move[0] == "C1"
    assert move[1][0] == "W1"
    assert move[1][1] in {"T1", "T2"}


@pytest.mark.rule("A9-10")
def test_a_book_beyond_its_capacity_is_emptied_as_far_as_there_is_room(bank: Bank) -> None:
    for n in range(30):
        bank.add(f"C{n:02}", owner="T1")
    bank.add("D0", reason="no_capacity")
    bank.add("D1", reason="reassignment_due")
    moves = bank.proposed()
    assert 10 <= len([m for m in moves.values() if m == ("T1", "T2")]) <= 19
    assert moves["D0"] == (None, "T2")
    assert "D1" not in moves


def keep(home: Home, bank: Bank, days: list[date]) -> None:
    ensure_results(home, bank.con, STATE, days, GO_LIVE)


def publish(home: Home, day: date) -> None:
    journal = Journal(home.journal)
    journal.append({"event": "begin", "build_id": "b", "new_batches": [], "dirty_from": str(day)})
    journal.append({"event": "published", "build_id": "b", "as_of_date": str(day)})


def test_a_quarter_is_proposed_once_and_moves_nobody_before_it_is_accepted(home: Home, bank: Bank) -> None:
    uneven(bank)
    keep(home, bank, [QUARTER])
    before = home.journal.read_bytes()
    bank.con.execute("delete from core.fct_book_entry where customer_id > 'C05'")
    keep(home, bank, [QUARTER])
    assert home.journal.read_bytes() == before
    assert len(last_proposal(home, QUARTER)) >= 6
    assert len(last_proposal(home, STATE)) == 0
    assert len(book_moves(home, [QUARTER])) == 0
    effective = date(2027, 1, 10)
    count = accept(home, QUARTER, effective, "A. Li", "B. Wang")
    moves = book_moves(home, [date(2027, 1, 9), effective])
    assert len(moves) == count == len(last_proposal(home, effective))
    assert set(moves["effective_date"].to_pylist()) == {effective}
    assert set(moves["employee_id"].to_pylist()) == {"T2"}
    assert len(book_moves(home, [date(2027, 1, 11)])) == 0
    assert summaries(home) == [(str(QUARTER), str(count), "1", f"{effective} (A. Li, B. Wang)")]


def test_ordinary_days_propose_nothing(home: Home, bank: Bank) -> None:
    uneven(bank)
    keep(home, bank, [date(2027, 2, 1), date(2027, 1, 2)])
    assert not home.journal.exists()


def test_go_live_is_solved_on_its_first_day_and_never_again(home: Home, bank: Bank) -> None:
    bank.add("C1")
    ensure_results(home, bank.con, STATE, [QUARTER], QUARTER)
    first = book_moves(home, [QUARTER])
    assert first["reason_code"].to_pylist() == ["allocation"]
    bank.add("C2")
    ensure_results(home, bank.con, STATE, [QUARTER], QUARTER)
    assert book_moves(home, [QUARTER]) == first


def test_without_books_of_the_eve_nothing_is_solved(home: Home, bank: Bank) -> None:
    ensure_results(home, bank.con, STATE, [STATE, QUARTER], STATE)
    assert not home.journal.exists()


@pytest.fixture
def proposed(home: Home, bank: Bank) -> Home:
    """A home with an open proposal, published through the eve of the quarter."""
    uneven(bank)
    publish(home, STATE)
    keep(home, bank, [QUARTER])
    return home


@pytest.mark.parametrize(
    ("day", "effective", "by", "approved_by", "message"),
    [
        (QUARTER, QUARTER, "A. Li", " a. li ", "two different names"),
        (QUARTER, QUARTER, "A. Li", "", "two different names"),
        (date(2026, 10, 1), QUARTER, "A. Li", "B. Wang", "no proposal of 2026-10-01; known: 2027-01-01"),
        (QUARTER, STATE, "A. Li", "B. Wang", "expected a day after 2026-12-31"),
    ],
)
def test_an_acceptance_that_breaks_a_rule_is_refused(
    proposed: Home, day: date, effective: date, by: str, approved_by: str, message: str
) -> None:
    before = proposed.journal.read_bytes()
    with pytest.raises(BooksError, match=message):
        accept(proposed, day, effective, by, approved_by)
    assert proposed.journal.read_bytes() == before


def test_a_proposal_is_accepted_once(proposed: Home) -> None:
    accept(proposed, QUARTER, QUARTER, "A. Li", "B. Wang")
    with pytest.raises(BooksError, match=r"accepted by A. Li and B. Wang for 2027-01-01; it is accepted once"):
        accept(proposed, QUARTER, date(2027, 1, 5), "A. Li", "B. Wang")


def test_an_altered_or_lost_file_is_refused_wherever_it_is_read(proposed: Home) -> None:
    (file,) = proposed.books.iterdir()
    table = pq.read_table(file)
    to = table.schema.get_field_index("to_employee_id")
    pq.write_table(table.set_column(to, "to_employee_id", pa.array(["W1"] * len(table))), file)
    with pytest.raises(BooksError, match="restore it from a backup"):
        accept(proposed, QUARTER, QUARTER, "A. Li", "B. Wang")
    with pytest.raises(BooksError, match="restore it from a backup"):
        last_proposal(proposed, QUARTER)
    file.unlink()
    with pytest.raises(BooksError, match="found no file"):
        accept(proposed, QUARTER, QUARTER, "A. Li", "B. Wang")


def test_the_commands_propose_show_and_accept(home: Home, bank: Bank) -> None:
    uneven(bank)
    publish(home, STATE)
    bank.con.close()

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["books", *arguments, "--home", str(home.root)], env={"COLUMNS": "200"})
        return result.exit_code, " ".join(result.output.split())

    code, said = run("propose")
    assert (code, "proposal of 2027-01-01" in said) == (0, True), said
    assert "has its proposal already" in run("propose")[1]
    assert "open" in run("show")[1]
    assert "C00" in run("show", "2027-01-01")[1] or "C15" in run("show", "2027-01-01")[1]
    names = ["--by", "A. Li", "--approved-by", "B. Wang"]
    assert run("accept", "2027-01-01", "--effective", "2026-12-31", *names)[0] == 1
    code, said = run("accept", "2027-01-01", "--effective", "2027-01-02", *names)
    assert (code, "customers move on 2027-01-02" in said) == (0, True), said
    assert "2027-01-02 (A. Li, B. Wang)" in run("show")[1]


def test_a_proposal_by_hand_waits_until_books_are_live(home: Home, bank: Bank) -> None:
    uneven(bank)
    with pytest.raises(BooksError, match="books are decided from 2027-06-01 on"):
        propose(home, bank.con, date(2027, 6, 1))
    day, table = propose(home, bank.con, GO_LIVE)
    assert day == QUARTER
    assert all(isinstance(saving, Decimal) for saving in table["saving"].to_pylist())
