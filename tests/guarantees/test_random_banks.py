"""Random small banks through the real pipeline: every cell that the oracle knows is the oracle's.

A build serves many banks that share nothing but the market and the rules; the whole suite judges a thousand and more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests import conftest
from tests.oracle import trial
from tests.oracle.assets import PRIMARY
from tests.oracle.random_banks import Bank, Span
from tests.oracle.trial import Draw

# A month end, on which tiers are evaluated, and the day after.
FACTS = Span(first=date(2026, 4, 1), go_live=date(2026, 5, 1), last=date(2026, 5, 1))
# Two month ends and three days on which books are decided; corrections of the first seven weeks come late.
WHOLE = Span(first=date(2026, 4, 1), go_live=date(2026, 6, 1), last=date(2026, 6, 3), seen=date(2026, 5, 20))
BANKS_PER_BUILD = 250


@pytest.fixture(scope="module")
def few() -> Draw:
    return Draw.of(20260401, 40, FACTS, since=None, months=1)


def test_facts_of_random_banks_are_the_oracle_s(few: Draw, built_home: conftest.BuiltHome, tmp_path: Path) -> None:
    options = {"dbt_target": built_home.dbt_target, "is_whole": False}
    found = trial.judged(few, tmp_path / "all", **options)
    assert not found, trial.report(few, tmp_path, found, **options)


@pytest.mark.full
@pytest.mark.parametrize(
    ("seed", "span", "since", "months"),
    [
        (1, WHOLE, date(2026, 5, 1), 1),
        (2, WHOLE, None, 1),
        (3, WHOLE, date(2026, 6, 1), 2),
        (4, WHOLE, date(2026, 5, 1), 3),
    ],
    ids=["new_rules_in_may", "same_rules", "new_rules_at_go_live", "longer_grace"],
)
def test_assets_tiers_and_assignments_of_random_banks_are_the_oracle_s(
    seed: int, span: Span, since: date | None, months: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = Draw.of(seed, BANKS_PER_BUILD, span, since=since, months=months)
    found = trial.judged(draw, tmp_path / "all", is_whole=True)
    assert not found, trial.report(draw, tmp_path, found, is_whole=True)
    with capsys.disabled():
        customers = sum(len(bank.customers) for bank in draw.banks)
        print(f"\nseed {seed}: {len(draw.banks)} random banks of {customers} customers, 0 differences")  # noqa: T201


def cases_of(bank: Bank) -> dict[str, bool]:
    """The cases that are easy to get wrong, and whether a bank has them."""
    accounts = [a for c in bank.customers for a in c.accounts]
    steps = [step.value for account in accounts for step in account.steps]
    return {
        "joint account": any(a.partner for a in accounts),
        "foreign currency": any(a.currency != "CNY" for a in accounts),
        "correction": any(a.corrections for a in accounts),
        "closed account": any(a.gone is not None and a.is_closed for a in accounts),
        "vanished account": any(a.gone is not None and not a.is_closed for a in accounts),
        "leaver": any(("status", "left") in change for e in bank.employees for _, change in e.changes),
        "merge": bool(bank.merges),
        "household": bool(bank.households),
        "wish": bool(bank.wishes),
        "zero balance": any(value == 0 for value in steps),
        "overdraft": any(value < 0 for value in steps),
        "no birth date": any(c.born is None for c in bank.customers),
        "on a cut": any(value in (50_000, 100_000, 200_000, 2_000_000) for value in steps),
        "several branches": len({c.outlet for c in bank.customers}) > 1,
        "outlet that closes": bank.outlet_closes is not None,
    }


def test_random_banks_have_the_cases_that_are_easy_to_get_wrong(few: Draw) -> None:
    cases = [cases_of(bank) for bank in few.banks]
    missing = {name for name in cases[0] if not any(case[name] for case in cases)}
    assert not missing
    assert len({repr(replace(bank, number=0)) for bank in few.banks}) == len(few.banks)


@pytest.mark.full
def test_a_cut_that_is_read_otherwise_is_found_and_the_bank_that_shows_it_is_cut_down(
    few: Draw, built_home: conftest.BuiltHome, tmp_path: Path
) -> None:
    """The oracle is told that 50,000 is not in the lowest band."""
    lowest, *others = PRIMARY.bands
    bands = (replace(lowest, is_exclusive=True, months=1), *(replace(band, months=1) for band in others))
    options = {
        "dbt_target": built_home.dbt_target,
        "is_whole": False,
        "versions": {PRIMARY.scheme: [(date.min, replace(PRIMARY, bands=bands))]},
    }
    found = trial.judged(few, tmp_path / "all", **options)
    assert found
    told = trial.report(few, tmp_path, found, **options)
    assert told.startswith("seed 20260401: banks ")
    assert "found staff_maintained" in told
    assert (told.count("Customer("), told.count("Account("), told.count("Employee(")) == (1, 1, 0), told
