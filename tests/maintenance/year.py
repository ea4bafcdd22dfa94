"""A bank of few customers and what happens to each of them in 2020."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from tests.maintenance.obligation_oracle import (
    FESTIVALS,
    KINDS,
    Contact,
    Customer,
    LifeEvent,
    Obligation,
    Owner,
    World,
)

DAY = timedelta(days=1)
GO_LIVE, LAST = date(2020, 1, 1), date(2021, 1, 10)
LONG_AGO = date(2019, 1, 1)
E6, A8, A9 = "mid_high_service_layers", "sub_branch_five_band", "branch_tiered_maintenance"
A1, WEIGHTED = "value_metals", "weighted_index"
NOVEMBER = [(date(2020, 11, 1), "court_freeze"), (date(2020, 12, 1), None)]
SAYS_YES = {channel: [(LONG_AGO, True)] for channel in ("call", "sms", "wechat", "email")}


class Stories:
    """Customers and what happens to them, told one after the other."""

    def __init__(self, go_live: date = GO_LIVE) -> None:
        self.world = World(go_live, {}, [], [])

    def customer(self, customer_id: str, *, aum: str | None = None, **tiers_and_more: object) -> Customer:
        """A customer of ``tiers`` since long ago, with an owner and every consent unless told otherwise."""
        tiers = tiers_and_more.pop("tiers", {})
        assert isinstance(tiers, dict)
        told = {
            "owners": [(LONG_AGO, Owner(f"E-{customer_id}"))],
            "consents": SAYS_YES,
            "aum": [] if aum is None else [(date(2018, 12, 31), Decimal(aum))],
            **tiers_and_more,
        }
        history = {s: [(LONG_AGO, tier)] if isinstance(tier, str) else tier for s, tier in tiers.items()}
        made = Customer(customer_id, tiers=history, **told)  # type: ignore[arg-type]
        self.world.customers[customer_id] = made
        return made

    def contact(
        self, customer_id: str, day: date, channel: str, purpose: str = "routine", arrives: date | None = None
    ) -> None:
        contact_id = f"K{len(self.world.contacts):05d}"
        self.world.contacts.append(Contact(contact_id, customer_id, day, channel, purpose, arrives or day))

    def survey(self, customer_id: str, day: date, method: str) -> None:
        survey_id = f"S{len(self.world.contacts):05d}"
        self.world.contacts.append(Contact(survey_id, customer_id, day, "", "survey", day, method))

    def life_event(self, customer_id: str, day: date) -> str:
        event_id = f"L{len(self.world.life_events):05d}"
        self.world.life_events.append(LifeEvent(event_id, customer_id, day))
        return event_id


def drawn_customer(prefix: str, kind: str, key: str, share: float) -> str:
    """The first id of a prefix that a sample draws."""
    return next(
        f"{prefix}{n}"
        for n in range(10_000)
        if int(hashlib.sha256(f"{prefix}{n}|{kind}|{key}".encode()).hexdigest()[:8], 16) < share * 2**32
    )


PHONED = drawn_customer("PHONED-", "survey_phone", "2020Q2", 0.05)
VISITED = drawn_customer("VISITED-", "survey_visit", "2020Q3", 0.02)


def tell() -> World:
    """Everybody whom a test names, and twenty-four more with lives at random."""
    told = Stories()
    _service_layers(told)
    _sub_branch(told)
    _others(told)
    _changes(told)
    _suppressions(told)
    _windows(told)
    for number in range(24):
        _somebody(told, number)
    return told.world


def _service_layers(told: Stories) -> None:
    for name, tier, salons in (("FRONT", "front_line", 1), ("HEADS", "department_heads", 2), ("PRES", "presidents", 2)):
        told.customer(name, tiers={E6: tier}, birth_date=date(1975, 5, 20), blocks=NOVEMBER)
        for month in range(1, 13):
            told.contact(name, date(2020, month, 10), "call")
            if month % 2 == 0:
                told.contact(name, date(2020, month, 20), "visit")
            for day_of_month in (3, 9, 16, 23) if month <= 6 else ():
                told.contact(name, date(2020, month, day_of_month), "sms", "product_news")
        # First and last day of a window, a day outside, and one greeting where two festivals fall on one day.
        for day in (date(2020, 1, 25), date(2020, 2, 5), date(2020, 5, 1), date(2020, 6, 21), date(2020, 10, 1)):
            told.contact(name, day, "sms", "festival")
        told.contact(name, date(2020, 5, 20), "call", "birthday")
        for month in range(3, 3 + salons):
            told.contact(name, date(2020, month, 7), "salon", "product_news")
        told.contact(name, date(2020, 8, 8), "head_visit")
        told.contact(name, date(2020, 12, 30), "gift", "other")
    told.contact("HEADS", date(2020, 5, 16), "gift", "birthday")
    told.contact("PRES", date(2020, 5, 17), "gift", "birthday")


def _sub_branch(told: Stories) -> None:
    for name, tier, aum in (
        ("A8-LOBBY", "relationship_and_lobby", "300000"),
        ("A8-HEAD", "relationship_and_head", "1500000"),
        ("A8-300", "outlet_head_led", "3000000.00"),
        ("A8-LED", "outlet_head_led", "3000000.01"),
    ):
        told.customer(name, tiers={A8: tier}, aum=aum, birth_date=date(1960, 6, 10), blocks=NOVEMBER)
        for month in range(1, 10):
            told.contact(name, (date(2020, month, 28) + 4 * DAY).replace(day=1) - DAY, "wechat")
        told.contact(name, date(2020, 4, 30), "sms", "festival")
    told.contact("A8-HEAD", date(2020, 6, 13), "visit", "birthday")
    told.contact("A8-300", date(2020, 6, 14), "visit", "birthday")
    told.life_event("A8-HEAD", date(2020, 4, 10))
    told.contact("A8-HEAD", date(2020, 4, 24), "visit", "life_event")
    told.life_event("A8-300", date(2020, 11, 20))
    told.life_event("A8-LED", date(2020, 4, 10))


def _others(told: Stories) -> None:
    told.customer("DIAMOND", tiers={A1: "diamond"}, blocks=NOVEMBER)
    for month in range(1, 9):
        told.contact("DIAMOND", date(2020, month, 15), "call" if month % 2 else "visit")
    told.contact("DIAMOND", date(2020, 9, 15), "sms")
    for name, tier in (("WEALTH", "wealth_manager"), ("PRIVATE", "private_wealth")):
        told.customer(name, tiers={A9: tier}, blocks=NOVEMBER)
        told.life_event(name, date(2020, 7, 1))
        told.life_event(name, date(2020, 11, 15))
        told.contact(name, date(2020, 3, 5), "visit", "routine")
        told.contact(name, date(2020, 6, 30), "call", "portfolio_review")
    told.contact("WEALTH", date(2020, 7, 8), "gift", "life_event")
    told.contact("WEALTH", date(2020, 9, 9), "salon", "survey")
    told.customer("ADDED-VALUE", tiers={WEIGHTED: "important"}, aum="2999999.99", blocks=NOVEMBER)
    told.contact("ADDED-VALUE", date(2020, 2, 29), "head_visit", "festival")
    told.customer("TOO-RICH", tiers={WEIGHTED: "important"}, aum="3000000.00")
    grew = told.customer("GREW", tiers={WEIGHTED: "important"}, aum="2500000")
    grew.aum.append((date(2020, 6, 30), Decimal(4_000_000)))
    told.customer(PHONED, tiers={A9: "wealth_manager"})
    told.survey(PHONED, date(2020, 6, 30), "phone")
    told.customer(VISITED, tiers={A9: "lobby_adopted"})
    told.survey(VISITED, date(2020, 8, 1), "phone")


def _changes(told: Stories) -> None:
    told.customer(
        "RISER", tiers={E6: [(LONG_AGO, "front_line"), (date(2020, 7, 1), "presidents")]}, birth_date=date(1970, 12, 24)
    )
    told.customer(
        "CAME-AND-WENT",
        tiers={
            E6: [(date(2020, 4, 16), "front_line"), (date(2020, 6, 10), "none"), (date(2020, 8, 17), "front_line")],
        },
    )
    told.contact("CAME-AND-WENT", date(2020, 6, 5), "call")
    told.customer("FELL", tiers={E6: [(LONG_AGO, "department_heads"), (date(2020, 9, 15), "front_line")]})
    for name, since in (("GAINS-LATE", date(2020, 3, 10)), ("GAINS-EARLY", date(2020, 3, 5))):
        told.customer(name, tiers={A8: "relationship_and_lobby", E6: [(since, "front_line")]})
    told.customer(
        "HANDED-OVER",
        tiers={E6: "front_line"},
        owners=[
            (LONG_AGO, Owner("E1", branch_id="B1")),
            (date(2020, 5, 15), Owner("E2", branch_id="B2")),
            (date(2020, 6, 4), Owner("E3", branch_id="B2")),
        ],
    )
    told.contact("HANDED-OVER", date(2020, 5, 10), "call")
    told.customer(
        "STOOD-IN-FOR",
        tiers={E6: "front_line"},
        owners=[
            (LONG_AGO, Owner("EA")),
            (date(2020, 8, 3), Owner("EB", stands_in_for="EA")),
            (date(2020, 8, 15), Owner("EA")),
            (date(2020, 10, 15), Owner(None, role_code="lobby_manager")),
            (date(2020, 12, 15), None),
        ],
    )
    told.customer("MERGED", tiers={E6: [(LONG_AGO, "front_line"), (date(2020, 6, 10), "none")]})
    told.world.customers["MERGED"].successor = (date(2020, 6, 10), "SUCCESSOR")
    told.world.customers["MERGED"].blocks = [(date(2020, 6, 10), "closed")]
    told.customer("SUCCESSOR", tiers={E6: "front_line"})
    told.contact("MERGED", date(2020, 6, 5), "call")
    told.contact("MERGED", date(2020, 6, 15), "call")
    # Everything that the year asks for in January: the warehouse forgets these contacts long before the year ends.
    told.customer("PROMPT", tiers={E6: "presidents"})
    for day in (date(2020, 1, 10), date(2020, 1, 20)):
        told.contact("PROMPT", day, "head_visit")
        told.contact("PROMPT", day, "gift")
        told.contact("PROMPT", day, "salon")
    told.contact("PROMPT", date(2020, 1, 30), "salon")


def _suppressions(told: Stories) -> None:
    away = [(LONG_AGO, True), (date(2020, 4, 20), False), (date(2020, 6, 20), True)]
    told.customer("CHANGED-MIND", tiers={E6: "front_line"}, consents=dict.fromkeys(("call", "sms", "wechat"), away))
    for minute in range(4):
        told.contact("CHANGED-MIND", date(2020, 6, 25 + minute), "sms", "product_news")
    told.customer("SILENT", tiers={E6: "front_line"}, consents={})
    told.customer("ONLY-CALLS", tiers={E6: "front_line"}, consents={"sms": [(LONG_AGO, False)]})
    reasons = (
        ("DECEASED", "deceased", date(2020, 5, 10), None),
        ("FROZEN", "court_freeze", date(2020, 3, 10), date(2020, 4, 21)),
        ("VETOED", "risk_veto", date(2020, 2, 1), date(2020, 2, 21)),
        ("CLOSED", "closed", date(2020, 10, 15), None),
    )
    for name, reason, since, until in reasons:
        told.customer(name, tiers={E6: "front_line"}, blocks=[(since, reason)] + ([(until, None)] if until else []))
        for month in range(1, 13):
            told.contact(name, date(2020, month, 12), "call")
    told.customer(
        "DIED-FROZEN",
        tiers={E6: "front_line"},
        consents={},
        blocks=[(date(2020, 3, 1), "court_freeze"), (date(2020, 3, 20), "deceased")],
    )


def _windows(told: Stories) -> None:
    told.customer("NO-BIRTH-DATE", tiers={E6: "presidents"})
    told.customer("LEAP", tiers={E6: "front_line"}, birth_date=date(1980, 2, 29))
    told.contact("LEAP", date(2020, 2, 29), "call", "birthday")
    told.customer("NEW-YEARS-CHILD", tiers={E6: "presidents"}, birth_date=date(1980, 1, 1))
    told.customer("BOTH-BOOKS", tiers={E6: "front_line", A8: "relationship_and_lobby"})
    for day in (date(2020, 9, 28), date(2020, 10, 1)):
        told.contact("BOTH-BOOKS", day, "wechat", "festival")
    told.customer("LATE-NEWS", tiers={A8: "relationship_and_lobby"})
    told.contact("LATE-NEWS", date(2020, 1, 31), "call", arrives=date(2020, 2, 7))
    told.contact("LATE-NEWS", date(2020, 2, 29), "call", arrives=date(2020, 3, 8))
    told.contact("LATE-NEWS", date(2020, 3, 31), "call", arrives=date(2020, 4, 3))
    told.contact("LATE-NEWS", date(2020, 4, 2), "call")
    told.customer("DELIVERED-AGAIN", tiers={E6: "front_line"})
    told.contact("DELIVERED-AGAIN", date(2020, 1, 15), "call")
    told.world.contacts.append(replace(told.world.contacts[-1], arrives=date(2020, 1, 20)))
    told.customer("NEWS-UPON-NEWS", tiers={A9: "wealth_manager"})
    for day in (date(2020, 10, 1), date(2020, 10, 2), date(2020, 10, 3)):
        told.life_event("NEWS-UPON-NEWS", day)
        told.contact("NEWS-UPON-NEWS", date(2020, 10, 3), "gift", "life_event")
    told.customer("ALL-KINDS", tiers={E6: "front_line", A1: "diamond", A9: "wealth_manager"})
    told.contact("ALL-KINDS", date(2020, 1, 15), "visit", "routine")
    told.contact("ALL-KINDS", date(2020, 2, 1), "call")
    told.contact("ALL-KINDS", date(2020, 2, 29), "call")
    told.contact("ALL-KINDS", date(2020, 4, 1), "call")


_TIERS = {
    E6: ("none", "front_line", "department_heads", "presidents"),
    A8: ("none", "relationship_and_lobby", "relationship_and_head", "outlet_head_led"),
    A9: ("none", "staff_maintained", "lobby_adopted", "wealth_manager", "private_wealth"),
    A1: ("none", "diamond"),
    WEIGHTED: ("none", "important"),
}


def _somebody(told: Stories, number: int) -> None:
    """A life at random: tiers, assets, owners, consents and freezes that come and go, contacts that arrive late."""
    chance = random.Random(number)

    def days(count: int) -> list[date]:
        return sorted({GO_LIVE + chance.randrange((LAST - GO_LIVE).days) * DAY for _ in range(count)})

    name = f"SOMEBODY-{number:02d}"
    told.customer(
        name,
        birth_date=None if chance.random() < 0.1 else date(1950, 1, 1) + chance.randrange(15_000) * DAY,
        tiers={
            scheme: [(LONG_AGO, chance.choice(tiers)), *((day, chance.choice(tiers)) for day in days(3))]
            for scheme, tiers in _TIERS.items()
        },
        aum="1500000",
        owners=[
            (LONG_AGO, Owner(f"E{number}")),
            *((day, Owner(f"E{chance.randrange(5)}", branch_id=f"B{chance.randrange(3)}")) for day in days(3)),
        ],
        blocks=[
            (day, chance.choice((None, None, "deceased", "court_freeze", "risk_veto", "closed"))) for day in days(4)
        ],
        consents={
            channel: [(day, chance.choice((True, True, False, None))) for day in (LONG_AGO, *days(2))]
            for channel in ("call", "sms", "wechat", "email")
        },
    )
    told.world.customers[name].aum += [
        (month - DAY, Decimal(chance.choice((800_000, 1_000_000, 3_000_000, 3_100_000))))
        for month in sorted({day.replace(day=1) for day in days(5)})
    ]
    for day in days(4):
        told.life_event(name, day)
    for drawn_day in days(120):
        day = drawn_day
        kind = chance.choice(list(KINDS.values()))
        if kind is KINDS["festival_greeting"]:
            # In the very week of a festival.
            day = chance.choice(chance.choice(list(FESTIVALS.values()))) - chance.randrange(5) * DAY
        if not GO_LIVE <= day <= LAST:
            continue
        arrives = min(day + max(0, chance.randrange(-12, 10)) * DAY, LAST)
        told.contact(name, day, chance.choice(kind.channels), chance.choice(kind.purposes), arrives)
    for day in days(4):
        told.survey(name, day, chance.choice(("phone", "visit", "online")))


class Seen:
    """What a run over the year showed of its obligations."""

    def __init__(self, days: dict[date, list[Obligation]]) -> None:
        self.days = days
        self.last: dict[str, Obligation] = {each.obligation_id: each for day in days for each in days[day]}

    def of(self, customer_id: str, kind: str, key: str = "2020") -> list[Obligation]:
        """Obligations of a customer as they stood last, of the occasions whose key has ``key`` in it."""
        found = [o for o in self.last.values() if (o.customer_id, o.kind) == (customer_id, kind)]
        return sorted(
            (o for o in found if key in o.occasion_key or o.occasion == "life_event"),
            key=lambda o: (o.due_from, o.occasion_key, o.number),
        )

    def fates(self, customer_id: str, kind: str, key: str = "2020") -> Counter[str]:
        """How many came to which status in the end."""
        return Counter(o.status for o in self.of(customer_id, kind, key))

    def on(self, customer_id: str, kind: str, day: date) -> Counter[str]:
        """How many stood in which status at the close of a day."""
        return Counter(o.status for o in self.days[day] if (o.customer_id, o.kind) == (customer_id, kind))

    def owed_by(self, customer_id: str, kind: str, day: date) -> Iterator[tuple[str, int, str | None]]:
        """Occasion, number and who owes it at the close of a day."""
        for o in sorted(self.days[day], key=lambda o: (o.due_from, o.number)):
            if (o.customer_id, o.kind) == (customer_id, kind):
                yield o.occasion_key, o.number, o.employee_id
