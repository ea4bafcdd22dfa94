"""What customers are owed, worked out a second time: plain Python, one customer and one day after the other.

It knows nothing of the model, the compiled policies or the bank's calendar: cadences, kinds and festivals are written
down here, as the rule books and the shipped defaults have them.
"""

from __future__ import annotations

import hashlib
from calendar import isleap, monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TypeVar

T = TypeVar("T")
DAY = timedelta(days=1)
LATE_DAYS = 7

FESTIVALS = {
    "new_year": (date(2020, 1, 1), date(2021, 1, 1)),
    "spring_festival": (date(2020, 1, 25), date(2021, 2, 12)),
    "lantern": (date(2020, 2, 8), date(2021, 2, 26)),
    "labour": (date(2020, 5, 1), date(2021, 5, 1)),
    "dragon_boat": (date(2020, 6, 25), date(2021, 6, 14)),
    "mid_autumn": (date(2020, 10, 1), date(2021, 9, 21)),
    "national": (date(2020, 10, 1), date(2021, 10, 1)),
}


@dataclass(frozen=True)
class Cadence:
    """What one rule demands for customers of some tiers of a scheme."""

    code: str
    rule_id: str
    scheme: str
    tiers: tuple[str, ...]
    kind: str
    occasion: str
    times: int = 1
    before: int = 0
    after: int = 0
    lead: int = 0
    share: Fraction | None = None
    aum_min: Decimal | None = None
    aum_max: Decimal | None = None
    performer: str | None = None


_E6, _A8, _A9 = "mid_high_service_layers", "sub_branch_five_band", "branch_tiered_maintenance"
_FRONT, _HEADS, _PRESIDENTS = ("front_line",), ("department_heads",), ("presidents",)
_SUB_BRANCH = ("relationship_and_lobby", "relationship_and_head", "outlet_head_led")
_MID_HIGH, _OTHERS = ("wealth_manager", "private_wealth"), ("staff_maintained", "lobby_adopted")
_BELOW_300, _100, _300 = Decimal("2999999.99"), Decimal("1000000.00"), Decimal("3000000.00")


def _e6(layer: str, rule: str, tiers: tuple[str, ...], salons: int) -> list[Cadence]:
    upper = rule != "E6-10"
    made = [Cadence(f"{layer}_contact", rule, _E6, tiers, "contact", "month", 2)]
    if upper:
        made.append(Cadence(f"{layer}_birthday_gift", rule, _E6, tiers, "birthday_gift", "birthday", before=3, lead=14))
    made += [
        Cadence(f"{layer}_birthday", rule, _E6, tiers, "birthday_greeting", "birthday", before=1, lead=7),
        Cadence(f"{layer}_festival", rule, _E6, tiers, "festival_greeting", "festival", before=3, lead=7),
        Cadence(f"{layer}_salon", rule, _E6, tiers, "salon", "year", salons),
    ]
    if rule == "E6-12":
        made.append(
            Cadence(f"{layer}_head_visit", rule, _E6, tiers, "head_visit", "year", 2, performer="branch_president")
        )
    if upper:
        gifts = 2 if rule == "E6-12" else 1
        made.append(Cadence(f"{layer}_gift", rule, _E6, tiers, "contribution_gift", "year", gifts))
    made.append(Cadence(f"{layer}_message", rule, _E6, tiers, "product_message", "month", 4))
    return made


_CONGRATULATED = ("relationship_and_head", "outlet_head_led")
# In the order of the rule books: of equal demands the first is the reason.
CADENCES: tuple[Cadence, ...] = (
    *_e6("front_line", "E6-10", _FRONT, 2),
    *_e6("department_head", "E6-11", _HEADS, 2),
    *_e6("president", "E6-12", _PRESIDENTS, 3),
    Cadence("sub_branch_contact", "A8-08", _A8, _SUB_BRANCH, "contact", "month", 1),
    Cadence("sub_branch_festival", "A8-12", _A8, _SUB_BRANCH, "festival_greeting", "festival", before=3, lead=7),
    Cadence(
        "sub_branch_birthday_visit",
        "A8-11",
        _A8,
        _CONGRATULATED,
        "birthday_visit",
        "birthday",
        before=1,
        after=3,
        lead=7,
        aum_min=_100,
        aum_max=_300,
        performer="relationship_manager_head",
    ),
    Cadence(
        "sub_branch_life_event_visit",
        "A8-11",
        _A8,
        _CONGRATULATED,
        "life_event_visit",
        "life_event",
        after=14,
        aum_min=_100,
        aum_max=_300,
        performer="relationship_manager_head",
    ),
    Cadence(
        "contribution_visit",
        "A8-13",
        "weighted_index",
        ("important",),
        "contribution_visit",
        "year",
        aum_max=_BELOW_300,
        performer="personal_finance_department",
    ),
    Cadence("diamond_contact", "A1-04", "value_metals", ("diamond",), "personal_contact", "month"),
    Cadence("mid_high_life_event", "A5-04", _A9, _MID_HIGH, "life_event_care", "life_event", after=7),
    Cadence("mid_high_opinion_visit", "A5-05", _A9, _MID_HIGH, "opinion_visit", "half_year"),
    Cadence("mid_high_forum", "A5-06", _A9, _MID_HIGH, "forum", "year"),
    Cadence("mid_high_portfolio_review", "D1-07", _A9, _MID_HIGH, "portfolio_review", "half_year"),
    Cadence("phone_survey", "E11-03", _A9, _MID_HIGH, "survey_phone", "quarter", share=Fraction(5, 100)),
    Cadence("visit_survey", "E11-03", _A9, _OTHERS, "survey_visit", "quarter", share=Fraction(2, 100)),
)


@dataclass(frozen=True)
class Kind:
    channels: tuple[str, ...]
    purposes: tuple[str, ...]
    is_marketing: bool = False


_TALK = (
    "routine",
    "maturity",
    "large_movement",
    "near_threshold",
    "churn_warning",
    "portfolio_review",
    "life_event",
    "other",
)
KINDS = {
    "contact": Kind(("call", "visit", "wechat", "sms", "letter", "email"), _TALK),
    "personal_contact": Kind(("call", "visit"), _TALK),
    "birthday_greeting": Kind(("call", "sms", "wechat"), ("birthday",)),
    "birthday_gift": Kind(("gift",), ("birthday",)),
    "birthday_visit": Kind(("visit",), ("birthday",)),
    "festival_greeting": Kind(("sms", "call", "wechat"), ("festival",)),
    "life_event_care": Kind(("gift", "sms", "wechat"), ("life_event",)),
    "life_event_visit": Kind(("visit",), ("life_event",)),
    "salon": Kind(("salon",), ("routine", "festival", "product_news", "portfolio_review", "other")),
    "forum": Kind(("salon",), ("survey",)),
    "head_visit": Kind(("head_visit",), (*_TALK, "birthday", "festival", "survey")),
    "contribution_gift": Kind(("gift",), ("routine", "festival", "other")),
    "contribution_visit": Kind(("visit", "head_visit"), ("routine", "festival", "portfolio_review", "other")),
    "opinion_visit": Kind(("visit",), ("survey", "routine")),
    "portfolio_review": Kind(("visit", "call"), ("portfolio_review",)),
    "survey_phone": Kind(("call",), ("survey",)),
    "survey_visit": Kind(("visit",), ("survey",)),
    "product_message": Kind(("sms", "wechat"), ("product_news",), is_marketing=True),
}
ASKED_CHANNELS = {"call", "sms", "wechat", "email"}
_SURVEY_CHANNELS = {"phone": "call", "online": "wechat", "visit": "visit"}


@dataclass(frozen=True)
class Contact:
    """A contact or (``method``) a survey; ``arrives`` is the day on which it is delivered."""

    contact_id: str
    customer_id: str
    day: date
    channel: str
    purpose: str
    arrives: date
    method: str | None = None


@dataclass(frozen=True)
class LifeEvent:
    event_id: str
    customer_id: str
    arrives: date


@dataclass(frozen=True)
class Owner:
    """Who answers for a customer; no employee in a queue. ``stands_in_for`` is the maintainer whose B it is."""

    employee_id: str | None
    role_code: str = "relationship_manager"
    branch_id: str = "B1"
    stands_in_for: str | None = None


@dataclass
class Customer:
    """A customer's life. Each list holds (first day, what holds from then on), oldest first."""

    customer_id: str
    birth_date: date | None = None
    tiers: dict[str, list[tuple[date, str]]] = field(default_factory=dict)
    # Month average of the last official month end, by that month end.
    aum: list[tuple[date, Decimal]] = field(default_factory=list)
    owners: list[tuple[date, Owner | None]] = field(default_factory=list)
    blocks: list[tuple[date, str | None]] = field(default_factory=list)
    # None takes an answer back: nothing is said of that channel any more.
    consents: dict[str, list[tuple[date, bool | None]]] = field(default_factory=dict)
    successor: tuple[date, str] | None = None


@dataclass
class World:
    go_live: date
    customers: dict[str, Customer]
    contacts: list[Contact]
    life_events: list[LifeEvent]


@dataclass(frozen=True)
class Obligation:
    """An obligation as it stands at the close of a day."""

    obligation_id: str
    customer_id: str
    kind: str
    occasion: str
    occasion_key: str
    number: int
    cadence_code: str
    rule_id: str
    performer: str | None
    due_from: date
    due_to: date
    created: date
    employee_id: str | None = None
    role_code: str | None = None
    branch_id: str | None = None
    channel: str | None = None
    reason: str | None = None
    contact_id: str | None = None
    done_date: date | None = None
    status: str = "open"
    is_closed: bool = False


@dataclass(frozen=True)
class _Want:
    times: int
    cadence: Cadence
    due_from: date
    due_to: date
    is_period: bool


def holding(history: Sequence[tuple[date, T]], day: date) -> T | None:
    """What holds on a day."""
    found = None
    for since, value in history:
        if since <= day:
            found = value
    return found


def simulate(world: World, last: date) -> dict[date, list[Obligation]]:
    """Every day's obligations that were not closed before it, from go-live to ``last``."""
    days: dict[date, list[Obligation]] = {}
    standing: dict[str, Obligation] = {}
    ever: set[str] = set()
    used: set[tuple[str, str]] = set()
    wanted_before: dict[tuple[str, ...], int] = {}
    day = world.go_live
    while day <= last:
        wants: dict[tuple[str, ...], _Want] = {}
        for customer in world.customers.values():
            wants |= _wants(world, customer, day)
        for (customer_id, kind, occasion, key), want in wants.items():
            for number in range(1, _owed(want, day, world.go_live, wanted_before.get((customer_id, kind, key), 0)) + 1):
                name = "|".join((customer_id, kind, occasion, key, str(number)))
                made = Obligation(
                    hashlib.sha256(name.encode()).hexdigest(),
                    customer_id,
                    kind,
                    occasion,
                    key,
                    number,
                    want.cadence.code,
                    want.cadence.rule_id,
                    want.cadence.performer,
                    want.due_from,
                    want.due_to,
                    created=day,
                )
                if made.obligation_id not in ever:
                    ever.add(made.obligation_id)
                    standing[made.obligation_id] = made
        for name, each in standing.items():
            standing[name] = _judged(each, world.customers[each.customer_id], wants, day)
        for contact in sorted((c for c in world.contacts if c.arrives == day), key=lambda c: (c.day, c.contact_id)):
            _close(world, standing, used, contact, day)
        for name, each in standing.items():
            standing[name] = replace(each, status=_status(each, day), is_closed=_is_closed(each, day))
        days[day] = list(standing.values())
        standing = {name: each for name, each in standing.items() if not each.is_closed}
        wanted_before = {(c, kind, key): want.times for (c, kind, _, key), want in wants.items()}
        day += DAY
    return days


def _wants(world: World, customer: Customer, day: date) -> dict[tuple[str, ...], _Want]:
    found: dict[tuple[str, ...], _Want] = {}
    aum = holding([(known + DAY, amount) for known, amount in customer.aum], day)
    for cadence in CADENCES:
        if holding(customer.tiers.get(cadence.scheme, ()), day) not in cadence.tiers:
            continue
        if cadence.aum_min is not None and (aum is None or aum < cadence.aum_min):
            continue
        if cadence.aum_max is not None and (aum is None or aum > cadence.aum_max):
            continue
        for key, due_from, due_to, opens in _windows(world, customer, cadence, day):
            if not opens <= day <= due_to or not _is_drawn(cadence, customer.customer_id, key):
                continue
            name = (customer.customer_id, cadence.kind, cadence.occasion, key)
            if name not in found or found[name].times < cadence.times:
                is_period = cadence.occasion in ("month", "quarter", "half_year", "year")
                found[name] = _Want(cadence.times, cadence, due_from, due_to, is_period)
    return found


def _windows(world: World, customer: Customer, cadence: Cadence, day: date) -> Iterator[tuple[str, date, date, date]]:
    before, after, lead = cadence.before * DAY, cadence.after * DAY, cadence.lead * DAY
    if cadence.occasion == "festival":
        for code, dates in FESTIVALS.items():
            for each in dates:
                yield f"{code}_{each.year}", each - before, each + after, each - before - lead
    elif cadence.occasion == "birthday":
        if customer.birth_date is not None:
            for year in (day.year - 1, day.year, day.year + 1):
                each = _birthday(customer.birth_date, year)
                yield str(year), each - before, each + after, each - before - lead
    elif cadence.occasion == "life_event":
        for event in world.life_events:
            if event.arrives == day and _living(world, event.customer_id, day) == customer.customer_id:
                yield event.event_id, day, day + after, day
    else:
        yield _period(cadence.occasion, day)


def _birthday(birth_date: date, year: int) -> date:
    if (birth_date.month, birth_date.day) == (2, 29) and not isleap(year):
        return date(year, 2, 28)
    return birth_date.replace(year=year)


def _period(code: str, day: date) -> tuple[str, date, date, date]:
    if code == "year":
        key, first, end = str(day.year), 1, 12
    elif code == "half_year":
        half = 1 if day.month <= 6 else 2
        key, first, end = f"{day.year}H{half}", half * 6 - 5, half * 6
    elif code == "quarter":
        quarter = (day.month + 2) // 3
        key, first, end = f"{day.year}Q{quarter}", quarter * 3 - 2, quarter * 3
    else:
        key, first, end = f"{day.year}-{day.month:02d}", day.month, day.month
    start = date(day.year, first, 1)
    return key, start, date(day.year, end, monthrange(day.year, end)[1]), start


def _is_drawn(cadence: Cadence, customer_id: str, key: str) -> bool:
    if cadence.share is None:
        return True
    drawn = hashlib.sha256(f"{customer_id}|{cadence.kind}|{key}".encode()).hexdigest()
    return int(drawn[:8], 16) < int(cadence.share * 2**32)


def _owed(want: _Want, day: date, go_live: date, times_before: int) -> int:
    """How many are owed from a day on: all at once, or for the rest of a period that has begun."""
    if not want.is_period or day == want.due_from:
        return want.times
    if day != go_live and want.times <= times_before:
        return 0
    left, days = (want.due_to - day).days + 1, (want.due_to - want.due_from).days + 1
    return int((Decimal(want.times * left) / days).quantize(Decimal(1), ROUND_HALF_UP))


def _judged(each: Obligation, customer: Customer, wants: dict[tuple[str, ...], _Want], day: date) -> Obligation:
    """Owner, channel and suppression of the day; after its window they stay as they were on its last day."""
    if day > each.due_to:
        return each
    owner = holding(customer.owners, day)
    each = replace(
        each,
        employee_id=owner.employee_id if owner else None,
        role_code=owner.role_code if owner else each.role_code,
        branch_id=owner.branch_id if owner else each.branch_id,
        channel=_channel(each.kind, customer, day),
    )
    want = wants.get((each.customer_id, each.kind, each.occasion, each.occasion_key))
    block = holding(customer.blocks, day)
    if block is not None:
        return replace(each, reason=block)
    if each.occasion != "life_event" and (want is None or want.times < each.number):
        return replace(each, reason="tier_changed")
    return replace(each, reason="no_consent" if each.channel is None else None)


def _channel(kind: str, customer: Customer, day: date) -> str | None:
    for channel in KINDS[kind].channels:
        if channel not in ASKED_CHANNELS:
            return channel
        answer = holding(customer.consents.get(channel, ()), day)
        if answer or (answer is None and not KINDS[kind].is_marketing):
            return channel
    return None


def _living(world: World, customer_id: str, day: date) -> str:
    merged = world.customers[customer_id].successor
    return merged[1] if merged and merged[0] <= day else customer_id


def _close(
    world: World, standing: dict[str, Obligation], used: set[tuple[str, str]], contact: Contact, day: date
) -> None:
    """Of each kind that a contact fits it closes the obligation that is due first."""
    channel = contact.channel if contact.method is None else _SURVEY_CHANNELS[contact.method]
    customer_id = _living(world, contact.customer_id, day)
    for code, kind in KINDS.items():
        if channel not in kind.channels or contact.purpose not in kind.purposes:
            continue
        # A corrected delivery brings a contact again.
        if (contact.contact_id, code) in used:
            continue
        fitting = [
            each
            for each in standing.values()
            if each.customer_id == customer_id
            and each.kind == code
            and each.contact_id is None
            # Suppression beats cadence: what nobody may do is not done.
            and each.reason is None
            and max(each.due_from, each.created) <= contact.day <= each.due_to
        ]
        if fitting:
            used.add((contact.contact_id, code))
            first = min(fitting, key=lambda o: (o.due_to, o.due_from, o.number, o.obligation_id))
            standing[first.obligation_id] = replace(first, contact_id=contact.contact_id, done_date=contact.day)


def _status(each: Obligation, day: date) -> str:
    if each.contact_id is not None:
        return "done"
    if each.reason is not None:
        return "suppressed"
    if day < each.due_from:
        return "open"
    return "due" if day <= each.due_to else "overdue"


def _is_closed(each: Obligation, day: date) -> bool:
    return each.contact_id is not None or each.due_to + LATE_DAYS * DAY <= day
