"""The audit of one build: every check that must run did run, and one verdict says so.

dbt tests (keys, reconciliation), Great Expectations suites (boundary and marts), the drift gate against
the last published day, and conservation of money from the deliveries to the marts. A check that is
missing or skipped counts as failed. Publish re-reads the verdict of that very build id.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from orchestration.lib import fault
from orchestration.lib.build_record import BuildRecord
from orchestration.lib.confidentiality import offences
from orchestration.lib.contracts import Feed
from orchestration.lib.files import write_atomically
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.ledger import Batch, Ledger
from orchestration.lib.marts import MARTS, PartitionHashes, hash_marts, mart_hashes
from orchestration.lib.policies import load_policies
from orchestration.lib.second_evaluator import explanation_checks
from orchestration.lib.service_level import is_expected
from orchestration.lib.warehouse import connect

BEFORE_DOCS = fault.declare("audit.before_docs", "suites judged, Data Docs of the build not written")
BEFORE_VERDICT = fault.declare("audit.before_verdict", "checks ran, verdict not written")
BEFORE_FAILED = fault.declare("audit.before_failed", "the verdict stops the build, the journal does not say so")
BEFORE_OVERRIDE = fault.declare("audit.before_override", "an override is asked for by two names, not journaled")

PASS, FAIL, WARN, OVERRIDDEN = "pass", "fail", "warn", "overridden"
DID_NOT_RUN = "did not run"


@dataclass(frozen=True)
class Check:
    """One check of a build. severity block or warn; status pass, fail, warn or overridden."""

    check_name: str
    severity: str
    status: str
    failed_count: int
    owner: str
    rule_id: str
    detail: str

    @property
    def blocks(self) -> bool:
        return self.severity == "block" and self.status == FAIL


@dataclass(frozen=True)
class Verdict:
    """The outcome of one audit; kept as builds/<build_id>/verdict.json. ``partitions``: what the marts held."""

    build_id: str
    as_of_date: date
    is_passed: bool
    checks: tuple[Check, ...]
    counts: dict[str, int]
    mart_hashes: dict[str, str]
    partitions: PartitionHashes

    def blocking(self) -> list[str]:
        return [c.check_name for c in self.checks if c.blocks]

    def overrides(self) -> list[str]:
        return [c.check_name for c in self.checks if c.status == OVERRIDDEN]

    def reasons(self) -> str:
        """Why readers stay on the last version: every blocking check with its owner; those not run as a number."""
        ran = [c for c in self.checks if c.blocks and c.detail != DID_NOT_RUN]
        lines = [f"{c.check_name}: {c.failed_count} failed, owner {c.owner}. {c.detail}" for c in ran]
        not_run = len(self.blocking()) - len(ran)
        if not_run:
            lines.append(f"{not_run} more did not run")
        return "the audit stopped this build; readers stay on the last version. " + " | ".join(lines)

    def to_json(self) -> str:
        doc = dataclasses.asdict(self)
        doc["as_of_date"] = self.as_of_date.isoformat()
        return json.dumps(doc, sort_keys=True, ensure_ascii=False, indent=1)

    @staticmethod
    def path(home: Home, build_id: str) -> Path:
        return home.builds / build_id / "verdict.json"

    @classmethod
    def read(cls, home: Home, build_id: str) -> Verdict:
        """The verdict of that build id. Raises FileNotFoundError when there was no audit."""
        doc: dict[str, Any] = json.loads(cls.path(home, build_id).read_text(encoding="utf-8"))
        doc["as_of_date"] = date.fromisoformat(doc["as_of_date"])
        doc["checks"] = tuple(Check(**c) for c in doc["checks"])
        doc["partitions"] = PartitionHashes(**doc["partitions"])
        return cls(**doc)


def version_below(home: Home, record: BuildRecord) -> Path | None:
    """Folder of the published version that a build stands on, None for a first build."""
    return home.published / str(record.published_version) if record.published_version else None


_MODEL_CHECK = "dbt.model."


def dbt_checks(target: Path) -> list[Check]:
    """One check per dbt data test, and one per model that was not built. A test that did not run fails.

    Behind a failing test dbt builds nothing: the models there are of an earlier build.
    """
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    by_id = {r["unique_id"]: r for r in results}
    checks = []
    for unique_id, node in sorted(manifest["nodes"].items()):
        result = by_id.get(unique_id)
        if node["resource_type"] == "model" and result is not None and result["status"] != "success":
            is_skipped = result["status"] == "skipped"
            detail = DID_NOT_RUN if is_skipped else result["message"] or ""
            checks.append(Check(f"{_MODEL_CHECK}{node['name']}", "block", FAIL, 1, "warehouse", "", detail))
        if node["resource_type"] != "test":
            continue
        meta = node["config"].get("meta") or {}
        severity = "block" if node["config"]["severity"].lower() == "error" else "warn"
        if result is None or result["status"] == "skipped":
            status, failures, detail = FAIL, 0, DID_NOT_RUN
        else:
            status = {"pass": PASS, "warn": WARN}.get(result["status"], FAIL)
            failures, detail = int(result["failures"] or 0), result["message"] or ""
        checks.append(
            Check(
                check_name=f"dbt.{node['name']}",
                severity=severity,
                status=status,
                failed_count=failures,
                owner=meta.get("owner", "warehouse"),
                rule_id=meta.get("rule_id", ""),
                detail=detail,
            )
        )
    return checks


def _drift_check(name: str, feed: Feed, offenders: list[str]) -> Check:
    return Check(
        check_name=f"drift.{name}.{feed.feed_id}",
        severity="block",
        status=FAIL if offenders else PASS,
        failed_count=len(offenders),
        owner=feed.owner,
        rule_id="",
        detail="; ".join(offenders[:20]),
    )


def _in_force(batches: list[Batch], day: date) -> Batch | None:
    return next((b for b in reversed(batches) if b.business_date <= day), None)


def _vanished_keys(con: duckdb.DuckDBPyConnection, home: Home, feed: Feed, before: Batch, now: Batch) -> int:
    key = ", ".join(feed.key)
    old, new = (str(home.lake / b.path / "part.parquet") for b in (before, now))
    row = con.execute(
        f"select count(*) from (select {key} from read_parquet(?, hive_partitioning = false) "
        f"except select {key} from read_parquet(?, hive_partitioning = false))",
        [old, new],
    ).fetchone()
    return int(row[0]) if row else 0


_MONEY_BY_DAY = """
with cells as (
    select business_date, branch_id, product_family, sum(balance_cny) as balance_cny
    from core.fct_branch_balance_day
    where business_date between ? and ?
    group by business_date, branch_id, product_family
)
select
    coalesce(later.business_date, earlier.business_date + 1) as business_date,
    coalesce(later.branch_id, earlier.branch_id) as branch_id,
    coalesce(later.product_family, earlier.product_family) as product_family,
    coalesce(earlier.balance_cny, 0) as old_cny,
    coalesce(later.balance_cny, 0) as new_cny
from cells as later
full outer join cells as earlier
    on later.business_date = earlier.business_date + 1
    and later.branch_id = earlier.branch_id and later.product_family = earlier.product_family
where coalesce(later.business_date, earlier.business_date + 1) between ? and ?
order by business_date, branch_id, product_family
"""


def delivery_drift_checks(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    record: BuildRecord,
    contracts: dict[str, Feed],
    batches: dict[str, list[Batch]],
) -> list[Check]:
    """The drift gate on deliveries: rows and vanished keys of each new one against the one before it.

    The chain starts at the base date, which is published. Limits are the contract's. A truncated but
    self-consistent file must not move a customer. A first build has nothing to be compared with.
    """
    base = record.base_date
    if base is None:
        return []
    used = Journal(home.journal).read().used_batches
    checks = []
    for feed in contracts.values():
        limits = feed.drift_limits
        full = [b for b in batches.get(feed.feed_id, []) if b.mode == "full"]
        before = _in_force(full, base)
        if not limits or before is None:
            continue
        newest = {b.business_date: b for b in full if base < b.business_date <= record.as_of_date}
        pairs = [(a, b) for a, b in itertools.pairwise([before, *newest.values()]) if b.batch_id not in used]
        row_offenders, key_offenders = [], []
        for earlier, later in pairs:
            moved = abs(later.row_count - earlier.row_count)
            if moved > limits["rowFloor"] and moved > earlier.row_count * limits["rowChangeRate"]:
                row_offenders.append(
                    f"{later.batch_id}: {later.row_count} rows after {earlier.row_count} in {earlier.batch_id}, "
                    f"limit {limits['rowChangeRate']:.0%}"
                )
            gone = _vanished_keys(con, home, feed, earlier, later)
            if gone > limits["rowFloor"] and gone > earlier.row_count * limits["vanishedKeyRate"]:
                key_offenders.append(
                    f"{later.batch_id}: {gone} of {earlier.row_count} keys of {earlier.batch_id} are gone, "
                    f"limit {limits['vanishedKeyRate']:.0%}"
                )
        checks.append(_drift_check("rows", feed, row_offenders))
        checks.append(_drift_check("keys", feed, key_offenders))
    return checks


def money_drift_checks(con: duckdb.DuckDBPyConnection, record: BuildRecord, contracts: dict[str, Feed]) -> list[Check]:
    """The drift gate on built balances: money per branch x family, each new day against the day before it."""
    base = record.base_date
    if base is None:
        return []
    deposits = contracts["core_banking.deposit_accounts"]
    limit, floor = deposits.drift_limits["moneyChangeRate"], deposits.drift_limits["moneyFloorCny"]
    offenders = [
        f"{day} branch {branch}, {family}: {new} CNY after {old}, limit {limit:.0%}"
        for day, branch, family, old, new in con.execute(
            _MONEY_BY_DAY, [base, record.as_of_date, base + timedelta(days=1), record.as_of_date]
        ).fetchall()
        if abs(new - old) > Decimal(str(floor)) and abs(new - old) > abs(old) * Decimal(str(limit))
    ]
    return [_drift_check("money", deposits, offenders)]


BOOKS_AGREE = "dbt.assert_books_agree"
# A cell's differences without a day of agreement between them are one break; it is as old as the first of them.
_BREAKS = """
with cells as (
    select
        *,
        max(case when difference = 0 then business_date end) over (
            partition by branch_id, product_family, currency order by business_date
        ) as agreed_date
    from audit.recon_gl_balance
    where business_date <= ?
)
select
    branch_id, product_family, currency,
    max_by(difference, business_date) as difference,
    max_by(ledger_balance is null, business_date) as is_not_in_ledger,
    max_by(customer_balance is null, business_date) as is_not_of_customers,
    min(business_date) as since_date,
    max(business_date) as last_date
from cells
where difference != 0
group by branch_id, product_family, currency, agreed_date
having bool_or(status = 'break' and business_date > ?)
order by since_date, abs(max_by(difference, business_date)) desc, branch_id, product_family, currency
"""


def books_breaks(con: duckdb.DuckDBPyConnection, record: BuildRecord) -> list[str]:
    """Every unexplained difference between the general ledger and customers' balances of the days built, oldest first.

    Each with its reason (which side lacks the cell, or that the amounts differ) and its age in days.
    """
    base = record.base_date or date.min
    lines = []
    for branch, family, currency, difference, no_ledger, no_customers, since, last in con.execute(
        _BREAKS, [record.as_of_date, base]
    ).fetchall():
        reason = "not in the ledger" if no_ledger else "in the ledger alone" if no_customers else "the amounts differ"
        healed = "" if last == record.as_of_date else f", until {last}"
        age = (record.as_of_date - since).days + 1
        lines.append(
            f"branch {branch}, {family}, {currency}: ledger less customers {difference}, {reason}, "
            f"since {since}{healed}, {age} days"
        )
    return lines


def _with_breaks(checks: list[Check], con: duckdb.DuckDBPyConnection, record: BuildRecord) -> list[Check]:
    """The check of the books says which cells do not agree: the message of dbt is a number alone."""
    return [
        dataclasses.replace(check, detail="; ".join(books_breaks(con, record)[:20]))
        if check.check_name == BOOKS_AGREE and check.status == FAIL and check.failed_count
        else check
        for check in checks
    ]


# Legs of each account kind carry the balances of one feed's column.
_MONEY_FEEDS = {
    "core_banking.deposit_accounts": ("deposit", "balance"),
    "loan.loans": ("loan", "outstanding_balance"),
    "card.card_accounts": ("card", "outstanding_balance"),
    "brokerage.custody_accounts": ("custody_margin", "margin_balance"),
}


def conservation_checks(
    con: duckdb.DuckDBPyConnection,
    record: BuildRecord,
    contracts: dict[str, Feed],
    batches: dict[str, list[Batch]],
) -> list[Check]:
    """Money in = money out, per currency: the delivery's control total against the day's legs."""
    rows = con.execute(
        "select account_kind, currency, sum(balance) from intermediate.int_assets__leg_day "
        "where business_date = ? group by all",
        [record.as_of_date],
    ).fetchall()
    legs = {(kind, currency): total for kind, currency, total in rows}
    checks = []
    for feed_id, (kind, column) in _MONEY_FEEDS.items():
        batch = _in_force(batches.get(feed_id, []), record.as_of_date)
        if batch is None:
            continue
        offenders = []
        delivered = {c: Decimal(v) for c, v in batch.control_totals[column].items()}
        for currency in sorted(delivered.keys() | {c for k, c in legs if k == kind}):
            total_in, total_out = (
                delivered.get(currency, Decimal(0)),
                legs.get((kind, currency), Decimal(0)),
            )
            if total_in != total_out:
                offenders.append(f"{batch.batch_id} {currency}: delivered {total_in}, used {total_out}")
        checks.append(
            Check(
                check_name=f"conservation.{feed_id}",
                severity="block",
                status=FAIL if offenders else PASS,
                failed_count=len(offenders),
                owner=contracts[feed_id].owner,
                rule_id="",
                detail="; ".join(offenders),
            )
        )
    return checks


def second_evaluation_checks(con: duckdb.DuckDBPyConnection, record: BuildRecord) -> list[Check]:
    """The evaluator that knows explanations and policies alone gives a sample of customers the same tiers."""
    return [
        Check(
            check_name=found.check_name,
            severity="block",
            status=FAIL if found.failed_count else PASS,
            failed_count=found.failed_count,
            owner="policy_owner",
            rule_id="",
            detail=found.detail,
        )
        for found in explanation_checks(con, record, load_policies())
    ]


def confidentiality_checks(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    record: BuildRecord,
    contracts: dict[str, Feed],
    batches: dict[str, list[Batch]],
    dbt_target: Path,
    kept: dict[str, list[str]],
) -> list[Check]:
    """No C3 column leaves raw, no person's name or number reaches a mart, every column says its class."""
    manifest = json.loads((dbt_target / "manifest.json").read_text(encoding="utf-8"))
    return [
        Check(
            check_name=offence.check_name,
            severity="block",
            status=FAIL if offence.found else PASS,
            failed_count=len(offence.found),
            owner="data_protection",
            rule_id="A9-18",
            detail="; ".join(offence.found[:20]),
        )
        for offence in offences(con, home, manifest, contracts, batches, record.as_of_date, kept)
    ]


def emptied_checks(con: duckdb.DuckDBPyConnection, home: Home, record: BuildRecord) -> list[Check]:
    """Marts that hold nothing though the version that readers see has rows of them: a check of a column passes on them.

    Queues and lists may empty in the course of things, so this warns; where they may not, an expectation blocks.
    """
    below = version_below(home, record)
    if below is None:
        return []
    emptied = []
    with connect(below / "marts.duckdb", read_only=True) as published:
        known = {f"{schema}.{name}" for schema, name in published.execute(_RELATIONS).fetchall()}
        for mart in MARTS:
            if mart.relation in known and not _count(con, mart.relation) and _count(published, mart.relation):
                emptied.append(mart.relation)
    return [
        Check(
            check_name="emptied.marts",
            severity="warn",
            status=WARN if emptied else PASS,
            failed_count=len(emptied),
            owner="warehouse",
            rule_id="",
            detail=", ".join(emptied),
        )
    ]


_RELATIONS = "select table_schema, table_name from information_schema.tables"


def arrival_checks(record: BuildRecord, contracts: dict[str, Feed], ledger: list[Batch]) -> list[Check]:
    """Feeds that the contract expects on the as-of date and that did not come, or came and were rejected.

    A feed that the bank never delivered is not expected of it.
    """
    checks = []
    for feed in contracts.values():
        judged = [b for b in ledger if b.feed_id == feed.feed_id and b.business_date <= record.as_of_date]
        of_day = [b for b in judged if b.business_date == record.as_of_date]
        is_due = is_expected(feed, record.as_of_date)
        rejected = [b for b in of_day if not b.is_accepted]
        has_arrived = any(b.is_accepted for b in of_day)
        if not judged or has_arrived or not (is_due or rejected):
            continue
        detail = "; ".join(f"{b.batch_id} was rejected: {b.reason}" for b in rejected) or "no delivery of the day"
        checks.append(
            Check(
                check_name=f"arrival.{feed.feed_id}",
                severity="warn",
                status=WARN,
                failed_count=len(rejected) or 1,
                owner=feed.owner,
                rule_id="",
                detail=f"{detail}; the last delivery is carried" if feed.semantics != "events" else detail,
            )
        )
    return checks


def _expectation_checks(home: Home, record: BuildRecord, kept: dict[str, list[str]]) -> list[Check]:
    from orchestration.lib.data_docs import build_data_docs
    from orchestration.lib.expectation_run import run_suites

    validations = home.builds / record.build_id / "validations"
    results = run_suites(home.warehouse, record.as_of_date, validations, kept=kept)
    fault.point(BEFORE_DOCS)
    build_data_docs(results, validations, home.builds / record.build_id / "data_docs", record.as_of_date)
    statuses = {"pass": PASS, "skipped": PASS}
    return [
        Check(
            check_name=r.check_name,
            severity=r.severity,
            status=statuses.get(r.status, FAIL if r.severity == "block" else WARN),
            failed_count=r.failed_count,
            owner=r.owner,
            rule_id="",
            detail=r.detail or r.description_en,
        )
        for r in results
    ]


def is_overridable(check_name: str) -> bool:
    """A failing dbt test stops the build itself: what comes after it is not built, and cannot be let pass."""
    return not check_name.startswith("dbt.")


def record_override(home: Home, check_name: str, day: date, reason: str, names: tuple[str, str]) -> None:
    """Journal that two persons let a check pass for one as-of date. Under the build lock."""
    fault.point(BEFORE_OVERRIDE)
    Journal(home.journal).append(
        {
            "event": "override",
            "check_name": check_name,
            "as_of_date": day.isoformat(),
            "reason": reason,
            "by": names[0],
            "approved_by": names[1],
        }
    )


def _apply_overrides(checks: list[Check], home: Home, as_of: date) -> list[Check]:
    allowed = {
        e["check_name"]: e for e in Journal(home.journal).read().overrides if e["as_of_date"] == as_of.isoformat()
    }
    overridden = []
    for check in checks:
        entry = allowed.get(check.check_name) if check.blocks and is_overridable(check.check_name) else None
        if entry is None:
            overridden.append(check)
        else:
            why = f"overridden by {entry['by']}, approved by {entry['approved_by']}: {entry['reason']}"
            overridden.append(dataclasses.replace(check, status=OVERRIDDEN, detail=f"{check.detail} [{why}]"))
    return overridden


def audit(home: Home, build_id: str, contracts: dict[str, Feed], dbt_target: Path) -> Verdict:
    """Run every check of a build on the warehouse and write its verdict.

    Of a build that dbt did not finish only deliveries are judged further: its tables are of two builds.
    """
    record = BuildRecord.read(home, build_id)
    ledger = Ledger(home.ledger).batches()
    batches: dict[str, list[Batch]] = {}
    for batch in sorted(ledger, key=lambda b: (b.business_date, b.sequence_no)):
        if batch.is_accepted and batch.batch_id in record.inputs:
            batches.setdefault(batch.feed_id, []).append(batch)
    checks = dbt_checks(dbt_target) + arrival_checks(record, contracts, ledger)
    is_finished = not any(c.check_name.startswith(_MODEL_CHECK) for c in checks)
    partitions, counts = PartitionHashes({}, {}, {}), {}
    with connect(home.warehouse, read_only=True) as con:
        checks = _with_breaks(checks, con, record)
        checks += delivery_drift_checks(con, home, record, contracts, batches)
        if is_finished:
            checks += money_drift_checks(con, record, contracts)
            checks += emptied_checks(con, home, record)
            checks += conservation_checks(con, record, contracts, batches)
            checks += second_evaluation_checks(con, record)
            partitions = hash_marts(con, version_below(home, record), record.base_date)
            checks += confidentiality_checks(con, home, record, contracts, batches, dbt_target, partitions.kept)
            counts = {
                "customers": _count(con, "core.dim_customer"),
                "account_days": _count(con, "intermediate.int_assets__leg_day"),
                "tiered_customers": _count(con, "tiering.customer_tier"),
            }
    if is_finished:
        checks += _expectation_checks(home, record, partitions.kept)
    checks = _apply_overrides(checks, home, record.as_of_date)
    verdict = Verdict(
        build_id=build_id,
        as_of_date=record.as_of_date,
        is_passed=bool(checks) and not any(c.blocks for c in checks),
        checks=tuple(checks),
        counts=counts,
        mart_hashes=mart_hashes(partitions.hashes) if is_finished else {},
        partitions=partitions,
    )
    fault.point(BEFORE_VERDICT)
    write_atomically(Verdict.path(home, build_id), verdict.to_json())
    if not verdict.is_passed:
        fault.point(BEFORE_FAILED)
        Journal(home.journal).append({"event": "failed", "build_id": build_id, "checks": verdict.blocking()})
    return verdict


def _count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = con.execute(f"select count(*) from {relation}").fetchone()
    return int(row[0]) if row else 0
