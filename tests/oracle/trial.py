"""Random banks through the real pipeline and beside the oracle; a bank that differs is cut down."""

from __future__ import annotations

import itertools
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.lib import build, landing, warehouse
from orchestration.lib.books.results import book_moves
from orchestration.lib.contracts import load_contracts
from orchestration.lib.dbt_manifest import environment
from orchestration.lib.home import Home
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.load import POLICIES_VARIABLE
from tests import support
from tests.books.support import World
from tests.oracle import random_banks
from tests.oracle.assets import PRIMARY, Book, Oracle, wan
from tests.oracle.compare import fact_differences
from tests.oracle.random_banks import Bank, Market, Span
from tests.oracle.told import DecidedBank, decisions_that_differ

FACT_MARTS = (
    "mart_assets__customer_assets",
    "mart_assets__customer_assets_monthly",
    "mart_tiering__customer_tier",
    "mart_tiering__customer_tier_history",
)
# A bank is cut down by leaving out one or two elements; so many candidates share one build.
CANDIDATES = 250
# The number of a bank begins each of its ids.
NUMBER = re.compile(r"\b(?<![-.])\d{5}(?=[cose])")
Versions = Mapping[str, Sequence[tuple[date, Book]]]


@dataclass(frozen=True)
class Draw:
    """Banks of one build and what they have in common. ``since``: first day of other cuts of the primary scheme."""

    seed: int
    span: Span
    banks: list[Bank]
    market: Market
    cuts: Mapping[str, str]
    since: date | None
    months: int

    @classmethod
    def of(cls, seed: int, count: int, span: Span, *, since: date | None, months: int) -> Draw:
        return cls(seed, span, *random_banks.draw_banks(count, seed, span), since, months)

    def versions(self) -> Versions:
        """The primary scheme's versions as a person would write them from the policies of this draw."""
        first = replace(PRIMARY, bands=tuple(replace(band, months=self.months) for band in PRIMARY.bands))
        if self.since is None:
            return {PRIMARY.scheme: [(date.min, first)]}
        bands = tuple(
            replace(band, lower=wan(self.cuts[band.code].removesuffix("万")) if band.code in self.cuts else band.lower)
            for band in first.bands
        )
        return {PRIMARY.scheme: [(date.min, first), (self.since, replace(first, bands=bands))]}


@dataclass(frozen=True)
class Built:
    """``marts``: the file with the marts of the last run. ``entries``: of the books of every live day."""

    home: Home
    landing: Path
    policies: Path
    marts: Path
    entries: list[Any]


def built(draw: Draw, folder: Path, dbt_target: Path | None, *, is_whole: bool) -> Built:
    """Deliver and build a draw. Whole: landed, built, audited and published; otherwise landed and the facts built."""
    root, span = folder / "landing", draw.span
    told = random_banks.deliver(root, draw.banks, draw.market, span)
    policies = random_banks.write_policies(folder, span, draw.cuts, since=draw.since, months=draw.months)
    home, entries = Home(folder / "home"), []
    if dbt_target is not None:
        shutil.copytree(dbt_target, home.root / "dbt_target")
    with environment({POLICIES_VARIABLE: str(policies)}):
        if not is_whole:
            build_facts(home, root)
            return Built(home, root, policies, home.warehouse, entries)
        before = span.first
        for day in span.runs:
            # Books of past days are dropped once they are published: read before.
            audited = support.advance(home, root, day, is_published=False)
            assert audited.verdict is not None
            assert audited.verdict.is_passed, [c for c in audited.verdict.checks if c.blocks]
            assert not audited.report.rejected, audited.report.rejected
            entries += entries_of(home, max(before, span.go_live))
            support.publish_audited(home, audited)
            before = day + random_banks.DAY
            if day == span.seen:
                assert random_banks.correct(root, told, lambda corrected: corrected <= span.seen)
    return Built(home, root, policies, home.current / "marts.duckdb", entries)


def entries_of(home: Home, start: date) -> list[Any]:
    with warehouse.connect(home.warehouse, read_only=True) as con:
        sql = f"select * from core.fct_book_entry where as_of_date >= date '{start}'"
        return con.execute(sql).to_arrow_table().to_pylist()


def build_facts(home: Home, root: Path) -> None:
    """Land all deliveries and run the models of the marts of facts, without what a build decides, tests and audits."""
    with build.build_lock(home):
        report = landing.land(home, root)
        assert not report.rejected, report.rejected
        contracts, policies = load_contracts(), load_policies()
        plan = build.start_build(home, contracts, policies)
        assert plan is not None
        for chunk in plan.chunks:
            build.prepare_chunk(home, plan, chunk, contracts, policies)
            build.run_dbt(home, plan, chunk, ["run", "--select", *(f"+{mart}" for mart in FACT_MARTS)])


def judged(
    draw: Draw, folder: Path, dbt_target: Path | None = None, *, is_whole: bool, versions: Versions | None = None
) -> dict[int, list[str]]:
    """Number of each bank that differs -> lines. ``versions``: rules that the oracle goes by, else the draw's own."""
    made = built(draw, folder, dbt_target, is_whole=is_whole)
    span = draw.span
    oracle = Oracle(made.landing, span.first, span.last, versions or draw.versions())
    lines = [f"{mart} {line}" for mart, found in fact_differences(oracle, made.marts).items() for _, line in found]
    if is_whole:
        lines += book_differences(made, span)
    by_bank: dict[int, list[str]] = defaultdict(list)
    for line in lines:
        found = NUMBER.search(line)
        assert found is not None, line
        by_bank[int(found.group())].append(line)
    return dict(by_bank)


def book_differences(made: Built, span: Span) -> list[str]:
    """Lines on owners, backups and queues of every live day."""
    sql = (
        "select customer_id, valid_from, tier_code, tier_rank, change_kind from core.fct_tier_change "
        f"where scheme_code = '{PRIMARY.scheme}' order by valid_from, customer_id"
    )
    with warehouse.connect(made.home.warehouse, read_only=True) as con:
        tiers = con.execute(sql).to_arrow_table().to_pylist()
    days = [day for day in span.days if day >= span.go_live]
    moves = book_moves(made.home, days).to_pylist()
    world = World(made.landing)
    bank = DecidedBank(made.landing, made.policies, span.go_live, world, days, made.entries, [], tiers, moves)
    return [
        f"{slot} {customer} {day}: expected {expected}, found {found}"
        for (day, slot), customers in decisions_that_differ(bank).items()
        for customer, (found, expected) in customers.items()
    ]


def smallest(draw: Draw, bank: Bank, differs: Callable[[Draw], Mapping[int, list[str]]]) -> tuple[Bank, list[str]]:
    """The bank with everything left out that need not be there for it to differ, and its lines.

    Every candidate of a round is a bank of the same build: a round costs one.
    """
    lines: list[str] = []
    while True:
        ones = list(random_banks.smaller(bank))
        twos = itertools.chain.from_iterable(map(random_banks.smaller, ones))
        candidates = list(dict.fromkeys((*itertools.islice(twos, CANDIDATES), *ones)))
        numbered = {n: replace(candidate, number=n) for n, candidate in enumerate((bank, *candidates), 1)}
        found = differs(replace(draw, banks=list(numbered.values())))
        failing = [n for n in found if n > 1]
        lines = found.get(1, lines)
        if not failing:
            return bank, lines
        bank = min((numbered[n] for n in failing), key=lambda each: (len(repr(each)), repr(each)))


def report(draw: Draw, folder: Path, found: Mapping[int, list[str]], **options: Any) -> str:
    """What people read of banks that differ: the seed, and the one with fewest parts cut down."""
    banks, rounds = {bank.number: bank for bank in (random_banks.ANCHOR, *draw.banks)}, itertools.count()
    number = min(found, key=lambda n: len(repr(banks[n])))
    least, lines = smallest(draw, banks[number], lambda less: judged(less, folder / f"round{next(rounds)}", **options))
    told = "\n".join(lines[:20])
    return f"seed {draw.seed}: banks {sorted(found)} differ. The smallest that does:\n{least}\n{told}"
