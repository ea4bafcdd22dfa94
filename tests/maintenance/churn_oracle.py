"""Indicators, warnings, outcomes and the backtest of churn read from the rows again, in plain Python and fractions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

Row = dict[str, Any]
DAY = timedelta(days=1)
INDICATORS = (
    "aum_fall_1m",
    "aum_fall_3m",
    "outflow_ratio",
    "maturity_not_renewed",
    "product_count_down",
    "salary_stop",
    "no_contact",
    "complaint_open",
    "activity_down",
)
LEVELS = ("yellow", "orange", "red")


def month_end_before(day: date, months: int = 1) -> date:
    """The last day of the n-th month before that of ``day``."""
    for _ in range(months):
        day = day.replace(day=1) - DAY
    return day


def half_up(value: Fraction, decimals: int) -> Decimal:
    """Rounded half away from zero."""
    scaled = abs(value) * 10**decimals
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return (Decimal(whole) if value >= 0 else -Decimal(whole)).scaleb(-decimals)


def share(part: Fraction, whole: Fraction | None) -> Decimal | None:
    return half_up(part / whole, 4) if whole is not None and whole > 0 else None


@dataclass
class Bank:
    """Rows of the relations that the models read, by model."""

    rows: dict[str, list[Row]]
    policy: Row

    @classmethod
    def with_policy(cls, rows: dict[str, list[Row]], folder: Path) -> Bank:
        content = yaml.safe_load((folder / "churn.yml").read_text("utf-8"))
        return cls(rows, content["versions"][0])

    def successor(self, customer_id: str, day: date) -> str:
        for row in self.rows["int_customer__successor"]:
            if row["measure_date"] == day and row["old_customer_id"] == customer_id:
                return str(row["new_customer_id"])
        return customer_id

    def of(self, model: str, customer_id: str, day: date) -> list[Row]:
        """Rows of a customer and of those who were merged into him by a day."""
        names = {customer_id} if self.successor(customer_id, day) == customer_id else set()
        names |= {
            r["old_customer_id"]
            for r in self.rows["int_customer__successor"]
            if r["measure_date"] == day and r["new_customer_id"] == customer_id
        }
        return [r for r in self.rows[model] if r["customer_id"] in names]

    def is_there(self, customer_id: str, day: date) -> bool:
        return any(
            r["customer_id"] == customer_id
            and not (r["closed_date"] and r["closed_date"] <= day)
            and not (r["deceased_date"] and r["deceased_date"] <= day)
            for r in self.rows["dim_customer"]
        )

    def segments(self, day: date) -> dict[str, str]:
        """Segment of everybody who is in scope and may be spoken to."""
        vetoed = {r["customer_id"] for r in self.rows["int_tiering__vetoed_customer"]}
        found = {}
        for row in self.rows["fct_customer_tier"]:
            customer_id = row["customer_id"]
            if row["tier_rank"] == 0 or customer_id in vetoed or not self.is_there(customer_id, day):
                continue
            tiers = {(row["scheme_code"], row["tier_code"])}
            tiers |= {
                (r["scheme_code"], r["tier_code"])
                for r in self.rows["fct_tier_evaluation"]
                if r["customer_id"] == customer_id and r["evaluation_date"] == month_end_before(day)
            }
            found[customer_id] = next(
                (
                    s["segment_code"]
                    for s in self.policy["segments"]
                    if any((s["scheme_code"], code) in tiers for code in s["tier_codes"])
                ),
                "other",
            )
        return found

    def average(self, customer_id: str, month_end: date, day: date) -> Fraction | None:
        values = [
            r["aum_month_avg_cny"]
            for r in self.of("fct_month_measure", customer_id, day)
            if r["evaluation_date"] == month_end and r["asset_set"] == "standard"
        ]
        return Fraction(sum(values)) if values else None

    def indicators(self, customer_id: str, day: date) -> dict[str, Decimal | int | None]:
        (measure,) = [
            r for r in self.rows["fct_customer_measure"] if r["customer_id"] == customer_id and r["measure_date"] == day
        ] or [{"aum_cny": 0, "aum_month_avg_cny": 0, "product_family_count": 0}]
        aum, average = Fraction(measure["aum_cny"]), Fraction(measure["aum_month_avg_cny"])
        falls = []
        for months in (1, 3):
            before = self.average(customer_id, month_end_before(day, months), day)
            falls.append(share(before - average, before) if before is not None else None)
        balances = [r for r in self.of("fct_customer_balance", customer_id, day) if r["as_of_date"] == day - 30 * DAY]
        held = Fraction(sum(r["aum_cny"] for r in balances)) if balances else None
        matured = Fraction(
            sum(
                r["value_cny"]
                for r in self.of("fct_maturity_day", customer_id, day)
                if day - 30 * DAY < r["maturity_date"] <= day
            )
        )
        gone = min(max(held - aum, Fraction(0)), matured) if held is not None else None
        factors = [
            r["product_family_count"] or 0
            for r in self.of("fct_customer_factor", customer_id, day)
            if r["evaluation_date"] == month_end_before(day, 3)
        ]
        within = int(number(self.policy["salary_within"]))
        salary = self.days_since((r["business_date"] for r in self.of("fct_salary_day", customer_id, day)), day)
        log = [r["business_date"] for r in self.rows["fct_contact"] if r["business_date"] <= day]
        contact = self.days_since((r["business_date"] for r in self.of("fct_contact", customer_id, day)), day)
        newest: dict[str, Row] = {}
        for row in sorted(self.rows["fct_complaint"], key=lambda r: r["business_date"]):
            if row["business_date"] <= day:
                newest[row["complaint_id"]] = row
        mine = {r["complaint_id"] for r in self.of("fct_complaint", customer_id, day)}
        return {
            "aum_fall_1m": falls[0],
            "aum_fall_3m": falls[1],
            "outflow_ratio": share(held - aum, held) if held is not None else None,
            "maturity_not_renewed": share(gone, matured) if gone is not None else None,
            "product_count_down": int(max(factors)) - measure["product_family_count"] if factors else None,
            "salary_stop": salary if salary is not None and salary < within else None,
            "no_contact": contact if contact is not None else self.days_since(log, day, first=True),
            "complaint_open": sum(c in mine and r["fed_back_at"] is None for c, r in newest.items())
            if newest
            else None,
            "activity_down": self.activity(customer_id, day),
        }

    @staticmethod
    def days_since(days: Iterable[date], day: date, *, first: bool = False) -> int | None:
        known = [d for d in days if d <= day]
        return (day - (min(known) if first else max(known))).days if known else None

    def activity(self, customer_id: str, day: date) -> Decimal | None:
        rules = self.policy["activity"]
        recent, before = (int(number(rules[key])) for key in ("days", "before"))
        counts = {True: 0, False: 0}
        for row in self.of("fct_card_spend_day", customer_id, day):
            age = (day - row["business_date"]).days
            if 0 <= age < recent + before:
                counts[age < recent] += row["spend_count"]
        if counts[False] < rules["minimum"]:
            return None
        earlier = Fraction(counts[False], before)
        return share(earlier - Fraction(counts[True], recent), earlier)

    # --- what is made of them ---

    def judgement(self, segment: str) -> tuple[dict[str, int], dict[str, list[Row]]]:
        own: Row = next((s for s in self.policy["segments"] if s["segment_code"] == segment), {})
        bank = self.policy["bank"]
        return {**bank["levels"], **own.get("levels", {})}, {**bank["ranges"], **own.get("ranges", {})}

    def hits(self, segment: str, values: dict[str, Decimal | int | None]) -> dict[str, Row]:
        """Range that each indicator's value lies in."""
        _, ranges = self.judgement(segment)
        found = {}
        for code, listed in ranges.items():
            value = values[code]
            reached = [r for r in listed if value is not None and value >= number(r["at_least"])]
            if reached:
                found[code] = reached[-1]
        return found

    def level(self, segment: str, score: int) -> str | None:
        levels, _ = self.judgement(segment)
        reached = [level for level in LEVELS if score >= levels[level]]
        return reached[-1] if reached else None


def number(written: Any) -> Decimal:
    """20 %, 45 days or 2 as a number; a percentage as a share of 1."""
    text = str(written).split()[0]
    return Decimal(text[:-1]) / 100 if text.endswith("%") else Decimal(text)


Outcome = tuple[str | None, date | None]


def outcomes(bank: Bank, segments: dict[str, str], judged: date, known: date) -> dict[str, Outcome]:
    """Cause and day of the leaving of everybody who was in scope on ``judged``, three months later."""
    floor = Fraction(50_000)
    before = [month_end_before(judged, n) if n else judged for n in (2, 1, 0)]
    after = [known if n == 0 else month_end_before(known, n) for n in (2, 1, 0)]
    merged = {r["old_customer_id"] for r in bank.rows["int_customer__successor"] if r["measure_date"] == known}
    people = {r["customer_id"]: r for r in bank.rows["dim_customer"]}

    def total(customer_id: str, ends: list[date]) -> Fraction:
        rows = [r for r in bank.of("fct_month_measure", customer_id, known) if r["asset_set"] == "standard"]
        return Fraction(sum(r["month_balance_days_cny"] for r in rows if r["evaluation_date"] in ends))

    found: dict[str, Outcome] = {}
    for customer_id in segments:
        person = people.get(customer_id)
        if customer_id in merged or (person and person["deceased_date"] and person["deceased_date"] <= known):
            continue
        was = Fraction(half_up(total(customer_id, before) / sum(d.day for d in before), 2))
        now = Fraction(half_up(total(customer_id, after) / sum(d.day for d in after), 2))
        closed = person["closed_date"] if person else None
        cause = None
        if person is None or (closed and closed <= known):
            cause = "closed"
        elif was >= floor and now < floor:
            cause = "below_floor"
        elif now < was / 2:
            cause = "fell"
        days = [
            d
            for d in after
            if (bank.average(customer_id, d, known) or 0) < was / 2
            or (was >= floor and (bank.average(customer_id, d, known) or 0) < floor)
        ]
        if closed:
            days.append(closed)
        found[customer_id] = (cause, min([*days, known]) if cause else None)
    return found


def backtest(
    bank: Bank,
    segments: dict[str, str],
    values: dict[str, dict[str, Decimal | int | None]],
    left: dict[str, Outcome],
    judged: date,
) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    """(segment, indicator, level) -> population, warned, churned, hits, precision, recall, lift, lead days."""
    people: dict[str, set[str]] = defaultdict(set)
    warned: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for customer_id in left:
        segment = segments[customer_id]
        hits = bank.hits(segment, values[customer_id])
        said = {code: str(each["level"]) for code, each in hits.items()}
        total = bank.level(segment, sum(each["points"] for each in hits.values()))
        if total:
            said["score"] = total
        for counted_in in (segment, "bank"):
            people[counted_in].add(customer_id)
            for code, highest in said.items():
                for level in LEVELS[: LEVELS.index(highest) + 1]:
                    warned[counted_in, code, level].add(customer_id)
    churned = {c for c, (cause, _) in left.items() if cause}
    found = {}
    for segment, members in people.items():
        gone = members & churned
        for code in (*INDICATORS, "score"):
            for level in LEVELS:
                told = warned[segment, code, level]
                hit = told & gone
                days = sum((left[c][1] - judged).days for c in hit)  # type: ignore[operator]
                found[segment, code, level] = (
                    len(members),
                    len(told),
                    len(gone),
                    len(hit),
                    share(Fraction(len(hit)), Fraction(len(told))),
                    share(Fraction(len(hit)), Fraction(len(gone))),
                    share(Fraction(len(hit) * len(members)), Fraction(len(told) * len(gone))),
                    half_up(Fraction(days, len(hit)), 2) if hit else None,
                )
    return found
