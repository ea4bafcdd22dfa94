"""Archives: who lacks what, and who must collect it, against the deliveries as a reader finds them."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from orchestration.lib.policies import load_policies
from tests import support
from tests.conftest import AS_OF_DATE, GO_LIVE_DATE, BuiltHome
from tests.maintenance.event_oracle import Oracle


def lacks(row: dict[str, Any], field: str) -> bool:
    return row["sex"] == "u" if field == "sex" else row[field] is None


@pytest.fixture(scope="module")
def oracle(built_home: BuiltHome) -> Oracle:
    return Oracle(built_home.home, built_home.landing)


@pytest.mark.rule("A9-17", "A8-06", "A8-07", "D1-13")
def test_an_archive_lacks_what_the_deliveries_lack(built_home: BuiltHome, oracle: Oracle) -> None:
    archive = load_policies().events.versions[0].archive
    averages = dict(support.query(built_home.home, "select customer_id, aum_month_avg_cny from assets.customer_assets"))
    expected = {}
    for customer, row in oracle.customers(AS_OF_DATE).items():
        ends = [row[name] for name in ("deceased_date", "closed_date") if row[name] is not None]
        if any(end <= AS_OF_DATE for end in ends) or oracle.now(customer, AS_OF_DATE) != customer:
            continue
        if customer in oracle.books[AS_OF_DATE] or averages[customer] >= archive.min_month_average:
            missing = sorted(field for field in archive.fields if lacks(row, field))
            rate = Decimal(len(archive.fields) - len(missing)) / len(archive.fields)
            expected[customer] = (",".join(missing) or None, rate.quantize(Decimal("0.0001"), ROUND_HALF_UP))
    found = support.query(
        built_home.home, "select customer_id, missing_fields, completeness_rate from maintenance.archive_completeness"
    )
    assert {customer: (missing, rate) for customer, missing, rate in found} == expected
    assert {missing for missing, _ in expected.values()} > {None}


@pytest.mark.rule("G26", "E3-02")
def test_the_owner_collects_or_the_role_of_the_queue_or_the_counter(built_home: BuiltHome, oracle: Oracle) -> None:
    archive = load_policies().events.versions[0].archive
    owners = dict(
        support.query(built_home.home, "select customer_id, employee_id from crm.assignment where slot = 'a'")
    )
    acting = dict(
        support.query(
            built_home.home, "select customer_id, employee_id from crm.assignment where slot = 'b' and is_acting"
        )
    )
    queue = dict(support.query(built_home.home, "select customer_id, owner_role_code from crm.exception_queue"))
    found = support.query(
        built_home.home,
        "select customer_id, collector_employee_id, collector_role_code, missing_count, due_to_date "
        "from maintenance.archive_completeness",
    )
    assert {customer for customer, *_ in found} >= set(owners) & set(oracle.customers(AS_OF_DATE))
    for customer, employee, role, missing, due in found:
        assert employee == acting.get(customer, owners.get(customer))
        if employee is None:
            assert role == queue.get(customer, archive.unowned_role)
        # Nothing was due before books went live.
        assert (due is None) == (missing == 0)
        assert due is None or due >= GO_LIVE_DATE + timedelta(days=archive.due)
