"""The shape of policies/books.yml: who gets which customer, for how long a choice stands open, who earns what.

Books are decided once per business date and never restated, so nothing here changes a fact that was computed before.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

from orchestration.lib.policies.model import Rule, Strict
from orchestration.lib.policies.units import OPEN_END, Days, Months, Rate

CreditKind = Literal["initial", "current", "referrer", "specialist", "pool"]
ReasonKind = Literal["assignment", "queue"]

# The reasons that the models give, each with its kind: `assignment` says why somebody holds a slot or lost it, `queue`
# why nobody does. A policy names the rule, the words and the owner of each; the models know no others.
REASON_KINDS: dict[str, ReasonKind] = {
    "risk_veto": "queue",
    "deceased": "queue",
    "staff_conflict": "queue",
    "age_fallback": "queue",
    "special_entry": "queue",
    "reassignment_due": "queue",
    "no_eligible_employee": "queue",
    "no_capacity": "queue",
    "no_maintainer": "queue",
    "old_crm": "assignment",
    "customer_choice": "assignment",
    "continuity_upgrade": "assignment",
    "continuity_downgrade": "assignment",
    "owner_left": "assignment",
    "owner_moved": "assignment",
    "owner_on_leave": "assignment",
    "nda_missing": "assignment",
    "referral": "assignment",
    "new_in_scope": "assignment",
    "parent_branch": "assignment",
    "allocation": "assignment",
    "rebalancing": "assignment",
    "backup": "assignment",
    "backup_replaced": "assignment",
    "team": "assignment",
    "merged_customer": "assignment",
    "out_of_scope": "assignment",
}
# Queues whose owner is the role that the tier names; every other queue names its own.
TIER_OWNED_QUEUES = ("age_fallback", "special_entry")

# The models look so many units up from the home outlet at most.
MAX_LEVELS_UP = 3

# What a row of revenue may be, and who is there to be credited then. Nobody but the pool can be without an owner.
SITUATIONS: dict[str, tuple[CreditKind, ...]] = {
    "held": ("current", "pool"),
    "moved_within_horizon": ("initial", "current", "pool"),
    "moved_after_horizon": ("initial", "current", "pool"),
    "specialist_sale": ("initial", "current", "referrer", "specialist", "pool"),
    "no_owner": ("pool",),
}


class Reason(Strict):
    """Why a slot is held, was lost, or waits in a queue. ``owner_role``: who works the queue; none: the tier's role."""

    rule_id: str
    label_zh: str
    owner_role: str | None = None


class Share(Strict):
    """What one recipient gets of a row of revenue. A shadow is shown beside the money and is no part of it."""

    credit_kind: CreditKind
    share: Rate
    is_shadow: bool = False


class RevenueSplit(Strict):
    """How revenue is shared in one situation; shares beside shadows add up to 1."""

    rule_id: str
    shares: tuple[Share, ...]


class Rebalancing(Strict):
    """What the optimiser of go-live and of the quarterly proposal weighs, and where it stops.

    A move costs ``move_cost`` and ``move_cost_per_day`` for each day that the owner has had the customer, up to
    ``tenure_cap``. The weights price uneven books, of customers and of assets, in the same unit. Limits are a gap,
    nodes and iterations, never time: the same case ends the same way on any machine.
    """

    move_cost: Decimal
    move_cost_per_day: Decimal
    tenure_cap: Days
    customer_evenness_weight: Decimal
    asset_evenness_weight: Decimal
    gap: Rate
    node_limit: int
    iteration_limit: int
    largest_pool: int


class BookVersion(Strict):
    """One dated version of the rules of books; in force from ``effective_from`` until before ``effective_to``.

    ``choice``: for how long a customer who rose may choose (G11). ``reassignment``: within how long a new owner is due
    (G13). ``leave``: an owner away for longer is replaced. ``levels_up``: how far above the home outlet an owner is
    sought. ``attribution_horizon`` and ``referral_horizon``: for how long the first maintainer, and the one who
    referred, are credited (G15, G16). ``backup_roles``: who may be B, best first (A9-20).
    """

    version: str
    effective_from: date
    effective_to: date = OPEN_END
    author: str
    approved_by: str
    go_live_date: date
    choice: Days
    reassignment: Days
    leave: Days
    levels_up: int
    attribution_horizon: Months
    referral_horizon: Months
    backup_roles: tuple[str, ...]
    rebalancing: Rebalancing
    revenue_splits: dict[str, RevenueSplit]
    reasons: dict[str, Reason]
    rules: tuple[Rule, ...]


class Books(Strict):
    """``rules`` of a version are the words of the source; reasons and splits name them by their id."""

    source_file: str
    versions: tuple[BookVersion, ...]
