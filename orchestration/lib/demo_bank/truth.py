"""What was planted in the demo bank, for tests and for trying the product's detections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from orchestration.lib.demo_bank import reference as ref
from orchestration.lib.demo_bank.columns import NEVER, Ints, coded, dates, decimals, money
from orchestration.lib.demo_bank.gaming import Gaming
from orchestration.lib.demo_bank.people import CUTS_CNY
from orchestration.lib.demo_bank.relations import Relations
from orchestration.lib.demo_bank.simulate import Bank


def write_truth(
    folder: Path, bank: Bank, relations: Relations, gaming: Gaming, arguments: dict[str, int | str], last: int
) -> None:
    """Write one Parquet file per planted fact (those up to day ``last``) and a README.txt."""
    folder.mkdir(parents=True, exist_ok=True)
    described = []
    for name, (text, table) in {**_tables(bank, relations, last), **gaming.truth()}.items():
        pyarrow.parquet.write_table(table, folder / f"{name}.parquet", compression="zstd")
        described.append(f"{name}.parquet ({table.num_rows} rows)\n  {text}\n")
    head = "".join(f"  {key} = {value}\n" for key, value in arguments.items())
    (folder / "README.txt").write_text(
        "What was planted in this demo bank. Dates up to the last day generated.\n"
        f"Made with\n{head}\n" + "\n".join(described) + "\nOf the deliveries\n"
        "  complaints: a complaint is delivered again, same complaint_id, on each later day on\n"
        "  which a step was taken; the newest delivery holds all steps so far.\n"
        "  work_plans: delivered on the day the plan is for, with what became of it.\n"
        "  opening_balance_days: deposits by account_id, holdings by holding_id, brokerage\n"
        "  (margin and securities together) by custody_account_id.\n"
        "  deposit_transactions: their sum per account and day is the change of its balance.\n"
        "  Accounts stay booked at a closed outlet; branches names its successor.\n"
        "  Exchange rates: European Central Bank reference rates.\n",
        encoding="utf-8",
    )


def _tables(bank: Bank, relations: Relations, last: int) -> dict[str, tuple[str, pa.Table]]:
    c, e, b, o, d = bank.customers, bank.employees, bank.branches, bank.owners, bank.deposits

    def people(rows: Ints, **columns: pa.Array) -> pa.Table:
        return pa.table({"customer_id": c.ids.take(pa.array(rows, pa.int64())), **columns})

    def staff(rows: Ints, **columns: pa.Array) -> pa.Table:
        return pa.table({"employee_id": e.ids.take(pa.array(rows, pa.int64())), **columns})

    def until(moments: Ints) -> Ints:
        return np.flatnonzero(moments <= last)

    def wealth(rows: Ints) -> pa.Array:
        return money(np.rint(c.wealth[rows] * 100).astype(np.int64))

    cut = np.flatnonzero(c.cut >= 0)
    cut_fen = np.array(CUTS_CNY)[c.cut[cut]] * 100
    joint = np.arange(len(o.account))
    changed = [(row, moment) for row, moment in o.changes if moment <= last]
    changed_rows = np.array([row for row, _ in changed], np.int64)
    merged = until(c.merged_on)
    doubles = np.flatnonzero((c.twin_of >= 0) & (c.merged_on == NEVER))
    churning, rising = until(c.churn_from), until(c.rise_on)
    stopping, waking = until(c.salary_stops), until(d.wakes)
    parking = np.flatnonzero(c.is_parker)
    dead = until(c.deceased)
    closed = np.flatnonzero((c.closed <= last) & (c.merged_on == NEVER) & (c.joined <= last))
    arrived = np.flatnonzero((c.joined > bank.start) & (c.joined <= last))
    flagged = np.flatnonzero((relations.risk_flag > 0) & (c.joined <= last))
    left, moved, hired = until(e.left), until(e.moved_on), until(e.hired)
    hired = hired[e.hired[hired] > bank.start]
    lax = np.flatnonzero(relations.lax)
    shut = until(b.closed)
    flags = ("none", "loan_default", "suspected_money_laundering", "fraud", "court_freeze")
    return {
        "customers_on_cuts": (
            "One CNY demand account, nothing else, never moving: on a cut or one fen below.",
            people(
                cut,
                cut_cny=money(cut_fen),
                balance=money(cut_fen - c.under_cut[cut]),
                is_one_fen_below=pa.array(c.under_cut[cut]),
            ),
        ),
        "joint_accounts": (
            "Owners and shares of joint accounts; valid_from and valid_to half open.",
            pa.table(
                {
                    "account_id": d.ids.take(pa.array(o.account[joint])),
                    "customer_id": c.ids.take(pa.array(o.customer[joint])),
                    "is_primary": pa.array(o.is_primary[joint]),
                    "share": decimals(o.share_e8[joint], 8),
                    "valid_from": dates(o.valid_from[joint]),
                    "valid_to": dates(o.valid_to[joint]),
                }
            ),
        ),
        "share_changes": (
            "Joint accounts whose shares change on a day.",
            pa.table(
                {
                    "account_id": d.ids.take(pa.array(changed_rows)),
                    "changed_date": dates(np.array([moment for _, moment in changed], np.int64)),
                }
            ),
        ),
        "merges": (
            "Customers merged into another: accounts move, the old customer closes that day.",
            people(
                merged,
                new_customer_id=c.ids.take(pa.array(c.twin_of[merged])),
                merged_date=dates(c.merged_on[merged]),
            ),
        ),
        "duplicates": (
            "Registered twice (same name, birth date, id number, mobile) and never merged.",
            people(doubles, same_as_customer_id=c.ids.take(pa.array(c.twin_of[doubles]))),
        ),
        "churners": (
            "Demand balances drained for 40 days, terms broken on day 12, products sold on day 20.",
            people(churning, churn_from=dates(c.churn_from[churning]), wealth_cny=wealth(churning)),
        ),
        "salary_stoppers": (
            "Their salary is not paid from a day on.",
            people(stopping, stopped_date=dates(c.salary_stops[stopping])),
        ),
        "dormant_accounts": (
            "Second accounts, dormant on the first day, that are used again with an inflow on a day.",
            pa.table(
                {
                    "account_id": d.ids.take(pa.array(waking)),
                    "customer_id": c.ids.take(pa.array(d.owner[waking])),
                    "woken_date": dates(d.wakes[waking]),
                    "inflow_cny": money(d.wakes_with[waking]),
                }
            ),
        ),
        "risers": (
            "Bring in one to three times their wealth on a day and keep it.",
            people(rising, risen_date=dates(c.rise_on[rising]), wealth_cny=wealth(rising)),
        ),
        "month_end_parkers": (
            "Bring money in on the last day of each month and take it out on the 2nd.",
            people(parking, wealth_cny=wealth(parking)),
        ),
        "deceased": (
            "Deposit accounts are frozen that day.",
            people(dead, deceased_date=dates(c.deceased[dead])),
        ),
        "closed_customers": (
            "Closed every account and left.",
            people(closed, closed_date=dates(c.closed[closed])),
        ),
        "new_customers": (
            "Joined after the first day.",
            people(arrived, joined_date=dates(c.joined[arrived])),
        ),
        "flagged_customers": (
            "Special risk flags.",
            people(flagged, special_flag=coded(relations.risk_flag[flagged], flags)),
        ),
        "leavers": ("Employees who leave.", staff(left, left_date=dates(e.left[left]))),
        "joiners": (
            "Employees hired in the period.",
            staff(hired, hired_date=dates(e.hired[hired])),
        ),
        "movers": (
            "Employees who move to another branch.",
            staff(
                moved,
                moved_date=dates(e.moved_on[moved]),
                from_branch_id=b.ids.take(pa.array(e.branch[moved])),
                to_branch_id=b.ids.take(pa.array(e.moved_branch[moved])),
            ),
        ),
        "lax_employees": (
            "Contact their customers at a tenth of the usual rate.",
            staff(lax, role_code=coded(e.role[lax], ref.ROLES)),
        ),
        "closed_outlets": (
            "Outlets that close, and who takes their customers.",
            pa.table(
                {
                    "branch_id": b.ids.take(pa.array(shut)),
                    "closed_date": dates(b.closed[shut]),
                    "successor_branch_id": b.ids.take(pa.array(b.successor[shut])),
                }
            ),
        ),
    }
