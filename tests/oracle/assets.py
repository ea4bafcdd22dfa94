"""Assets and tiers of a bank computed a second time: plain Python over the delivered files, day by day.

No SQL and nothing of the project: numbers of four schemes are written out as their sources word them.
Every day is valued on its own; a window is the sum of its days; money is Decimal, rounded half up.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, localcontext
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

Row = dict[str, Any]
FEN = Decimal("0.01")
ZERO = Decimal("0.00")
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Band:
    """A tier from its lower bound in CNY on: None has no floor, an exclusive bound is not in it.

    ``months``: month ends below before a downgrade (0: at once). ``family``: average per head that gives a household
    the tier as well.
    """

    code: str
    label: str
    rule: str
    lower: Decimal | None
    months: int = 0
    is_exclusive: bool = False
    family: Decimal | None = None

    def holds(self, measure: Decimal) -> bool:
        return self.lower is None or measure > self.lower or (measure == self.lower and not self.is_exclusive)


@dataclass(frozen=True)
class Book:
    """A rule book: its bands from the lowest up, the first of which has ``first_rank``."""

    scheme: str
    none_rule: str
    bands: tuple[Band, ...]
    first_rank: int = 1
    days_of_month: int | None = None
    is_best_of_grace: bool = False
    family_rule: str = ""

    def rank(self, code: str) -> int:
        return 0 if code == "none" else [b.code for b in self.bands].index(code) + self.first_rank

    def band(self, code: str) -> Band:
        none = Band("none", "未入围", self.none_rule, None)
        return next((b for b in self.bands if b.code == code), none)

    def own_tier(self, measure: Decimal | None) -> str:
        return next((b.code for b in reversed(self.bands) if measure is not None and b.holds(measure)), "none")

    def family_tier(self, average: Decimal | None) -> str:
        reached = (b.code for b in reversed(self.bands) if average is not None and b.family and average >= b.family)
        return next(reached, "none")


def wan(number: str) -> Decimal:
    return Decimal(number) * 10_000


PRIMARY = Book(
    "branch_tiered_maintenance",
    "A9-01a",
    (
        Band("staff_maintained", "网点员工维护", "A9-05", wan("5"), months=3),
        Band("lobby_adopted", "主任大堂领养", "A9-04", wan("10"), months=3),
        Band("wealth_manager", "理财经理维护", "A9-03", wan("20"), months=3),
        Band("private_wealth", "财富私行", "A9-02", wan("200"), months=6, is_exclusive=True),
    ),
    first_rank=2,
)
SUB_BRANCH = Book(
    "sub_branch_five_band",
    "A8-01",
    (
        Band("high_counter", "高柜维护", "A8-01", wan("0.1"), months=6),
        Band("low_counter", "低柜、VIP柜台维护", "A8-02", wan("5"), months=6),
        Band("relationship_and_lobby", "客户经理及大堂经理维护", "A8-03", wan("20"), months=6),
        Band("relationship_and_head", "客户经理及主管共同维护", "A8-04", wan("50"), months=6),
        Band("outlet_head_led", "网点经理牵头维护", "A8-05", wan("300"), months=6),
    ),
    days_of_month=30,
    is_best_of_grace=True,
)
MID_HIGH = Book(
    "mid_high_service_layers",
    "E6-03",
    (
        Band("front_line", "网点一线维护", "E6-03", wan("20"), months=3),
        Band("department_heads", "个金科与网点负责人管理", "E6-02", wan("100"), months=3),
        Band("presidents", "行长与分管行长管理", "E6-01", wan("500"), months=6),
    ),
)
FAMILY_CARD = Book(
    "family_card",
    "C2-04",
    (
        Band("silver", "银卡", "C2-04", None),
        Band("gold", "金卡", "C2-03", wan("10"), months=3, family=wan("8")),
        Band("platinum", "白金卡", "C2-02", wan("30"), months=3, family=wan("25")),
        Band("black", "黑金卡", "C2-01", wan("100"), months=6, family=wan("80")),
    ),
    family_rule="C2-05",
)
BOOKS = (PRIMARY, SUB_BRANCH, MID_HIGH, FAMILY_CARD)
BALANCES = (
    "core_banking/deposit_accounts",
    "core_banking/account_owners",
    "loan/loans",
    "card/card_accounts",
    "brokerage/custody_accounts",
    "brokerage/security_positions",
    "wealth/wealth_holdings",
)
GRADES = ("standard", "gold", "platinum", "diamond")
SPEND_KINDS = {"purchase", "instalment", "refund"}
ASSET_FAMILIES = ("deposit", "wealth", "fund", "insurance", "bond", "precious_metal", "securities", "custody_margin")


def half_up(value: Decimal, unit: Decimal = FEN) -> Decimal:
    return value.quantize(unit, rounding=ROUND_HALF_UP)


def month_end(day: date) -> bool:
    return (day + DAY).day == 1


def read_folder(folder: Path) -> list[Row]:
    """Rows of a delivery as text; empty cells are empty strings."""
    manifest = json.loads((folder / "_manifest.json").read_text("utf-8"))
    frames = []
    for entry in manifest["files"]:
        path = folder / entry["name"]
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            frames.append(frame.astype(object).where(frame.notna(), "").astype(str))
        elif path.suffix == ".xlsx":
            frames.append(pd.read_excel(path, dtype=str, keep_default_na=False))
        else:
            frames.append(pd.read_csv(path, dtype=str, keep_default_na=False))
    return [row for frame in frames for row in frame.to_dict("records")]


@dataclass
class Archive:
    """Deliveries of a landing root, one per feed and day: of its corrections the newest."""

    root: Path

    @cache  # noqa: B019
    def days(self, feed: str) -> list[date]:
        folder = self.root / feed
        return sorted(date.fromisoformat(p.name) for p in folder.iterdir()) if folder.is_dir() else []

    def folder(self, feed: str, day: date) -> Path:
        folder = self.root / feed / day.isoformat()
        corrections = [int(path.name) for path in folder.iterdir() if path.is_dir() and path.name.isdigit()]
        return folder / str(max(corrections)) if corrections else folder

    def rows(self, feed: str, day: date) -> list[Row]:
        return self._recent(feed, day) if feed in BALANCES else self._rows(feed, day)

    @cache  # noqa: B019
    def _rows(self, feed: str, day: date) -> list[Row]:
        return read_folder(self.folder(feed, day))

    # Balances of all days would not fit in memory: each day's are read once or twice.
    @lru_cache(maxsize=2 * len(BALANCES))  # noqa: B019
    def _recent(self, feed: str, day: date) -> list[Row]:
        return read_folder(self.folder(feed, day))

    def in_force(self, feed: str, day: date) -> list[Row]:
        """The state that holds on a day: the newest delivery up to it."""
        known = [d for d in self.days(feed) if d <= day]
        return self.rows(feed, known[-1]) if known else []

    def events(self, feed: str, through: date) -> Iterator[tuple[date, Row]]:
        for day in self.days(feed):
            if day <= through:
                yield from ((day, row) for row in self.rows(feed, day))

    @cache  # noqa: B019
    def customers(self, day: date) -> dict[str, Row]:
        """Master data on a day: full deliveries replace all, deltas single customers."""
        state: dict[str, Row] = {}
        for delivered in self.days("core_banking/customers"):
            if delivered > day:
                break
            folder = self.folder("core_banking/customers", delivered)
            if json.loads((folder / "_manifest.json").read_text("utf-8"))["mode"] == "full":
                state = {}
            for row in self.rows("core_banking/customers", delivered):
                if row.get("is_deleted") == "true":
                    state.pop(row["customer_id"], None)
                else:
                    state[row["customer_id"]] = row
        return state

    def __hash__(self) -> int:
        return id(self)


@dataclass
class Day:
    """Values of one day by customer as the systems knew them on it: per family, and what doors look at."""

    families: dict[str, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Decimal)))
    products: dict[str, dict[str, Decimal]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Decimal)))
    doors: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def aum(self, customer: str) -> Decimal:
        families = self.families.get(customer, {})
        return sum((families.get(family, ZERO) for family in ASSET_FAMILIES), ZERO)


class Oracle:
    """All days of a bank from its first delivery through ``as_of``.

    ``versions``: scheme -> first day and book of each version of its rules, for schemes that have others than shipped.
    """

    def __init__(
        self, root: Path, first: date, as_of: date, versions: Mapping[str, Sequence[tuple[date, Book]]] | None = None
    ) -> None:
        self.archive = Archive(root)
        self.versions = versions or {}
        self.first, self.as_of = first, as_of
        self.rates: dict[str, Decimal] = {}
        self.prices: dict[str, tuple[str, Decimal]] = {}
        self.spend: dict[date, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        self.opening: dict[str, Decimal] = defaultdict(Decimal)
        for _, row in self.archive.events("core_banking/opening_balance_days", first):
            assert row["as_of_date"] == (first - DAY).isoformat()
            self.opening[row["customer_id"]] += Decimal(row["balance_days"])
        self.days: dict[date, Day] = {}
        with localcontext() as context:
            context.prec = 60
            day = first
            while day <= as_of:
                self.days[day] = self._value(day)
                day += DAY

    # --- one day -------------------------------------------------------------------------------

    def _value(self, day: date) -> Day:
        archive = self.archive
        if day in archive.days("market/fx_rates"):
            self.rates |= {r["currency"]: Decimal(r["rate_cny"]) for r in archive.rows("market/fx_rates", day)}
        self.rates["CNY"] = Decimal(1)
        if day in archive.days("market/instrument_prices"):
            for row in archive.rows("market/instrument_prices", day):
                self.prices[row["instrument_id"]] = (row["currency"], Decimal(row["price"]))
        family = {r["product_code"]: r["product_family"] for r in archive.in_force("reference/products", day)}
        value = Day()
        for customer, product, kind, amount in self._positions(day):
            value.families[customer][kind or family[product]] += amount
            value.products[customer][product] += amount
        self._spend(day)
        for customer in list(value.families):
            if value.families[customer].get("loan", ZERO) >= 300_000:
                value.doors[customer].add("A9-01c")
            if value.families[customer].get("custody_margin", ZERO) >= 10_000:
                value.doors[customer].add("A9-01d")
        for row in archive.in_force("card/card_accounts", day):
            if row["status"] != "closed" and GRADES.index(row["card_grade"]) >= GRADES.index("gold"):
                value.doors[row["customer_id"]].add("A9-01e")
        for customer, spent in self.spend_365d(day).items():
            if spent >= 50_000:
                value.doors[customer].add("A9-01b")
        return value

    def _positions(self, day: date) -> Iterator[tuple[str, str, str, Decimal]]:
        """(customer, product, family when the product does not say it, value in CNY)."""
        archive = self.archive
        owners = defaultdict(list)
        for row in archive.in_force("core_banking/account_owners", day):
            owners[row["account_id"]].append(row)
        for row in archive.in_force("core_banking/deposit_accounts", day):
            amount = half_up(Decimal(row["balance"]) * self.rates[row["currency"]])
            holders = sorted(owners[row["account_id"]], key=lambda o: (o["owner_role"] != "primary", o["customer_id"]))
            rest = amount
            for owner in holders[1:]:
                part = (amount * Decimal(owner["share"])).quantize(FEN, rounding=ROUND_DOWN)
                rest -= part
                yield owner["customer_id"], row["product_code"], "", part
            yield holders[0]["customer_id"] if holders else row["customer_id"], row["product_code"], "", rest
        for row in archive.in_force("loan/loans", day):
            amount = half_up(Decimal(row["outstanding_balance"]) * self.rates[row["currency"]])
            yield row["customer_id"], row["product_code"], "", amount
        for row in archive.in_force("card/card_accounts", day):
            amount = half_up(Decimal(row["outstanding_balance"]) * self.rates[row["currency"]])
            yield row["customer_id"], row["product_code"], "", amount
        custody = {}
        for row in archive.in_force("brokerage/custody_accounts", day):
            custody[row["custody_account_id"]] = row["customer_id"]
            amount = half_up(Decimal(row["margin_balance"]) * self.rates[row["currency"]])
            yield row["customer_id"], "margin", "custody_margin", amount
        for row in archive.in_force("brokerage/security_positions", day):
            amount = half_up(Decimal(row["quantity"]) * self.unit_price(row["instrument_id"]))
            yield custody[row["custody_account_id"]], "security", "securities", amount
        for row in archive.in_force("wealth/wealth_holdings", day):
            if row["instrument_id"]:
                amount = half_up(Decimal(row["units"]) * self.unit_price(row["instrument_id"]))
            else:
                amount = half_up(half_up(Decimal(row["units"])) * self.rates[row["currency"]])
            yield row["customer_id"], row["product_code"], "", amount

    def unit_price(self, instrument: str) -> Decimal:
        currency, price = self.prices[instrument]
        return half_up(price * self.rates[currency], Decimal("0.00000001"))

    def _spend(self, day: date) -> None:
        cards = {
            row["card_id"]: row["customer_id"]
            for row in self.archive.in_force("card/card_accounts", day)
            if row["card_kind"] == "credit"
        }
        if day in self.archive.days("card/card_transactions"):
            for row in self.archive.rows("card/card_transactions", day):
                if row["transaction_kind"] in SPEND_KINDS and row["card_id"] in cards:
                    amount = half_up(Decimal(row["amount"]) * self.rates[row["currency"]])
                    self.spend[day][cards[row["card_id"]]] += amount

    def spend_365d(self, day: date) -> dict[str, Decimal]:
        total: dict[str, Decimal] = defaultdict(Decimal)
        for spent_on, amounts in self.spend.items():
            if day - timedelta(days=365) < spent_on <= day:
                for customer, amount in amounts.items():
                    total[customer] += amount
        return total

    # --- customers over time -------------------------------------------------------------------

    @cache  # noqa: B019
    def successors(self, day: date) -> dict[str, str]:
        """Merged customer -> the customer in whom he lives on, as known on a day."""
        step = {
            row["old_customer_id"]: row["new_customer_id"]
            for delivered, row in self.archive.events("core_banking/customer_merges", day)
            if delivered <= day and row["merged_date"] <= day.isoformat()
        }
        final = {}
        for old, first in step.items():
            new = first
            while new in step:
                new = step[new]
            final[old] = new
        return final

    def predecessors(self, day: date, customers: Iterable[str]) -> dict[str, list[str]]:
        """Customer -> himself and everyone merged into him."""
        members = {customer: [customer] for customer in customers}
        for old, new in self.successors(day).items():
            members.setdefault(new, [new]).append(old)
        return members

    def average(self, members: list[str], start: date, end: date, days: int | None = None) -> Decimal:
        """Average AUM of start..end over its days, or over ``days``; before the first delivery the opening
        balance-days count."""
        total = ZERO
        if start < self.first:
            assert start == date(self.first.year, 1, 1)
            total += sum((self.opening.get(m, ZERO) for m in members), ZERO)
        day = max(start, self.first)
        while day <= end:
            total += sum((self.days[day].aum(m) for m in members), ZERO)
            day += DAY
        with localcontext() as context:
            context.prec = 60
            return half_up(total / (days or (end - start).days + 1))

    def averages(self, members: list[str], day: date) -> dict[str, Decimal]:
        return {
            "aum_month_avg_cny": self.average(members, day.replace(day=1), day),
            "aum_quarter_avg_cny": self.average(members, date(day.year, (day.month - 1) // 3 * 3 + 1, 1), day),
            "aum_year_avg_cny": self.average(members, date(day.year, 1, 1), day),
        }

    def known_customers(self, day: date) -> set[str]:
        """Everyone who ever had a position or opening balance-days up to a day, merged ones left out."""
        known = set(self.opening)
        for valued, value in self.days.items():
            if valued <= day:
                known |= set(value.families)
        successors = self.successors(day)
        return {successors.get(c, c) for c in known}

    # --- marts ---------------------------------------------------------------------------------

    def monthly(self) -> dict[tuple[date, str], dict[str, Decimal]]:
        """assets.customer_assets_monthly."""
        rows = {}
        for day in filter(month_end, self.days):
            for customer, members in self.predecessors(day, self.known_customers(day)).items():
                averages = self.averages(members, day)
                averages.pop("aum_year_avg_cny")
                rows[day, customer] = {"aum_cny": sum((self.days[day].aum(m) for m in members), ZERO), **averages}
        return rows

    def customer_assets(self) -> dict[str, dict[str, object]]:
        """assets.customer_assets, without households."""
        day, value = self.as_of, self.days[self.as_of]
        successors = self.successors(day)
        branches = {r["branch_id"]: r["successor_branch_id"] for r in self.archive.in_force("reference/branches", day)}
        family = {r["product_code"]: r["product_family"] for r in self.archive.in_force("reference/products", day)}
        family |= {"margin": "brokerage", "security": "securities"}
        spend, tiers, rows = self.spend_365d(day), self.tiers(), {}
        grades: dict[str, set[str]] = defaultdict(set)
        for card in self.archive.in_force("card/card_accounts", day):
            if card["status"] != "closed":
                grades[card["customer_id"]].add(card["card_grade"])
        master = {c: row for c, row in self.archive.customers(day).items() if c not in successors}
        for customer, members in self.predecessors(day, master).items():
            branch = master[customer]["home_branch_id"]
            while branches.get(branch):
                branch = branches[branch]
            held: dict[str, Decimal] = defaultdict(Decimal)
            for member in members:
                for name, amount in value.families.get(member, {}).items():
                    held[name] += amount
            own_grades = [g for m in members for g in grades[m]]
            tier = tiers.get(customer, {})
            rows[customer] = {
                "as_of_date": day,
                "home_branch_id": branch,
                "is_partial_window": False,
                "aum_cny": sum((value.aum(m) for m in members), ZERO),
                **self.averages(members, day),
                **{f"{name}_cny": held[name] for name in ASSET_FAMILIES},
                "loan_balance_cny": held["loan"],
                "card_spend_365d_cny": sum((spend.get(m, ZERO) for m in members), ZERO),
                "highest_card_grade": max(own_grades, key=GRADES.index) if own_grades else None,
                "product_family_count": len(
                    {family[p] for m in members for p, amount in value.products.get(m, {}).items() if amount}
                ),
                "is_in_scope": tier.get("tier_rank", 0) > 0,
                "entry_doors": tier.get("entry_doors"),
            }
        return rows

    def measured(self, book: Book, day: date) -> dict[str, Decimal]:
        """The measure of every delivered customer who ever had a position: the month's daily average."""
        successors, master = self.successors(day), self.archive.customers(day)
        found = {}
        for customer, members in self.predecessors(day, self.known_customers(day)).items():
            if customer not in master or customer in successors:
                continue
            found[customer] = self.average(members, day.replace(day=1), day, book.days_of_month)
        return found

    def rules_on(self, book: Book, day: date) -> Book:
        """The book's version of a day."""
        known = [version for since, version in self.versions.get(book.scheme, ()) if since <= day]
        return known[-1] if known else book

    def households(self, day: date) -> list[list[str]]:
        """Members of every household of two or more whose members all consent; a person is in the one joined last."""
        successors = self.successors(day)
        joined: dict[str, tuple[str, str, bool]] = {}  # since, household, refuses
        for row in self.archive.in_force("crm/households", day):
            start, end, consent = (row[c][:10] for c in ("valid_from", "valid_to", "consent_date"))
            if start <= day.isoformat() and (not end or end > day.isoformat()):
                person = successors.get(row["customer_id"], row["customer_id"])
                # Of two memberships of one person in a household the refusal counts.
                membership = (start, row["household_id"], not (consent and consent <= day.isoformat()))
                joined[person] = max(joined.get(person, membership), membership)
        members: dict[str, list[str]] = defaultdict(list)
        for person, (_, household, _) in joined.items():
            members[household].append(person)
        return [each for each in members.values() if len(each) > 1 and not any(joined[person][2] for person in each)]

    def vetoed(self, day: date) -> set[str]:
        """Customers with a serious risk problem who were assessed."""
        successors = self.successors(day)
        rows = self.archive.in_force("risk/customer_risk", day)
        heirs = [(successors.get(row["customer_id"], row["customer_id"]), row) for row in rows]
        flagged = {heir for heir, row in heirs if row["special_flag"] not in ("", "none")}
        return flagged & {heir for heir, row in heirs if row["risk_result"]}

    def inherited(self, state: dict[str, Row], day: date) -> dict[str, Row]:
        """Tiers as merges known on a day hand them on: the best, of equals the least in grace, the longest held."""
        successors = self.successors(day)
        best: dict[str, tuple[object, Row]] = {}
        for customer, row in state.items():
            heir = successors.get(customer, customer)
            merit = (-row["rank"], row["below"], row["valid_from"], customer)
            best[heir] = min(best.get(heir, (merit, row)), (merit, row), key=lambda each: each[0])
        return {heir: row for heir, (_, row) in best.items()}

    @cache  # noqa: B019
    def evaluations(self, book: Book) -> dict[date, dict[str, Row]]:
        """The official band of everyone who ever had one, at each month end before as_of."""
        states: dict[date, dict[str, Row]] = {}
        state: dict[str, Row] = {}
        for day in filter(month_end, self.days):
            if day.replace(day=1) < self.first or day >= self.as_of:
                continue
            before, measured, vetoed = self.inherited(state, day), self.measured(book, day), self.vetoed(day)
            averages: dict[str, Decimal] = {}
            if book.family_rule:
                for members in self.households(day):
                    total = sum((measured.get(m, ZERO) for m in members), ZERO)
                    averages |= dict.fromkeys(members, half_up(total / len(members)))
            state = {}
            for customer in measured.keys() | before.keys() | (averages.keys() & self.archive.customers(day).keys()):
                rules = self.rules_on(book, day)
                row = self._judged(rules, day, measured.get(customer), averages.get(customer), before.get(customer))
                if row["rank"] and customer in vetoed:
                    row["by"] = "veto"
                if row["rank"] or row["indicative"] != "none" or customer in before:
                    state[customer] = row
            states[day] = state
        return states

    @staticmethod
    def _judged(book: Book, day: date, measure: Decimal | None, average: Decimal | None, before: Row | None) -> Row:
        own, family = book.own_tier(measure), book.family_tier(average)
        indicative = max(own, family, key=book.rank)
        code, by, rule, below = indicative, "individual", book.band(indicative).rule, 0
        if book.rank(family) > book.rank(own):
            by, rule = "household", book.family_rule
        path = [indicative]
        if before is not None and book.rank(indicative) < before["rank"]:
            below = before["below"] + 1
            path += before["path"]
            if below < book.band(before["code"]).months:
                code, by, rule = before["code"], "grace", before["rule"]
            else:
                best = max(path[:below], key=book.rank)
                below = 0
                if book.is_best_of_grace and best != indicative:
                    code, by, rule = best, "grace", book.band(best).rule
        is_same = before is not None and before["code"] == code
        return {
            "code": code,
            "rank": book.rank(code),
            "rule": rule,
            "below": below,
            "by": by,
            "measure": measure,
            "indicative": indicative,
            "evaluated": day,
            "valid_from": before["valid_from"] if before is not None and is_same else day + DAY,
            "path": path,
        }

    def month_end_tiers(self, book: Book) -> dict[str, dict[str, object]]:
        """tiering.customer_tier of a scheme that is evaluated at month ends."""
        (evaluated, state) = max(self.evaluations(book).items())
        return {
            customer: {
                "as_of_date": evaluated,
                "tier_code": row["code"],
                "tier_rank": row["rank"],
                "label_zh": book.band(row["code"]).label,
                "measure_value": row["measure"],
                "indicative_tier_code": row["indicative"],
                "grace_months_below": row["below"],
                "decided_by": row["by"],
                "rule_id": row["rule"],
                "valid_from": row["valid_from"],
                "evaluation_date": evaluated,
            }
            for customer, row in state.items()
            if row["rank"] or row["indicative"] != "none"
        }

    def tiers_by_day(self, book: Book) -> dict[date, dict[str, str]]:
        """Code of everyone's tier from each day on which tiers may change: in the primary scheme any day."""
        states = self.evaluations(book)
        if book is not PRIMARY:
            return {day + DAY: {c: row["code"] for c, row in state.items()} for day, state in states.items()}
        by_day = {}
        for day, value in self.days.items():
            successors = self.successors(day)
            opened = {successors.get(c, c) for c, rules in value.doors.items() if rules}
            last = max((d for d in states if d < day), default=None)
            bands = self.inherited(states[last], day) if last else {}
            by_day[day] = dict.fromkeys(opened, "special_entry")
            by_day[day] |= {c: row["code"] for c, row in bands.items() if row["rank"]}
        return by_day

    def history(self, book: Book) -> dict[tuple[str, date], dict[str, object]]:
        """tiering.customer_tier_history of a scheme: (customer, first day) -> tier and the day on which it ends."""
        rows: dict[tuple[str, date], dict[str, object]] = {}
        current: dict[str, tuple[date, str]] = {}
        for day, codes in sorted(self.tiers_by_day(book).items()):
            for customer in codes.keys() | current.keys():
                since, code = current.get(customer, (day, "none"))
                new = codes.get(customer, "none")
                if new != code:
                    if customer in current:
                        rows[customer, since]["valid_to"] = day
                    rows[customer, day] = {"tier_code": new, "valid_to": None}
                    current[customer] = (day, new)
        return rows

    def tiers(self) -> dict[str, dict[str, object]]:
        """tiering.customer_tier of the primary scheme, and the open doors of each customer."""
        day = self.as_of
        successors = self.successors(day)
        official = self.inherited(max(self.evaluations(PRIMARY).items())[1], day)
        vetoed = self.vetoed(day)
        doors: dict[str, dict[str, date]] = defaultdict(dict)
        for customer, rules in self.days[day].doors.items():
            for rule in rules:
                since = day
                while since > self.first and rule in self.days[since - DAY].doors[customer]:
                    since -= DAY
                heir = successors.get(customer, customer)
                doors[heir][rule] = min(since, doors[heir].get(rule, since))
        labels = {band.code: (PRIMARY.rank(band.code), band.label) for band in PRIMARY.bands}
        labels |= {"special_entry": (1, "特别准入"), "none": (0, "未入围")}
        rows = {}
        everyone = self.known_customers(day) | set(doors)
        for customer, members in self.predecessors(day, everyone).items():
            measure = self.averages(members, day)["aum_month_avg_cny"]
            indicative = self.rules_on(PRIMARY, day).own_tier(measure)
            indicative_rank = PRIMARY.rank(indicative)
            band, opened = official.get(customer), doors.get(customer, {})
            has_band = band is not None and band["rank"] > 0
            if not has_band and not indicative_rank and not opened:
                continue
            if has_band:
                code, by, rule, valid_from = band["code"], band["by"], band["rule"], band["valid_from"]
            elif opened:
                code, by, rule = "special_entry", "entry_door", min(opened)
                valid_from = max(min(opened.values()), band["valid_from"] if band else date.min)
            else:
                code, by, rule = "none", "individual", "A9-01a"
                valid_from = band["valid_from"] if band else self.first
            if customer in vetoed and code != "none":
                by = "veto"
            rows[customer] = {
                "as_of_date": day,
                "tier_code": code,
                "tier_rank": labels[code][0],
                "label_zh": labels[code][1],
                "measure_code": "aum_month_avg_cny",
                "measure_value": measure,
                "indicative_tier_code": "special_entry" if opened and not indicative_rank else indicative,
                "grace_months_below": band["below"] if band else 0,
                "decided_by": by,
                "rule_id": rule,
                "valid_from": valid_from,
                "evaluation_date": band["evaluated"] if band else None,
                "evaluated_measure_value": band["measure"] if band else None,
                "entry_doors": ",".join((["A9-01a"] if has_band else []) + sorted(opened)) or None,
            }
        return rows
