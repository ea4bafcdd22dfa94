"""What a build does: which days, from which kept state, of which batches.

``plan_build`` is pure: ledger, journal and policies in, plan out. State is kept for the last days and for
the month ends that open windows need; a build starts from the newest kept date before the first dirty
day and emits every date after it that retention keeps.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from orchestration.lib.contracts import Feed
from orchestration.lib.journal import JournalState
from orchestration.lib.ledger import Batch
from orchestration.lib.policies import PolicySet
from orchestration.lib.policies.compile import scheme_structures

DAY = timedelta(days=1)
# Account and customer x product state: enough days to take a correction of the last week from its eve.
ACCOUNT_DAYS_KEPT = 7
# Customer totals: 30-day falls and the month before, with a margin for late files.
CUSTOMER_DAYS_KEPT = 40
# What has flowed out is measured against the balance of so many days before.
FLOW_DAYS = 30
# Spend and revenue of the last 365 days.
YEAR_DAYS_KEPT = 366
# What was owed, what happened and what was told: whole months of it that are in the warehouse. Older ones are files.
HISTORY_DAYS_KEPT = 92
# Action lists and what they had no room for.
ACTION_DAYS_KEPT = 31
# Month ends of which the measures of every customer are kept: what a policy draft is compared over.
MEASURE_MONTHS_KEPT = 13
# Quarters are appraised by who worked where in them, a quarter back from the month after it, with a margin.
EMPLOYEE_DAYS_KEPT = 200
WINDOWS = ("month", "quarter", "year")
# What a quarter won must last so many days after its end: balances of that day are emitted.
GUARD_DAYS = 30
# One dbt call takes at most this many account-days: 20 million took 1.9 GB at the widest model (leg day).
ACCOUNT_DAYS_PER_ADVANCE = 20_000_000
MERGES_FEED = "core_banking.customer_merges"
OPENING_FEED = "core_banking.opening_balance_days"
# Feeds of which every batch so far is read: few rows, and old ones still hold. A product that was retired keeps
# its family and weight in the windows that are open.
WHOLE_HISTORY_FEEDS = (
    MERGES_FEED,
    OPENING_FEED,
    "crm.customer_choices",
    "crm.referrals",
    "reference.products",
)
# Events that people are judged by, kept in logs: a delivery for a day already built is read when it arrives.
LOGGED_FEEDS = ("crm.complaints", "crm.contacts", "crm.life_events", "crm.surveys", "crm.work_plans")
# Events that decisions are taken on: one delivered for a day already decided acts from the day it arrives.
DECIDED_FEEDS = ("crm.customer_choices", "crm.referrals", *LOGGED_FEEDS)
# Feeds that an advance reads as of its last day: while books are decided, a delivery of one begins an advance of its
# own, or what it says would act on the days before it.
ADVANCE_FEEDS = (MERGES_FEED, "crm.households", "reference.branches", "risk.customer_risk")


class MissingFeed(RuntimeError):
    """A compulsory feed has no accepted delivery for a day that is to be built."""


@dataclass(frozen=True)
class Window:
    """An averaging window: ``base_date`` is the kept date before its first day, None for a base of zero."""

    base_date: date | None
    days: int
    is_partial: bool


@dataclass(frozen=True)
class BookDates:
    """Which days of an advance books are decided on.

    ``decided_from``: the first day that no published build decided. ``decision_dates``: before go-live the end of the
    advance alone, as the old CRM's feed says it; from go-live every day from ``decided_from`` on. ``seed_date``: the
    first live day, which starts from the old CRM's feed.
    """

    policy_version: str
    seed_date: date
    is_live: bool
    decided_from: date
    decision_dates: list[date]


@dataclass(frozen=True)
class AppraisalPeriod:
    """A quarter as it is appraised on a month end, within it or in the month after it.

    ``through_date``: the as-of date or the quarter's end, if that is earlier; ``is_final``: the quarter is over and the
    days that its results had to last are known. ``has_books``: it is known who held whom at the close of the as-of
    date; books of earlier month ends are let go.
    """

    start_date: date
    end_date: date
    through_date: date
    is_final: bool
    has_books: bool

    @property
    def period_code(self) -> str:
        return quarter_code(self.start_date)

    @property
    def prior_start_date(self) -> date:
        return window_start(self.start_date - DAY, "quarter")


@dataclass(frozen=True)
class Chunk:
    """One advance of the state from base_date (None: from nothing) to as_of_date."""

    base_date: date | None
    as_of_date: date
    account_dates: list[date]
    customer_dates: list[date]
    month_end_dates: list[date]
    evaluation_date: date | None
    evaluated_schemes: list[dict[str, Any]]
    primary_scheme: dict[str, Any] | None
    veto_schemes: list[dict[str, Any]]
    explained_schemes: list[dict[str, Any]]
    previous_evaluation_date: date | None
    official_evaluation_date: date | None
    windows: dict[date, dict[str, Window]]
    books: BookDates
    appraisal_periods: list[AppraisalPeriod]


@dataclass(frozen=True)
class BuildPlan:
    """A build: its chunks (the last one ends at as_of_date) and the inputs it is made of."""

    as_of_date: date
    first_date: date
    dirty_from: date
    base_date: date | None
    chunks: list[Chunk]
    new_batches: list[str]
    restating_batches: list[Batch]
    published_version: int
    published_as_of: date | None
    opening_date: date | None
    policy_hash: str
    policy_versions: dict[str, dict[str, str]]
    batches: dict[str, list[Batch]] = field(repr=False)

    @property
    def build_id(self) -> str:
        """Id of the build: its date and a hash of what it is made of. A repeated build has the same id."""
        text = json.dumps(
            [
                self.as_of_date.isoformat(),
                self.published_version,
                self.policy_hash,
                sorted(b.batch_id + b.content_hash for bs in self.batches.values() for b in bs),
            ]
        )
        return f"{self.as_of_date:%Y%m%d}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def late_batches(self, chunk: Chunk) -> list[str]:
        """New deliveries of events for days that are decided already: the first advance that decides takes them."""
        if self.published_as_of is None or chunk is not next((c for c in self.chunks if c.books.decision_dates), None):
            return []
        new = set(self.new_batches)
        return sorted(
            b.batch_id
            for feed_id in DECIDED_FEEDS
            for b in self.batches.get(feed_id, [])
            if b.batch_id in new and b.business_date <= self.published_as_of
        )

    @property
    def is_restatement(self) -> bool:
        return self.published_as_of is not None and self.dirty_from <= self.published_as_of


def month_end(day: date) -> date:
    """Last day of the month of ``day``."""
    first_of_next = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return first_of_next - DAY


def window_start(day: date, window: str) -> date:
    """First day of the month, quarter or year of ``day``."""
    month = {"month": day.month, "quarter": (day.month - 1) // 3 * 3 + 1, "year": 1}[window]
    return date(day.year, month, 1)


def window_end(day: date, window: str) -> date:
    """Last day of the month, quarter or year of ``day``."""
    return month_end(
        day.replace(month={"month": day.month, "quarter": (day.month + 2) // 3 * 3, "year": 12}[window], day=1)
    )


def quarter_code(day: date) -> str:
    """Code of the quarter of ``day``: 2026Q3."""
    return f"{day.year}Q{(day.month + 2) // 3}"


def month_ends_between(after: date, through: date) -> list[date]:
    """Month ends in (after, through]."""
    ends = []
    day = month_end(after + DAY)
    while day <= through:
        ends.append(day)
        day = month_end(day + DAY)
    return ends


def past_month_ends(day: date) -> list[date]:
    """The month ends before the month of a day, newest first: as many as measures look back."""
    ends = []
    for _ in range(MEASURE_MONTHS_KEPT):
        day = day.replace(day=1) - DAY
        ends.append(day)
    return ends


def kept_account_dates(as_of: date, first_date: date) -> set[date]:
    """Dates of account and customer x product state that are kept as of a date: the last days, which a build may start
    from, and before which the windows begin that end after them.

    The eve of the first day holds the opening balance-days, the base of that year's cut windows.
    """
    days = {as_of - n * DAY for n in range(ACCOUNT_DAYS_KEPT)}
    days |= {before for day in days for before in _window_bases(day + DAY)}
    return days | ({first_date - DAY} if first_date.year == as_of.year else set())


def _window_bases(day: date) -> set[date]:
    """The dates whose balance-days are taken from those of ``day``."""
    return {window_start(day, code) - DAY for code in WINDOWS}


def _is_base(day: date, kept_dates: set[date], first_date: date, opening_date: date | None) -> bool:
    """Whether a build can start from a kept date: the windows of the next day, too, find what they begin from."""
    needed = {d for d in _window_bases(day + DAY) if d >= first_date or d == opening_date}
    return day >= first_date and needed <= kept_dates


def kept_customer_dates(as_of: date) -> set[date]:
    """Dates of customer totals that are kept as of a date, beside every month end."""
    return {as_of - n * DAY for n in range(CUSTOMER_DAYS_KEPT)}


def kept_evaluation_dates(as_of: date, first_date: date) -> set[date]:
    """Month ends of tier evaluations that are kept: the last two, and the one that each kept base builds on."""
    eves = [d if d == month_end(d) else d.replace(day=1) - DAY for d in kept_account_dates(as_of, first_date)]
    return {*eves, *month_ends_between(as_of.replace(day=1) - 2 * DAY, as_of)}


def kept_measure_dates(as_of: date) -> set[date]:
    """Month ends of measures that are kept as of a date."""
    first = date(as_of.year - 1, as_of.month, 1) - DAY
    return set(month_ends_between(first, as_of)[-MEASURE_MONTHS_KEPT:])


def window(day: date, code: str, first_date: date, opening_date: date | None) -> Window:
    """The window of ``code`` that ends on ``day``, cut at the deployment's first day.

    An opening balance-days feed covers the year of its date back to 1 January, so a window that starts on that
    day (the year's, and those of January and the first quarter) is whole and its base is zero.
    """
    start = window_start(day, code)
    if start >= first_date:
        base = start - DAY
        has_base = base >= first_date or base == opening_date
        return Window(base if has_base else None, (day - start).days + 1, False)
    if opening_date is not None and start == date(opening_date.year, 1, 1):
        return Window(None, (day - start).days + 1, False)
    return Window(opening_date, (day - first_date).days + 1, True)


def find_opening_date(opening: list[Batch], first_date: date) -> date | None:
    """Eve of a deployment's first day when opening balance-days came with it. ``opening``: their accepted batches."""
    at_start = [b for b in opening if b.business_date == first_date]
    return first_date - DAY if at_start and max(at_start, key=lambda b: b.sequence_no).row_count else None


class _Inputs:
    """Accepted batches by feed and date; the newest sequence_no of a date replaces the others whole."""

    def __init__(self, accepted: list[Batch], through: date | None) -> None:
        newest: dict[tuple[str, date], Batch] = {}
        for batch in accepted:
            if through is not None and batch.business_date > through:
                continue
            known = newest.get((batch.feed_id, batch.business_date))
            if known is None or batch.sequence_no > known.sequence_no:
                newest[batch.feed_id, batch.business_date] = batch
        self.by_feed: dict[str, list[Batch]] = {}
        for batch in sorted(newest.values(), key=lambda b: b.business_date):
            self.by_feed.setdefault(batch.feed_id, []).append(batch)

    def days(self, feed_id: str) -> set[date]:
        return {b.business_date for b in self.by_feed.get(feed_id, [])}


def _last_complete_day(
    inputs: _Inputs, contracts: dict[str, Feed], first_date: date, after: date | None
) -> date | None:
    """Newest day up to which every day has all daily compulsory feeds, counted from ``after``."""
    daily = [f.feed_id for f in contracts.values() if f.compulsory == "daily"]
    have = set.intersection(*(inputs.days(feed_id) for feed_id in daily))
    day = first_date if after is None else after + DAY
    while day in have:
        day += DAY
    last = day - DAY
    return last if last >= first_date else None


def _missing(inputs: _Inputs, contracts: dict[str, Feed], day: date) -> list[str]:
    daily = [f.feed_id for f in contracts.values() if f.compulsory == "daily"]
    return [feed_id for feed_id in daily if day not in inputs.days(feed_id)]


def _named(feed_ids: list[str], batches: list[Batch], day: date | None = None) -> str:
    """Feeds by name, each with why its last delivery (of ``day``, or at all) was rejected, if it was."""
    names = []
    for feed_id in feed_ids:
        judged = [b for b in batches if b.feed_id == feed_id and day in (None, b.business_date)]
        rejected = judged and not judged[-1].is_accepted
        names.append(f"{feed_id} ({judged[-1].batch_id} was rejected: {judged[-1].reason})" if rejected else feed_id)
    return ", ".join(names)


def _policy_dirty_from(policies: PolicySet, published: dict[str, Any]) -> date | None:
    """First day whose rules differ from those of the last published build."""
    now, decisions = policies.version_hashes(), policies.decision_hashes()
    names = {label.split("@")[0] for label in decisions}
    before = {k: v for k, v in published["policy_versions"].items() if k.split("@")[0] not in names}
    days = []
    for label in {**before, **now}:
        both = [versions[label] for versions in (before, now) if label in versions]
        if len(both) == 2 and both[0] == both[1]:
            continue
        same_rules = len(both) == 2 and all(both[0][k] == both[1][k] for k in ("sha256", "effective_from"))
        days += [date.fromisoformat(each["effective_to" if same_rules else "effective_from"]) for each in both]
    return min(days) if days else None


def _split(base: date, as_of: date, rows_per_day: int, eves: set[date]) -> list[date]:
    """Ends of the advances: every month end, where tiers are evaluated on the data of that day, the memory's, and the
    days in ``eves``.
    """
    days = max(1, ACCOUNT_DAYS_PER_ADVANCE // max(1, rows_per_day))
    ends = []
    day = base
    while day < as_of:
        day = min(as_of, day + days * DAY, month_end(day + DAY), *(eve for eve in eves if eve > day))
        ends.append(day)
    return ends


def plan_build(
    batches: list[Batch],
    contracts: dict[str, Feed],
    journal: JournalState,
    policies: PolicySet,
    kept_dates: set[date],
    through: date | None = None,
    *,
    is_strict: bool = False,
) -> BuildPlan | None:
    """Plan the next build up to ``through``, or None when nothing is new.

    ``batches``: the whole ledger; the rejected ones are named as reasons. ``kept_dates``: dates of account
    state in the warehouse. Raises MissingFeed when the next day has begun to arrive, lacks a compulsory feed
    and nothing can be built before it; strictly, when any day up to ``through`` lacks one.
    """
    published = journal.last_published
    published_as_of = date.fromisoformat(published["as_of_date"]) if published else None
    if through is not None and published_as_of is not None:
        # A published day is never taken back: a run for an earlier one brings its corrections in.
        through = max(through, published_as_of)
    inputs = _Inputs([b for b in batches if b.is_accepted], through)
    first_run = [f.feed_id for f in contracts.values() if f.compulsory in ("daily", "first_run")]
    absent = [feed_id for feed_id in first_run if not inputs.by_feed.get(feed_id)]
    if absent:
        if not inputs.by_feed and published is None and through is None:
            raise MissingFeed(f"nothing has been delivered yet; a first run needs {', '.join(first_run)}")
        raise MissingFeed(f"a first run needs these feeds, none of which was accepted yet: {_named(absent, batches)}")
    first_date = (
        date.fromisoformat(published["first_date"])
        if published
        else max(min(inputs.days(f.feed_id)) for f in contracts.values() if f.compulsory in ("daily", "first_run"))
    )

    complete = _last_complete_day(inputs, contracts, first_date, published_as_of)
    as_of = complete or published_as_of
    waiting_day = (as_of + DAY) if as_of else first_date
    wanted = through or max((b.business_date for bs in inputs.by_feed.values() for b in bs), default=waiting_day)
    missing = _missing(inputs, contracts, waiting_day) if wanted >= waiting_day else []
    lacking = f"{waiting_day}: no accepted delivery of {_named(missing, batches, waiting_day)}"
    if missing and is_strict:
        raise MissingFeed(f"{lacking}; the build cannot reach {wanted}")
    if as_of is None:
        raise MissingFeed(lacking)

    in_reach = [b for bs in inputs.by_feed.values() for b in bs if b.business_date <= as_of]
    new = [b for b in in_reach if b.batch_id not in journal.used_batches]
    restating: list[Batch] = []
    dirty = journal.dirty_from
    if published is None or published_as_of is None:
        dirty = first_date
    else:
        restating = [b for b in new if b.business_date <= published_as_of and contracts[b.feed_id].restates]
        candidates = [b.business_date for b in restating]
        policy_dirty = _policy_dirty_from(policies, published)
        if policy_dirty is not None and policy_dirty <= as_of:
            candidates.append(policy_dirty)
        if as_of > published_as_of:
            candidates.append(published_as_of + DAY)
        # Objections and closes change what is told of quarters that have ended, which every build tells anew.
        has_read_all = not (journal.unbuilt_objections or journal.unbuilt_closes)
        if not candidates and dirty is None and not new and has_read_all:
            if missing:
                raise MissingFeed(lacking)
            return None
        candidates.append(as_of)
        dirty = min([*candidates, *([dirty] if dirty else [])])
    dirty = max(dirty, first_date)

    opening_date = find_opening_date(inputs.by_feed.get(OPENING_FEED, []), first_date)
    usable = (d for d in kept_dates if d < dirty and _is_base(d, kept_dates, first_date, opening_date))
    base = max(usable, default=None)
    rows_per_day = max((b.row_count for b in inputs.by_feed["core_banking.deposit_accounts"]), default=1)

    # From go-live on books are decided day by day, each on what an advance knows at its end.
    go_live = policies.book_version(as_of).go_live_date
    first_decided = go_live if published_as_of is None else max(go_live, published_as_of + DAY)
    told = {
        batch.business_date
        for feed_id in ADVANCE_FEEDS
        for batch in inputs.by_feed.get(feed_id, [])
        # No events say nothing; a full delivery without rows says that there is nothing any more.
        if batch.business_date > first_decided and (batch.row_count or batch.mode == "full")
    }

    chunks = []
    start = base
    for end in _split(base or first_date - DAY, as_of, rows_per_day, {day - DAY for day in (go_live, *told)}):
        chunks.append(plan_chunk(start, end, as_of, first_date, opening_date, policies, published_as_of))
        start = end
    return BuildPlan(
        as_of_date=as_of,
        first_date=first_date,
        dirty_from=dirty,
        base_date=base,
        chunks=chunks,
        new_batches=sorted(b.batch_id for b in new),
        restating_batches=restating,
        published_version=published["version"] if published else 0,
        published_as_of=published_as_of,
        opening_date=opening_date,
        policy_hash=policies.policy_hash,
        policy_versions={**policies.version_hashes(), **policies.decision_hashes()},
        batches={feed_id: [b for b in bs if b.business_date <= as_of] for feed_id, bs in inputs.by_feed.items()},
    )


def _evaluated_schemes(
    day: date, first_date: date, opening_date: date | None, policies: PolicySet
) -> list[dict[str, Any]]:
    """Structures of the schemes whose official tiers change on a month end: not those of a partial window."""
    return [
        structure
        for structure in scheme_structures(policies, day)
        if not any(
            window(day, measure["window"], first_date, opening_date).is_partial
            for measure in [structure["measure"], *(f["measure"] for f in structure["factors"])]
            if measure and measure["quantity"] == "assets" and measure["window"] != "point"
        )
    ]


def plan_chunk(
    base: date | None,
    end: date,
    as_of: date,
    first_date: date,
    opening_date: date | None,
    policies: PolicySet,
    decided_through: date | None = None,
) -> Chunk:
    """The advance from ``base`` to ``end`` of a build as of ``as_of``, in a deployment that began on ``first_date``.

    ``decided_through``: the last published day, on which and before which books are decided.
    """
    after = base or first_date - DAY
    days = {after + n * DAY for n in range(1, (end - after).days + 1)}
    month_ends = month_ends_between(after, end)
    account_dates = sorted((days & kept_account_dates(as_of, first_date)) | set(month_ends) | {end})
    # A month end says the same whether it was reached day by day or at once: it needs the same balance of before.
    flow_dates = {d for d in days if d + FLOW_DAYS * DAY == month_end(d + FLOW_DAYS * DAY)}
    guard_dates = {d for d in days if d - GUARD_DAYS * DAY == window_end(d - GUARD_DAYS * DAY, "quarter")}
    customer_dates = sorted((days & kept_customer_dates(as_of)) | flow_dates | guard_dates | set(account_dates))
    past_ends = month_ends_between(first_date - DAY, end)
    evaluated = {d: _evaluated_schemes(d, first_date, opening_date, policies) for d in past_ends}
    evaluations = [d for d in past_ends if evaluated[d]]
    measure_dates = sorted({*month_ends, end})
    structures = scheme_structures(policies, end)
    books = _book_dates(after, end, first_date, policies, decided_through)
    return Chunk(
        base_date=base,
        as_of_date=end,
        account_dates=account_dates,
        customer_dates=customer_dates,
        month_end_dates=month_ends,
        evaluation_date=end if end in evaluations else None,
        evaluated_schemes=evaluated.get(end, []),
        primary_scheme=next((s for s in structures if s["is_primary"]), None),
        explained_schemes=[s for s in structures if s["is_explained"]],
        veto_schemes=[s for s in structures if s["scheme_code"] in {other["veto"] for other in structures}],
        previous_evaluation_date=max((d for d in evaluations if d <= after), default=None),
        official_evaluation_date=max((d for d in evaluations if d < end), default=None),
        windows={d: {code: window(d, code, first_date, opening_date) for code in WINDOWS} for d in measure_dates},
        books=books,
        appraisal_periods=_appraisal_periods(end, first_date, opening_date, books, decided_through),
    )


def _appraisal_periods(
    end: date, first_date: date, opening_date: date | None, books: BookDates, decided_through: date | None
) -> list[AppraisalPeriod]:
    """The quarters that a month end appraises: its own, and in the first month of a quarter the one before.

    A quarter is appraised when its first day froze who holds whom, and the quarter before it was delivered whole.
    """
    if end != month_end(end) or not books.is_live:
        return []
    start = window_start(end, "quarter")
    quarters = [start, *([window_start(start - DAY, "quarter")] if month_end(start) == end else [])]
    is_kept = decided_through is not None and end in kept_account_dates(decided_through, first_date)
    is_known = decided_through is None or end > decided_through or is_kept
    periods = [
        AppraisalPeriod(
            start_date=first,
            end_date=window_end(first, "quarter"),
            through_date=min(end, window_end(first, "quarter")),
            is_final=first < start,
            has_books=first < start or is_known,
        )
        for first in quarters
    ]
    return [
        p
        for p in periods
        if p.start_date >= books.seed_date
        and not window(p.start_date - DAY, "quarter", first_date, opening_date).is_partial
    ]


def _book_dates(
    after: date, end: date, first_date: date, policies: PolicySet, decided_through: date | None
) -> BookDates:
    version = policies.book_version(end)
    seed_date = max(version.go_live_date, first_date)
    decided_from = max(after, decided_through or after) + DAY
    undecided = [decided_from + n * DAY for n in range((end - decided_from).days + 1)]
    is_live = end >= seed_date
    return BookDates(
        policy_version=f"books@{version.version}",
        seed_date=seed_date,
        is_live=is_live,
        decided_from=decided_from,
        decision_dates=undecided if is_live else undecided[-1:],
    )


def chunk_json(plan: BuildPlan, chunk: Chunk) -> str:
    """The chunk of a build as the models read it (macro ``plan()``)."""
    return advance_json(
        chunk,
        first_date=plan.first_date,
        opening_date=plan.opening_date,
        is_merging=any(b.row_count for b in plan.batches.get(MERGES_FEED, [])),
        published_version=plan.published_version,
        late_batches=plan.late_batches(chunk),
    )


def advance_json(
    chunk: Chunk,
    *,
    first_date: date,
    opening_date: date | None,
    is_merging: bool,
    published_version: int = 0,
    late_batches: Sequence[str] = (),
) -> str:
    """An advance as the models read it, in a build or in a trial of policies."""

    def iso(day: date | None) -> str | None:
        return day.isoformat() if day else None

    after = chunk.base_date or first_date - DAY
    return json.dumps(
        {
            "base_date": iso(chunk.base_date),
            "as_of_date": iso(chunk.as_of_date),
            "first_date": iso(first_date),
            "opening_date": iso(opening_date) if chunk.base_date is None else None,
            "is_single_day": chunk.as_of_date == after + DAY,
            "account_dates": [iso(d) for d in chunk.account_dates],
            "customer_dates": [iso(d) for d in chunk.customer_dates],
            "month_end_dates": [iso(d) for d in chunk.month_end_dates],
            "measure_dates": [iso(d) for d in chunk.windows],
            "evaluation_date": iso(chunk.evaluation_date),
            "evaluated_schemes": chunk.evaluated_schemes,
            "primary_scheme": chunk.primary_scheme,
            "veto_schemes": chunk.veto_schemes,
            "explained_schemes": chunk.explained_schemes,
            "is_merging": is_merging,
            "window_end_dates": {code: iso(window_end(chunk.as_of_date, code)) for code in WINDOWS},
            "past_month_ends": [iso(d) for d in past_month_ends(chunk.as_of_date)],
            "flow_date": iso(chunk.as_of_date - FLOW_DAYS * DAY),
            "previous_evaluation_date": iso(chunk.previous_evaluation_date),
            "official_evaluation_date": iso(chunk.official_evaluation_date),
            "published_version": published_version,
            "book_policy_version": chunk.books.policy_version,
            "is_live": chunk.books.is_live,
            "seed_date": iso(chunk.books.seed_date),
            "decided_from": iso(chunk.books.decided_from),
            "decision_dates": [iso(d) for d in chunk.books.decision_dates],
            "late_batches": list(late_batches),
            "cohort_quarters": [
                {"period_code": quarter_code(d), "start_date": iso(d)}
                for d in chunk.books.decision_dates
                if chunk.books.is_live and d == window_start(d, "quarter")
            ],
            "appraisal_periods": [
                {
                    "period_code": p.period_code,
                    "start_date": iso(p.start_date),
                    "end_date": iso(p.end_date),
                    "next_start_date": iso(p.end_date + DAY),
                    "eve_date": iso(p.start_date - DAY),
                    "prior_eve_date": iso(p.prior_start_date - DAY),
                    "through_date": iso(p.through_date),
                    "guard_date": iso(p.end_date + GUARD_DAYS * DAY),
                    "day_count": (p.through_date - p.start_date).days + 1,
                    "prior_day_count": (p.start_date - p.prior_start_date).days,
                    "is_final": p.is_final,
                    "has_books": p.has_books,
                }
                for p in chunk.appraisal_periods
            ],
            "windows": {
                iso(day): {
                    code: {
                        "base_date": iso(w.base_date),
                        "days": w.days,
                        "is_partial": w.is_partial,
                    }
                    for code, w in windows.items()
                }
                for day, windows in chunk.windows.items()
            },
        },
        sort_keys=True,
    )


def batches_of_chunk(plan: BuildPlan, chunk: Chunk, contracts: dict[str, Feed]) -> dict[str, list[Batch]]:
    """Batches that the models read in a chunk, by feed.

    Snapshots: the batch in force on each day. Deltas: from the last full delivery on. Upserts and events:
    those of the chunk's days.
    """
    after = chunk.base_date or plan.first_date - DAY
    chosen: dict[str, list[Batch]] = {}
    for feed_id, batches in plan.batches.items():
        feed = contracts[feed_id]
        known = [b for b in batches if b.business_date <= chunk.as_of_date]
        if feed_id in WHOLE_HISTORY_FEEDS:
            chosen[feed_id] = known
        elif feed.has_delta:
            full = max((i for i, b in enumerate(known) if b.mode == "full"), default=0)
            chosen[feed_id] = known[full:]
        elif feed.semantics == "snapshot":
            carried = [b for b in known if b.business_date <= after][-1:]
            chosen[feed_id] = carried + [b for b in known if b.business_date > after]
        else:
            first = min((b.business_date for b in known), default=None)
            # The deployment's first rates and prices may have come before its first complete day.
            since = first - DAY if chunk.base_date is None and first and feed.semantics == "upsert" else after
            late = plan.late_batches(chunk) if feed_id in LOGGED_FEEDS else []
            chosen[feed_id] = [b for b in known if b.business_date > since or b.batch_id in late]
    return chosen


def batch_days(plan: BuildPlan, chunk: Chunk, contracts: dict[str, Feed]) -> list[tuple[str, date, str]]:
    """(feed_id, business_date, batch_id): the snapshot batch in force on each day of a chunk."""
    after = chunk.base_date or plan.first_date - DAY
    rows = []
    for feed_id, batches in plan.batches.items():
        if contracts[feed_id].semantics != "snapshot" or contracts[feed_id].has_delta:
            continue
        index = -1
        day = after + DAY
        while day <= chunk.as_of_date:
            while index + 1 < len(batches) and batches[index + 1].business_date <= day:
                index += 1
            if index >= 0:
                rows.append((feed_id, day, batches[index].batch_id))
            day += DAY
    return rows
