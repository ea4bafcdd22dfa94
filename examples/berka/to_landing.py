"""Turn the original files of the PKDD'99 bank ("Berka") into landing deliveries.

    python examples/berka/to_landing.py SRC DEST [--through 1994-03-30]

Amounts stay Czech crowns: every row says CZK and the rate feed says that 1 CZK is worth 1.
"""

from __future__ import annotations

import argparse
import io
from collections import Counter
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from orchestration.lib.contracts import load_contracts
from orchestration.lib.delivery import write_delivery

CURRENCY = "CZK"
HEAD_OFFICE = "head_office"
CREDIT = "PRIJEM"
DEBITS = ("VYDAJ", "VYBER")
INSTALMENT_DAY = 12
# Interest is printed rounded: a day's printed balance may miss the computed one by this much.
CHAIN_TOLERANCE = 20

PRODUCTS = [
    ("current_account", "Current account", "deposit", 1),
    ("instalment_loan", "Instalment loan", "loan", 1),
    ("junior_card", "Junior debit card", "card", 1),
    ("classic_card", "Classic debit card", "card", 1),
    ("gold_card", "Gold debit card", "card", 2),
]
CARD_GRADES = {"junior": "standard", "classic": "standard", "gold": "gold"}
# One status per loan, that of the end of 1998: A and C pay, B ended unpaid, D is behind. So the
# class is hindsight on every earlier day; the files hold nothing better.
LOAN_CLASSES = {"A": "pass", "B": "loss", "C": "pass", "D": "substandard"}
KINDS_BY_SYMBOL = {"UROK": "interest", "SANKC. UROK": "interest", "SLUZBY": "fee"}
KINDS_BY_OPERATION = {
    "VKLAD": "cash",
    "VYBER": "cash",
    "VYBER KARTOU": "cash",
    "PREVOD Z UCTU": "transfer",
    "PREVOD NA UCET": "transfer",
}

Int64 = npt.NDArray[np.int64]


class SourceError(ValueError):
    """The source files are not the ones expected."""


@dataclass(frozen=True)
class Source:
    """The files as frames. Dates are datetime64, amounts whole haleru (1/100 CZK), ids text.

    ``ledger`` ends with the last complete day, ``last_day``.
    """

    accounts: pd.DataFrame
    clients: pd.DataFrame
    dispositions: pd.DataFrame
    loans: pd.DataFrame
    cards: pd.DataFrame
    districts: pd.DataFrame
    ledger: pd.DataFrame
    last_day: date


@dataclass(frozen=True)
class Summary:
    """What was written: deliveries and days, the day's accounts at the end, cards left out."""

    first_day: date
    last_day: date
    delivery_count: int
    account_count: int
    dropped_card_count: int


def read_source(src: Path) -> Source:
    """Read the original files in folder ``src``. Raises SourceError when one is missing or odd."""
    accounts = _read(src, "account", ["account_id", "district_id", "date"])
    accounts["date"] = _dates(accounts["date"])
    loans = _read(src, "loan", ["loan_id", "account_id", "date", "amount", "duration", "payments"])
    loans["date"] = _dates(loans["date"])
    loans["amount"] = _haleru(loans["amount"], "loan.asc, amount")
    loans["payments"] = _haleru(loans["payments"], "loan.asc, payments")
    loans["duration"] = loans["duration"].astype("int64")
    cards = _read(src, "card", ["card_id", "disp_id", "type", "issued"])
    cards["issued"] = _dates(cards["issued"].str[:6])
    ledger, last_day = _read_ledger(src)
    return Source(
        accounts=accounts,
        clients=_read(src, "client", ["client_id", "birth_number"]),
        dispositions=_read(src, "disp", ["disp_id", "client_id", "account_id", "type"]),
        loans=loans,
        cards=cards,
        districts=_read(src, "district", ["A1", "A2"]),
        ledger=ledger,
        last_day=last_day,
    )


def closing_balances(src: Path) -> pd.DataFrame:
    """Closing balance of every account-day with a transaction: account_id, date, balance (CZK).

    Within a day neither file order nor trans_id is the booking order. A printed balance from which
    another line of the day goes on is not the last one; of the others, the closing balance is the
    one nearest to the previous closing balance plus the day's signed amounts.
    """
    closing = _chain(read_source(src).ledger)
    closing["balance"] = [Decimal(haleru).scaleb(-2) for haleru in closing["balance"].tolist()]
    return closing


def to_landing(src: Path, dest: Path, through: date | None = None) -> Summary:
    """Write one delivery per feed and day under ``dest``, up to ``through`` (or the last day)."""
    source = read_source(Path(src))
    last_day = through or source.last_day
    first_day = source.ledger["date"].iloc[0].date()
    if not first_day <= last_day <= source.last_day:
        raise SourceError(
            f"--through: {last_day} found, expected a day from {first_day} to {source.last_day},"
            " the last one that the ledger holds whole; name another day"
        )
    days = pd.date_range(first_day, last_day)

    held = _held_accounts(source)
    accounts, customers = _accounts(held), _customers(held)
    opened = held["date"].to_numpy()
    balances = _daily_balances(_chain(source.ledger), held["account_id"], days)
    loans, loan_frame = _loans(source, held)
    cards, issued, dropped = _cards(source, held)
    transactions, posted = _transactions(source.ledger)

    first = date(first_day.year, first_day.month, first_day.day)
    writer = _Writer(Path(dest))
    writer.write("reference.products", first, _products())
    writer.write("reference.branches", first, _branches(source.districts, first))
    rates = pa.table({"currency": [CURRENCY], "rate_cny": pa.array([Decimal(1)], pa.decimal128(18, 8))})
    for index, stamp in enumerate(days):
        day, now = stamp.date(), stamp.to_datetime64()
        open_count = int(np.searchsorted(opened, now, side="right"))
        writer.write("market.fx_rates", day, rates)
        writer.write("core_banking.customers", day, customers.slice(0, open_count))
        writer.write(
            "core_banking.deposit_accounts",
            day,
            accounts.slice(0, open_count).append_column("balance", _money(balances[index, :open_count])),
        )
        low, high = np.searchsorted(posted, [now, now + np.timedelta64(1, "D")])
        writer.write("core_banking.deposit_transactions", day, transactions.slice(low, high - low))
        writer.write("loan.loans", day, _loans_on(loans, loan_frame, stamp))
        card_count = int(np.searchsorted(issued, now, side="right"))
        writer.write("card.card_accounts", day, cards.slice(0, card_count))
    return Summary(first, last_day, writer.count, open_count, dropped)


class _Writer:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.contracts = load_contracts()
        self.count = 0

    def write(self, feed_id: str, day: date, table: pa.Table) -> None:
        feed = self.contracts[feed_id]
        mode = "events" if feed.semantics == "events" else "full"
        write_delivery(self.root, feed, day, table, mode=mode)
        self.count += 1


def _read(src: Path, name: str, columns: list[str]) -> pd.DataFrame:
    path = src / f"{name}.asc"
    if not path.is_file():
        raise SourceError(
            f"{path}: no such file; expected the original files of the PKDD'99 financial data set"
            f" in one folder, found {len(list(src.glob('*.asc')))} .asc files; unpack"
            " data_berka.zip there"
        )
    return _parse(path.read_bytes(), path, columns)


def _parse(content: bytes, path: Path, columns: list[str]) -> pd.DataFrame:
    frame = pd.read_csv(io.BytesIO(content), sep=";", dtype=str, keep_default_na=False)
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise SourceError(
            f"{path}, line 1: expected the columns {', '.join(columns)}, found"
            f" {', '.join(frame.columns)}; use the original file"
        )
    # Blanks stand for nothing: k_symbol is both '' and ' '.
    return frame.apply(lambda column: column.str.strip())


def _read_ledger(src: Path) -> tuple[pd.DataFrame, date]:
    paths = sorted(src.glob("trans*.asc"))
    if len(paths) != 1:
        raise SourceError(f"{src}: expected one ledger file trans*.asc, found {len(paths)}; keep the one to use")
    content = paths[0].read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    ledger = _parse(whole, paths[0], ["trans_id", "account_id", "date", "type", "operation"])
    ledger["date"] = _dates(ledger["date"])
    if not ledger["date"].is_monotonic_increasing:
        raise SourceError(f"{paths[0]}: expected lines sorted by date; use the original file")
    last = ledger["date"].iloc[-1]
    if len(whole) < len(content):
        # The last line is cut off: so is its day.
        ledger = ledger[ledger["date"] < last].reset_index(drop=True)
        last = ledger["date"].iloc[-1]
    unknown = set(ledger["type"]) - {CREDIT, *DEBITS}
    if unknown:
        raise SourceError(
            f"{paths[0]}, column type: expected {CREDIT}, {' or '.join(DEBITS)}, found"
            f" {', '.join(sorted(unknown))}; use the original file"
        )
    amounts = _haleru(ledger["amount"], f"{paths[0].name}, amount")
    ledger["amount"] = np.where(ledger["type"] == CREDIT, amounts, -amounts)
    ledger["balance"] = _haleru(ledger["balance"], f"{paths[0].name}, balance")
    return ledger, last.date()


def _dates(texts: pd.Series) -> pd.Series:
    """YYMMDD, all of it in the 20th century."""
    return pd.to_datetime("19" + texts, format="%Y%m%d")


def _haleru(texts: pd.Series, where: str) -> pd.Series:
    """Crowns as text (at most two decimals) to whole haleru, without a float on the way."""
    parts = texts.str.extract(r"^(-?\d+)(?:\.(\d{1,2}))?$")
    if parts[0].isna().any():
        bad = texts[parts[0].isna()].iloc[0]
        raise SourceError(f"{where}: expected an amount like 700.00, found '{bad}'")
    return (parts[0] + parts[1].fillna("").str.ljust(2, "0")).astype("int64")


def _chain(ledger: pd.DataFrame) -> pd.DataFrame:
    """Closing balances (haleru) per account and day, chained from each account's first day."""
    grouped = ledger.groupby(["account_id", "date"], sort=True)
    account_days = grouped.agg(amounts=("amount", list), printed=("balance", list)).reset_index()
    closing: list[int] = []
    current, previous = "", 0
    for account, day, amounts, printed in account_days.itertuples(index=False):
        if account != current:
            current, previous = account, 0
        expected = previous + sum(amounts)
        previous = _closing_balance(amounts, printed, expected)
        if abs(previous - expected) > CHAIN_TOLERANCE:
            raise SourceError(
                f"account {account} on {day.date()}: no printed balance within"
                f" {CHAIN_TOLERANCE / 100:.2f} of {expected / 100:.2f}, nearest"
                f" {previous / 100:.2f}; the ledger misses lines"
            )
        closing.append(previous)
    return account_days[["account_id", "date"]].assign(balance=np.array(closing, dtype=np.int64))


def _closing_balance(amounts: list[int], printed: list[int], expected: int) -> int:
    """The last balance of one account-day, its lines given in any order."""
    starts = Counter(balance - amount for balance, amount in zip(printed, amounts, strict=True))
    ends = list((Counter(printed) - starts).elements())
    return min(ends or printed, key=lambda balance: (abs(balance - expected), balance))


def _held_accounts(source: Source) -> pd.DataFrame:
    """Accounts with their one owner, in order of opening. Disponents own nothing."""
    owners = source.dispositions[source.dispositions["type"] == "OWNER"]
    if owners["account_id"].duplicated().any() or len(owners) != len(source.accounts):
        raise SourceError(
            "disp.asc: expected one OWNER for each account; found"
            f" {len(owners)} for {len(source.accounts)} accounts; use the original file"
        )
    held = source.accounts.merge(owners[["account_id", "client_id"]], on="account_id")
    held = held.merge(source.clients[["client_id", "birth_number"]], on="client_id")
    number = held["account_id"].astype("int64")
    return held.assign(number=number).sort_values(["date", "number"], ignore_index=True)


def _accounts(held: pd.DataFrame) -> pa.Table:
    return pa.table(
        {
            "account_id": _texts(held["account_id"]),
            "customer_id": _texts(held["client_id"]),
            "product_code": _constant("current_account", len(held)),
            "branch_id": _texts(held["district_id"]),
            "currency": _constant(CURRENCY, len(held)),
            "term_months": pa.array(np.zeros(len(held), dtype=np.int64)),
            "opened_date": _days(held["date"]),
            "status": _constant("open", len(held)),
        }
    )


def _customers(held: pd.DataFrame) -> pa.Table:
    """Owners, each with one account. A woman's birth month is written with 50 added to it."""
    month = held["birth_number"].str[2:4].astype("int64")
    is_female = month > 50
    birth_month = (month - 50 * is_female).astype(str).str.zfill(2)
    birth = held["birth_number"].str[:2] + birth_month + held["birth_number"].str[4:6]
    return pa.table(
        {
            "customer_id": _texts(held["client_id"]),
            "sex": _texts(is_female.map({True: "f", False: "m"})),
            "birth_date": _days(_dates(birth)),
            "home_branch_id": _texts(held["district_id"]),
            "opened_date": _days(held["date"]),
            "is_employee": pa.array(np.zeros(len(held), dtype=bool)),
        }
    )


def _daily_balances(closing: pd.DataFrame, accounts: pd.Series, days: pd.DatetimeIndex) -> Int64:
    """Balances (haleru) by day and account: the last closing balance holds until the next."""
    wide = closing.pivot(index="date", columns="account_id", values="balance")
    filled = wide.astype("Int64").reindex(days).ffill().fillna(0)
    return filled.reindex(columns=accounts, fill_value=0).to_numpy(dtype=np.int64)


def _loans(source: Source, held: pd.DataFrame) -> tuple[pa.Table, pd.DataFrame]:
    """The constant columns of all loans in order of grant, and the frame that dates them."""
    loans = source.loans.merge(held, on="account_id", suffixes=("", "_account"))
    loans = loans.sort_values(["date", "loan_id"], ignore_index=True)
    # The first instalment is due on the first 12th after the grant.
    this_month = loans["date"].dt.day < INSTALMENT_DAY
    months = loans["date"].dt.year * 12 + loans["date"].dt.month - 1
    loans["first_month"] = months + np.where(this_month, 0, 1)
    final_month = loans["first_month"] + loans["duration"] - 1
    maturity = pd.to_datetime({"year": final_month // 12, "month": final_month % 12 + 1, "day": INSTALMENT_DAY})
    table = pa.table(
        {
            "loan_id": _texts(loans["loan_id"]),
            "customer_id": _texts(loans["client_id"]),
            "product_code": _constant("instalment_loan", len(loans)),
            "branch_id": _texts(loans["district_id"]),
            "currency": _constant(CURRENCY, len(loans)),
            "principal": _money(loans["amount"].to_numpy()),
            "opened_date": _days(loans["date"]),
            "maturity_date": _days(maturity),
            "days_past_due": pa.array(np.zeros(len(loans), dtype=np.int64)),
            "loan_class": _texts(loans["status"].map(LOAN_CLASSES)),
        }
    )
    return table, loans


def _loans_on(table: pa.Table, loans: pd.DataFrame, day: pd.Timestamp) -> pa.Table:
    """Loans granted by ``day``, owed as the plan says: amount less the instalments due by then."""
    granted = int(np.searchsorted(loans["date"].to_numpy(), day.to_datetime64(), side="right"))
    plan = loans.iloc[:granted]
    month = day.year * 12 + day.month - 1
    due = month - plan["first_month"].to_numpy() + (1 if day.day >= INSTALMENT_DAY else 0)
    due = np.clip(due, 0, plan["duration"].to_numpy())
    owed = plan["amount"].to_numpy() - plan["payments"].to_numpy() * due
    status = np.where(owed > 0, "open", "closed").tolist()
    return (
        table.slice(0, granted)
        .append_column("outstanding_balance", _money(owed))
        .append_column("status", pa.array(status, pa.string()))
    )


def _cards(source: Source, held: pd.DataFrame) -> tuple[pa.Table, npt.NDArray[np.datetime64], int]:
    """Cards in order of issue, their issue dates, and how many were left out.

    A card is issued to a disposition. One whose holder owns no account has no customer to go to.
    """
    holders = source.cards.merge(
        source.dispositions, on="disp_id", suffixes=("", "_disposition"), validate="one_to_one"
    )
    accounts = held[["account_id", "district_id"]]
    cards = holders[holders["client_id"].isin(held["client_id"])].merge(accounts, on="account_id")
    cards = cards.sort_values(["issued", "card_id"], ignore_index=True)
    table = pa.table(
        {
            "card_id": _texts(cards["card_id"]),
            "customer_id": _texts(cards["client_id"]),
            "product_code": _texts(cards["type"] + "_card"),
            "branch_id": _texts(cards["district_id"]),
            "card_kind": _constant("debit", len(cards)),
            "card_grade": _texts(cards["type"].map(CARD_GRADES)),
            "currency": _constant(CURRENCY, len(cards)),
            "outstanding_balance": _money(np.zeros(len(cards), dtype=np.int64)),
            "opened_date": _days(cards["issued"]),
            "status": _constant("open", len(cards)),
        }
    )
    return table, cards["issued"].to_numpy(), len(holders) - len(cards)


def _transactions(ledger: pd.DataFrame) -> tuple[pa.Table, npt.NDArray[np.datetime64]]:
    """The ledger's lines in order of date, and their dates."""
    kinds = ledger["k_symbol"].map(KINDS_BY_SYMBOL).fillna(ledger["operation"].map(KINDS_BY_OPERATION)).fillna("other")
    banks = pa.array([bank or None for bank in ledger["bank"].tolist()], pa.string())
    table = pa.table(
        {
            "transaction_id": _texts(ledger["trans_id"]),
            "account_id": _texts(ledger["account_id"]),
            "posted_date": _days(ledger["date"]),
            "amount": _money(ledger["amount"].to_numpy()),
            "currency": _constant(CURRENCY, len(ledger)),
            "transaction_kind": _texts(kinds),
            "counterparty_bank": banks,
        }
    )
    return table, ledger["date"].to_numpy()


def _products() -> pa.Table:
    codes, names, families, grades = zip(*PRODUCTS, strict=True)
    return pa.table(
        {
            "product_code": list(codes),
            "product_name": list(names),
            "product_family": list(families),
            "product_grade": pa.array(grades, pa.int64()),
            "is_agency_sale": [False] * len(PRODUCTS),
        }
    )


def _branches(districts: pd.DataFrame, first_day: date) -> pa.Table:
    """Every district is a branch under one head office."""
    count = len(districts)
    return pa.table(
        {
            "branch_id": [HEAD_OFFICE, *districts["A1"].tolist()],
            "branch_name": ["Head office", *districts["A2"].tolist()],
            "branch_level": ["head_office"] + ["city"] * count,
            "parent_branch_id": pa.array([None] + [HEAD_OFFICE] * count, pa.string()),
            "opened_date": [first_day] * (count + 1),
        }
    )


def _texts(values: pd.Series) -> pa.Array:
    return pa.array(values.tolist(), pa.string())


def _constant(value: str, count: int) -> pa.Array:
    return pa.array([value] * count, pa.string())


def _days(values: pd.Series) -> pa.Array:
    return pa.array(values.to_numpy().astype("datetime64[D]"), pa.date32())


def _money(haleru: Int64) -> pa.Array:
    """Whole haleru as decimal(18,2), exactly: a decimal128 is its unscaled integer in two words."""
    words = np.empty((len(haleru), 2), dtype="<i8")
    words[:, 0] = haleru
    words[:, 1] = haleru >> 63
    return pa.Array.from_buffers(pa.decimal128(18, 2), len(haleru), [None, pa.py_buffer(words.tobytes())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("src", type=Path, help="folder of the original .asc files")
    parser.add_argument("dest", type=Path, help="landing root to write to")
    parser.add_argument("--through", type=date.fromisoformat, help="last business date")
    arguments = parser.parse_args()
    try:
        summary = to_landing(arguments.src, arguments.dest, arguments.through)
    except SourceError as error:
        parser.exit(2, f"{error}\n")
    print(
        f"{summary.delivery_count:,} deliveries, {summary.first_day} to {summary.last_day}, in"
        f" {arguments.dest}; {summary.account_count:,} accounts at the end;"
        f" {summary.dropped_card_count} cards left out (their holders own no account)"
    )


if __name__ == "__main__":
    main()
