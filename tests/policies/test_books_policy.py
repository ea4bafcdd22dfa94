"""policies/books.yml: what it compiles to, what the linter finds in it, and what a change of it does not restate."""

from __future__ import annotations

import copy
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.policies import compile_policies, load_policies, policy_rows
from orchestration.lib.policies.books import REASON_KINDS, SITUATIONS
from orchestration.lib.policies.diff import load_draft
from tests.policies.support import PRIMARY, Edit, edit, findings, first, kinds_found, line_text, named, problems, tier

Row = dict[str, Any]


def rows(directory: Path, table: str) -> list[Row]:
    return policy_rows(load_policies(directory))[table]


def reasons(content: Row) -> Row:
    found: Row = first(content)["reasons"]
    return found


def shares(content: Row, situation: str) -> list[Row]:
    found: list[Row] = first(content)["revenue_splits"][situation]["shares"]
    return found


def limits(content: Row) -> Row:
    found: Row = first(content)["rebalancing"]
    return found


def backups(content: Row) -> list[str]:
    found: list[str] = first(content)["backup_roles"]
    return found


def go_live_again(content: Row) -> None:
    later = copy.deepcopy(first(content))
    first(content)["effective_to"] = later["effective_from"] = date(2027, 1, 1)
    later.update(version="2", go_live_date=date(2027, 1, 4))
    content["versions"].append(later)


# file, defect, kind, a part of what is found, text of the line that is named
DEFECTS: list[tuple[str, Edit, str, str, str]] = [
    # shares
    (
        "books",
        lambda c: shares(c, "specialist_sale")[0].update(share="60%"),
        "weights",
        "specialist_sale add up to 1.1",
        "shares:",
    ),
    (
        "books",
        lambda c: shares(c, "moved_within_horizon").pop(0),
        "weights",
        "moved_within_horizon add up to 0, shadows aside",
        "shares:",
    ),
    (
        "books",
        lambda c: shares(c, "moved_within_horizon")[1].pop("is_shadow"),
        "weights",
        "moved_within_horizon add up to 2",
        "shares:",
    ),
    (
        "books",
        lambda c: shares(c, "specialist_sale").append({"credit_kind": "pool", "share": "0%"}),
        "rate",
        "share 0 of pool in specialist_sale",
        "share: 0%",
    ),
    (
        "books",
        lambda c: shares(c, "moved_within_horizon")[1].update(share="33.3333333%"),
        "rate",
        "share 0.333333333 of current",
        "share: 33.3333333%",
    ),
    (
        "books",
        lambda c: shares(c, "moved_within_horizon")[1].update(credit_kind="initial"),
        "overlap",
        "initial stands 2 times",
        "shares:",
    ),
    (
        "books",
        lambda c: shares(c, "no_owner")[0].update(credit_kind="current"),
        "unknown",
        "credit of current in no_owner",
        "credit_kind: current",
    ),
    # situations and reasons
    ("books", lambda c: first(c)["revenue_splits"].pop("no_owner"), "gap", "nothing of no_owner", "revenue_splits:"),
    (
        "books",
        lambda c: first(c)["revenue_splits"].update(windfall=first(c)["revenue_splits"]["held"]),
        "unknown",
        "situation 'windfall'",
        "windfall:",
    ),
    ("books", lambda c: reasons(c).pop("rebalancing"), "gap", "nothing of rebalancing", "reasons:"),
    (
        "books",
        lambda c: reasons(c).update(whim={"rule_id": "G12", "label_zh": "随意"}),
        "unknown",
        "reason code 'whim'",
        "whim:",
    ),
    (
        "books",
        lambda c: reasons(c)["deceased"].pop("owner_role"),
        "owner",
        "nobody works the queue deceased",
        "deceased:",
    ),
    (
        "books",
        lambda c: reasons(c)["referral"].update(owner_role="outlet_head"),
        "owner",
        "of referral, which is no queue",
        "owner_role: outlet_head",
    ),
    (
        "books",
        lambda c: reasons(c)["age_fallback"].update(owner_role="outlet_head"),
        "owner",
        "of age_fallback, which is the tier's",
        "owner_role: outlet_head",
    ),
    # rules
    ("books", lambda c: reasons(c)["team"].update(rule_id="a9"), "rule id", "'a9'", "rule_id: a9"),
    ("books", lambda c: reasons(c)["team"].update(rule_id="A9-99"), "rule id", "quoted nowhere", "rule_id: A9-99"),
    (
        "books",
        lambda c: first(c)["revenue_splits"]["held"].update(rule_id="A9-98"),
        "rule id",
        "rule A9-98, which is quoted nowhere",
        "rule_id: A9-98",
    ),
    ("books", lambda c: first(c)["rules"][2].update(source_line=0), "rule id", "source_line 0", "source_line: 0"),
    (
        "books",
        lambda c: first(c)["rules"].append({**first(c)["rules"][0], "rule_id": "A9-1"}),
        "rule id",
        "'A9-1'",
        "rule_id: A9-1",
    ),
    ("books", lambda c: first(c)["rules"][2].update(quote=" "), "text", "quote says nothing", "quote:"),
    # roles
    ("books", lambda c: backups(c).append("king"), "unknown", "role 'king'", "- king"),
    ("books", lambda c: reasons(c)["deceased"].update(owner_role="king"), "unknown", "role 'king'", "owner_role: king"),
    ("books", lambda c: backups(c).append("outlet_head"), "overlap", "outlet_head stands 2 times", "backup_roles:"),
    ("books", lambda c: backups(c).clear(), "gap", "no role may be B", "backup_roles:"),
    ("books", lambda c: backups(c).append("product_manager"), "capacity", "may be B without", "- product_manager"),
    (
        "books",
        lambda c: reasons(c)["deceased"].update(owner_role="product_manager"),
        "capacity",
        "works the queue deceased without",
        "owner_role: product_manager",
    ),
    ("roles", lambda c: c["roles"]["teller"].pop("default_capacity"), "capacity", "teller owns customers", "owner:"),
    (
        "roles",
        lambda c: c["roles"]["outlet_supervisor"].update(default_capacity=0),
        "capacity",
        "outlet_supervisor may be B",
        "- outlet_supervisor",
    ),
    (
        "roles",
        lambda c: c["roles"]["outlet_supervisor"].update(needs_nda=False),
        "nda",
        "outlet_supervisor may be B without an NDA",
        "- outlet_supervisor",
    ),
    (
        "roles",
        lambda c: c["roles"]["compliance_officer"].update(needs_nda=False),
        "nda",
        "compliance_officer works the queue risk_veto",
        "owner_role: compliance_officer",
    ),
    # numbers
    ("books", lambda c: first(c).update(choice="-30 days"), "range", "choice -30", "choice: -30 days"),
    ("books", lambda c: first(c).update(choice="0 days"), "range", "choice 0", "choice: 0 days"),
    ("books", lambda c: first(c).update(reassignment="3650 days"), "range", "reassignment 3650", "reassignment:"),
    ("books", lambda c: first(c).update(leave="-1 days"), "range", "leave -1", "leave: -1 days"),
    ("books", lambda c: first(c).update(levels_up=4), "range", "levels_up 4", "levels_up: 4"),
    ("books", lambda c: first(c).update(attribution_horizon="1200 months"), "range", "1200", "attribution_horizon:"),
    ("books", lambda c: first(c).update(referral_horizon="-1 months"), "range", "horizon -1", "referral_horizon:"),
    ("books", lambda c: limits(c).update(move_cost=-1), "range", "move_cost -1", "move_cost: -1"),
    ("books", lambda c: limits(c).update(move_cost_per_day="1e-9"), "range", "move_cost_per_day 1E-9", "move_cost_per"),
    ("books", lambda c: limits(c).update(node_limit=0), "range", "node_limit 0", "node_limit: 0"),
    ("books", lambda c: limits(c).update(gap="100%"), "range", "gap 1", "gap: 100%"),
    ("books", go_live_again, "range", "2027-01-04 in version 2, 2026-10-01 in the first", "go_live_date:"),
    ("books", lambda c: first(c).update(approved_by="Policy_Desk "), "approval", "are both", "approved_by:"),
]


@pytest.mark.rule("A9-08", "A9-19", "A9-20", "G15", "G16")
@pytest.mark.parametrize(("name", "change", "kind", "found", "line"), DEFECTS, ids=named)
def test_each_defect_is_found_and_nothing_else(
    directory: Path, name: str, change: Edit, kind: str, found: str, line: str
):
    edit(directory, name, change)
    all_found = findings(directory)
    assert kinds_found(all_found, name) == {kind}, "\n".join(map(str, all_found))
    assert any(found in f.found and line in line_text(directory, f.file, f.line) for f in all_found), all_found
    assert all(f.mend for f in all_found)


@pytest.mark.parametrize(
    ("change", "said", "line"),
    [
        (lambda c: first(c).update(choice="30 months"), "expected whole days such as 30 days", "choice: 30 months"),
        (lambda c: first(c).update(choice="1.5 days"), "expected whole days", "choice: 1.5 days"),
        (lambda c: first(c).update(attribution_horizon="1 year"), "whole months such as 12 months", "attribution_hor"),
        (lambda c: shares(c, "held")[0].update(credit_kind="friend"), "'friend'", "- credit_kind: friend"),
        (lambda c: reasons(c)["team"].update(kind="queue"), "unknown key", "kind: queue"),
        (lambda c: first(c).pop("go_live_date"), "found nothing", "- version: '1'"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(directory: Path, change: Edit, said: str, line: str):
    edit(directory, "books", change)
    (problem,) = problems(directory)
    file, number, _ = problem.split(":", 2)
    assert said in problem
    assert line in line_text(directory, file, int(number))


def test_a_bank_without_books_is_refused(directory: Path):
    (directory / "books.yml").unlink()
    (problem,) = problems(directory)
    assert problem.startswith("books.yml:1: found no readable file")


def test_no_day_has_two_versions_of_the_rules_of_books(directory: Path):
    edit(directory, "books", lambda c: (go_live_again(c), first(c).update(effective_to=date(2027, 2, 1))))
    (problem,) = problems(directory)
    assert "found an overlap: version 1 ends 2027-02-01 and version 2 starts 2027-01-01" in problem


def test_every_table_is_written_with_its_columns(directory: Path, tmp_path: Path):
    files = compile_policies(load_policies(directory), tmp_path / "compiled")
    for table in ("book", "book_reason", "book_backup_role", "tier_team", "role", "revenue_split"):
        (count,) = duckdb.sql(f"select count(*) from '{files[table]}'").fetchone() or (0,)
        assert count == len(rows(directory, table)) > 0
    numbers = duckdb.sql(
        "select choice_days, reassignment_days, leave_days, levels_up, attribution_horizon_months, "
        f"referral_horizon_months, tenure_cap_days, gap_rate from '{files['book']}'"
    ).fetchall()
    assert numbers == [(30, 10, 30, 2, 12, 12, 1825, Decimal("0.01"))]


def test_every_version_has_its_own_rows_and_days(directory: Path):
    edit(directory, "books", lambda c: (go_live_again(c), c["versions"][1].update(choice="45 days")))
    assert [(row["policy_version"], row["effective_from"], row["choice_days"]) for row in rows(directory, "book")] == [
        ("books@1", date(1990, 1, 1), 30),
        ("books@2", date(2027, 1, 1), 45),
    ]
    assert {row["policy_version"] for row in rows(directory, "revenue_split")} == {"books@1", "books@2"}


def test_every_reason_that_the_models_give_has_a_row_of_its_kind(directory: Path):
    assert {row["reason_code"]: row["kind"] for row in rows(directory, "book_reason")} == REASON_KINDS


@pytest.mark.rule("A9-07", "A9-08", "G15", "G16")
def test_the_first_maintainer_has_all_of_the_money_and_the_owner_its_shadow(directory: Path):
    split = {code: [] for code in SITUATIONS}
    for row in rows(directory, "revenue_split"):
        split[row["situation_code"]].append((row["credit_kind"], row["share"], row["is_shadow"]))
    assert split == {
        "held": [("current", 1, False)],
        "moved_within_horizon": [("initial", 1, False), ("current", 1, True)],
        "moved_after_horizon": [("current", 1, False)],
        "specialist_sale": [("referrer", Decimal("0.5"), False), ("specialist", Decimal("0.5"), False)],
        "no_owner": [("pool", 1, False)],
    }


@pytest.mark.rule("A9-20")
def test_supervisors_and_managers_of_wealth_centres_are_asked_first_for_b(directory: Path):
    asked = sorted(rows(directory, "book_backup_role"), key=lambda row: row["preference"])
    assert [row["preference"] for row in asked] == list(range(1, len(asked) + 1))
    assert [row["role_code"] for row in asked[:2]] == ["outlet_supervisor", "wealth_centre_manager"]


@pytest.mark.rule("A9-02", "A9-04", "G24")
def test_roles_beside_the_primary_one_are_slots_in_their_order(directory: Path):
    slots = [
        (row["tier_code"], row["slot_no"], row["role_code"])
        for row in rows(directory, "tier_team")
        if row["scheme_code"] == PRIMARY
    ]
    assert slots == [
        ("lobby_adopted", 1, "lobby_manager"),
        ("private_wealth", 1, "branch_president"),
        ("private_wealth", 2, "outlet_head"),
    ]


def queues(directory: Path) -> dict[str, tuple[bool, bool]]:
    return {
        row["tier_code"]: (row["is_primary_queue"], row["is_fallback_queue"])
        for row in rows(directory, "tier")
        if row["scheme_code"] == PRIMARY
    }


@pytest.mark.rule("G3", "G7")
def test_a_queue_owns_who_is_older_or_came_by_a_door_unless_the_owner_says_employee(directory: Path):
    shipped = queues(directory)
    assert {code: queue for code, queue in shipped.items() if any(queue)} == {
        "special_entry": (True, False),
        "staff_maintained": (False, True),
    }
    edit(directory, PRIMARY, lambda c: tier(c, 0)["owner"].update(fallback_as="employee"))
    edit(directory, PRIMARY, lambda c: first(c)["door_tier"]["owner"].update(primary_as="employee"))
    assert not any(any(queue) for queue in queues(directory).values())


def test_a_fallback_is_owned_by_somebody(directory: Path):
    edit(directory, PRIMARY, lambda c: tier(c, 1)["owner"].update(fallback_as="queue"))
    (problem,) = problems(directory)
    assert "fallback_as says how a fallback_role owns customers" in problem


def no_choice(content: Row) -> None:
    first(content)["choice"] = "1 days"


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("books", no_choice),
        ("books", go_live_again),
        ("roles", lambda c: c["roles"]["teller"].update(default_capacity=1)),
        (PRIMARY, lambda c: tier(c, 0)["owner"].update(fallback_as="employee")),
        (PRIMARY, lambda c: first(c)["door_tier"]["owner"].update(primary_as="employee")),
    ],
)
def test_what_books_are_decided_by_restates_no_fact_and_has_its_own_hash(directory: Path, name: str, change: Edit):
    before = load_policies(directory)
    edit(directory, name, change)
    after = load_policies(directory)
    assert after.version_hashes() == before.version_hashes()
    assert after.policy_hash != before.policy_hash


def test_a_bank_keeps_its_policies_in_a_folder_of_its_own(directory: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TIERHOUSE_POLICIES", "")
    shipped = load_policies()
    edit(directory, "books", no_choice)
    monkeypatch.setenv("TIERHOUSE_POLICIES", str(directory))
    assert load_policies() == load_policies(directory) != shipped
    monkeypatch.setenv("TIERHOUSE_POLICIES", "")
    assert load_policies() == shipped


def test_a_draft_is_laid_over_the_folder_in_force(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    edit(directory, "books", no_choice)
    draft = tmp_path / "draft.yml"
    draft.write_text((directory / f"{PRIMARY}.yml").read_text("utf-8"), "utf-8")
    monkeypatch.setenv("TIERHOUSE_POLICIES", str(directory))
    loaded = load_draft(draft)
    assert loaded.in_force == loaded.policies == load_policies(directory)
