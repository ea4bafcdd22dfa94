"""The shape of policies/events.yml: what a maintainer must know of, and what an archive must hold."""

from __future__ import annotations

from orchestration.lib.policies.model import DatedVersion, Strict
from orchestration.lib.policies.units import Days, Money, Months, Rate

# What an archive may ask for: the models know of each of these whether it is there.
ARCHIVE_FIELDS = (
    "address",
    "annual_income",
    "birth_date",
    "customer_name",
    "education",
    "id_number",
    "interests",
    "mobile",
    "occupation",
    "risk_appetite",
    "sex",
)


class EventRule(Strict):
    """One kind of event; ``rule_id``: the rule that asks for it."""

    rule_id: str
    label_zh: str


class Maturity(EventRule):
    """A deposit or holding of at least ``min_amount`` (CNY at the owner's share) that falls due in ``lead`` days."""

    lead: Days
    min_amount: Money


class Flow(EventRule):
    """A day's change of a customer's assets, by ``min_amount`` (CNY) and by ``min_rate`` of last month's average.

    Customers count whose average is at least ``min_month_average`` (A8-09).
    """

    min_month_average: Money
    min_amount: Money
    min_rate: Rate


class Fall(Strict):
    """The month's average is lower than that of ``months`` before by at least ``min_rate`` of it."""

    months: Months
    min_rate: Rate


class AumFall(EventRule):
    """A fall from an average of at least ``min_month_average`` (CNY), seen on month ends."""

    min_month_average: Money
    falls: tuple[Fall, ...]


class Repeated(EventRule):
    """A state that is told when it begins, and not again within ``repeat``."""

    repeat: Days


class DormantWoken(EventRule):
    """A dormant deposit account of at least ``min_amount`` (CNY at the owner's share) that is open again."""

    min_amount: Money


class SalaryStopped(EventRule):
    """A salary in each of ``months``, the month of the last one included, and none for ``quiet`` days since."""

    months: Months
    quiet: Days


class Birthday(EventRule):
    """``lead``: told so many days ahead."""

    lead: Days


class Festival(Birthday):
    """Told of customers whose average of the last month is at least ``min_month_average`` (CNY)."""

    min_month_average: Money


class EventRules(Strict):
    """What is an event. A kind that is left out is none."""

    maturity: Maturity | None = None
    large_inflow: Flow | None = None
    large_outflow: Flow | None = None
    aum_fall: AumFall | None = None
    life_event: EventRule | None = None
    near_threshold_up: Repeated | None = None
    near_threshold_down: Repeated | None = None
    dormant_woken: DormantWoken | None = None
    salary_stopped: SalaryStopped | None = None
    missing_contact_data: Repeated | None = None
    birthday: Birthday | None = None
    festival: Festival | None = None

    def stated(self) -> dict[str, EventRule]:
        """Kind -> its rule, of those that are events."""
        return {kind: rule for kind, rule in self if rule is not None}


class ArchiveField(Strict):
    """A part of the archive, and the rule that asks for it."""

    rule_id: str
    label_zh: str


class Archive(Strict):
    """Who has an archive, what it holds and who fills it (G26: whoever answers for the customer).

    Customers in the books have one, and others whose average of the month to date is at least ``min_month_average``
    (CNY): these are asked by ``unowned_role`` (E3-02). What is missing is due ``due`` after the owner got the
    customer, or after the bank got one who has no owner.
    """

    rule_id: str
    min_month_average: Money
    due: Days
    unowned_role: str
    fields: dict[str, ArchiveField]


class EventsVersion(DatedVersion):
    """One dated version of the rules."""

    events: EventRules
    archive: Archive


class Events(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[EventsVersion, ...]
