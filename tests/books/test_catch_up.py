"""Days that are decided at once are decided on what was known on each of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from orchestration.lib.contracts import load_contracts
from orchestration.lib.journal import Journal
from orchestration.lib.ledger import Batch, Ledger
from orchestration.lib.planning import kept_account_dates, plan_build
from orchestration.lib.policies import load_policies
from tests.conftest import AS_OF_DATE, FIRST_DATE, BuiltHome

DAY = timedelta(days=1)


MERGES = "core_banking.customer_merges"


@pytest.mark.parametrize("feed_id", [MERGES, "risk.customer_risk", "crm.households", "reference.branches"])
def test_a_delivery_that_an_advance_reads_as_of_its_end_begins_an_advance_of_its_own(
    built_home: BuiltHome, feed_id: str
) -> None:
    accepted = Ledger(built_home.home.ledger).accepted()

    def again(known_feed: str, number: int) -> Batch:
        newest = max((b for b in accepted if b.feed_id == known_feed), key=lambda b: b.business_date)
        day = AS_OF_DATE + number * DAY
        return replace(newest, batch_id=f"{known_feed}.{day}.1", business_date=day)

    kept = kept_account_dates(AS_OF_DATE, FIRST_DATE)
    daily = [f.feed_id for f in load_contracts().values() if f.compulsory == "daily"]
    delivered = [*accepted, *(again(each, number) for each in daily for number in (1, 2, 3, 4))]

    def ends(batches: list[Batch]) -> list[int]:
        journal = Journal(built_home.home.journal).read()
        plan = plan_build(batches, load_contracts(), journal, load_policies(), kept)
        assert plan is not None
        return [(chunk.as_of_date - AS_OF_DATE).days for chunk in plan.chunks]

    assert ends(delivered) == [4]
    assert ends([*delivered, again(feed_id, 3)]) == [2, 4]
    # A day without merges says nothing; a list without rows says that there is nothing any more.
    empty = replace(again(feed_id, 3), row_count=0)
    assert ends([*delivered, empty]) == ([4] if feed_id == MERGES else [2, 4])
