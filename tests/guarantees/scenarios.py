"""The steps of a deployment that change what others see, each from a saved state that the steps before it left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from orchestration.lib import audit, build, fault, landing, publish, rollback, warehouse
from orchestration.lib.appraisal.close import close_quarter, file_objections
from orchestration.lib.appraisal.verify import unnamed_folders, verify_quarters
from orchestration.lib.books.accept import accept, propose
from orchestration.lib.books.results import proposal_of
from orchestration.lib.build_record import BuildRecord
from orchestration.lib.contracts import load_contracts
from orchestration.lib.crm_feed import replay_changes
from orchestration.lib.delivery import MANIFEST
from orchestration.lib.files import file_sha256
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.ledger import Ledger
from orchestration.lib.policies import load_policies
from tests import conftest, support
from tests.appraisal.small_quarter import PERIOD, publish_version, write_objections
from tests.guarantees.faults import CONTEXT, KILL, suffer

NEXT_DATE = conftest.AS_OF_DATE + timedelta(days=1)
NAMES = ("A. Chen", "B. Wu")
CHECK = "drift.money.core_banking.deposit_accounts"
OBJECTION = (
    "- {employee_id: wm1, measure_code: m1_retention, customer_id: c2, action: exclude, reason: a clerk's error}"
)

# --- steps: what a process does under the build lock ---------------------------------------------------------


def land(home: Home, landing_root: Path) -> None:
    landing.land(home, landing_root)


def build_and_audit(home: Home, landing_root: Path) -> audit.Verdict | None:
    plan = build.start_build(home, load_contracts(), load_policies())
    return support.build_and_audit(home, plan) if plan else None


def audit_again(home: Home, build_id: str) -> audit.Verdict:
    fault.point(build.AFTER_MODELS)
    return support.audit_again(home, build_id)


def publish_and_keep_two(home: Home, build_id: str) -> None:
    """Publish with a history that has grown too long."""
    kept, publish.VERSIONS_KEPT = publish.VERSIONS_KEPT, 2
    try:
        publish.publish(home, build_id)
    finally:
        publish.VERSIONS_KEPT = kept


def apply_retention(home: Home, build_id: str) -> None:
    record = BuildRecord.read(home, build_id)
    warehouse.apply_retention(home, record.as_of_date, record.first_date)


def recover(home: Home) -> None:
    publish.recover(home)


def override(home: Home) -> None:
    audit.record_override(home, CHECK, NEXT_DATE, "two branches moved", NAMES)


def close(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)


def object_to(home: Home) -> None:
    file_objections(home, PERIOD, home.root / "objections.yml", *NAMES)


def roll_back_by_one(home: Home) -> None:
    older = publish.read_publish_log(home)[-2]["version"]
    rollback.roll_back(home, older, "a wrong file", *NAMES)


def propose_books(home: Home) -> None:
    with warehouse.connect(home.warehouse, read_only=True) as con:
        propose(home, con, conftest.GO_LIVE_DATE)


def accept_books(home: Home) -> None:
    accept(home, NEXT_DATE, NEXT_DATE, *NAMES)


def replay_feed(home: Home) -> None:
    replay_changes(home, home.root / "out", conftest.GO_LIVE_DATE)


# --- the next run after the fault, and what it must end in ----------------------------------------------------


def unless(is_done: Callable[[Home], bool], step: Callable[[Home], object]) -> Callable[[Home], None]:
    """What a person does who was not told that his command went well: look, and give it again if it did not."""

    def finish(home: Home) -> None:
        with build.build_lock(home):
            publish.recover(home)
            if not is_done(home):
                step(home)

    return finish


def lake(home: Home) -> dict[str, str]:
    """Accepted batches and the content of every file of theirs; nothing else may lie there."""
    found = {}
    for batch in Ledger(home.ledger).batches():
        found[batch.batch_id] = f"{batch.status} {batch.row_count} {batch.content_hash}"
        for part in filter(None, (batch.path, batch.identity_path, batch.quarantine_path)):
            found |= {f"{part}/{path.name}": file_sha256(path) for path in (home.lake / part).iterdir()}
    lying = [p for top in (home.raw, home.identity, home.quarantine) for p in top.rglob("*.parquet")]
    assert {str(path.relative_to(home.lake)) for path in lying} <= found.keys()
    assert not list(home.lake.glob(".landing/*"))
    return found


def facts_and_state(home: Home) -> dict[str, str]:
    """Content of every fact mart that readers see, and of the state that the next build stands on."""
    names = {path.name for path in home.published.iterdir()} - {"1"}  # may be dropped as old
    return {**support.fact_hashes(home), **support.state_hashes(home), "published": str(sorted(names))}


def facts(home: Home) -> dict[str, str]:
    """For a publish that was only finished: old state is left to the next build."""
    return {name: digest for name, digest in facts_and_state(home).items() if name not in support.STATE_TABLES}


def closed_quarter(home: Home) -> dict[str, str]:
    assert [verified.findings for verified in verify_quarters(home)] == [()]
    assert unnamed_folders(home) == []
    return {"content": Journal(home.journal).read().closes[0]["content_hash"]}


def rolled_back(home: Home) -> dict[str, str]:
    shown = publish.read_publish_log(home)[-1]
    return {**support.fact_hashes(home), "shown": f"{shown['version']} is {shown.get(publish.RESTORED)}"}


def overrides(home: Home) -> dict[str, str]:
    return {event["check_name"]: event["as_of_date"] for event in Journal(home.journal).read().overrides}


def objections(home: Home) -> dict[str, str]:
    return {event["file"]: event["sha256"] for event in Journal(home.journal).read().objections}


def proposal(home: Home) -> dict[str, str]:
    moves = proposal_of(home, NEXT_DATE)
    return {"moves": str(moves.to_pylist()), "events": str(len(Journal(home.journal).read().proposals))}


def acceptances(home: Home) -> dict[str, str]:
    return {event["proposed_date"]: event["effective_date"] for event in Journal(home.journal).read().acceptances}


def feed(home: Home) -> dict[str, str]:
    out = home.root / "out"
    return {str(path.relative_to(out)): file_sha256(path) for path in sorted(out.rglob("*")) if path.is_file()}


# --- scenarios -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scenario:
    """A step and the points on its way; ``point:n`` is struck when it is passed for the n-th time.

    ``start``: name of the saved state that it begins with. ``end``: what is compared, as content, with an undisturbed
    run. ``finish``: the next run. ``uses_warehouse``: the step opens the working file.
    """

    name: str
    start: str
    step: Callable[..., object]
    points: tuple[str, ...]
    finish: str
    end: Callable[[Home], dict[str, str]]
    uses_warehouse: bool = False


ADVANCE = "advance"
SCENARIOS = (
    Scenario("land", "built", land, ("landing.judging:5", "landing.staged", "landing.placing", "landing.placed",
             "landing.committed"), "land", lake),
    Scenario("land after a cut", "cut at landing.placed", land, ("landing.clearing",), "land", lake),
    Scenario("build", "landed", build_and_audit, ("build.before_record", "build.before_begin", "build.after_begin",
             "policies.before_table:9", "warehouse.before_sources", "warehouse.before_inputs:3",
             "warehouse.before_commit", "build.after_prepare", "build.before_dbt", "build.before_model:70"),
             ADVANCE, facts_and_state, uses_warehouse=True),
    Scenario("audit", "modelled", audit_again, ("build.after_models", "audit.before_docs", "audit.before_verdict"),
             ADVANCE, facts_and_state, uses_warehouse=True),
    Scenario("audit that fails", "modelled wrongly", audit_again, ("audit.before_failed",), ADVANCE, facts_and_state,
             uses_warehouse=True),
    Scenario("publish", "audited", publish_and_keep_two, ("publish.before_export", "publish.before_feeds",
             "publish.before_manifest", "publish.after_export", "publish.after_rename", "publish.after_log",
             "publish.before_pointer", "publish.after_pointer", "publish.after_journal", "publish.before_drop"),
             ADVANCE, facts, uses_warehouse=True),
    Scenario("sweep", "cut at publish.after_rename", recover, ("recover.before_sweep",), ADVANCE, facts),
    Scenario("repoint", "cut at publish.after_log", recover, ("recover.before_pointer",), ADVANCE, facts),
    Scenario("rejournal", "cut at publish.after_pointer", recover, ("recover.before_journal",), ADVANCE, facts),
    Scenario("retention", "published", apply_retention, ("warehouse.before_retention", "warehouse.before_drop"),
             "retention", facts_and_state, uses_warehouse=True),
    Scenario("override", "quarter", override, ("build.locked", "audit.before_override", "build.before_release"),
             "override", overrides),
    Scenario("objections", "quarter", object_to, ("objections.before_file", "objections.before_journal",
             "objections.after_journal"), "objections", objections),
    Scenario("close", "quarter", close, ("close.before_freeze", "close.after_files", "close.after_rename",
             "close.after_journal"), "close", closed_quarter),
    Scenario("close after a cut", "cut at close.after_files", close, ("close.before_clearing",), "close",
             closed_quarter),
    Scenario("rollback", "built", roll_back_by_one, ("rollback.before_links", "rollback.after_links",
             "rollback.after_rename", "rollback.after_log", "rollback.after_pointer"), "rollback", rolled_back),
    Scenario("proposal", "built", propose_books, ("books.before_file", "books.before_journal"), "proposal", proposal,
             uses_warehouse=True),
    Scenario("acceptance", "proposed", accept_books, ("books.before_acceptance",), "acceptance", acceptances),
    Scenario("feed", "fed", replay_feed, ("delivery.before_files", "delivery.before_manifest"), "feed", feed),
)  # fmt: skip


# Saved state -> the one that it is made from.
BELOW = {
    "landed": "built",
    "modelled": "landed",
    "modelled wrongly": "modelled",
    "audited": "modelled",
    "published": "audited",
    "finished": "published",
    "proposed": "built",
    "fed": "built",
}


@dataclass
class Stages:
    """Deployments as the steps before a scenario left them; each is made once, when it is first needed. Read only."""

    root: Path
    built: Home
    landing: Path
    made: dict[str, Home] = field(default_factory=dict)
    ends: dict[str, dict[str, str]] = field(default_factory=dict)

    @cached_property
    def next_day(self) -> Path:
        return support.copy_deliveries(self.landing, self.root / "next_day", lambda day: day == NEXT_DATE)

    @cached_property
    def build_id(self) -> str:
        last_begun = Journal(self.home("modelled").journal).read().last_begun
        assert last_begun is not None
        return last_begun

    def home(self, name: str) -> Home:
        """The saved state of that name."""
        if name not in self.made:
            self.made[name] = self._make(name)
        return self.made[name]

    def _copy(self, name: str, new: str) -> Home:
        return support.copy_home(self.home(name), self.root / new.replace(" ", "_"))

    def _make(self, name: str) -> Home:
        if name == "built":
            return self.built
        if name == "quarter":
            home = Home(self.root / "quarter")
            publish_version(home)
            write_objections(home.root, OBJECTION)
            return home
        if name.startswith("cut at "):
            return self._cut(name.removeprefix("cut at "), name)
        home = self._copy(BELOW[name], name)
        with build.build_lock(home):
            self._advance_to(name, home)
        return home

    def _advance_to(self, name: str, home: Home) -> None:
        contracts, policies = load_contracts(), load_policies()
        if name == "landed":
            land(home, self.next_day)
            # Compiled rules may be deleted: the build then writes every table.
            shutil.rmtree(home.policy)
        elif name == "modelled":
            plan = build.start_build(home, contracts, policies)
            assert plan is not None
            support.build_models(home, plan)
        elif name == "modelled wrongly":
            path = home.root / "dbt_target" / "run_results.json"
            results: dict[str, Any] = json.loads(path.read_text("utf-8"))
            failed = next(r for r in results["results"] if r["unique_id"].startswith("test."))
            failed.update(status="fail", failures=1)
            path.write_text(json.dumps(results), "utf-8")
        elif name == "audited":
            assert support.audit_again(home, self.build_id).is_passed
        elif name == "published":
            publish.publish(home, self.build_id)
        elif name == "finished":
            apply_retention(home, self.build_id)
        elif name == "proposed":
            propose_books(home)
        else:
            replay_feed(home)

    def _cut(self, point: str, name: str) -> Home:
        scenario = next(s for s in SCENARIOS if point in s.points)
        home = self._copy(scenario.start, name)
        ours, theirs = CONTEXT.Pipe()
        run = CONTEXT.Process(
            target=suffer,
            args=(theirs, self.root / "cut.log", point, KILL, home, scenario.step, self.arguments(scenario)),
        )
        run.start()
        assert ours.recv()[0] == "struck"
        ours.send("go")
        run.join()
        assert run.exitcode == -9
        return home

    def arguments(self, scenario: Scenario) -> tuple[Any, ...]:
        """What the step is given beside the home."""
        if scenario.step in (land, build_and_audit):
            return (self.next_day,)
        return (self.build_id,) if scenario.step in (audit_again, publish_and_keep_two, apply_retention) else ()

    def finish(self, scenario: Scenario, home: Home) -> None:
        """The next run."""
        if scenario.finish == ADVANCE:
            support.advance(home, self.next_day)
            return

        def state() -> Any:
            return Journal(home.journal).read()

        step: dict[str, Callable[[Home], object]] = {
            "land": lambda home: land(home, self.next_day),
            "retention": lambda home: apply_retention(home, self.build_id),
            "override": override,
            "objections": object_to,
            "rollback": roll_back_by_one,
            "close": close,
            "proposal": propose_books,
            "acceptance": accept_books,
            "feed": replay_feed,
        }
        done: dict[str, Callable[[Home], bool]] = {
            "override": lambda home: bool(state().overrides),
            "objections": lambda home: bool(state().objections),
            "rollback": lambda home: publish.RESTORED in publish.read_publish_log(home)[-1],
            "close": lambda home: bool(state().closes),
            "proposal": lambda home: bool(state().proposals),
            "acceptance": lambda home: bool(state().acceptances),
        }
        unless(done.get(scenario.finish, lambda home: False), step[scenario.finish])(home)

    def end(self, scenario: Scenario) -> dict[str, str]:
        """What an undisturbed run of the scenario and the run after it come to."""
        if scenario.finish in (ADVANCE, "retention"):
            return scenario.end(self.home("finished"))
        key = f"{scenario.start} {scenario.finish} {scenario.end.__name__}"
        if key not in self.ends:
            home = self._copy(scenario.start, f"end_of_{scenario.name}")
            with build.build_lock(home):
                scenario.step(home, *self.arguments(scenario))
            self.finish(scenario, home)
            self.ends[key] = scenario.end(home)
            shutil.rmtree(home.root)
        return self.ends[key]


def refuse_rival(home: Home, landing_root: Path) -> None:
    """Another run of the same deployment, at any point of this one, is refused and says by whom."""
    with pytest.raises(build.BuildLocked, match="another build is running"):
        support.advance(home, landing_root)


def assert_feeds_are_whole(home: Home) -> None:
    """A delivery of ours whose manifest is there has the files that the manifest names."""
    for path in (home.root / "out").rglob(MANIFEST):
        for file in json.loads(path.read_text("utf-8")).get("files", ()):
            assert file_sha256(path.parent / file["name"]) == file["sha256"]
