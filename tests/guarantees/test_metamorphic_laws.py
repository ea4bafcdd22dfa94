"""Laws of the facts: what a change of the deliveries changes, and what it does not.

A bank and its changed twin stand in one build and share nothing: what differs between them is what the change did. The
same rows shuffled, split and in another order, and days one by one, are in tests/pipeline/test_same_facts.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orchestration.lib import build
from orchestration.lib.content_hash import content_hash
from orchestration.lib.dbt_manifest import environment
from orchestration.lib.home import DBT_PROJECT_DIR, Home
from orchestration.lib.policies.load import POLICIES_VARIABLE
from tests import conftest, support
from tests.oracle import random_banks, trial
from tests.oracle.random_banks import Account, Bank, Customer, Market, Other, Span, Step
from tests.oracle.trial import Draw
from tests.policies.support import edit

pytestmark = pytest.mark.full

SPAN = Span(first=date(2026, 4, 1), go_live=date(2026, 5, 1), last=date(2026, 5, 1))
TWIN = 1000
MARTS = {
    "assets.customer_assets": ("customer_id",),
    "assets.customer_assets_monthly": ("customer_id", "month_end_date"),
    "tiering.customer_tier": ("customer_id", "scheme_code"),
    "tiering.customer_tier_history": ("customer_id", "scheme_code", "valid_from"),
}
Rows = dict[tuple[Any, ...], dict[str, Any]]


# --- twins -----------------------------------------------------------------------------------------


def split_accounts(bank: Bank) -> Bank:
    """Every yuan account of one owner becomes two that hold its money between them."""

    def halves(account: Account) -> tuple[Account, ...]:
        if account.currency != "CNY" or account.partner or account.corrections:
            return (account,)
        first = tuple(Step(s.day, (s.value / 3).quantize(Decimal("0.01"))) for s in account.steps)
        rest = tuple(Step(s.day, s.value - f.value) for s, f in zip(account.steps, first, strict=True))
        opened = account.opening / 2
        opening = opened.quantize(Decimal("0.01"))
        return (
            replace(account, steps=first, opening=opening),
            replace(account, key=f"{account.key}x", steps=rest, opening=account.opening - opening),
        )

    customers = (replace(c, accounts=tuple(a for each in c.accounts for a in halves(each))) for c in bank.customers)
    return replace(bank, customers=tuple(customers))


def add_empty_account(bank: Bank) -> Bank:
    empty = Account("", "CNY", (Step(0, Decimal(0)),), 1, Decimal(0))
    customers = (replace(c, accounts=(*c.accounts, replace(empty, key=f"{c.key}a9"))) for c in bank.customers)
    return replace(bank, customers=tuple(customers))


def relabel(bank: Bank) -> Bank:
    """The customers under ids in the opposite order."""
    names = {c.key: f"c{9 - int(c.key[1:])}" for c in bank.customers}

    def renamed(customer: Customer) -> Customer:
        accounts = (replace(a, partner=names.get(a.partner or "")) for a in customer.accounts)
        return replace(customer, key=names[customer.key], accounts=tuple(accounts))

    return replace(
        bank,
        customers=tuple(renamed(c) for c in bank.customers),
        wishes=tuple(replace(w, customer=names[w.customer]) for w in bank.wishes),
        merges=tuple((names[old], names[new], day) for old, new, day in bank.merges),
        households=tuple(replace(h, members=tuple((names[m], said) for m, said in h.members)) for h in bank.households),
    )


TWINS: dict[str, Callable[[Bank], Bank]] = {
    "split_accounts": split_accounts,
    "add_empty_account": add_empty_account,
    "relabel": relabel,
}


def rows_of(marts: Path, relation: str) -> Rows:
    with duckdb.connect(str(marts), read_only=True) as con:
        found = con.execute(f"select * from {relation}").to_arrow_table().to_pylist()
    key = MARTS[relation]
    return {tuple(row[name] for name in key): {n: v for n, v in row.items() if n not in key} for row in found}


def of_bank(rows: Rows, number: int, names: dict[str, str] | None = None) -> Rows:
    """Rows of one bank, its ids without its number and its customers under other names."""

    def bare(value: Any) -> Any:
        return value[5:] if isinstance(value, str) and value.startswith(f"{number:05}") else value

    def named(customer: str) -> str:
        return (names or {}).get(customer, customer)

    return {
        (named(bare(key[0])), *key[1:]): {name: bare(value) for name, value in row.items()}
        for key, row in rows.items()
        if key[0].startswith(f"{number:05}")
    }


@pytest.fixture(scope="module")
def draw() -> Draw:
    return Draw.of(20260501, 60, SPAN, since=None, months=1)


@pytest.fixture(scope="module")
def twins(draw: Draw, built_home: conftest.BuiltHome, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rows]:
    """Rows of each mart with every bank and, under its number and some thousands, its twins."""
    banks = list(draw.banks)
    for number, change in enumerate(TWINS.values(), 1):
        banks += [replace(change(bank), number=bank.number + number * TWIN) for bank in draw.banks]
    folder = tmp_path_factory.mktemp("twins")
    marts = trial.built(replace(draw, banks=banks), folder, built_home.dbt_target, is_whole=False).marts
    return {relation: rows_of(marts, relation) for relation in MARTS}


@pytest.mark.parametrize("relation", MARTS)
@pytest.mark.parametrize("law", TWINS)
def test_a_bank_and_its_twin_have_the_same_facts(law: str, relation: str, draw: Draw, twins: dict[str, Rows]) -> None:
    offset = (list(TWINS).index(law) + 1) * TWIN
    changed = 0
    for bank in draw.banks:
        names = {f"c{9 - n}": f"c{n}" for n in range(4)} if law == "relabel" else None
        before, after = of_bank(twins[relation], bank.number), of_bank(twins[relation], bank.number + offset, names)
        assert before == after, bank
        changed += TWINS[law](bank) != bank
    assert changed > len(draw.banks) // 3


# --- money scaled ----------------------------------------------------------------------------------


def scale(bank: Bank, factor: int) -> Bank:
    def account(each: Account) -> Account:
        steps, corrections = (tuple(Step(s.day, s.value * factor) for s in p) for p in (each.steps, each.corrections))
        return replace(each, steps=steps, corrections=corrections, opening=each.opening * factor)

    def other(each: Other) -> Other:
        steps, spent = (tuple(Step(s.day, s.value * factor) for s in path) for path in (each.steps, each.spent))
        return replace(each, steps=steps, spent=spent)

    customers = (
        replace(c, accounts=tuple(map(account, c.accounts)), others=tuple(map(other, c.others))) for c in bank.customers
    )
    return replace(bank, customers=tuple(customers))


def test_ten_times_the_money_and_ten_times_the_cuts_are_the_same_tiers_and_ten_times_the_assets(
    draw: Draw, built_home: conftest.BuiltHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In yuan: a rate rounds to the fen before it could be scaled. Tiers of the primary scheme by bands."""

    def in_yuan(bank: Bank) -> Bank:
        customers = (
            replace(
                c,
                accounts=tuple(replace(a, currency="CNY", partner=None) for a in c.accounts),
                others=tuple(replace(o, currency="CNY") for o in c.others if o.kind in ("loan", "amount", "card")),
            )
            for c in bank.customers
        )
        return replace(bank, customers=tuple(customers))

    banks = [in_yuan(bank) for bank in draw.banks]
    marts = trial.built(replace(draw, banks=banks), tmp_path / "one", built_home.dbt_target, is_whole=False).marts
    written = random_banks.write_policies

    def ten_times(folder: Path, *arguments: Any, **options: Any) -> Path:
        directory = written(folder, *arguments, **options)

        def change(content: dict[str, Any]) -> None:
            (version,) = content["versions"]
            for tier in version["tiers"]:
                for bound in ("lower", "upper"):
                    if bound in tier:
                        tier[bound]["value"] = f"{int(tier[bound]['value'].removesuffix('万')) * 10}万"
            for door in version["entry_doors"]:
                if str(door["at_least"]).endswith("万"):
                    door["at_least"] = f"{int(door['at_least'].removesuffix('万')) * 10}万"

        edit(directory, random_banks.PRIMARY, change)
        return directory

    monkeypatch.setattr(random_banks, "write_policies", ten_times)
    scaled = [scale(bank, 10) for bank in banks]
    more = trial.built(replace(draw, banks=scaled), tmp_path / "ten", built_home.dbt_target, is_whole=False).marts

    before, after = rows_of(marts, "assets.customer_assets"), rows_of(more, "assets.customer_assets")
    anchor = "00000c0"
    assert before.keys() == after.keys()
    for key in before.keys() - {(anchor,)}:
        for name, value in before[key].items():
            # An average is rounded once, so ten times it is within five fen of the average of ten times the money.
            off = Decimal("0.05") if name.endswith("avg_cny") else Decimal(0)
            if name.endswith("_cny") and value is not None:
                assert abs(after[key][name] - value * 10) <= off, (key, name)
    for relation, columns in (
        ("tiering.customer_tier", ("tier_code", "indicative_tier_code", "decided_by", "valid_from", "rule_id")),
        ("tiering.customer_tier_history", ("tier_code", "valid_to", "change_kind")),
    ):
        told = [
            {
                key: tuple(row[name] for name in columns)
                for key, row in rows_of(path, relation).items()
                if key[1] == random_banks.PRIMARY and key[0] != anchor
            }
            for path in (marts, more)
        ]
        assert told[0]
        differing = {key for key in told[0].keys() | told[1].keys() if told[0].get(key) != told[1].get(key)}
        # The published average decides; ten times a rounded one may lie on the other side of a cut by a part of a fen.
        assert not [key for key in differing if not is_on_a_cut(before[key[0],])], differing


def is_on_a_cut(row: dict[str, Any]) -> bool:
    cuts = [band.lower for band in trial.PRIMARY.bands]
    return any(abs(row["aum_month_avg_cny"] - cut) <= Decimal("0.01") for cut in cuts if cut is not None)


def test_twice_the_rate_is_twice_the_money_in_the_currency_and_not_a_fen_in_yuan(
    draw: Draw, built_home: conftest.BuiltHome, tmp_path: Path
) -> None:
    """What is in yuan does not move, nor do the rates: a customer of dollars has twice as much but for rounding."""

    def doubled(market: Market) -> Market:
        rates = {day: {c: rate * 2 for c, rate in known.items()} for day, known in market.rates.items()}
        return Market(rates, market.prices)

    found = []
    for name, market in (("once", draw.market), ("twice", doubled(draw.market))):
        changed = replace(draw, market=market)
        made = trial.built(changed, tmp_path / name, built_home.dbt_target, is_whole=False)
        found.append(rows_of(made.marts, "assets.customer_assets"))
    foreign, native = foreign_and_native(draw)
    assert foreign
    assert native
    for customer in native:
        assert found[0][customer,] == found[1][customer,], customer
    for customer, accounts in foreign.items():
        once, twice = (rows[customer,]["deposit_cny"] for rows in found)
        assert abs(twice - 2 * once) <= Decimal("0.01") * accounts, customer


def foreign_and_native(draw: Draw) -> tuple[dict[str, int], set[str]]:
    """Customers whose deposits are all foreign with their number, and those who have nothing foreign; none is joint or
    merged.
    """
    foreign, native = {}, set()
    for bank in draw.banks:
        if bank.merges or bank.households or any(a.partner for c in bank.customers for a in c.accounts):
            continue
        for customer in bank.customers:
            held = {each.currency for each in (*customer.accounts, *customer.others)}
            if {a.currency for a in customer.accounts}.isdisjoint({"CNY"}):
                foreign[bank.prefix + customer.key] = len(customer.accounts)
            elif held == {"CNY"}:
                native.add(bank.prefix + customer.key)
    return foreign, native


# --- how it is run ---------------------------------------------------------------------------------


def state(home: Home) -> dict[str, str]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        tables = {f"core.{name}" for name in support.STATE_TABLES}
        there = {f"{s}.{t}" for s, t in con.execute("select schema_name, table_name from duckdb_tables()").fetchall()}
        return {name: content_hash(con, name) for name in sorted(tables & there | set(MARTS))}


@pytest.fixture
def one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Makes dbt and DuckDB work with one thread each from now on."""

    def start() -> None:
        profile = yaml.safe_load((DBT_PROJECT_DIR / "profiles.yml").read_text("utf-8"))
        target = profile["tierhouse"]["outputs"]["duckdb"]
        target["threads"] = target["settings"]["threads"] = 1
        (tmp_path / "profiles.yml").write_text(yaml.safe_dump(profile), "utf-8")
        usual = build.dbt_environment
        monkeypatch.setattr(build, "dbt_environment", lambda *plan: {**usual(*plan), "DBT_PROFILES_DIR": str(tmp_path)})

    return start


def test_one_thread_and_two_make_the_same_facts(
    draw: Draw, built_home: conftest.BuiltHome, tmp_path: Path, one_thread: Callable[[], None]
) -> None:
    homes = []
    for name in ("two", "one"):
        if name == "one":
            one_thread()
        homes.append(trial.built(draw, tmp_path / name, built_home.dbt_target, is_whole=False).home)
    assert len(state(homes[0])) > len(MARTS)
    assert state(homes[0]) == state(homes[1])


def test_random_banks_advanced_in_any_pieces_with_corrections_late_or_in_time_have_the_same_facts(
    draw: Draw, built_home: conftest.BuiltHome, tmp_path: Path
) -> None:
    """One range with everything there, and five runs of one to nineteen days of which the last brings corrections."""
    last, published = SPAN.last, []
    seen = last - timedelta(days=3)
    for name, ends in (
        ("range", [last]),
        ("pieces", [date(2026, 4, 2), date(2026, 4, 21), date(2026, 4, 22), seen, seen + timedelta(days=1), last]),
    ):
        folder = tmp_path / name
        is_late = len(ends) > 1
        span = replace(SPAN, seen=seen) if is_late else SPAN
        told = random_banks.deliver(folder / "landing", draw.banks, draw.market, span)
        policies = random_banks.write_policies(folder, span, draw.cuts, since=None, months=1)
        home = Home(folder / "home")
        shutil.copytree(built_home.dbt_target, home.root / "dbt_target")
        with environment({POLICIES_VARIABLE: str(policies)}):
            for end in ends:
                if is_late and end == last:
                    assert random_banks.correct(folder / "landing", told, lambda day: day <= seen)
                support.published(support.advance(home, folder / "landing", end))
        published.append(home)
    assert support.fact_hashes(published[0]) == support.fact_hashes(published[1])
    assert support.state_hashes(published[0]) == support.state_hashes(published[1])
