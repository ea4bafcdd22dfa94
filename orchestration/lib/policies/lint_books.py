"""Lint of policies/books.yml: roles that can act, reasons and situations that the models know, shares that add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from decimal import Decimal

from orchestration.lib.policies.books import (
    MAX_LEVELS_UP,
    REASON_KINDS,
    SITUATIONS,
    TIER_OWNED_QUEUES,
    BookVersion,
)
from orchestration.lib.policies.finding import Finding, Kind
from orchestration.lib.policies.intervals import shown_number
from orchestration.lib.policies.lint_rules import RULE_ID, parts
from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.model import Rule
from orchestration.lib.policies.yaml_file import Loc

# Smallest and largest sensible value: a task or an absence of a year, a credit of ten years, a career's tenure.
_RANGES = {
    "choice": (1, 365, "days"),
    "reassignment": (1, 365, "days"),
    "leave": (0, 365, "days"),
    "levels_up": (0, MAX_LEVELS_UP, "levels"),
    "attribution_horizon": (0, 120, "months"),
    "referral_horizon": (0, 120, "months"),
}
_REBALANCING_RANGES = {
    "move_cost": (0, 1_000_000, "points"),
    "move_cost_per_day": (0, 1_000_000, "points"),
    "tenure_cap": (0, 18_250, "days"),
    "customer_evenness_weight": (0, 1_000_000, "points"),
    "asset_evenness_weight": (0, 1_000_000, "points"),
    "node_limit": (1, 10_000_000, "nodes"),
    "iteration_limit": (1, 1_000_000_000, "iterations"),
    "largest_pool": (1, 1_000_000, "customers"),
}


# Tables hold so many decimals of a share or a cost.
_SMALLEST = Decimal("1e-8")


def lint_books(policies: PolicySet) -> Iterator[Finding]:
    """Findings in books.yml."""
    go_lives = [version.go_live_date for version in policies.books.versions]
    for i, version in enumerate(policies.books.versions):
        if version.go_live_date != go_lives[0]:
            found = f"go_live_date {version.go_live_date} in version {version.version}, {go_lives[0]} in the first"
            yield _finding(policies, i, ("go_live_date",), "range", found, "books go live once; write the same day")
        yield from _lint_ranges(policies, i, version)
        yield from _lint_backup_roles(policies, i, version)
        yield from _lint_reasons(policies, i, version)
        for code, split in version.revenue_splits.items():
            yield from _lint_rule_id(policies, i, ("revenue_splits", code, "rule_id"), split.rule_id)
        yield from _lint_splits(policies, i, version)
        for loc, part in parts(version):
            if isinstance(part, Rule) and not RULE_ID.fullmatch(part.rule_id):
                mend = "write it as the catalogue does: A9-05, G12"
                yield _finding(policies, i, (*loc, "rule_id"), "rule id", repr(part.rule_id), mend)
            if isinstance(part, Rule) and part.source_line < 1:
                found = f"source_line {part.source_line}"
                yield _finding(policies, i, (*loc, "source_line"), "rule id", found, "count lines from 1")


def _finding(policies: PolicySet, i: int, loc: Loc, kind: Kind, found: str, mend: str) -> Finding:
    label = f"books@{policies.books.versions[i].version}"
    return Finding("books.yml", policies.line("books", ("versions", i, *loc)), label, kind, found, mend)


def _lint_ranges(policies: PolicySet, i: int, version: BookVersion) -> Iterator[Finding]:
    limits = version.rebalancing
    values: list[tuple[Loc, Decimal | int, tuple[int, int, str]]] = [
        *(((name,), getattr(version, name), bounds) for name, bounds in _RANGES.items()),
        *((("rebalancing", name), getattr(limits, name), bounds) for name, bounds in _REBALANCING_RANGES.items()),
    ]
    for loc, value, (low, high, unit) in values:
        if not low <= value <= high:
            found, mend = f"{loc[-1]} {value}", f"write {low:,} to {high:,} {unit}"
            yield _finding(policies, i, loc, "range", found, mend)
        elif value % _SMALLEST:
            yield _finding(policies, i, loc, "range", f"{loc[-1]} {value}", "write at most 8 decimals")
    if not 0 <= limits.gap < 1 or limits.gap % _SMALLEST:
        found = f"gap {limits.gap}"
        yield _finding(
            policies, i, ("rebalancing", "gap"), "range", found, "write a share from 0, below 100%, of 8 decimals"
        )


def _lint_backup_roles(policies: PolicySet, i: int, version: BookVersion) -> Iterator[Finding]:
    loc: Loc = ("backup_roles",)
    if not version.backup_roles:
        yield _finding(policies, i, loc, "gap", "no role may be B", "name one or more roles, best first (A9-20)")
    for role, count in Counter(version.backup_roles).items():
        if count > 1:
            yield _finding(policies, i, loc, "overlap", f"{role} stands {count} times", "name it once")
    for n, role in enumerate(version.backup_roles):
        yield from _lint_role(policies, i, (*loc, n), role, "may be B")


def _lint_role(policies: PolicySet, i: int, loc: Loc, code: str, does: str) -> Iterator[Finding]:
    """A role that sees customers is known, signs the NDA (A9-19) and has a capacity: nobody is eligible without."""
    role = policies.roles.roles.get(code)
    if role is None:
        mend = "name a role of roles.yml, or add it there"
        yield _finding(policies, i, loc, "unknown", f"role {code!r}", mend)
        return
    if not role.needs_nda:
        mend = "let roles.yml say needs_nda: true, or choose another role"
        yield _finding(policies, i, loc, "nda", f"{code} {does} without an NDA", mend)
    if (role.default_capacity or 0) <= 0:
        mend = "give it a default_capacity in roles.yml, or choose another role"
        yield _finding(policies, i, loc, "capacity", f"{code} {does} without a capacity", mend)


def _lint_reasons(policies: PolicySet, i: int, version: BookVersion) -> Iterator[Finding]:
    yield from _lint_codes(policies, i, ("reasons",), version.reasons, REASON_KINDS, "reason code")
    for code, reason in version.reasons.items():
        loc: Loc = ("reasons", code)
        yield from _lint_rule_id(policies, i, (*loc, "rule_id"), reason.rule_id)
        needs_owner = REASON_KINDS.get(code) == "queue" and code not in TIER_OWNED_QUEUES
        if reason.owner_role is not None:
            yield from _lint_role(policies, i, (*loc, "owner_role"), reason.owner_role, f"works the queue {code}")
        if needs_owner and reason.owner_role is None:
            yield _finding(policies, i, loc, "owner", f"nobody works the queue {code}", "add an owner_role")
        if code in REASON_KINDS and not needs_owner and reason.owner_role is not None:
            what = "is the tier's" if code in TIER_OWNED_QUEUES else "is no queue"
            found = f"owner_role {reason.owner_role} of {code}, which {what}"
            yield _finding(policies, i, (*loc, "owner_role"), "owner", found, "remove it")


def _lint_codes(
    policies: PolicySet, i: int, loc: Loc, written: Collection[str], known: Collection[str], what: str
) -> Iterator[Finding]:
    """Codes are those that the models know, and all of them."""
    for code in written:
        if code not in known:
            mend = f"name one of {', '.join(known)}"
            yield _finding(policies, i, (*loc, code), "unknown", f"{what} {code!r}", mend)
    missing = [code for code in known if code not in written]
    if missing:
        found = f"{loc[0]} say nothing of {', '.join(missing)}"
        yield _finding(policies, i, loc, "gap", found, f"give every {what} its entry")


def _lint_rule_id(policies: PolicySet, i: int, loc: Loc, rule_id: str) -> Iterator[Finding]:
    """A reading (G12) is named by its number; a rule of a source is quoted, here or by a scheme."""
    if not RULE_ID.fullmatch(rule_id):
        mend = "write it as the catalogue does: A9-05, G12"
        yield _finding(policies, i, loc, "rule id", repr(rule_id), mend)
    elif "-" in rule_id and rule_id not in _quoted(policies, i):
        found = f"rule {rule_id}, which is quoted nowhere"
        yield _finding(policies, i, loc, "rule id", found, "quote it under `rules`, or correct it")


def _quoted(policies: PolicySet, i: int) -> set[str]:
    said = (policies.books.versions[i], *policies.schemes)
    return {part.rule_id for model in said for _, part in parts(model) if isinstance(part, Rule)}


def _lint_splits(policies: PolicySet, i: int, version: BookVersion) -> Iterator[Finding]:
    yield from _lint_codes(policies, i, ("revenue_splits",), version.revenue_splits, SITUATIONS, "situation")
    for code, split in version.revenue_splits.items():
        loc: Loc = ("revenue_splits", code, "shares")
        known = SITUATIONS.get(code)
        for n, share in enumerate(split.shares):
            if known and share.credit_kind not in known:
                found = f"credit of {share.credit_kind} in {code}, where there is none"
                here = (*loc, n, "credit_kind")
                yield _finding(policies, i, here, "unknown", found, f"name one of {', '.join(known)}")
            if not 0 < share.share <= 1 or share.share % _SMALLEST:
                found = f"share {share.share} of {share.credit_kind} in {code}"
                mend = "write a share above 0, at most 100%, of at most 8 decimals, or leave it out"
                yield _finding(policies, i, (*loc, n, "share"), "rate", found, mend)
        for kind, count in Counter(share.credit_kind for share in split.shares).items():
            if count > 1:
                found = f"{kind} stands {count} times in {code}"
                yield _finding(policies, i, loc, "overlap", found, "name it once, as a share or as a shadow")
        total = sum((share.share for share in split.shares if not share.is_shadow), Decimal(0))
        if total != 1:
            found = f"shares of {code} add up to {shown_number(total)}, shadows aside"
            yield _finding(policies, i, loc, "weights", found, "let them add up to 1 (100%)")
