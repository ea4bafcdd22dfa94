"""Offers of an invented bank and of the small bank are those of a second reading in plain Python."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.lib.planning import advance_json, plan_chunk
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.trial import Trial
from tests.conftest import AS_OF_DATE, BuiltHome
from tests.maintenance.offer_oracle import Association, Offer, Row, Shop
from tests.policies.support import copy_policies, edit, first

DAY = timedelta(days=1)
TODAY = date(2026, 5, 12)
FIRST_DATE = date(2026, 1, 1)
FAMILIES = ("deposit", "wealth", "fund", "insurance", "bond", "precious_metal")
GRADES = {
    "deposit": [(1, None), (2, None), (3, None)],
    "wealth": [(2, "r2"), (2, "r1"), (3, "r3"), (3, "r3")],
    "fund": [(1, "r1"), (2, "r2"), (3, "r4"), (4, "r5")],
    "insurance": [(2, "r1"), (3, "r1")],
    "bond": [(2, "r1"), (2, "r1")],
    "precious_metal": [(2, "r3"), (2, "r4"), (5, "r4")],
    "brokerage": [(1, None)],
}
SALES = "core.fct_product_offer"
NAMED = ("product_code", "product_family", "product_grade", "risk_level")


class Invented:
    """A bank of 260 customers. Whether they hold a family hangs on what else they hold, so that some go together."""

    def __init__(self, families: tuple[str, ...] = FAMILIES) -> None:
        draw = random.Random(7)
        name = dict(zip(FAMILIES, families, strict=True))
        self.products: dict[str, Row] = {}
        for family, grades in GRADES.items():
            for number, (grade, risk) in enumerate(grades):
                self._add_product(f"{family[:2]}{number}", name.get(family, family), grade, risk)
        # Sold no more, and held by some.
        self._add_product("fu_old", name["fund"], None, "r1")
        self._add_product("be_old", name["bond"], None, None)
        self.people: dict[str, Row] = {}
        self.holdings: list[tuple[str, str]] = []
        self.accounts: list[Row] = []
        self.consents: list[Row] = []
        self.suppressed: set[str] = set()
        self.merged = {"c010": "c011", "c020": "c021", "c030": "c031"}
        self.outside: list[str] = []
        for number in range(260):
            customer = f"c{number:03}"
            born = draw.choice([None, date(draw.randrange(1935, 2000), draw.randrange(1, 13), draw.randrange(1, 29))])
            self.people[customer] = {"birth_date": born, "risk_appetite": draw.choice([None, "c1", "c3", "c4", "c5"])}
            self._let_hold(customer, draw)
            self._let_speak(customer, draw)
            if draw.random() < 0.05:
                self.suppressed.add(customer)
            if draw.random() < 0.2 or customer in self.merged:
                self.outside.append(customer)
        # Sixty-five today, and tomorrow.
        for customer, day in (("c100", date(1961, 5, 12)), ("c101", date(1961, 5, 13))):
            self.people[customer] = {"birth_date": day, "risk_appetite": "c5"}
            self.holdings += [(customer, "we0"), (customer, "fu1")]
            self.consents.append({"customer_id": customer, "channel": "sms", "is_allowed": True})
            self.suppressed.discard(customer)
            self.outside = [c for c in self.outside if c != customer]

    def _add_product(self, code: str, family: str, grade: int | None, risk: str | None) -> None:
        self.products[code] = {
            "product_code": code,
            "product_name": f"产品{code}",
            "product_family": family,
            "product_grade": grade,
            "risk_level": risk,
        }

    def _let_hold(self, customer: str, draw: random.Random) -> None:
        kinds = {family: [c for c in self.products if c.startswith(family[:2])] for family in GRADES}
        chances = {"deposit": 0.85, "wealth": 0.3, "insurance": 0.15, "bond": 0.1, "brokerage": 0.2}
        chosen = [family for family, chance in chances.items() if draw.random() < chance]
        chosen += [
            f for f, of in (("fund", "wealth"), ("precious_metal", "bond")) if of in chosen and draw.random() < 0.6
        ]
        for family in chosen:
            for code in {draw.choice(kinds[family]) for _ in range(draw.choice([1, 1, 2]))}:
                self.holdings.append((customer, code))
                if family in ("deposit", "wealth", "fund", "bond") and draw.random() < 0.5:
                    matures = TODAY + draw.choice([-1, 0, 1, 9, 9, 29, 30, 31]) * DAY
                    kind = "deposit" if family == "deposit" else "holding"
                    self.accounts.append(
                        {"customer_id": customer, "product_code": code, "maturity_date": matures, "account_kind": kind}
                    )

    def _let_speak(self, customer: str, draw: random.Random) -> None:
        for channel in ("sms", "phone"):
            if draw.random() < 0.6:
                allowed = draw.random() < 0.7
                self.consents.append({"customer_id": customer, "channel": channel, "is_allowed": allowed})

    def lay(self, trial: Trial) -> None:
        """Put the bank in a scratch warehouse as the tables that offers are made of."""
        owners = [c for c in self.people if c not in self.outside]
        trial.put("dim_product", list(self.products.values()))
        trial.put("dim_customer", [{"customer_id": c, **person} for c, person in self.people.items()])
        today: Row = {"business_date": TODAY}
        trial.put("int_maintenance__owner_day", [{**today, "customer_id": c} for c in owners])
        trial.put("int_maintenance__suppressed_day", [{**today, "customer_id": c} for c in sorted(self.suppressed)])
        earlier = {"business_date": TODAY - DAY, "channel": "sms", "is_allowed": True}
        trial.put("int_maintenance__consent_day", [{**today, **row} for row in self.consents])
        trial.put("int_maintenance__consent_day", [{**earlier, "customer_id": c} for c in owners])
        merges = [{"old_customer_id": old, "new_customer_id": new} for old, new in self.merged.items()]
        trial.put("int_customer__successor", [{"measure_date": TODAY, **row} for row in merges])
        worth: Row = {"as_of_date": TODAY, "value_cny": Decimal("0.01")}
        held = [{**worth, "customer_id": c, "product_code": code} for c, code in self.holdings]
        # What was held yesterday, or is empty, is not held.
        gone = [{**row, "product_code": "in1", "value_cny": Decimal(0)} for row in held]
        past = [{**row, "product_code": "pr1", "as_of_date": TODAY - DAY} for row in held]
        trial.put("fct_customer_product_balance", [*held, *gone, *past])
        # An account of either kind may have the id of one of the other.
        named = [{**worth, **account, "account_id": f"k{n // 2}"} for n, account in enumerate(self.accounts)]
        columns = ("as_of_date", "value_cny", "customer_id", "product_code", "account_kind", "account_id")
        named = list({(r["account_kind"], r["account_id"]): r for r in named}.values())
        self.accounts = named
        trial.put("fct_account_balance", [{name: row[name] for name in columns} for row in named])
        deposits = [r for r in named if r["account_kind"] == "deposit"]
        others = [r for r in named if r["account_kind"] == "holding"]
        trial.put(
            "stg_core_banking__deposit_accounts",
            [{"account_id": r["account_id"], "maturity_date": r["maturity_date"], "batch_id": "d1"} for r in deposits]
            + [{"account_id": r["account_id"], "maturity_date": TODAY + DAY, "batch_id": "d0"} for r in deposits],
        )
        trial.put(
            "stg_wealth__wealth_holdings",
            [{"holding_id": r["account_id"], "maturity_date": r["maturity_date"], "batch_id": "w1"} for r in others],
        )
        with trial.connect() as con:
            con.execute("create schema if not exists build")
            con.execute("create table build.batch_day (feed_id varchar, business_date date, batch_id varchar)")
            for feed, batch in (("core_banking.deposit_accounts", "d"), ("wealth.wealth_holdings", "w")):
                for number, day in enumerate((TODAY - DAY, TODAY)):
                    con.execute("insert into build.batch_day values (?, ?, ?)", [feed, day, f"{batch}{number}"])

    def shop(self, policy: Row) -> Shop:
        return Shop(
            day=TODAY,
            policy=policy,
            products=self.products,
            people={c: person for c, person in self.people.items() if c not in self.outside},
            holdings=self.holdings,
            maturities=[(r["customer_id"], r["product_code"], r["maturity_date"]) for r in self.accounts],
            allowed={row["customer_id"] for row in self.consents if row["is_allowed"]},
            suppressed=self.suppressed,
            merged=self.merged,
        )


def in_numbers(directory: Path | None = None) -> Row:
    """The policy of a folder, or the one in force, as the second reading uses it."""
    version = load_policies(*([directory] if directory else [])).offers.versions[0]
    return {
        "kinds": list(version.kinds),
        "families": dict(version.families),
        "most_offers": version.most_offers,
        "maturity_days": version.maturity,
        "minimum_support": version.minimum_support,
        "minimum_confidence": version.minimum_confidence,
        "minimum_lift": version.minimum_lift,
        "appetites": dict(version.suitability.appetites),
        "unknown_appetite": version.suitability.unknown_appetite,
        "senior_age": version.suitability.senior_age,
        "senior_highest": version.suitability.senior_highest,
    }


@dataclass(frozen=True)
class Sold:
    """What the model offers in a bank, by customer and family, and the policy that it did so by."""

    bank: Invented
    policy: Row
    rows: dict[tuple[str, str], Row]


Sell = Callable[..., Sold]


@pytest.fixture(scope="module")
def sell(tmp_path_factory: pytest.TempPathFactory) -> Sell:
    """Runs the model on a bank under the shipped policy with changes."""

    def run(bank: Invented, **changes: Any) -> Sold:
        folder = tmp_path_factory.mktemp("offers")
        directory = copy_policies(folder)
        edit(directory, "books", lambda content: first(content).update(go_live_date=date(2026, 2, 1)))
        edit(directory, "offers", lambda content: first(content).update(changes))
        policies = load_policies(directory)
        trial = Trial(folder / "trial", first_date=FIRST_DATE)
        trial.lay_policies(policies)
        bank.lay(trial)
        chunk = plan_chunk(TODAY - DAY, TODAY, TODAY, FIRST_DATE, None, policies)
        plan = advance_json(chunk, first_date=FIRST_DATE, opening_date=None, is_merging=True)
        trial.run(["fct_product_offer"], [plan])
        with trial.connect() as con:
            rows: list[Row] = con.execute(f"select * from {SALES}").to_arrow_table().to_pylist()
        assert len({(row["customer_id"], row["product_family"]) for row in rows}) == len(rows)
        return Sold(bank, in_numbers(directory), {(row["customer_id"], row["product_family"]): row for row in rows})

    return run


@pytest.fixture(scope="module")
def sold(sell: Sell) -> Sold:
    return sell(Invented())


@pytest.fixture(scope="module")
def all_sold(sell: Sell) -> Sold:
    """Nothing is cut off."""
    return sell(Invented(), most_offers=20)


def as_told(row: Row) -> tuple[int, Offer, str | None]:
    """A row of the model in the words of the second reading; the day of a maturity stands in the reason alone."""
    association = Association(row["support"], row["confidence"], row["lift"]) if row["lift"] is not None else None
    product = {name: row[name] for name in NAMED}
    return row["offer_rank"], Offer(row["offer_kind"], product, association), row["unsuitable_reason_code"]


def as_expected(shop: Shop) -> dict[tuple[str, str], tuple[int, Offer, str | None]]:
    found = {}
    for key, (rank, offer, reason) in shop.offers().items():
        product = {name: offer.product[name] for name in NAMED}
        found[key] = (rank, Offer(offer.offer_kind, product, offer.association), reason)
    return found


@pytest.mark.rule("D1-09", "E3-03", "G35")
def test_offers_are_those_of_a_second_reading(sold: Sold, all_sold: Sold) -> None:
    for each in (sold, all_sold):
        shop = each.bank.shop(each.policy)
        assert {key: as_told(row) for key, row in each.rows.items()} == as_expected(shop)
        assert all(row["is_suitable"] is (row["unsuitable_reason_code"] is None) for row in each.rows.values())
        assert {row["as_of_date"] for row in each.rows.values()} == {TODAY}
        assert {row["policy_version"] for row in each.rows.values()} == {"offers@1"}
    # All that is to be told apart is there.
    assert {row["offer_kind"] for row in sold.rows.values()} == {"repeat_sell", "up_sell", "cross_sell"}
    assert {row["unsuitable_reason_code"] for row in sold.rows.values()} == {None, "risk_level", "senior_duty"}
    assert len(all_sold.rows) > len(sold.rows)
    assert Counter(c for c, _ in sold.rows).most_common(1)[0][1] == sold.policy["most_offers"]


@pytest.mark.rule("D1-09")
def test_a_reason_says_what_falls_due_is_held_or_goes_together(all_sold: Sold) -> None:
    labels = all_sold.policy["families"]
    offers = all_sold.bank.shop(all_sold.policy).offers()
    for key, row in all_sold.rows.items():
        offer, said = offers[key][1], row["reason_zh"]
        assert said.endswith("(D1-09)")
        if offer.maturity_date is not None:
            assert f"{offer.product['product_name']}将于{offer.maturity_date}到期" in said
        elif offer.association is not None:
            percent = (offer.association.confidence * 100).quantize(Decimal("0.01"), "ROUND_HALF_UP")
            assert f"{percent}%同时持有{labels[key[1]]}" in said
        else:
            assert f"升级至{row['product_grade']}级的{offer.product['product_name']}" in said
        duty = "客户年满65周岁,须先履行特别注意义务"
        assert (duty in said) is (row["unsuitable_reason_code"] == "senior_duty")


@pytest.mark.rule("D1-09")
def test_a_family_that_is_held_is_never_offered_as_a_new_one(all_sold: Sold) -> None:
    held = all_sold.bank.shop(all_sold.policy).held
    crossed = [key for key, row in all_sold.rows.items() if row["offer_kind"] == "cross_sell"]
    assert crossed
    assert not [key for key in crossed if key[1] in held[key[0]]]
    # Also one that is sold no more: its holder holds the family.
    olds = [c for c, code in all_sold.bank.holdings if code == "fu_old"]
    assert olds
    assert not {(c, "fund") for c in olds} & set(crossed)


@pytest.mark.rule("G35", "G30")
def test_nobody_is_offered_anything_who_said_no_or_nothing_is_vetoed_or_in_no_book(sold: Sold) -> None:
    bank = sold.bank
    offered = {customer for customer, _ in sold.rows}
    said_yes = {row["customer_id"] for row in bank.consents if row["is_allowed"]}
    said_no = {row["customer_id"] for row in bank.consents} - said_yes
    silent = set(bank.people) - {row["customer_id"] for row in bank.consents}
    for shunned in (said_no, silent, bank.suppressed, set(bank.outside), set(bank.merged)):
        assert shunned
        assert not offered & shunned
    # One channel is enough.
    refusing = {row["customer_id"] for row in bank.consents if not row["is_allowed"]}
    assert offered & said_yes & refusing


@pytest.mark.rule("E3-03")
def test_the_duty_of_care_begins_on_the_65th_birthday(all_sold: Sold) -> None:
    (sixty_five, nearly) = (all_sold.rows[customer, "wealth"] for customer in ("c100", "c101"))
    assert (sixty_five["offer_kind"], sixty_five["risk_level"]) == (nearly["offer_kind"], nearly["risk_level"])
    assert sixty_five["risk_level"] == "r3"
    assert (sixty_five["unsuitable_reason_code"], nearly["unsuitable_reason_code"]) == ("senior_duty", None)


@pytest.mark.rule("D1-09")
def test_one_more_holder_of_two_families_raises_their_support(sell: Sell, all_sold: Sold) -> None:
    bank = Invented()
    bank.people["c900"] = {"birth_date": None, "risk_appetite": None}
    bank.outside.append("c900")
    bank.holdings += [("c900", "we0"), ("c900", "fu0")]
    more = sell(bank, most_offers=20)
    rises = 0
    for key, row in all_sold.rows.items():
        if key[1] == "fund" and row["offer_kind"] == "cross_sell" and "持有理财的客户中" in row["reason_zh"]:
            assert more.rows[key]["support"] > row["support"]
            assert more.rows[key]["confidence"] > row["confidence"]
            rises += 1
    assert rises
    # Who holds other things is one more in the whole: support of all other pairs falls.
    others = [k for k, r in all_sold.rows.items() if r["offer_kind"] == "cross_sell" and k[1] == "precious_metal"]
    assert others
    assert all(more.rows[key]["support"] < all_sold.rows[key]["support"] for key in others)


@pytest.mark.rule("D1-09")
def test_other_names_for_the_families_change_nothing_else(sell: Sell, all_sold: Sold) -> None:
    names = dict(zip(FAMILIES, (*FAMILIES[1:], FAMILIES[0]), strict=True))
    renamed = sell(Invented(tuple(names.values())), most_offers=20)

    def told(sold: Sold, name: Callable[[str], str]) -> set[tuple[Any, ...]]:
        columns = ("offer_kind", "product_code", "support", "confidence", "lift", "unsuitable_reason_code")
        return {(key[0], name(key[1]), *(row[c] for c in columns)) for key, row in sold.rows.items()}

    assert told(renamed, lambda family: family) == told(all_sold, lambda family: names[family])


@pytest.mark.rule("E3-03")
def test_who_bears_more_risk_is_offered_no_less(sell: Sell, all_sold: Sold) -> None:
    bank = Invented()
    for person in bank.people.values():
        person["risk_appetite"] = "c5"
    bold = sell(bank, most_offers=20)
    assert set(bold.rows) == set(all_sold.rows)
    freed = [key for key, row in all_sold.rows.items() if row["unsuitable_reason_code"] == "risk_level"]
    assert freed
    assert {bold.rows[key]["unsuitable_reason_code"] for key in freed} <= {None, "senior_duty"}
    assert all(bold.rows[key]["is_suitable"] for key, row in all_sold.rows.items() if row["is_suitable"])


def test_a_refusal_takes_away_the_offers_of_nobody_else(sell: Sell, sold: Sold) -> None:
    bank = Invented()
    customer = next(iter(sold.rows))[0]
    for row in bank.consents:
        if row["customer_id"] == customer:
            row["is_allowed"] = False
    left = sell(bank)
    assert left.rows == {key: row for key, row in sold.rows.items() if key[0] != customer}


@pytest.mark.rule("D1-09", "E3-03")
def test_the_small_bank_is_offered_what_a_second_reading_offers(built_home: BuiltHome) -> None:
    with duckdb.connect(str(built_home.home.warehouse), read_only=True) as con:

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return con.execute(sql, {"day": AS_OF_DATE} if "$day" in sql else {}).fetchall()

        products = con.execute("select * from core.dim_product").to_arrow_table().to_pylist()
        batches = "select batch_id from build.batch_day where feed_id = '{}' and business_date = $day"
        maturities = [
            row
            for kind, table, key, feed in (
                ("deposit", "core_banking__deposit_accounts", "account_id", "core_banking.deposit_accounts"),
                ("holding", "wealth__wealth_holdings", "holding_id", "wealth.wealth_holdings"),
            )
            for row in rows(
                "select b.customer_id, b.product_code, a.maturity_date from core.fct_account_balance b "
                f"join raw.{table} a on a.{key} = b.account_id and b.account_kind = '{kind}' "
                f"where b.as_of_date = $day and b.value_cny > 0 and a.batch_id in ({batches.format(feed)}) "
                "and a.maturity_date is not null"
            )
        ]
        shop = Shop(
            day=AS_OF_DATE,
            policy=in_numbers(),
            products={p["product_code"]: p for p in products},
            people={
                row[0]: {"birth_date": row[1], "risk_appetite": row[2]}
                for row in rows(
                    "select distinct c.customer_id, c.birth_date, c.risk_appetite from core.dim_customer c join "
                    "core.fct_book_entry e on e.customer_id = c.customer_id where e.as_of_date = $day"
                )
            },
            holdings=[
                (customer, code)
                for customer, code in rows(
                    "select customer_id, product_code from core.fct_customer_product_balance "
                    "where as_of_date = $day and value_cny > 0"
                )
            ],
            maturities=maturities,
            allowed={
                row[0]
                for row in rows(
                    "select customer_id from raw.crm__consents where allowed and since <= $day "
                    f"and batch_id in ({batches.format('crm.consents')})"
                )
            },
            suppressed={
                row[0]
                for row in rows(
                    "select customer_id from intermediate.int_maintenance__suppressed_day where business_date = $day"
                )
            },
            merged=dict(
                rows(
                    "select old_customer_id, new_customer_id from intermediate.int_customer__successor "
                    "where measure_date = $day"
                )
            ),
        )
        told = con.execute("select * from maintenance.product_offer").to_arrow_table().to_pylist()
    assert {(row["customer_id"], row["product_family"]): as_told(row) for row in told} == as_expected(shop)
    assert len(told) > 50
