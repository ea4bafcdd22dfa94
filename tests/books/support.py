"""A bank in which everything that books turn on happens within forty days, and what its deliveries say of a day.

The demo bank's deliveries are altered by a script: what is altered is drawn from the deliveries themselves, in order of
ids. ``World`` reads the altered deliveries as a person would: newest file of a day, day by day.
"""

from __future__ import annotations

import functools
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from orchestration.lib.contracts import Feed
from orchestration.lib.delivery import ARROW_TYPES, write_delivery
from orchestration.lib.demo_bank import generate
from tests import support
from tests.policies.support import PRIMARY, copy_policies, edit

CUSTOMERS = 400
FIRST_DATE = date(2026, 4, 1)
GO_LIVE = date(2026, 5, 1)
MONTH_LATER = date(2026, 6, 1)
DAY = timedelta(days=1)
EVENTS = ("crm.customer_choices", "crm.referrals")
Row = dict[str, Any]


def live_day(number: int) -> date:
    """The day so many days after go-live."""
    return GO_LIVE + number * DAY


def write_policies(folder: Path) -> Path:
    """The shipped policies with the bank's go-live date; a tier is lost after one month, not three or six."""
    directory = copy_policies(folder)

    def go_live(content: Row) -> None:
        for version in content["versions"]:
            version["go_live_date"] = GO_LIVE

    def fall_at_once(content: Row) -> None:
        for tier in content["versions"][0]["tiers"]:
            tier["downgrade_after_months"] = 1

    edit(directory, "books", go_live)
    edit(directory, PRIMARY, fall_at_once)
    return directory


# --- reading and writing deliveries ----------------------------------------------------------------


@functools.cache
def contract(feed_id: str) -> Feed:
    return support.feed(feed_id)


def _typed(value: str | None, column_type: str) -> Any:
    if value is None:
        return None
    read: dict[str, Callable[[str], Any]] = {"date": date.fromisoformat, "int": int, "bool": lambda v: v == "true"}
    return read.get(column_type, str)(value)


def read_rows(landing: Path, feed_id: str, day: date) -> list[Row]:
    """Rows of the first delivery of a day, CSV or workbook, with the contract's types."""
    folder = support.delivery_folder(landing, feed_id, day)
    workbooks = list(folder.glob("*.xlsx"))
    if not workbooks:
        (file,) = folder.glob("*.csv")
        types = {column.name: ARROW_TYPES[column.type] for column in contract(feed_id).columns}
        options = pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True)
        rows: list[Row] = pyarrow.csv.read_csv(file, convert_options=options).to_pylist()
        return rows
    from openpyxl import load_workbook

    header, *lines = load_workbook(workbooks[0]).active.iter_rows(values_only=True)
    types = {column.name: column.type for column in contract(feed_id).columns}
    return [{n: _typed(v, types[n]) for n, v in zip(header, line, strict=True)} for line in lines]


def days_of(landing: Path, feed_id: str) -> list[date]:
    folder = landing.joinpath(*feed_id.split("."))
    return sorted(date.fromisoformat(path.name) for path in folder.iterdir()) if folder.is_dir() else []


def write_rows(
    landing: Path, feed_id: str, day: date, rows: Sequence[Row], *, mode: str | None = None, sequence_no: int = 1
) -> None:
    """Write a delivery as CSV in place of the one that lies there."""
    feed = contract(feed_id)
    if sequence_no == 1:
        shutil.rmtree(support.delivery_folder(landing, feed_id, day), ignore_errors=True)
    fields = [pa.field(column.name, ARROW_TYPES[column.type]) for column in feed.columns]
    if mode == "delta":
        fields.append(pa.field("is_deleted", pa.bool_()))
        rows = [{"is_deleted": False, **row} for row in rows]
    table = pa.Table.from_pylist(list(rows), pa.schema(fields))
    write_delivery(landing, feed, day, table, mode=mode, sequence_no=sequence_no)


def newest(landing: Path, feed_id: str, day: date) -> list[Row]:
    """Rows of the snapshot in force on a day."""
    return read_rows(landing, feed_id, max(d for d in days_of(landing, feed_id) if d <= day))


# --- what happens ----------------------------------------------------------------------------------


def simulate(folder: Path, days: int) -> Path:
    """Landing root of a bank that decides its books on ``days`` days from ``GO_LIVE`` on."""
    through = live_day(days - 1)
    generate(folder, customers=CUSTOMERS, start=FIRST_DATE, through=through, seed=10, go_live=GO_LIVE)
    Script(folder / "landing", through).write()
    return folder / "landing"


class Script:
    """Alters deliveries from go-live on. Days are counted from go-live."""

    def __init__(self, landing: Path, through: date) -> None:
        self.landing = landing
        self.through = through
        self.staff = {r["employee_id"]: r for r in newest(landing, "hr.employees", GO_LIVE)}
        self.customers = {r["customer_id"]: r for r in read_rows(landing, "core_banking.customers", FIRST_DATE)}
        held: dict[str, list[str]] = defaultdict(list)
        for row in newest(landing, "crm.maintainers", GO_LIVE):
            if row["slot"] == "a":
                held[row["employee_id"]].append(row["customer_id"])
        self.held = {employee_id: sorted(ids) for employee_id, ids in held.items()}
        self.used: set[str] = set()

    def people(self, role: str) -> list[str]:
        """Employees of a role who are at work, those with most customers first."""
        ids = [i for i, r in self.staff.items() if r["role_code"] == role and r["status"] == "active"]
        signed = [i for i in ids if self.staff[i]["nda_signed_date"]]
        return sorted(signed, key=lambda i: (-len(self.held.get(i, [])), i))

    def take(self, owner_role: str, number: int, of: str | None = None) -> list[str]:
        """Customers of a role's people (or of one) to whom nothing else happens."""
        owners = [of] if of else self.people(owner_role)
        free = [c for e in owners for c in self.held.get(e, []) if c in self.customers and c not in self.used]
        self.used.update(free[:number])
        assert len(free) >= number, f"{owner_role} {of}: {len(free)} customers"
        return free[:number]

    def strangers(self, number: int, home: str | None = None) -> list[str]:
        """Customers whom nobody maintains, of an outlet or of any."""
        maintained = {c for ids in self.held.values() for c in ids}
        free = [c for c in sorted(self.customers) if c not in maintained and c not in self.used]
        free = [c for c in free if home in (None, self.customers[c]["home_branch_id"])]
        self.used.update(free[:number])
        return free[:number]

    def write(self) -> None:
        managers, tellers, lobby = (self.people(r) for r in ("wealth_manager", "teller", "lobby_manager"))
        heads, private = self.people("outlet_head"), self.people("private_wealth_manager")
        self.leaver, self.signer, self.short_leave = managers[0], managers[1], managers[2]
        self.mover, self.full, self.hired_like = tellers[0], tellers[1], tellers[2]
        self.long_leave, self.guard = lobby[0], heads[0]
        outlets = sorted({self.staff[i]["branch_id"] for i in heads})
        self.closing, self.successor = outlets[-1], outlets[0]

        self.write_customers()
        self.write_staff(
            [
                (self.leaver, 4, None, {"status": "left", "left_date": live_day(4)}),
                (self.mover, 6, None, {"branch_id": self.other_outlet(self.mover, outlets)}),
                (self.short_leave, 8, 14, {"status": "on_leave"}),
                (self.long_leave, 3, None, {"status": "on_leave"}),
                (self.signer, 9, 25, {"nda_signed_date": None}),
                (self.guard, 11, 20, {"status": "on_leave"}),
                (self.full, 1, None, {"capacity": len(self.held[self.full])}),
                *((i, 15, None, {"status": "left", "left_date": live_day(15)}) for i in private),
                *((i, 20, None, {"capacity": 1}) for i in heads),
                *(
                    (i, 20, None, {"capacity": 0})
                    for i in self.people("wealth_manager")
                    if self.staff[i]["branch_id"] in (self.closing, self.successor)
                ),
            ],
            hired=(13, {**self.staff[self.hired_like], "employee_id": "e900001", "hired_date": live_day(13)}),
        )
        self.write_branches()
        self.write_events(managers)
        self.write_money()

    def other_outlet(self, employee_id: str, outlets: Sequence[str]) -> str:
        return next(o for o in outlets if o not in (self.staff[employee_id]["branch_id"], self.closing))

    def write_customers(self) -> None:
        """Staff, a death that is reported late, a veto, two merges, a customer who moves house, one who closes."""
        take = self.take
        members = newest(self.landing, "crm.households", GO_LIVE)
        homes = defaultdict(list)
        for row in members:
            homes[row["household_id"]].append(row["customer_id"])
        maintained = {c for ids in self.held.values() for c in ids}
        household = max(homes.values(), key=lambda ids: (len(maintained & set(ids)), ids))
        self.housemates = sorted(maintained & set(household))
        (self.employee,) = [next(c for c in household if c in self.customers)]
        self.used.update(household)
        self.dying, self.moving, self.closed = take("teller", 3)
        self.vetoed = take("wealth_manager", 2)
        self.merged = [(take("lobby_manager", 1)[0], take("teller", 1)[0]), (*take("teller", 1), *self.strangers(1))]
        outlets = sorted({c["home_branch_id"] for c in self.customers.values()})
        home = self.customers[self.moving]["home_branch_id"]
        changes = [
            (5, self.employee, {"is_employee": True}),
            (7, self.dying, {"deceased_date": live_day(5)}),
            (14, self.moving, {"home_branch_id": next(o for o in outlets if o != home)}),
            (17, self.closed, {"closed_date": live_day(17)}),
        ]
        for number, customer_id, change in changes:
            day = live_day(number)
            rows = {r["customer_id"]: r for r in read_rows(self.landing, "core_banking.customers", day)}
            self.customers[customer_id] = {**self.customers[customer_id], **rows.get(customer_id, {}), **change}
            rows[customer_id] = self.customers[customer_id]
            write_rows(self.landing, "core_banking.customers", day, list(rows.values()), mode="delta")
        for number, (old, new) in zip((12, 19), self.merged, strict=True):
            merge = {"merge_id": f"m{number}", "old_customer_id": old, "new_customer_id": new}
            self.add("core_banking.customer_merges", live_day(number), {**merge, "merged_date": live_day(number)})
        for day, flags in ((GO_LIVE, ("fraud", "none")), (MONTH_LATER, ("none", "court_freeze"))):
            risks = {r["customer_id"]: r for r in newest(self.landing, "risk.customer_risk", day)}
            for customer_id, flag in zip(self.vetoed, flags, strict=True):
                risks[customer_id] = {**risks[customer_id], "special_flag": flag}
            write_rows(self.landing, "risk.customer_risk", day, list(risks.values()))

    def add(self, feed_id: str, day: date, *rows: Row) -> None:
        """Events of a day beside those that are delivered already."""
        known = read_rows(self.landing, feed_id, day) if day in days_of(self.landing, feed_id) else []
        write_rows(self.landing, feed_id, day, [*known, *rows])

    def write_staff(self, changes: Iterable[tuple[str, int, int | None, Row]], hired: tuple[int, Row]) -> None:
        changes = list(changes)
        delivered: list[Row] = []
        day = GO_LIVE
        base = newest(self.landing, "hr.employees", day)
        known_days = set(days_of(self.landing, "hr.employees"))
        while day <= self.through:
            if day in known_days:
                base = read_rows(self.landing, "hr.employees", day)
            rows = {r["employee_id"]: dict(r) for r in base}
            if live_day(hired[0]) <= day:
                rows[hired[1]["employee_id"]] = hired[1]
            for employee_id, start, end, change in changes:
                if live_day(start) <= day and (end is None or day < live_day(end)):
                    rows[employee_id].update(change)
            if day in known_days or delivered != list(rows.values()):
                delivered = list(rows.values())
                write_rows(self.landing, "hr.employees", day, delivered)
            day += DAY

    def write_branches(self) -> None:
        day = MONTH_LATER
        rows = newest(self.landing, "reference.branches", day)
        for row in rows:
            if row["branch_id"] == self.closing:
                row.update(closed_date=day, successor_branch_id=self.successor)
        write_rows(self.landing, "reference.branches", day, rows)

    def write_events(self, managers: Sequence[str]) -> None:
        """Choices of somebody at work, of a full one, of one who left, by a colleague's housemate; referrals."""
        free, specialist = [
            m for m in managers[3:] if self.staff[m]["branch_id"] not in (self.closing, self.successor)
        ][:2]
        self.rising = self.take("teller", 3)
        (chooser,) = self.take("wealth_manager", 1)
        (other,) = self.take("lobby_manager", 1)
        choices = [
            (2, chooser, free),
            (6, other, self.leaver),
            (18, other, self.full),
            (21, self.housemates[-1], free),
            (32, self.rising[0], free),
            (33, self.rising[1], next(e for e, ids in self.held.items() if self.rising[1] in ids)),
        ]
        for number, customer_id, employee_id in choices:
            choice = {"choice_id": f"c{number:02}", "customer_id": customer_id, "employee_id": employee_id}
            day = live_day(number)
            self.add("crm.customer_choices", day, {**choice, "chosen_date": day, "evidence_ref": f"form-{number}"})
        self.entering = self.strangers(10)
        self.entering_at_successor = self.strangers(2, self.successor)
        for number, customer_id in ((5, chooser), (35, self.entering[-1])):
            referral = {"referral_id": f"r{number:02}", "customer_id": customer_id, "from_employee_id": self.guard}
            day = live_day(number)
            self.add("crm.referrals", day, {**referral, "to_employee_id": specialist, "referred_date": day})

    def write_money(self) -> None:
        """Money that comes and goes from go-live on, in accounts and ledger; tiers follow at the month end."""
        amounts = dict(zip(self.rising, map(Decimal, (100_000, 300_000, 150_000)), strict=True))
        for n, customer_id in enumerate(self.entering):
            amounts[customer_id] = Decimal((140_000, 70_000, 140_000, 140_000, 5_000_000)[n % 5])
        amounts.update(dict.fromkeys(self.entering_at_successor, Decimal(500_000)))
        self.falling = self.take("wealth_manager", 4)
        amounts.update(dict.fromkeys(self.falling, Decimal(-150_000)))
        day = GO_LIVE
        while day <= self.through:
            accounts = read_rows(self.landing, "core_banking.deposit_accounts", day)
            left = dict(amounts)
            moved: dict[str, Decimal] = defaultdict(Decimal)
            for row in accounts:
                if row["currency"] == "CNY" and row["customer_id"] in left:
                    # A fall empties accounts one after the other; a rise goes into the first.
                    amount = max(left[row["customer_id"]], -row["balance"])
                    row["balance"] += amount
                    moved[row["branch_id"]] += amount
                    left[row["customer_id"]] -= amount
                    if not left[row["customer_id"]]:
                        del left[row["customer_id"]]
            ledger = read_rows(self.landing, "finance.gl_balances", day)
            for row in ledger:
                if (row["product_family"], row["currency"]) == ("deposit", "CNY"):
                    row["balance"] += moved.pop(row["branch_id"], Decimal(0))
            assert not any(moved.values())
            write_rows(self.landing, "core_banking.deposit_accounts", day, accounts)
            write_rows(self.landing, "finance.gl_balances", day, ledger)
            day += DAY


# --- what the deliveries say of a day --------------------------------------------------------------


class World:
    """The bank on any day, read from its deliveries alone."""

    def __init__(self, landing: Path) -> None:
        self.landing = landing
        self.days = {feed_id: days_of(landing, feed_id) for feed_id in self.feeds()}

    @staticmethod
    def feeds() -> tuple[str, ...]:
        snapshots = ("hr.employees", "reference.branches", "crm.households", "crm.maintainers", "risk.customer_risk")
        return (*snapshots, "core_banking.customers", "core_banking.customer_merges", *EVENTS)

    @functools.cache  # noqa: B019 - one world per test session
    def delivered(self, feed_id: str, day: date) -> list[Row]:
        return read_rows(self.landing, feed_id, day)

    def snapshot(self, feed_id: str, day: date) -> list[Row]:
        return self.delivered(feed_id, max(d for d in self.days[feed_id] if d <= day))

    def events(self, feed_id: str, day: date) -> list[Row]:
        """Events delivered up to a day, each with the day it became known."""
        return [{**r, "known": d} for d in self.days[feed_id] if d <= day for r in self.delivered(feed_id, d)]

    def customers(self, day: date) -> dict[str, Row]:
        known: dict[str, Row] = {}
        for delivered in self.days["core_banking.customers"]:
            if delivered <= day:
                known.update({r["customer_id"]: r for r in self.delivered("core_banking.customers", delivered)})
        return known

    def households(self, day: date) -> dict[str, str]:
        """Household of each customer: of several the one joined last."""
        in_force = [
            r
            for r in self.snapshot("crm.households", day)
            if r["valid_from"] <= day and (r["valid_to"] is None or r["valid_to"] > day)
        ]
        in_force.sort(key=lambda r: (r["valid_from"], r["household_id"]))
        successors = self.successors(day)
        return {successors.get(r["customer_id"], r["customer_id"]): r["household_id"] for r in in_force}

    def successors(self, day: date) -> dict[str, str]:
        """Customers who live on in another, chains followed."""
        merges = [r for r in self.events("core_banking.customer_merges", day) if r["merged_date"] <= day]
        direct = {r["old_customer_id"]: r["new_customer_id"] for r in sorted(merges, key=lambda r: r["merged_date"])}
        followed = {}
        for old, first in direct.items():
            new = first
            while new in direct:
                new = direct[new]
            followed[old] = new
        return followed

    def vetoed(self, day: date) -> set[str]:
        successors = self.successors(day)
        flagged = [r["customer_id"] for r in self.snapshot("risk.customer_risk", day) if r["special_flag"] != "none"]
        return {successors.get(c, c) for c in flagged}

    @functools.cache  # noqa: B019
    def acting_branches(self, day: date) -> dict[str, str]:
        """Who acts for each branch: itself, or for a closed one its successor."""
        rows = self.branches(day)
        acting = {}
        for branch_id in rows:
            at = branch_id
            while rows[at]["successor_branch_id"]:
                at = rows[at]["successor_branch_id"]
            acting[branch_id] = at
        return acting

    @functools.cache  # noqa: B019
    def branches(self, day: date) -> dict[str, Row]:
        return {r["branch_id"]: r for r in self.snapshot("reference.branches", day)}

    def unit(self, branch_id: str, day: date) -> str:
        """The unit that somebody of a branch serves: of a wealth centre the one above it."""
        row = self.branches(day)[branch_id]
        is_centre = row["branch_level"] == "wealth_centre" and row["parent_branch_id"]
        return str(row["parent_branch_id"]) if is_centre else branch_id

    def units(self, branch_id: str, day: date, levels_up: int) -> list[str]:
        """The unit of a branch and those above it, as many as the policy asks."""
        branches = self.branches(day)
        units = [self.unit(self.acting_branches(day)[branch_id], day)]
        while len(units) <= levels_up and branches[units[-1]]["parent_branch_id"]:
            units.append(branches[units[-1]]["parent_branch_id"])
        return units
