"""The five measures computed a second time: plain Python over the delivered files and over what was decided.

Written from the formulas in docs/appraisal.md alone, without SQL and without the models. Deliveries give balances,
prices, customers, products, sales; the published marts give what other engines decided and other oracles judge: tiers,
assignments, the frozen cohort, cadences and archives. Numbers of the shipped rules are written out. Money is Decimal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal, localcontext
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import duckdb

from tests.oracle.assets import Oracle, Row, half_up

DAY = timedelta(days=1)
ZERO = Decimal(0)
RATE = Decimal("0.00000001")
POINT = Decimal("0.0001")
# appraisal.yml and offers.yml as shipped.
FLOOR, KEPT, LIABLE, MID_HIGH = Decimal(50_000), Decimal("0.5"), Decimal(1_000_000), Decimal(200_000)
CAP, GATE_CAP, FULL, LEAST_RANKED, GUARD = Decimal(120), Decimal(60), Decimal(100), 20, 30
MEASURES = ("m1_retention", "m2_uplift", "m3_deepening", "m4_acquisition", "m5_growth")
WEIGHT = Decimal("0.2")
FIRST_TARGET = dict(zip(MEASURES, map(Decimal, ("0.05", "0.05", "0.5", "0.03", "0.03")), strict=True))
FAMILIES = {"staff_maintained": 2, "lobby_adopted": 2, "wealth_manager": 3, "private_wealth": 4, "special_entry": 2}
GATES = {"complaints": 2, "cadence": Decimal("0.7"), "archives": Decimal("0.6"), "conduct": 0}
RISKS = ("r1", "r2", "r3", "r4", "r5")
APPETITES = {"c1": "r1", "c2": "r2", "c3": "r3", "c4": "r4", "c5": "r5", "": "r1"}
SENIOR_AGE, SENIOR_HIGHEST = 65, "r2"
TOP_RANK = 5
NOT_ASSETS = {"loan", "card", "payment"}


class Valuation(Oracle):
    """Values of every day, with what price each stands on."""

    def __init__(self, root: Path, first: date, as_of: date) -> None:
        # day -> price key -> unit price in CNY; day -> (customer, product, price key) -> value
        self.unit_prices: dict[date, dict[str, Decimal]] = defaultdict(dict)
        self.priced: dict[date, dict[tuple[str, str, str], Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        self.in_use: dict[date, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        super().__init__(root, first, as_of)

    def _value(self, day: date) -> Any:
        self.valued_day = day
        value = super()._value(day)
        self.unit_prices[day] |= {currency: rate for currency, rate in self.rates.items() if currency != "CNY"}
        self.unit_prices[day] |= {instrument: self.unit_price(instrument) for instrument in self.prices}
        return value

    def _positions(self, day: date) -> Iterator[tuple[str, str, str, Decimal]]:
        for customer, product, family, amount, key in self._keyed_positions(day):
            if key:
                self.priced[day][customer, product, key] += amount
            yield customer, product, family, amount

    def _keyed_positions(self, day: date) -> Iterator[tuple[str, str, str, Decimal, str]]:
        archive = self.archive

        def foreign(currency: str) -> str:
            return "" if currency == "CNY" else currency

        owners = defaultdict(list)
        for row in archive.in_force("core_banking/account_owners", day):
            owners[row["account_id"]].append(row)
        for row in archive.in_force("core_banking/deposit_accounts", day):
            amount, key = half_up(Decimal(row["balance"]) * self.rates[row["currency"]]), foreign(row["currency"])
            holders = sorted(owners[row["account_id"]], key=lambda o: (o["owner_role"] != "primary", o["customer_id"]))
            rest = amount
            for owner in holders[1:]:
                part = (amount * Decimal(owner["share"])).quantize(Decimal("0.01"), rounding=ROUND_DOWN)
                rest -= part
                yield owner["customer_id"], row["product_code"], "", part, key
            first = holders[0]["customer_id"] if holders else row["customer_id"]
            yield first, row["product_code"], "", rest, key
        for feed in ("loan/loans", "card/card_accounts"):
            for row in archive.in_force(feed, day):
                amount = half_up(Decimal(row["outstanding_balance"]) * self.rates[row["currency"]])
                yield row["customer_id"], row["product_code"], "", amount, ""
        custody = {}
        for row in archive.in_force("brokerage/custody_accounts", day):
            custody[row["custody_account_id"]] = row["customer_id"]
            amount = half_up(Decimal(row["margin_balance"]) * self.rates[row["currency"]])
            yield row["customer_id"], "margin", "custody_margin", amount, foreign(row["currency"])
        for row in archive.in_force("brokerage/security_positions", day):
            amount = half_up(Decimal(row["quantity"]) * self.unit_price(row["instrument_id"]))
            yield custody[row["custody_account_id"]], "security", "securities", amount, row["instrument_id"]
        for row in archive.in_force("wealth/wealth_holdings", day):
            if row["instrument_id"]:
                amount, key = (
                    half_up(Decimal(row["units"]) * self.unit_price(row["instrument_id"])),
                    row["instrument_id"],
                )
            else:
                amount = half_up(half_up(Decimal(row["units"])) * self.rates[row["currency"]])
                key = foreign(row["currency"])
            yield row["customer_id"], row["product_code"], "", amount, key

    @cached_property
    def price_effects(self) -> dict[date, dict[str, Decimal]]:
        """Level of every customer's price effects at the close of each day, since the first."""
        levels: dict[date, dict[str, Decimal]] = {self.first: {}}
        day = self.first + DAY
        while day <= self.as_of:
            level = dict(levels[day - DAY])
            now, before = self.unit_prices[day], self.unit_prices[day - DAY]
            for (customer, _, key), value in self.priced[day - DAY].items():
                if value and now[key] != before[key]:
                    effect = half_up(value * now[key] / before[key]) - value
                    level[customer] = level.get(customer, ZERO) + effect
            levels[day] = level
            day += DAY
        return levels


@dataclass(frozen=True)
class Period:
    """A quarter as it is judged on a month end."""

    code: str
    start: date
    end: date
    judged_on: date

    @property
    def through(self) -> date:
        return min(self.judged_on, self.end)

    @property
    def days(self) -> int:
        return (self.through - self.start).days + 1

    @property
    def is_final(self) -> bool:
        return self.judged_on > self.end

    @property
    def eve(self) -> date:
        return self.start - DAY

    @property
    def prior_start(self) -> date:
        month = (self.eve.month - 1) // 3 * 3 + 1
        return date(self.eve.year, month, 1)


def period(code: str, judged_on: date) -> Period:
    year, quarter = int(code[:4]), int(code[5])
    start = date(year, quarter * 3 - 2, 1)
    following = date(year + quarter // 4, quarter * 3 % 12 + 1, 1)
    return Period(code, start, following - DAY, judged_on)


def ratio(part: Decimal, whole: Decimal) -> Decimal:
    return half_up(part / whole, RATE)


@dataclass
class Cell:
    """A row of evidence."""

    cohort_role: str
    held_days: int
    is_numerator: bool = False
    value_cny: Decimal | None = None
    base_cny: Decimal | None = None
    exclusion_reason: str | None = None
    cause_code: str | None = None
    is_liable: bool = False


@dataclass
class Decided:
    """What other engines decided, as readers see it."""

    tiers: dict[str, list[tuple[date, date | None, int, str]]] = field(default_factory=lambda: defaultdict(list))
    changes: dict[str, list[tuple[date, str | None]]] = field(default_factory=lambda: defaultdict(list))
    cohorts: dict[str, dict[str, Row]] = field(default_factory=lambda: defaultdict(dict))
    cadences: list[Row] = field(default_factory=list)
    credits: list[Row] = field(default_factory=list)
    archive_rates: dict[tuple[str, str], Decimal | None] = field(default_factory=dict)

    @classmethod
    def read(cls, marts: Path, when_judged: Path) -> Decided:
        """``when_judged``: the marts of the day of judgement; what is owed is counted from day to day."""
        found = cls()
        with duckdb.connect(str(when_judged), read_only=True) as con:
            found.cadences = con.execute("select * from maintenance.cadence_compliance").to_arrow_table().to_pylist()
        with duckdb.connect(str(marts), read_only=True) as con:

            def rows(sql: str) -> list[Row]:
                return con.execute(sql).to_arrow_table().to_pylist()

            for row in rows(
                "select customer_id, valid_from, valid_to, tier_rank, change_kind from tiering.customer_tier_history "
                "where scheme_code = 'branch_tiered_maintenance' order by customer_id, valid_from"
            ):
                spell = (row["valid_from"], row["valid_to"], row["tier_rank"], row["change_kind"])
                found.tiers[row["customer_id"]].append(spell)
            for row in rows(
                "select customer_id, business_date, to_employee_id from crm.assignment_change where slot = 'a' "
                "order by customer_id, business_date"
            ):
                found.changes[row["customer_id"]].append((row["business_date"], row["to_employee_id"]))
            for row in rows("select * from appraisal.cohort"):
                found.cohorts[row["period_code"]][row["customer_id"]] = row
            found.credits = rows("select * from appraisal.attribution where not is_shadow")
            found.archive_rates = {
                (row["period_code"], row["employee_id"]): row["archive_rate"]
                for row in rows("select period_code, employee_id, archive_rate from appraisal.scorecard_total")
            }
        return found

    def rank(self, customer: str, day: date) -> int:
        for start, end, rank, _ in self.tiers.get(customer, ()):
            if start <= day and (end is None or end > day):
                return rank
        return 0

    def has_policy_change(self, customer: str, after: date, through: date) -> bool:
        return any(kind == "policy" and after < start <= through for start, _, _, kind in self.tiers.get(customer, ()))

    def holder(self, customer: str, day: date) -> str | None:
        """Who has the customer at the close of a day."""
        known = [to for changed, to in self.changes.get(customer, ()) if changed <= day]
        return known[-1] if known else None


class Appraisal:
    """One quarter, judged on one month end."""

    def __init__(self, values: Valuation, decided: Decided, judged: Period) -> None:
        self.values, self.decided, self.period = values, decided, judged
        self.archive = values.archive
        self.successors = values.successors(judged.judged_on)
        self.members = values.predecessors(judged.judged_on, ())
        self.customers = self.archive.customers(judged.judged_on)
        self.cohort = decided.cohorts[judged.code]

    # --- what a customer had -------------------------------------------------------------------

    def one(self, customer: str) -> list[str]:
        """The ids under which the customer, or who he has become, has money."""
        heir = self.successors.get(customer, customer)
        return self.members.get(heir, [heir])

    def average(self, customer: str, start: date, end: date) -> Decimal:
        return self.values.average(self.one(customer), start, end)

    def effect(self, customer: str, start: date, end: date) -> Decimal:
        total, day = ZERO, start
        while day <= end:
            level = self.values.price_effects[day]
            total += sum((level.get(member, ZERO) for member in self.one(customer)), ZERO)
            day += DAY
        return half_up(total / ((end - start).days + 1))

    @cache  # noqa: B019
    def money(self, customer: str) -> dict[str, Decimal]:
        """ADB0, ADB1, price effects and the guarded net flow of a customer."""
        p = self.period
        with localcontext() as context:
            context.prec = 60
            before, now = self.average(customer, p.prior_start, p.eve), self.average(customer, p.start, p.through)
            effect_before = self.effect(customer, p.prior_start, p.eve)
            effect_now = self.effect(customer, p.start, p.through)
            flow = now - effect_now
            if p.is_final:
                guard = (p.end + DAY, p.end + GUARD * DAY)
                flow = min(flow, self.average(customer, *guard) - self.effect(customer, *guard))
        return {
            "adb0": before,
            "adb1": now,
            "effect": effect_now - effect_before,
            "net_flow": flow - (before - effect_before),
        }

    def families(self, customer: str) -> set[str]:
        """Families with a balance on a day of the quarter, and cards that were used."""
        p, found = self.period, set()
        family = {
            r["product_code"]: r["product_family"] for r in self.archive.in_force("reference/products", p.through)
        }
        family |= {"margin": "brokerage", "security": "securities"}
        day = p.start
        while day <= p.through:
            for member in self.one(customer):
                found |= {family[k] for k, amount in self.values.days[day].products.get(member, {}).items() if amount}
                if member in self.card_users(day):
                    found.add("card")
            day += DAY
        return found

    @cache  # noqa: B019
    def card_users(self, day: date) -> set[str]:
        cards = {row["card_id"]: row["customer_id"] for row in self.archive.in_force("card/card_accounts", day)}
        if day not in self.archive.days("card/card_transactions"):
            return set()
        return {cards[r["card_id"]] for r in self.archive.rows("card/card_transactions", day) if r["card_id"] in cards}

    @cached_property
    def breaches(self) -> set[str]:
        """Who holds a product bought in the quarter that is riskier than he may have."""
        p, found = self.period, set()
        risk = {r["product_code"]: r["risk_level"] for r in self.archive.in_force("reference/products", p.through)}
        for row in self.archive.in_force("wealth/wealth_holdings", p.through):
            customer = self.successors.get(row["customer_id"], row["customer_id"])
            level = risk.get(row["product_code"]) or ""
            if not level or not p.start.isoformat() <= row["opened_date"] <= p.through.isoformat():
                continue
            if row["status"] == "closed" or customer not in self.customers:
                continue
            person = self.customers_at(p.through)[customer]
            highest = APPETITES[person["risk_appetite"]]
            if person["birth_date"] and age(date.fromisoformat(person["birth_date"]), p.through) >= SENIOR_AGE:
                highest = min(highest, SENIOR_HIGHEST)
            if level > highest:
                found.add(customer)
        return found

    @cache  # noqa: B019
    def customers_at(self, day: date) -> dict[str, Row]:
        return self.archive.customers(day)

    @cached_property
    def frozen(self) -> set[str]:
        rows = self.archive.in_force("risk/customer_risk", self.period.through)
        return {
            self.successors.get(r["customer_id"], r["customer_id"]) for r in rows if r["special_flag"] == "court_freeze"
        }

    # --- who had whom --------------------------------------------------------------------------

    @cache  # noqa: B019
    def holdings(self, customer: str) -> dict[str, int]:
        """Days per holder; days without one are those of the pool of the cohort's branch."""
        p, held = self.period, defaultdict(int)
        day = p.start
        while day <= p.through:
            held[self.holder(customer, day) or f"pool:{self.cohort[customer]['branch_id']}"] += 1
            day += DAY
        return dict(held)

    def holder(self, customer: str, day: date) -> str | None:
        return self.decided.holder(customer, day) or self.decided.holder(self.successors.get(customer, customer), day)

    @property
    def closing_day(self) -> date:
        return self.period.end + DAY if self.period.is_final else self.period.through

    def role(self, customer: str, holder: str) -> str:
        def has(day: date) -> bool:
            return (self.holder(customer, day) or f"pool:{self.cohort[customer]['branch_id']}") == holder

        if not has(self.period.start):
            return "transferred_in"
        return "opening" if has(self.closing_day) else "transferred_out"

    # --- evidence ------------------------------------------------------------------------------

    def exclusion(self, customer: str) -> str | None:
        heir = self.successors.get(customer, customer)
        if heir != customer and heir in self.cohort:
            return "merged"
        died = self.customers.get(heir, {}).get("deceased_date", "")
        if died and died <= self.period.through.isoformat():
            return "deceased"
        return "court_freeze" if heir in self.frozen else None

    def end_rank(self, customer: str) -> int:
        return self.decided.rank(self.successors.get(customer, customer), self.period.through + DAY)

    def is_closed(self, heir: str) -> bool:
        closed = self.customers.get(heir, {}).get("closed_date", "")
        return heir not in self.customers or bool(closed and closed <= self.period.through.isoformat())

    def loss(self, customer: str) -> str | None:
        heir, money = self.successors.get(customer, customer), self.money(customer)
        if self.is_closed(heir):
            return "closed"
        if self.end_rank(customer) > self.cohort[customer]["tier_rank"]:
            return None
        if money["adb0"] >= FLOOR > money["adb1"]:
            return "below_floor"
        if money["adb0"] > 0 and money["adb1"] < KEPT * money["adb0"]:
            return "fell"
        return "doors_shut" if money["adb0"] < FLOOR and self.end_rank(customer) == 0 else None

    def rise(self, customer: str) -> tuple[bool, str | None]:
        heir, before = self.successors.get(customer, customer), self.cohort[customer]["tier_rank"]
        p = self.period
        if self.end_rank(customer) <= before or self.is_closed(heir):
            return False, None
        if self.decided.has_policy_change(heir, p.start, p.through + DAY):
            return False, "policy_change"
        if p.is_final and self.decided.rank(heir, p.judged_on + DAY) <= before:
            return False, "not_held"
        return True, None

    def evidence(self) -> dict[tuple[str, str, str], Cell]:
        """(employee or pool, measure, customer) -> row."""
        rows: dict[tuple[str, str, str], Cell] = {}
        for customer, frozen in self.cohort.items():
            heir, reason, money = (
                self.successors.get(customer, customer),
                self.exclusion(customer),
                self.money(customer),
            )
            loss, (risen, why) = self.loss(customer), self.rise(customer)
            enough = len(self.families(customer)) >= FAMILIES[frozen["tier_code"]]
            breach = heir in self.breaches
            top = frozen["tier_rank"] >= TOP_RANK
            for holder, days in self.holdings(customer).items():
                role = self.role(customer, holder)

                def cell(excluded: str | None, role: str = role, days: int = days, **said: Any) -> Cell:
                    if excluded:
                        said |= {"is_numerator": False, "cause_code": None, "is_liable": False}
                    return Cell("excluded" if excluded else role, days, exclusion_reason=excluded, **said)

                rows[holder, "m1_retention", customer] = cell(
                    reason,
                    is_numerator=loss is not None,
                    cause_code=loss,
                    is_liable=loss is not None and money["adb0"] >= LIABLE,
                    value_cny=money["adb1"] - money["adb0"],
                    base_cny=money["adb0"],
                )
                rows[holder, "m2_uplift", customer] = cell(
                    reason or ("top_tier" if top else None), is_numerator=risen, cause_code=why
                )
                rows[holder, "m3_deepening", customer] = cell(
                    reason,
                    is_numerator=enough and not breach,
                    cause_code="suitability_breach" if enough and breach else None,
                )
                rows[holder, "m5_growth", customer] = cell(
                    reason, is_numerator=True, value_cny=money["net_flow"], base_cny=money["adb0"]
                )
        return rows | self.won()

    def won(self) -> dict[tuple[str, str, str], Cell]:
        p, rows = self.period, {}
        for customer in self.decided.tiers:
            if self.decided.rank(customer, p.through + DAY) == 0 or customer in self.cohort:
                continue
            if customer in self.successors or any(member in self.cohort for member in self.one(customer)):
                continue
            opened = self.customers.get(customer, {}).get("opened_date", "")
            is_new = p.start.isoformat() <= opened <= p.through.isoformat()
            if not is_new and self.was_in_scope(customer):
                continue
            winner, how = self.winner(customer)
            held = not p.is_final or self.decided.rank(customer, p.judged_on + DAY) > 0
            rows[winner, "m4_acquisition", customer] = Cell(
                "new", p.days, is_numerator=held, cause_code=how if held else "not_held"
            )
        return rows

    def was_in_scope(self, customer: str) -> bool:
        start = self.period.start
        return (
            any(customer in people for code, people in self.decided.cohorts.items() if code < self.period.code)
            or any(day < start for day, _ in self.decided.changes.get(customer, ()))
            or any(begun < start and rank > 0 for begun, _, rank, _ in self.decided.tiers[customer])
        )

    def winner(self, customer: str) -> tuple[str, str]:
        def newest(feed: str, day: str, number: str) -> Row | None:
            found = [r for r in self.in_quarter(feed, day) if self.heir(r) == customer]
            return max(found, key=lambda r: (r[day], r[number])) if found else None

        chosen = newest("crm/customer_choices", "chosen_date", "choice_id")
        if chosen:
            return chosen["employee_id"], "choice"
        referred = newest("crm/referrals", "referred_date", "referral_id")
        if referred:
            return referred["from_employee_id"], "referral"
        sales = [r for r in self.in_quarter("finance/revenue", "posted_date") if self.heir(r) == customer]
        sold = [r for r in sales if r["seller_employee_id"]]
        if sold:
            return min(sold, key=lambda r: (r["posted_date"], r["revenue_id"]))["seller_employee_id"], "first_sale"
        return f"pool:{self.branch(self.customers[customer]['home_branch_id'])}", "pool"

    def heir(self, row: Row) -> str:
        return self.successors.get(row["customer_id"], row["customer_id"])

    @cache  # noqa: B019
    def in_quarter(self, feed: str, day: str) -> list[Row]:
        p = self.period
        rows = [row for _, row in self.archive.events(feed, p.judged_on)]
        return [r for r in rows if p.start.isoformat() <= r[day][:10] <= p.through.isoformat()]

    # --- branches and employees ----------------------------------------------------------------

    @cached_property
    def branches(self) -> dict[str, Row]:
        return {r["branch_id"]: r for r in self.archive.in_force("reference/branches", self.period.judged_on)}

    def branch(self, branch_id: str) -> str:
        """The branch, or who took it over."""
        while self.branches[branch_id]["successor_branch_id"]:
            branch_id = self.branches[branch_id]["successor_branch_id"]
        return branch_id

    @cached_property
    def places(self) -> dict[str, tuple[str, str]]:
        """Employee -> branch and role of most days, of equals the smaller."""
        p, counts = self.period, defaultdict(lambda: (defaultdict(int), defaultdict(int)))
        day = p.start
        while day <= p.through:
            for row in self.archive.in_force("hr/employees", day):
                left = row["left_date"]
                if row["status"] != "left" and not (left and left < day.isoformat()):
                    branches, roles = counts[row["employee_id"]]
                    branches[row["branch_id"]] += 1
                    roles[row["role_code"]] += 1
            day += DAY

        def most(days: dict[str, int]) -> str:
            return min(days, key=lambda name: (-days[name], name))

        return {employee: (most(branches), most(roles)) for employee, (branches, roles) in counts.items()}

    def peer_group(self, employee: str) -> str:
        branch, role = self.places[employee]
        return f"{role}@{self.branches[branch]['branch_level']}"

    # --- scores --------------------------------------------------------------------------------

    def values_of(self, evidence: dict[tuple[str, str, str], Cell]) -> dict[tuple[str, str], Row]:
        """(employee, measure) -> numerator, denominator, value; pools have none."""
        d = self.period.days
        rows: dict[tuple[str, str], Row] = {}
        employees = {holder for holder, _, _ in evidence if not holder.startswith("pool:")}
        for employee in employees:
            of = {m: [c for (h, mm, _), c in evidence.items() if h == employee and mm == m] for m in MEASURES}
            with localcontext() as context:
                context.prec = 60
                for measure in MEASURES:
                    counted = [c for c in of[measure] if not c.exclusion_reason]
                    cohort = [c for c in of["m1_retention"] if not c.exclusion_reason]
                    if measure == "m5_growth":
                        part = half_up(sum((c.held_days * c.value_cny for c in counted), ZERO) / d)
                        whole = half_up(sum((c.held_days * c.base_cny for c in counted), ZERO) / d)
                        value = ratio(part, whole) if whole > 0 else None
                        rows[employee, measure] = {"numerator": part, "denominator": whole, "value_rate": value}
                        continue
                    days = Decimal(sum(c.held_days for c in counted if c.is_numerator))
                    of_days = Decimal(sum(c.held_days for c in (cohort if measure == "m4_acquisition" else counted)))
                    rows[employee, measure] = {
                        "numerator": ratio(days, Decimal(d)),
                        "denominator": ratio(of_days, Decimal(d)),
                        "value_rate": ratio(days, of_days) if of_days else None,
                    }
        return rows

    def targets(
        self, values: Iterable[tuple[str, str]], prior: dict[tuple[str, str], Row] | None, peers: dict[str, str]
    ):
        """(employee, measure) -> target. ``prior``: values of the quarter before; ``peers``: its peer groups."""
        medians = {}
        for (employee, measure), row in (prior or {}).items():
            if row["value_rate"] is not None and employee in peers:
                medians.setdefault((peers[employee], measure), []).append(row["value_rate"])
        found = {}
        for employee, measure in values:
            known = medians.get((self.peer_group(employee), measure))
            found[employee, measure] = median(known) if known else FIRST_TARGET[measure]
        return found

    def score(self, measure: str, value: Decimal | None, target: Decimal) -> Decimal | None:
        if value is None:
            return None
        with localcontext() as context:
            context.prec = 60
            if measure == "m1_retention":
                if value <= 0:
                    return CAP if target > 0 else FULL
                points = FULL * target / value if target > 0 else ZERO
            elif target <= 0:
                points = CAP if value > target else FULL if value == target else ZERO
            else:
                points = FULL * value / target
            return half_up(min(max(points, ZERO), CAP), POINT)

    def gates(self, employee: str) -> list[str]:
        p = self.period
        newest: dict[str, Row] = {}
        for _, row in self.archive.events("crm/complaints", p.judged_on):
            newest[row["complaint_id"]] = row
        complaints = sum(
            row["responsible_employee_id"] == employee and p.start <= bank_day(row["received_at"]) <= p.through
            for row in newest.values()
        )
        months = [
            r for r in self.decided.cadences if r["employee_id"] == employee and p.start <= r["month_end_date"] <= p.end
        ]
        done, overdue = (sum(r[name] for r in months) for name in ("done_count", "overdue_count"))
        archives = self.decided.archive_rates.get((p.code, employee))
        failed = []
        if archives is not None and archives < GATES["archives"]:
            failed.append("archives")
        if done + overdue and ratio(Decimal(done), Decimal(done + overdue)) < GATES["cadence"]:
            failed.append("cadence")
        if complaints > GATES["complaints"]:
            failed.append("complaints")
        return failed

    def total(self, scores: list[Decimal | None], failed: list[str]) -> Decimal | None:
        known = [s for s in scores if s is not None]
        if not known:
            return None
        with localcontext() as context:
            context.prec = 60
            total = half_up(sum(WEIGHT * s for s in known) / (WEIGHT * len(known)), POINT)
        return min(total, GATE_CAP) if failed else total


def median(values: list[Decimal]) -> Decimal:
    ordered, middle = sorted(values), len(values) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return half_up((ordered[middle - 1] + ordered[middle]) / 2, RATE)


def age(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def bank_day(moment: str) -> date:
    """Date of a moment where the bank is; deliveries of the demo bank say their moments with the bank's offset."""
    assert moment.endswith("+08:00"), moment
    return date.fromisoformat(moment[:10])
