"""Every fen of revenue is credited once, to whom the books say: the models against a reading in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestration.lib.policies.compile_books import BOOK_SCHEMAS
from orchestration.lib.policies.trial import Trial
from tests import support
from tests.conftest import AS_OF_DATE, FIRST_DATE, BuiltHome

DAY = timedelta(days=1)
FEN = Decimal("0.01")
# Books go live on the first day; revenue is of the days after it.
LIVE = date(2026, 1, 1)
END = LIVE + 40 * DAY
# A horizon of one month, so that histories of six weeks lie on both sides of it.
HORIZON_MONTHS = 1
MODELS = ("int_books__revenue_situation", "fct_revenue_credit")
INPUTS = (
    "stg_finance__revenue",
    "stg_crm__referrals",
    "stg_crm__maintainers",
    "stg_hr__employees",
    "stg_core_banking__customer_merges",
    "dim_customer",
    "fct_assignment_change",
)
EMPLOYEES = ("ann", "bob", "cai", "dou")
LEAVER = "dou"
BRANCH = "b1"
PROTECTED = ("customer_choice", "referral", "rebalancing")
REASONS = (*PROTECTED, "owner_left", "owner_moved")
# situation -> (kind, share, is_shadow) in the order in which a fen left over is given away. Thirds leave some over.
THIRD = Decimal("0.33333333")
SPLITS: dict[str, list[tuple[str, Decimal, bool]]] = {
    "held": [("current", Decimal(1), False)],
    "moved_within_horizon": [
        ("initial", 1 - THIRD, False),
        ("pool", THIRD, False),
        ("current", Decimal(1), True),
    ],
    "moved_after_horizon": [("initial", THIRD, False), ("current", 1 - THIRD, False)],
    "specialist_sale": [("referrer", THIRD, False), ("specialist", THIRD, False), ("current", 1 - 2 * THIRD, False)],
    "no_owner": [("pool", Decimal(1), False)],
}
Row = dict[str, Any]
# (revenue_id, kind) -> recipient, is_shadow, amount
Credits = dict[tuple[str, str], tuple[str, bool, Decimal]]


@dataclass(frozen=True)
class Move:
    """From a day on a customer is maintained by somebody else, or by nobody (a queue)."""

    day: date
    employee_id: str | None
    reason: str


@dataclass(frozen=True)
class Customer:
    """A customer's moves by day, whom he was referred to, who of them is in his team, and what he brought in."""

    customer_id: str
    moves: tuple[Move, ...]
    referrals: tuple[tuple[date, str, str], ...]
    specialists: tuple[tuple[date, str], ...]
    revenue: tuple[tuple[date, str | None, Decimal], ...]

    def log(self) -> list[Row]:
        """The moves and team as rows of the log of changes; the first maintainer is whoever came first."""
        rows: list[Row] = []
        initial, lost_date, lost_reason = None, None, None
        for move in self.moves:
            if initial is None:
                initial = move.employee_id
            elif lost_date is None and move.employee_id != initial:
                lost_date, lost_reason = move.day, move.reason
            rows.append(
                {
                    "business_date": move.day,
                    "customer_id": self.customer_id,
                    "slot": "a",
                    "slot_no": 1,
                    "to_employee_id": move.employee_id,
                    "initial_employee_id": initial if move.employee_id else None,
                    "initial_lost_date": lost_date if move.employee_id else None,
                    "initial_lost_reason_code": lost_reason if move.employee_id else None,
                }
            )
        for number, (day, employee_id) in enumerate(self.specialists, start=1):
            slot = {"customer_id": self.customer_id, "slot": "specialist", "slot_no": number}
            rows.append({**slot, "business_date": day, "to_employee_id": employee_id})
        return rows

    def revenue_rows(self) -> list[Row]:
        return [
            {
                "business_date": day,
                "revenue_id": f"{self.customer_id}-{number}",
                "posted_date": day,
                "customer_id": self.customer_id,
                "seller_employee_id": seller,
                "amount_cny": amount,
            }
            for number, (day, seller, amount) in enumerate(self.revenue)
        ]


def within(start: date, day: date) -> bool:
    """Whether a day lies less than the horizon after another: before the same day of the next month."""
    return (day.year, day.month - HORIZON_MONTHS, day.day) < (start.year, start.month, start.day)


def expected(customers: Sequence[Customer]) -> Credits:
    """Credits by walking each customer's history up to the day of each revenue."""
    found: Credits = {}
    for customer in customers:
        for number, (day, seller, amount) in enumerate(customer.revenue):
            history = [m for m in customer.moves if m.day <= day]
            owner = history[-1].employee_id if history else None
            initial = next((m.employee_id for m in history if m.employee_id), None) if owner else None
            first = next((i for i, m in enumerate(history) if m.employee_id), 0)
            loss = next((m for m in history[first + 1 :] if m.employee_id != initial), None)
            protected = owner != initial and loss is not None and loss.reason in PROTECTED
            referrers = [
                (referred, index, source)
                for index, (referred, source, target) in enumerate(customer.referrals)
                if source != target == seller and referred <= day and within(referred, day)
            ]
            is_team = any(since <= day and who == seller for since, who in customer.specialists)
            if protected and loss is not None and within(loss.day, day):
                situation = "moved_within_horizon"
            elif referrers and is_team and seller != owner:
                situation = "specialist_sale"
            elif owner is None:
                situation = "no_owner"
            else:
                situation = "moved_after_horizon" if protected else "held"
            people = {
                "current": owner,
                "initial": initial,
                "specialist": seller,
                "referrer": max(referrers)[2] if referrers else None,
            }
            splits = SPLITS[situation]
            parts = [(kind, is_shadow, (amount * share).quantize(FEN, ROUND_DOWN)) for kind, share, is_shadow in splits]
            left = amount - sum((part for _, is_shadow, part in parts if not is_shadow), Decimal(0))
            parts[0] = (*parts[0][:2], parts[0][2] + left)
            for kind, is_shadow, part in parts:
                person = people.get(kind)
                recipient = person if person not in (None, LEAVER) else BRANCH
                assert isinstance(recipient, str)
                found[f"{customer.customer_id}-{number}", kind] = (recipient, is_shadow, part)
    return found


class Ledger:
    """The two models as dbt compiled them, in a scratch warehouse whose inputs are replaced for every case."""

    def __init__(self, folder: Path) -> None:
        trial = Trial(folder, first_date=LIVE)
        for model in INPUTS:
            trial.put(model, [])
        with trial.connect() as con:
            con.execute("create schema build")
            con.execute("create table build.batch_day (feed_id varchar, business_date date, batch_id varchar)")
            for name, rows in policy_rows().items():
                table = pa.Table.from_pylist(rows, BOOK_SCHEMAS[name])
                con.register("rows_of_policy", table)
                con.execute(f"create table policy.{name} as select * from rows_of_policy")
                con.unregister("rows_of_policy")
        trial.run(MODELS, [f'{{"base_date": "{LIVE}", "as_of_date": "{END}", "seed_date": "{LIVE}"}}'])
        compiled = folder / "target" / "compiled" / "tierhouse" / "models"
        self.sql = [next(compiled.rglob(f"{model}.sql")).read_text("utf-8") for model in MODELS]
        self.tables = ["intermediate.int_books__revenue_situation", "core.fct_revenue_credit"]
        # The compiled SQL names the catalog of the warehouse's file.
        self.con = duckdb.connect(str(trial.warehouse))
        days = [LIVE + n * DAY for n in range((END - LIVE).days + 1)]
        self.con.executemany("insert into build.batch_day values ('hr.employees', ?, 'h')", [[d] for d in days])
        staff = [{"employee_id": e, "status": "left" if e == LEAVER else "active", "batch_id": "h"} for e in EMPLOYEES]
        self._replace("stage.stg_hr__employees", staff)

    def _replace(self, table: str, rows: list[Row]) -> None:
        self.con.execute(f"delete from {table}")
        if rows:
            names = list(dict.fromkeys(name for row in rows for name in row))
            self.con.register("new_rows", pa.table({name: [row.get(name) for row in rows] for name in names}))
            self.con.execute(f"insert into {table} by name select * from new_rows")
            self.con.unregister("new_rows")

    def credits(self, customers: Sequence[Customer]) -> Credits:
        self.con.execute("begin")
        known = [{"customer_id": c.customer_id, "home_branch_id": BRANCH} for c in customers]
        self._replace("core.dim_customer", known)
        self._replace("core.fct_assignment_change", [row for c in customers for row in c.log()])
        self._replace("stage.stg_finance__revenue", [row for c in customers for row in c.revenue_rows()])
        referrals = [
            {
                "referral_id": f"{c.customer_id}-{number:03}",
                "customer_id": c.customer_id,
                "from_employee_id": source,
                "to_employee_id": target,
                "referred_date": day,
                "business_date": day,
            }
            for c in customers
            for number, (day, source, target) in enumerate(c.referrals)
        ]
        self._replace("stage.stg_crm__referrals", referrals)
        for table, sql in zip(self.tables, self.sql, strict=True):
            self.con.execute(f"create or replace table {table} as {sql}")
        rows = self.con.execute(
            "select revenue_id, credit_kind, recipient_id, is_shadow, amount_cny from core.fct_revenue_credit"
        ).fetchall()
        self.con.execute("rollback")
        found = {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}
        assert len(found) == len(rows), "a revenue item is credited twice for the same"
        return found


def policy_rows() -> dict[str, list[Row]]:
    version = {"policy_version": "books@1", "effective_from": date(1990, 1, 1), "effective_to": date(9999, 12, 31)}
    horizons = {"attribution_horizon_months": HORIZON_MONTHS, "referral_horizon_months": HORIZON_MONTHS}
    return {
        "book": [{**version, **horizons}],
        "revenue_split": [
            {
                **version,
                "situation_code": situation,
                "credit_kind": kind,
                "share": share,
                "is_shadow": is_shadow,
                "rule_id": "G15",
            }
            for situation, shares in SPLITS.items()
            for kind, share, is_shadow in shares
        ],
    }


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "trial")
    yield ledger
    ledger.con.close()


DAYS = st.integers(0, 40).map(lambda n: LIVE + n * DAY)
# Revenue is of days after the base.
EARNING_DAYS = st.integers(1, 40).map(lambda n: LIVE + n * DAY)
PEOPLE: st.SearchStrategy[str] = st.sampled_from(EMPLOYEES)
NOBODY: st.SearchStrategy[str | None] = st.none()
# Few sell, so that who sells is often the owner, a specialist or somebody whom the customer was referred to.
SELLERS: st.SearchStrategy[str] = st.sampled_from(("bob", "cai"))
AMOUNTS = st.integers(-(10**12), 10**12) | st.integers(-20, 20)
MONEY = AMOUNTS.map(lambda fen: Decimal(fen) * FEN)


@st.composite
def histories(draw: st.DrawFn) -> list[Customer]:
    customers = []
    for number in range(draw(st.integers(1, 12))):
        days = sorted(draw(st.sets(DAYS, max_size=6)))
        # The log of a customer begins with somebody.
        holders = [draw(PEOPLE if not i else NOBODY | PEOPLE) for i in range(len(days))]
        moves = tuple(
            Move(day, holder, draw(st.sampled_from(REASONS)))
            for i, (day, holder) in enumerate(zip(days, holders, strict=True))
            if not i or holder != holders[i - 1]
        )
        customers.append(
            Customer(
                f"c{number:02}",
                moves,
                tuple(draw(st.lists(st.tuples(DAYS, PEOPLE, SELLERS), max_size=4))),
                tuple(draw(st.lists(st.tuples(DAYS, SELLERS), max_size=3))),
                tuple(draw(st.lists(st.tuples(EARNING_DAYS, NOBODY | SELLERS, MONEY), min_size=1, max_size=6))),
            )
        )
    return customers


def daily_sums(customers: Sequence[Customer], found: Credits) -> tuple[dict[date, Decimal], dict[date, Decimal]]:
    """Revenue and what is credited of it outside shadows, by day."""
    earned: dict[date, Decimal] = defaultdict(Decimal)
    credited: dict[date, Decimal] = defaultdict(Decimal)
    days = {}
    for customer in customers:
        for row in customer.revenue_rows():
            earned[row["business_date"]] += row["amount_cny"]
            days[row["revenue_id"]] = row["business_date"]
    for (revenue_id, _), (_, is_shadow, amount) in found.items():
        credited[days[revenue_id]] += Decimal(0) if is_shadow else amount
    return dict(earned), dict(credited)


@pytest.mark.rule("A9-07", "A9-08", "G15", "G16")
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(customers=histories())
# Bob and Cai were both referred to; Bob is the owner himself.
@example(
    customers=[
        Customer(
            "c00",
            (Move(LIVE, "bob", "allocation"),),
            ((LIVE, "ann", "bob"), (LIVE, "ann", "cai")),
            ((LIVE, "bob"), (LIVE, "cai")),
            ((LIVE + DAY, "bob", Decimal("0.02")), (LIVE + DAY, "cai", Decimal("-0.02"))),
        )
    ]
)
def test_every_history_is_credited_as_read_in_plain_python(ledger: Ledger, customers: list[Customer]) -> None:
    found = ledger.credits(customers)
    assert found == expected(customers)
    earned, credited = daily_sums(customers, found)
    assert credited == earned


@pytest.mark.rule("A9-08", "G15")
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    turns=st.sets(st.integers(1, 39).map(lambda n: LIVE + n * DAY), min_size=2, max_size=8),
    reason=st.sampled_from(REASONS),
    revenue=st.lists(st.tuples(EARNING_DAYS, st.none(), MONEY), min_size=1, max_size=8),
)
def test_moving_a_customer_to_and_fro_creates_no_credit(
    ledger: Ledger, turns: set[date], reason: str, revenue: list[tuple[date, None, Decimal]]
) -> None:
    first = Move(LIVE, "ann", "allocation")
    days = sorted(turns)[: len(turns) // 2 * 2]
    to_and_fro = tuple(Move(day, ("bob", "ann")[n % 2], reason) for n, day in enumerate(days))
    stayed = Customer("stayed", (first,), (), (), tuple(revenue))
    moved = Customer("moved", (first, *to_and_fro), (), (), tuple(revenue))
    found = ledger.credits([stayed, moved])
    counted: dict[str, list[Decimal]] = defaultdict(list)
    for (revenue_id, _), (_, is_shadow, amount) in found.items():
        if not is_shadow:
            counted[revenue_id.split("-")[0]].append(amount)
    assert sum(counted["moved"]) == sum(counted["stayed"]) == sum(amount for _, _, amount in revenue)
    # Back with the first maintainer everything is as if the customer had never gone.
    for number, (day, _, _) in enumerate(revenue):
        if day >= days[-1]:
            assert found[f"moved-{number}", "current"] == found[f"stayed-{number}", "current"]
            assert not [key for key in found if key[0] == f"moved-{number}" and key[1] != "current"]


@pytest.mark.rule("A9-08", "G15")
def test_published_credits_are_the_delivered_revenue_of_every_day_to_the_fen(built_home: BuiltHome) -> None:
    delivered: dict[date, Decimal] = {}
    for folder in sorted((built_home.landing / "finance" / "revenue").iterdir()):
        day = date.fromisoformat(folder.name)
        if FIRST_DATE <= day <= AS_OF_DATE:
            table, _, _ = support.read_delivery(built_home.landing, "finance.revenue", day)
            delivered[day] = sum(table.column("amount_cny").to_pylist(), Decimal(0))
    credited = support.query(
        built_home.home,
        "select business_date, sum(amount_cny) from appraisal.attribution where not is_shadow group by business_date",
    )
    assert len(delivered) > 20
    assert dict(credited) == delivered
