"""Days of a bank on which things go wrong: a seed decides what, and after each run everything promised is checked.

``World`` holds what the sources know in the end: one right delivery per feed and day. ``BankDays`` brings them to the
landing folder day by day, with faults, runs the deployment on some of the days, and judges what readers see. What
should be seen is worked out from what was delivered, not read back from the deployment.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, timedelta
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.lib import build, fault
from orchestration.lib.appraisal.close import close_quarter
from orchestration.lib.appraisal.verify import verify_quarters
from orchestration.lib.dbt_manifest import environment
from orchestration.lib.delivery import MANIFEST
from orchestration.lib.files import file_sha256
from orchestration.lib.home import Home
from orchestration.lib.ledger import Batch, Ledger
from orchestration.lib.marts import MARTS, hash_rows, mart_hashes
from orchestration.lib.planning import MissingFeed
from orchestration.lib.policies.load import POLICIES_VARIABLE
from orchestration.lib.publish import read_publish_log
from tests import support
from tests.books.support import read_rows, write_rows
from tests.policies.support import PRIMARY, edit

DAY = timedelta(days=1)
COMPULSORY = ("core_banking.customers", "core_banking.deposit_accounts")
LEDGER = "finance.gl_balances"
INSTRUMENT_PRICES = "market.instrument_prices"
# What the general ledger is compared with: while one of these is late or wrong, the books may disagree.
MONEY = (
    "core_banking.deposit_accounts",
    "loan.loans",
    "card.card_accounts",
    "wealth.wealth_holdings",
    INSTRUMENT_PRICES,
    LEDGER,
)
PRICES = {"market.fx_rates": ("rate_cny", "0.01000000"), INSTRUMENT_PRICES: ("price", "0.01000000")}
# A late delivery of these changes past facts, or is read into a log; the facts end as if it had come in time.
MAY_BE_LATE = (
    *COMPULSORY,
    "card.card_transactions",
    "crm.complaints",
    "crm.contacts",
    "crm.life_events",
    "crm.surveys",
    "finance.revenue",
    "loan.loans",
    "market.fx_rates",
    INSTRUMENT_PRICES,
    "wealth.wealth_holdings",
)
# Without these a day is built on what was last known, or on nothing, and the books still agree.
MAY_BE_MISSING = ("card.card_transactions", "crm.contacts", "crm.surveys", "finance.revenue", "market.fx_rates")
CRASH_POINTS = tuple(p for p in fault.declared() if p.split(".")[0] in ("landing", "build", "audit", "publish"))
NAMES = ("A. Chen", "B. Wu")


@dataclass(frozen=True)
class World:
    """The right deliveries of every day from ``first`` (the first day of the simulation) through ``last``."""

    landing: Path
    policies: Path
    first: date
    last: date

    def days(self) -> list[date]:
        return [self.first + n * DAY for n in range((self.last - self.first).days + 1)]

    def feeds(self, day: date) -> list[str]:
        """Feeds that have a delivery for a day."""
        return sorted(f"{p.parents[2].name}.{p.parents[1].name}" for p in self.landing.glob(f"*/*/{day}/{MANIFEST}"))


@contextmanager
def policies_of(folder: Path) -> Iterator[None]:
    with environment({POLICIES_VARIABLE: str(folder)}):
        yield


@dataclass
class BankDays:
    """One life of the bank: ``run`` lives it through; ``faults`` counts what was done to it, by kind."""

    seed: int
    world: World
    home: Home
    landing: Path
    processes: ForkServerContext
    longest_gap: int = 7
    closes: str | None = None  # quarter that is closed as soon as it may be
    close_from: date | None = None
    policy_changes: int = 2
    leavers: int = 2
    crash_rate: float = 0.3
    faults: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.agenda: dict[date, list[Callable[[], None]]] = defaultdict(list)
        self.arrived: set[tuple[str, date]] = set()
        self.unsettled: set[tuple[str, date]] = set()
        self.wrong_ledgers: set[date] = set()
        self.broken: set[str] = set()  # batches that must be rejected, by the files that lie there now
        self.touched: set[tuple[str, date]] = set()
        self.judged = len(Ledger(self.home.ledger).batches())
        self.version = len(read_publish_log(self.home))
        self.frozen: dict[str, str] = {}
        self.obligations: dict[str, tuple[date, str]] = {}
        self.published_through = self.world.first - DAY
        self.policy_version, self.policy_since = 1, date.min

    # --- the life ------------------------------------------------------------------------------------

    def run(self) -> None:
        days = self.world.days()
        run_days = self._draw_run_days(days)
        changes = set(self.rng.sample(days[2:-2], min(self.policy_changes, len(days[2:-2]))))
        self._let_employees_leave(days)
        for day in days:
            if day in changes:
                self._change_policy(day)
            for act in self.agenda.pop(day, []):
                act()
            self._deliver(day, is_run_day=day in run_days)
            if day in run_days:
                self._run(day)
                self._maybe_close()
        while self.agenda or self.broken or self.unsettled or self.published_through < self.world.last:
            day = min(self.agenda, default=day + DAY)
            for act in self.agenda.pop(day, []):
                act()
            if not self.agenda:
                self._run(self.world.last)
                self._maybe_close()

    def _draw_run_days(self, days: list[date]) -> set[date]:
        run_days, number = set(), -1
        while number < len(days) - 1:
            number = min(number + self.rng.randint(1, self.longest_gap), len(days) - 1)
            run_days.add(days[number])
        return run_days

    def _say(self, kind: str, what: str) -> None:
        self.faults[kind] += 1
        self.told.append(f"{kind}: {what}")

    # --- what the sources do ---------------------------------------------------------------------------

    def _deliver(self, day: date, *, is_run_day: bool) -> None:
        feeds = self.world.feeds(day)
        chosen: dict[str, str] = {}
        kinds = ["late", "out_of_order", "corrected", "missing", "late_of_all"]
        if is_run_day:
            kinds += ["truncated", "truncated", "wrong", "wrong_ledger", "duplicate", "duplicate"]
        for _ in range(self.rng.choice((0, 1, 1, 2))):
            kind = self.rng.choice(kinds)
            pool = self._pool(kind, [f for f in feeds if f not in chosen], is_last=day >= self.world.last - DAY)
            if pool:
                chosen[self.rng.choice(pool)] = kind
        # What of a day comes late may make the books of that day disagree, whatever else comes.
        for feed_id in feeds:
            getattr(self, f"_{chosen.get(feed_id, 'in_time')}")(feed_id, day)

    def _pool(self, kind: str, feeds: list[str], *, is_last: bool) -> list[str]:
        return [f for f in feeds if f in self._candidates(kind)] if not (is_last and kind == "missing") else []

    @staticmethod
    def _candidates(kind: str) -> tuple[str, ...]:
        return {
            "late": MAY_BE_LATE,
            "late_of_all": COMPULSORY,
            "out_of_order": (*COMPULSORY, *PRICES),
            "corrected": (*PRICES, "core_banking.deposit_accounts"),
            "missing": MAY_BE_MISSING,
            "truncated": MAY_BE_LATE,
            "wrong": MAY_BE_LATE,
            "wrong_ledger": (LEDGER,),
            "duplicate": MAY_BE_LATE,
        }[kind]

    def _put(self, feed_id: str, day: date, sequence_no: int = 1) -> None:
        """The right delivery, in place of what lies under its number."""
        source = support.delivery_folder(self.world.landing, feed_id, day)
        target = support.delivery_folder(self.landing, feed_id, day)
        if sequence_no > 1:
            target /= str(sequence_no)
        for old in target.glob("*.*"):
            if old.is_file():
                old.unlink()
        shutil.copytree(source, target, dirs_exist_ok=True)
        if sequence_no > 1:
            self._in_manifest(target, sequence_no=sequence_no)
        self.broken.discard(f"{feed_id}.{day}.{sequence_no}")
        self.arrived.add((feed_id, day))
        self.unsettled.discard((feed_id, day))
        if feed_id == LEDGER:
            self.wrong_ledgers.discard(day)

    @staticmethod
    def _in_manifest(folder: Path, **fields: object) -> None:
        path = folder / MANIFEST
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | fields), "utf-8")

    def _in_time(self, feed_id: str, day: date) -> None:
        if (feed_id, day) not in self.touched:
            self._put(feed_id, day)

    def _late(self, feed_id: str, day: date) -> None:
        arrives = day + self.rng.randint(1, 3) * DAY
        self._say("late", f"{feed_id} of {day} comes on {arrives}")
        self.unsettled.add((feed_id, day))
        self.agenda[arrives].append(lambda: self._put(feed_id, day))

    def _late_of_all(self, feed_id: str, day: date) -> None:
        """A compulsory feed alone: the day cannot be built, and later ones wait for it."""
        self._late(feed_id, day)

    def _out_of_order(self, feed_id: str, day: date) -> None:
        """A compulsory day after the next one; a correction before what it corrects, which must not come back."""
        if feed_id in COMPULSORY:
            self._say("out_of_order", f"{feed_id} of {day} comes after that of the next day")
            self.unsettled.add((feed_id, day))
            self.agenda[day + 2 * DAY].append(lambda: self._put(feed_id, day))
            return
        self._say("out_of_order", f"correction 2 of {feed_id} of {day} comes first")
        self._put(feed_id, day, sequence_no=2)
        self.agenda[day + self.rng.randint(1, 3) * DAY].append(lambda: self._write_wrong(feed_id, day))

    def _corrected(self, feed_id: str, day: date) -> None:
        arrives = day + self.rng.randint(1, 6) * DAY
        self._say("corrected", f"{feed_id} of {day} is wrong, the correction comes on {arrives}")
        self._write_wrong(feed_id, day)
        self.arrived.add((feed_id, day))
        if feed_id == INSTRUMENT_PRICES:  # the ledger has the right ones
            self.unsettled.add((feed_id, day))
        feeds = (feed_id, LEDGER) if feed_id == "core_banking.deposit_accounts" else (feed_id,)
        self.touched.update((each, day) for each in feeds)

        def correct() -> None:
            for each in feeds:
                self._put(each, day, sequence_no=2)

        self.agenda[arrives].append(correct)

    def _write_wrong(self, feed_id: str, day: date) -> None:
        """Number 1 of a day with believable content that is not the final one; of deposits, in the ledger as well."""
        if feed_id in PRICES:
            column, amount = PRICES[feed_id]
            self._write_changed(feed_id, day, lambda t: support.add_to(t, column, amount, _is_foreign(t)))
            return
        account = next(r for r in read_rows(self.world.landing, feed_id, day) if r["currency"] == "CNY")
        self._write_changed(
            feed_id,
            day,
            lambda t: support.add_to(t, "balance", "7000.00", pc.equal(t["account_id"], account["account_id"])),
        )

        def of_account(ledger: pa.Table) -> pa.ChunkedArray:
            is_branch = pc.equal(ledger["branch_id"], account["branch_id"])
            is_family = pc.equal(ledger["product_family"], "deposit")
            return pc.and_(pc.and_(is_branch, is_family), pc.equal(ledger["currency"], "CNY"))

        self._write_changed(LEDGER, day, lambda t: support.add_to(t, "balance", "7000.00", of_account(t)))
        self.arrived.add((LEDGER, day))

    def _write_changed(self, feed_id: str, day: date, change: Callable[[pa.Table], pa.Table]) -> None:
        source = support.delivery_folder(self.world.landing, feed_id, day)
        shutil.copytree(source, support.delivery_folder(self.landing, feed_id, day), dirs_exist_ok=True)
        support.redeliver(self.landing, feed_id, day, change)

    def _missing(self, feed_id: str, day: date) -> None:
        """It never comes: the sources' final word on the day is silence, for the undisturbed bank as well."""
        self._say("missing", f"{feed_id} of {day} never comes")
        shutil.rmtree(support.delivery_folder(self.world.landing, feed_id, day))

    def _truncated(self, feed_id: str, day: date) -> None:
        self._say("truncated", f"{feed_id} of {day} is cut off; the whole one comes the day after")
        self._put(feed_id, day)
        folder = support.delivery_folder(self.landing, feed_id, day)
        (file,) = (p for p in folder.iterdir() if p.is_file() and p.name != MANIFEST)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        self._is_broken(feed_id, day)

    def _wrong(self, feed_id: str, day: date) -> None:
        """The manifest is of another day."""
        self._say("wrong", f"{feed_id} of {day} says that it is of another day; the right one comes the day after")
        self._put(feed_id, day)
        self._in_manifest(support.delivery_folder(self.landing, feed_id, day), business_date=(day - DAY).isoformat())
        self._is_broken(feed_id, day)

    def _is_broken(self, feed_id: str, day: date) -> None:
        self.arrived.discard((feed_id, day))
        self.unsettled.add((feed_id, day))
        self.broken.add(f"{feed_id}.{day}.1")
        self.agenda[day + DAY].append(lambda: self._put(feed_id, day))

    def _wrong_ledger(self, feed_id: str, day: date) -> None:
        if (feed_id, day) in self.touched:  # comes corrected, with the deposits
            return
        self._say("wrong_ledger", f"{feed_id} of {day} is a fen off; corrected the day after")
        first = pa.array([True])

        def one_fen(table: pa.Table) -> pa.Table:
            others = pa.array([False] * (table.num_rows - 1))
            return support.add_to(table, "balance", "0.01", pa.chunked_array([first, others], pa.bool_()))

        self._write_changed(feed_id, day, one_fen)
        self.arrived.add((feed_id, day))
        self.unsettled.add((feed_id, day))
        self.wrong_ledgers.add(day)
        self.agenda[day + DAY].append(lambda: self._put(feed_id, day, sequence_no=2))

    def _duplicate(self, feed_id: str, day: date) -> None:
        """The same again: under its own number with another manifest, as a correction that corrects nothing, or changed
        under a number that was used, which is refused.
        """
        self._put(feed_id, day)
        form = self.rng.choice(("again", "as_a_correction", "changed"))
        self._say("duplicate" if form != "changed" else "changed_under_its_number", f"{feed_id} of {day}: {form}")
        folder = support.delivery_folder(self.landing, feed_id, day)

        def again() -> None:
            self._in_manifest(folder, produced_at="2026-12-31T02:00:00+08:00")

        def as_a_correction() -> None:
            self._put(feed_id, day, sequence_no=2)

        def changed() -> None:
            if f"{feed_id}.{day}.1" not in {b.batch_id for b in Ledger(self.home.ledger).accepted()}:
                return
            support.redeliver(self.landing, feed_id, day, lambda table: table.slice(0, table.num_rows // 2))
            self.broken.add(f"{feed_id}.{day}.1")
            self.agenda[day + 2 * self.longest_gap * DAY].append(lambda: self._put(feed_id, day))

        self.agenda[day + DAY].append({"again": again, "as_a_correction": as_a_correction, "changed": changed}[form])

    def _let_employees_leave(self, days: list[date]) -> None:
        """From a day on the file of employees says that some have left: not announced to the CRM by anybody."""
        for day in sorted(self.rng.sample(days[1:-1], min(self.leavers, len(days[1:-1])))):
            known = sorted(p.parent.name for p in self.world.landing.glob(f"hr/employees/*/{MANIFEST}"))
            rows = read_rows(
                self.world.landing, "hr.employees", date.fromisoformat(max(d for d in known if d <= f"{day}"))
            )
            owners = support.query(self.home, "select distinct employee_id from crm.assignment where slot = 'a'")
            serving = sorted(
                r["employee_id"] for r in rows if r["status"] == "active" and (r["employee_id"],) in owners
            )
            if not serving:
                continue
            leaver = self.rng.choice(serving)
            self._say("employee_leaves", f"{leaver} on {day}")
            for each in sorted({*(d for d in known if d > f"{day}"), f"{day}"}):
                told = (
                    read_rows(self.world.landing, "hr.employees", date.fromisoformat(each)) if each in known else rows
                )
                gone = [{**r, "status": "left", "left_date": day} if r["employee_id"] == leaver else r for r in told]
                write_rows(self.world.landing, "hr.employees", date.fromisoformat(each), gone)

    def _change_policy(self, day: date) -> None:
        """A new version of the primary scheme moves a cut from this month's first day on, so that published days
        are restated, or from the next month's.
        """
        this_month = day.replace(day=1)
        months = [m for m in (this_month, (this_month + 31 * DAY).replace(day=1)) if m > self.policy_since]
        if not months:
            return
        begins = self.policy_since = self.rng.choice(months)
        self.policy_version += 1
        self._say("policy_change", f"version {self.policy_version} of {PRIMARY} from {begins} on, told on {day}")
        cut = f"{10 - self.policy_version / 2:g}万"

        def add(content: dict[str, Any]) -> None:
            last = content["versions"][-1]
            later = {**deepcopy(last), "version": str(self.policy_version), "effective_from": begins}
            last["effective_to"] = begins
            later["tiers"][1]["lower"]["value"] = later["tiers"][0]["upper"]["value"] = cut
            content["versions"].append(later)

        edit(self.world.policies, PRIMARY, add)

    # --- a run, and what is judged after it ------------------------------------------------------------

    def _run(self, day: date) -> None:
        where = "\n".join([f"seed {self.seed}, run on {day}, after", *self.told])
        before = str(self.home.current.readlink())
        if self.rng.random() < self.crash_rate:
            self._crash(day)
        with build.build_lock(self.home):
            pass  # whoever died has let go of it
        self.runs += 1
        complete = self._complete_through()
        outcome = self._advance(day)
        is_published = self.version < len(read_publish_log(self.home))
        is_wrong = any(wrong <= complete for wrong in self.wrong_ledgers)
        is_unsettled = any(f in MONEY and d <= complete for f, d in self.unsettled)
        if outcome is not None and outcome.blocking:
            assert is_unsettled, f"{where}: {outcome.blocking}"
            assert outcome.blocking == ["dbt.assert_books_agree"], where
        assert not (is_wrong and is_published and complete > self.published_through), f"{where}: a wrong ledger passed"
        self._judge_ledger(where)
        if is_published:
            self.published_through = complete
            self._judge_version(where)
        else:
            assert is_unsettled or complete == self.published_through, f"{where}: nothing was published"
            assert str(self.home.current.readlink()) == before, where

    def _advance(self, day: date) -> support.Outcome | None:
        try:
            return support.advance(self.home, self.landing, day)
        except MissingFeed:
            # A run that died may have published all there was before it did.
            has_built_all = self.version < len(read_publish_log(self.home))
            assert has_built_all or self._complete_through() == self.published_through, (
                f"seed {self.seed}, {day}: nothing was missing"
            )
            return None

    def _crash(self, day: date) -> None:
        point = self.rng.choice(CRASH_POINTS)
        run = self.processes.Process(target=support.die_at, args=(point, support.advance, self.home, self.landing, day))
        run.start()
        run.join()
        if run.exitcode == -signal.SIGKILL:
            self._say("crash", f"at {point} on {day}")
        assert_whole_version(self.home)

    def _complete_through(self) -> date:
        """Newest day up to which every day has its compulsory feeds, by what lies in the landing folder."""
        day = self.published_through
        while all((feed_id, day + DAY) in self.arrived for feed_id in COMPULSORY):
            day += DAY
        return day

    def _judge_ledger(self, where: str) -> None:
        batches = Ledger(self.home.ledger).batches()
        new, self.judged = batches[self.judged :], len(batches)
        rejected = {b.batch_id for b in new if not b.is_accepted}
        assert rejected <= self.broken, f"{where}: rejected {rejected - self.broken}"
        known = {b.batch_id for b in batches if not b.is_accepted}
        due = {b for b in self.broken if (self.landing / _folder_of(b)).exists()}
        assert due <= known, f"{where}: accepted {due - known}"
        assert all(b.reason and not b.path for b in new if not b.is_accepted), where
        accepted = [b.batch_id for b in batches if b.is_accepted]
        assert len(accepted) == len(set(accepted)), f"{where}: a delivery was accepted twice"
        for batch in new:
            if batch.is_accepted:
                assert _rows(self.home, batch) == batch.row_count - batch.quarantined_count, (
                    f"{where}: {batch.batch_id}"
                )

    def _judge_version(self, where: str) -> None:
        manifest = assert_whole_version(self.home)
        assert manifest["as_of_date"] == self.published_through.isoformat(), where
        log = read_publish_log(self.home)
        assert [entry["version"] for entry in log] == list(range(1, len(log) + 1)), where
        assert len(log) > self.version, where
        self.version = len(log)
        self._judge_inputs(manifest, where)
        self._judge_books(where)
        self._judge_obligations(where)
        if self.frozen:
            assert self._frozen_files() == self.frozen, f"{where}: a closed quarter moved"
            assert [v.findings for v in verify_quarters(self.home)] == [()], where

    def _judge_inputs(self, manifest: dict[str, Any], where: str) -> None:
        """Each delivery counts once, the newest of its day, and none that was rejected counts."""
        accepted = {b.batch_id: b for b in Ledger(self.home.ledger).accepted()}
        used = list(manifest["inputs"])
        assert set(used) <= accepted.keys(), f"{where}: {set(used) - accepted.keys()} was not accepted"
        newest: dict[tuple[str, date], Batch] = {}
        for batch in accepted.values():
            key = batch.feed_id, batch.business_date
            if batch.business_date <= self.published_through:
                newest[key] = max(newest.get(key, batch), batch, key=lambda b: b.sequence_no)
        assert sorted(used) == sorted(b.batch_id for b in newest.values()), where

    def _judge_books(self, where: str) -> None:
        """Exactly one owner or one place in the queue per customer in scope, and nobody else has either."""
        scope = support.query(self.home, "select customer_id from assets.customer_assets where is_in_scope")
        held = support.query(
            self.home,
            "select customer_id from crm.assignment where slot = 'a' "
            "union all select distinct customer_id from crm.exception_queue",
        )
        assert scope, where
        assert sorted(held) == sorted(scope), where

    def _judge_obligations(self, where: str) -> None:
        """What is owed stays until it is settled; what is settled stays settled."""
        rows = support.query(
            self.home,
            "select obligation_id, due_to_date, case when is_closed then status end from maintenance.obligation",
        )
        now = {obligation: (due, settled) for obligation, due, settled in rows}
        in_warehouse = self.published_through - 80 * DAY  # older months are files alone
        lost = {o for o, (due, _) in self.obligations.items() if o not in now and due > in_warehouse}
        assert not lost, f"{where}: {len(lost)} obligations are lost"
        settled = {o: state for o, (_, state) in self.obligations.items() if state}
        moved = {o for o, state in settled.items() if o in now and now[o][1] != state}
        assert not moved, f"{where}: {len(moved)} settled obligations changed"
        self.obligations = now

    def _maybe_close(self) -> None:
        if self.closes is None or self.frozen or self.close_from is None or self.published_through < self.close_from:
            return
        if self.unsettled:
            return
        with build.build_lock(self.home):
            close_quarter(self.home, self.closes, *NAMES)
        self.frozen = self._frozen_files()

    def _frozen_files(self) -> dict[str, str]:
        assert self.closes is not None
        return {path.name: file_sha256(path) for path in sorted((self.home.quarters / self.closes).iterdir())}


def _is_foreign(table: pa.Table) -> pa.ChunkedArray | None:
    return pc.not_equal(table["currency"], "CNY") if "rate_cny" in table.column_names else None


def _folder_of(batch_id: str) -> str:
    system, entity, day, number = batch_id.split(".")
    return f"{system}/{entity}/{day}" + (f"/{number}" if number != "1" else "")


def _rows(home: Home, batch: Batch) -> int:
    return sum(pq.read_metadata(file).num_rows for file in (home.lake / batch.path).glob("*.parquet"))


def assert_whole_version(home: Home) -> dict[str, Any]:
    """The version that `current` names: its marts are those that its manifest describes. Returns the manifest."""
    folder = home.current.resolve()
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    assert folder.name == str(manifest["version"])
    with duckdb.connect(str(folder / "marts.duckdb"), read_only=True) as con:
        hashes = {m.partition(label): h for m in MARTS for label, h in hash_rows(con, m, "").items()}
        assert hashes == manifest["partition_hashes"]
        assert mart_hashes(hashes) == manifest["mart_hashes"]
        dates = con.execute("select distinct as_of_date from assets.customer_assets").fetchall()
        assert con.execute("select max(version) from quality.publish_log").fetchall() == [(manifest["version"],)]
    assert [d.isoformat() for (d,) in dates] == [manifest["as_of_date"]]
    assert json.loads((folder / "verdict.json").read_text("utf-8"))["is_passed"]
    return manifest
