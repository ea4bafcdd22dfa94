"""Whole builds: what comes late closes once, a lost working file loses nothing, catching up is as day by day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from orchestration.lib import warehouse
from orchestration.lib.content_hash import content_hash
from orchestration.lib.home import Home
from tests import support
from tests.conftest import AS_OF_DATE, LAST_DELIVERED_DATE, BuiltHome

DAY = timedelta(days=1)
CONTACTS = "crm.contacts"
LATE = "late-1"
OWED = ("maintenance.obligation", "maintenance.cadence_compliance")
TOLD = ("maintenance.action_list", "maintenance.action_supervision", "maintenance.event")


def hashes(home: Home, relations: tuple[str, ...]) -> dict[str, str]:
    """Content of marts as the working file has them."""
    with warehouse.connect(home.warehouse, read_only=True) as con:
        return {relation: content_hash(con, relation) for relation in relations}


def owed_call(home: Home) -> dict[str, Any]:
    """A contact by call that was due on the last built day and that nobody made."""
    columns = ("obligation_id", "customer_id", "employee_id")
    rows = support.query(
        home,
        f"select {', '.join(columns)} from maintenance.obligation where kind = 'contact' and channel = 'call' "
        f"and status = 'due' and due_from_date <= '{AS_OF_DATE}' and due_to_date >= '{AS_OF_DATE + DAY}' "
        "and customer_id in (select customer_id from maintenance.obligation where kind = 'contact' "
        "group by customer_id having count(*) = 1) order by obligation_id limit 1",
    )
    return dict(zip(columns, rows[0], strict=True))


def call(owed: dict[str, Any], contact_id: str) -> pa.Table:
    row = {
        "contact_id": contact_id,
        "customer_id": owed["customer_id"],
        "employee_id": owed["employee_id"],
        "contacted_at": datetime(AS_OF_DATE.year, AS_OF_DATE.month, AS_OF_DATE.day, 2, tzinfo=UTC),
        "channel": "call",
        "purpose": "routine",
        "outcome": None,
    }
    return pa.Table.from_pylist([row])


def deliver_late(landing: Path, owed: dict[str, Any], contact_ids: list[str], sequence_no: int) -> None:
    """Deliver the contacts of the last built day again, with calls that were not in it."""

    def with_calls(contacts: pa.Table) -> pa.Table:
        calls = [call(owed, contact_id).cast(contacts.schema) for contact_id in contact_ids]
        return pa.concat_tables([contacts, *calls])

    support.redeliver(landing, CONTACTS, AS_OF_DATE, with_calls, sequence_no=sequence_no)


def states(home: Home, owed: dict[str, Any]) -> list[tuple[Any, ...]]:
    return support.query(
        home,
        "select status, done_contact_id, done_date from maintenance.obligation "
        f"where obligation_id = '{owed['obligation_id']}'",
    )


def closed_by(home: Home, contact_id: str) -> int:
    counted = f"select count(*) from maintenance.obligation where done_contact_id = '{contact_id}'"
    return int(support.query(home, counted)[0][0])


@pytest.mark.full
def test_a_contact_that_is_delivered_late_closes_what_was_owed_on_the_first_day_decided_afterwards_and_once(
    built_home: BuiltHome, small_bank: Path, tmp_path: Path
) -> None:
    home = support.copy_home(built_home.home, tmp_path / "home")
    landing = support.copy_deliveries(small_bank, tmp_path / "landing")
    owed = owed_call(home)
    assert states(home, owed) == [("due", None, None)]

    deliver_late(landing, owed, [LATE], sequence_no=2)
    support.published(support.advance(home, landing, AS_OF_DATE + DAY))

    assert states(home, owed) == [("done", LATE, AS_OF_DATE)]
    assert closed_by(home, LATE) == 1

    # Told once more, with a second call of the same day: neither closes anything that is done already.
    deliver_late(landing, owed, [LATE, "late-2"], sequence_no=3)
    before = support.query(home, "select count(*) from maintenance.obligation where status = 'done'")
    support.published(support.advance(home, landing, AS_OF_DATE + DAY))

    assert states(home, owed) == [("done", LATE, AS_OF_DATE)]
    assert (closed_by(home, LATE), closed_by(home, "late-2")) == (1, 0)
    assert support.query(home, "select count(*) from maintenance.obligation where status = 'done'") == before


@pytest.mark.full
def test_catching_up_three_days_owes_and_counts_what_day_by_day_does_and_running_again_changes_nothing(
    built_home: BuiltHome, small_bank: Path, tmp_path: Path
) -> None:
    daily, at_once = (support.copy_home(built_home.home, tmp_path / name) for name in ("daily", "at_once"))
    last = AS_OF_DATE + 3 * DAY
    for number in range(1, 4):
        support.published(support.advance(daily, small_bank, AS_OF_DATE + number * DAY))
    support.published(support.advance(at_once, small_bank, last))

    # Lists are made for the last day alone: nobody can act on those of days that are over.
    assert hashes(at_once, OWED) == hashes(daily, OWED)
    assert support.advance(at_once, small_bank, last).plan is None
    assert hashes(at_once, OWED) == hashes(daily, OWED)


@pytest.mark.full
def test_obligations_lists_and_counts_go_on_after_a_lost_working_file_as_if_it_had_been_kept(
    built_home: BuiltHome, small_bank: Path, tmp_path: Path
) -> None:
    kept, lost = (support.copy_home(built_home.home, tmp_path / name) for name in ("kept", "lost"))
    lost.warehouse.unlink()

    for home in (kept, lost):
        support.published(support.advance(home, small_bank, LAST_DELIVERED_DATE))

    assert support.query(kept, "select count(*) from maintenance.obligation where status = 'done'")[0][0] > 0
    assert hashes(lost, OWED + TOLD) == hashes(kept, OWED + TOLD)
