"""A bank in whose quarter everything that appraisal turns on happens: the demo bank with its deliveries altered.

Customers close, die, are frozen and merged; others come in scope by choice, by referral and by a first sale; employees
leave (the demo bank's own do); a version of the tier rules begins in mid-quarter; a rate of a past day is corrected
after the quarter. Who it happens to is taken in order of ids from those whom the old CRM says are maintained.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestration.lib.demo_bank import generate
from tests import support
from tests.books.support import days_of, newest, read_rows, write_rows
from tests.policies.support import PRIMARY, copy_policies, edit

CUSTOMERS = 500
FIRST_DATE = date(2026, 1, 1)
GO_LIVE = date(2026, 4, 1)
QUARTER, QUARTER_END, JUDGED_ON = "2026Q2", date(2026, 6, 30), date(2026, 7, 31)
NEXT_QUARTER = "2026Q3"
# What was evaluated on the month end is in the history of tiers on the day after.
LAST_DATE = date(2026, 8, 1)
CLOSED_ON, DIED_ON, MERGED_ON, FROZEN_ON = date(2026, 5, 12), date(2026, 5, 20), date(2026, 5, 25), date(2026, 6, 1)
WON_ON, RULES_CHANGE_ON, CORRECTED_ON = date(2026, 6, 10), date(2026, 6, 1), date(2026, 6, 9)
DAY = timedelta(days=1)
Row = dict[str, Any]


@dataclass(frozen=True)
class Story:
    """To whom it happens."""

    landing: Path
    closes: tuple[str, ...]
    dies: str
    is_frozen: str
    merged_inside: tuple[str, str]
    merged_outside: tuple[str, str]


def write_policies(folder: Path) -> Path:
    """The shipped policies, live from GO_LIVE; from RULES_CHANGE_ON on wealth managers have customers of 18万."""
    directory = copy_policies(folder)
    edit(directory, "books", lambda content: content["versions"][0].update(go_live_date=GO_LIVE))

    def second_version(content: Row) -> None:
        (first,) = content["versions"]
        later = {**first, "version": "2", "effective_from": RULES_CHANGE_ON, "tiers": [dict(t) for t in first["tiers"]]}
        first["effective_to"] = RULES_CHANGE_ON
        tiers = {tier["tier_code"]: tier for tier in later["tiers"]}
        cut = {"value": "18万", "inclusive": True}
        tiers["wealth_manager"]["lower"] = {**tiers["wealth_manager"]["lower"], **cut}
        tiers["lobby_adopted"]["upper"] = {**tiers["lobby_adopted"]["upper"], "value": "18万"}
        content["versions"].append(later)

    edit(directory, PRIMARY, second_version)
    return directory


def write_bank(folder: Path) -> Story:
    """Landing root of the bank through LAST_DATE, and its story. The late correction is not delivered yet."""
    generate(folder, customers=CUSTOMERS, start=FIRST_DATE, through=LAST_DATE, seed=11, go_live=GO_LIVE)
    landing = folder / "landing"
    held = sorted({r["customer_id"] for r in newest(landing, "crm.maintainers", GO_LIVE - DAY) if r["slot"] == "a"})
    everybody = {row["customer_id"]: row for row in read_rows(landing, "core_banking.customers", FIRST_DATE)}
    held = [c for c in held if c in everybody and not everybody[c]["is_employee"] and not everybody[c]["closed_date"]]
    strangers = [c for c in sorted(everybody) if c not in held and not everybody[c]["is_employee"]]
    story = Story(
        landing, (held[3], held[4], held[5]), held[7], held[11], (held[15], held[19]), (held[23], strangers[5])
    )
    _tell_customers(story, everybody)
    _tell_merges(story)
    _tell_risk(story)
    _tell_winners(landing, strangers)
    return story


def _tell_customers(story: Story, everybody: dict[str, Row]) -> None:
    """Later deltas name whom the bank itself changes; those of the story are told again with them."""
    told = {customer: {"closed_date": CLOSED_ON} for customer in story.closes} | {
        story.dies: {"deceased_date": DIED_ON}
    }
    since = dict.fromkeys(story.closes, CLOSED_ON) | {story.dies: DIED_ON}
    for day in days_of(story.landing, "core_banking.customers"):
        if day < min(since.values()):
            continue
        _, mode, _ = support.read_delivery(story.landing, "core_banking.customers", day)
        rows = read_rows(story.landing, "core_banking.customers", day)
        if mode == "full":
            rows = [
                {**row, **(told[c] if (c := row["customer_id"]) in told and day >= since[c] else {})} for row in rows
            ]
        else:
            names = {customer for customer in told if since[customer] == day}
            rows = [{**row, **told.get(row["customer_id"], {})} for row in rows if row["customer_id"] not in names]
            rows += [{**everybody[customer], **told[customer]} for customer in sorted(names)]
        write_rows(story.landing, "core_banking.customers", day, rows, mode=mode)


def _tell_merges(story: Story) -> None:
    rows = [
        {"merge_id": f"story{n}", "old_customer_id": old, "new_customer_id": new, "merged_date": MERGED_ON}
        for n, (old, new) in enumerate((story.merged_inside, story.merged_outside))
    ]
    write_rows(story.landing, "core_banking.customer_merges", MERGED_ON, rows)


def _tell_risk(story: Story) -> None:
    for day in days_of(story.landing, "risk.customer_risk"):
        if day >= FROZEN_ON:
            rows = read_rows(story.landing, "risk.customer_risk", day)
            for row in rows:
                if row["customer_id"] == story.is_frozen:
                    row["special_flag"] = "court_freeze"
            write_rows(story.landing, "risk.customer_risk", day, rows)


def _tell_winners(landing: Path, strangers: list[str]) -> None:
    """Every stranger was won by somebody: whoever comes in scope later has been chosen for, referred or sold to."""
    staff = [r for r in newest(landing, "hr.employees", GO_LIVE) if r["status"] == "active" and r["nda_signed_date"]]
    tellers = sorted(r["employee_id"] for r in staff if r["role_code"] == "teller")
    groups = [strangers[number::3] for number in range(3)]

    def winner(number: int) -> str:
        return tellers[number % len(tellers)]

    choices = [
        {
            "choice_id": f"s{n}",
            "customer_id": c,
            "employee_id": winner(n),
            "chosen_date": WON_ON,
            "evidence_ref": f"f{n}",
        }
        for n, c in enumerate(groups[0])
    ]
    referrals = [
        {
            "referral_id": f"s{n}",
            "customer_id": c,
            "from_employee_id": winner(n),
            "to_employee_id": winner(n + 1),
            "referred_date": WON_ON,
        }
        for n, c in enumerate(groups[1])
    ]
    sales = [
        {
            "revenue_id": f"s{n}",
            "customer_id": c,
            "product_code": None,
            "seller_employee_id": winner(n),
            "posted_date": WON_ON,
            "amount_cny": Decimal("10.00"),
            "revenue_kind": "fee",
        }
        for n, c in enumerate(groups[2])
    ]
    product = newest(landing, "reference.products", WON_ON)[0]["product_code"]
    for feed_id, rows in (
        ("crm.customer_choices", choices),
        ("crm.referrals", referrals),
        ("finance.revenue", [{**row, "product_code": product} for row in sales]),
    ):
        known = read_rows(landing, feed_id, WON_ON) if WON_ON in days_of(landing, feed_id) else []
        write_rows(landing, feed_id, WON_ON, [*known, *rows])


def deliver_correction(landing: Path) -> None:
    """The dollar of a day in the quarter was dearer than delivered, which becomes known after the quarter."""

    def dearer(rates: pa.Table) -> pa.Table:
        return support.add_to(rates, "rate_cny", "0.10000000", pc.equal(rates.column("currency"), "USD"))

    day = max(d for d in days_of(landing, "market.fx_rates") if d <= CORRECTED_ON)
    support.redeliver(landing, "market.fx_rates", day, dearer, sequence_no=2)
