"""`generate`: the demo bank's deliveries day by day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa

from orchestration.lib.contracts import load_contracts
from orchestration.lib.delivery import FileFormat, write_delivery
from orchestration.lib.demo_bank import feeds
from orchestration.lib.demo_bank.columns import Ints, as_date, day
from orchestration.lib.demo_bank.gaming import Gaming
from orchestration.lib.demo_bank.relations import Relations
from orchestration.lib.demo_bank.simulate import Bank
from orchestration.lib.demo_bank.truth import write_truth

# Lists that branches keep by hand come as workbooks; past this size no one keeps them by hand.
WORKBOOK_CUSTOMERS = 50_000
_FORMATS: dict[str, FileFormat] = {
    "brokerage.security_positions": "parquet",
    "card.card_accounts": "csv.gz",
    "card.card_transactions": "csv.gz",
    "core_banking.account_owners": "csv.gz",
    "core_banking.deposit_transactions": "csv.gz",
    "crm.contacts": "csv.gz",
    "wealth.wealth_holdings": "csv.gz",
}
_WORKBOOKS = ("hr.employees", "crm.households", "crm.customer_choices")


class Writer:
    """Writes the deliveries of one day in the formats that the demo bank's systems use."""

    def __init__(self, landing_root: Path, customers: int) -> None:
        self.root = landing_root
        self.contracts = load_contracts()
        self.formats = dict(_FORMATS)
        if customers <= WORKBOOK_CUSTOMERS:
            self.formats.update(dict.fromkeys(_WORKBOOKS, "xlsx"))

    def write(self, feed_id: str, today: int, table: pa.Table, mode: str | None = None) -> None:
        write_delivery(
            self.root,
            self.contracts[feed_id],
            as_date(today),
            table,
            mode=mode,
            file_format=self.formats.get(feed_id, "csv"),
        )

    def write_events(self, feed_id: str, today: int, table: pa.Table) -> None:
        """A day without events has no delivery."""
        if table.num_rows:
            self.write(feed_id, today, table)


def generate(
    out: Path,
    *,
    customers: int = 20_000,
    start: date,
    through: date,
    seed: int,
    go_live: date = date(2026, 10, 1),
    progress: Callable[[str], None] | None = None,
) -> None:
    """Write ``out/landing`` (deliveries of every feed) and ``out/truth`` (what was planted).

    The same arguments give the same bytes. ``customers`` is the number on the first day; the old
    CRM's ``maintainers`` are delivered before ``go_live``, customer choices and referrals from it.
    """
    if through < start:
        raise ValueError(f"demo bank: --through {through} found, expected {start} or later")
    first, last = day(start), day(through)
    bank = Bank(seed, customers, first, last - first + 1)
    relations = Relations(bank, go_live)
    gaming = Gaming(bank, go_live)
    writer = Writer(out / "landing", customers)
    writer.write("core_banking.opening_balance_days", first, feeds.opening_balance_days(bank))
    for today in range(first, last + 1):
        bank.advance(today)
        gaming.advance(today)
        relations.advance(today)
        _deliver_money(writer, bank, gaming, today)
        _deliver_master_data(writer, bank, today)
        _deliver_relations(writer, bank, relations, gaming, today)
        if progress and (as_date(today).day == 1 or today == last):
            progress(f"demo bank: {as_date(today)} delivered")
    arguments: dict[str, int | str] = {
        "customers": customers,
        "start": start.isoformat(),
        "through": through.isoformat(),
        "seed": seed,
        "go_live": go_live.isoformat(),
    }
    write_truth(out / "truth", bank, relations, gaming, arguments, last)


def _with(table: pa.Table, more: pa.Table | None) -> pa.Table:
    return table if more is None else pa.concat_tables([table, more.cast(table.schema)])


def _deliver_money(writer: Writer, bank: Bank, gaming: Gaming, today: int) -> None:
    offset = today - bank.start
    is_first = offset == 0
    is_business = bool(bank.market.is_business[offset]) or is_first
    writer.write("core_banking.deposit_accounts", today, _with(feeds.deposit_accounts(bank), gaming.deposit_accounts()))
    writer.write_events("core_banking.deposit_transactions", today, feeds.deposit_transactions(bank, today))
    writer.write("card.card_accounts", today, feeds.card_accounts(bank))
    writer.write_events("card.card_transactions", today, feeds.card_transactions(bank, today))
    writer.write("loan.loans", today, feeds.loans(bank))
    writer.write("finance.gl_balances", today, feeds.gl_balances(bank))
    if is_business:
        writer.write("core_banking.account_owners", today, feeds.account_owners(bank, today))
        writer.write("brokerage.custody_accounts", today, feeds.custody_accounts(bank))
        writer.write("brokerage.security_positions", today, feeds.security_positions(bank))
        writer.write("wealth.wealth_holdings", today, feeds.wealth_holdings(bank))
        writer.write("market.instrument_prices", today, feeds.instrument_prices(bank.market, offset))
    if is_first or bank.market.is_fixing[offset]:
        writer.write("market.fx_rates", today, feeds.fx_rates(bank.market, offset))


def _deliver_master_data(writer: Writer, bank: Bank, today: int) -> None:
    is_first = today == bank.start
    is_monthly = is_first or as_date(today).day == 1
    rows = feeds.customer_rows(bank, today, changed_only=not is_first)
    mode = "full" if is_first else "delta"
    writer.write("core_banking.customers", today, feeds.customers(bank, today, rows), mode)
    writer.write_events("core_banking.customer_merges", today, feeds.customer_merges(bank, today))
    if is_monthly:
        writer.write("reference.products", today, feeds.products())
        writer.write("crm.households", today, feeds.households(bank, today))
    if is_monthly or (bank.branches.closed == today).any():
        writer.write("reference.branches", today, feeds.branches(bank, today))
    if is_monthly or _employees_changed(bank, today):
        writer.write("hr.employees", today, feeds.employees(bank, today))


def _any_today(today: int, *moments: Ints) -> bool:
    return any(bool((column == today).any()) for column in moments)


def _deliver_relations(writer: Writer, bank: Bank, relations: Relations, gaming: Gaming, today: int) -> None:
    if today == bank.start or as_date(today).day == 1:
        writer.write("crm.consents", today, relations.consents(today))
        writer.write("risk.customer_risk", today, relations.customer_risk(today))
        writer.write("crm.prospects", today, relations.prospects(today))
        writer.write("enterprise.enterprises", today, relations.enterprises())
        if today < relations.go_live:
            writer.write("crm.maintainers", today, feeds.maintainers(bank, bank.maintenance))
    life_events, customers = relations.life_events(today)
    contacts, plans = relations.contacts_and_plans(today, customers)
    writer.write_events("crm.life_events", today, life_events)
    writer.write_events("crm.contacts", today, _with(contacts, gaming.contacts(today)))
    writer.write_events("crm.work_plans", today, plans)
    surveys, complaining = relations.surveys(today)
    writer.write_events("crm.surveys", today, surveys)
    writer.write_events("crm.complaints", today, relations.complaints(today, complaining))
    writer.write_events("finance.revenue", today, relations.revenue(today))
    if today >= relations.go_live:
        choices = _with(relations.customer_choices(today), gaming.customer_choices(today))
        writer.write_events("crm.customer_choices", today, choices)
        writer.write_events("crm.referrals", today, relations.referrals(today))


def _employees_changed(bank: Bank, today: int) -> bool:
    e = bank.employees
    return _any_today(today, e.hired, e.left, e.moved_on, e.leave_from, e.leave_to)
