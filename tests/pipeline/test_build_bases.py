"""Where a build may start from: a kept day whose later windows find the balance-days that they begin from."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from orchestration.lib.contracts import load_contracts
from orchestration.lib.journal import Journal
from orchestration.lib.ledger import Ledger
from orchestration.lib.planning import WINDOWS, kept_account_dates, plan_build, window
from orchestration.lib.policies import load_policies
from tests.conftest import AS_OF_DATE, BuiltHome

DAY = timedelta(days=1)
FIRST_DATE = date(2026, 4, 1)
RATES = "market.fx_rates"
CORRECTED_ON, BEFORE_IT = date(2026, 4, 30), date(2026, 4, 29)
QUARTER_BASE = date(2026, 3, 31)


@pytest.mark.parametrize("as_of", [date(2027, 12, 1) + n * DAY for n in range(125)], ids=str)
def test_whatever_kept_day_a_build_starts_from_every_later_window_finds_its_beginning(as_of: date) -> None:
    kept = kept_account_dates(as_of, FIRST_DATE)
    for base in kept:
        for number in range(1, (as_of - base).days + 1):
            for code in WINDOWS:
                begins_from = window(base + number * DAY, code, FIRST_DATE, None).base_date
                # A date after the base is made by the build itself.
                assert begins_from is None or begins_from > base or begins_from in kept, (base, number, code)


@pytest.mark.parametrize(
    ("lost", "base"),
    [(set(), BEFORE_IT), ({QUARTER_BASE}, None), ({BEFORE_IT}, BEFORE_IT - DAY)],
    ids=["nothing is lost", "what April begins from is lost", "the eve is lost"],
)
def test_a_build_starts_from_the_newest_day_of_which_nothing_that_it_needs_is_lost(
    built_home: BuiltHome, lost: set[date], base: date | None
) -> None:
    accepted = Ledger(built_home.home.ledger).accepted()
    (rates,) = [b for b in accepted if (b.feed_id, b.business_date) == (RATES, CORRECTED_ON)]
    correction = replace(rates, batch_id=f"{RATES}.{CORRECTED_ON}.2", sequence_no=2)
    kept = kept_account_dates(AS_OF_DATE, date(2026, 3, 1))

    plan = plan_build(
        [*accepted, correction], load_contracts(), Journal(built_home.home.journal).read(), load_policies(), kept - lost
    )

    assert plan is not None
    assert (plan.dirty_from, plan.base_date) == (CORRECTED_ON, base)
