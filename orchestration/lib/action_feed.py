"""The action lists of a business date, a file per branch, as one delivery of the landing contract's own form.

Columns are those of ``contracts/outgoing/maintenance/action_list.yaml``. Files are made of published marts alone.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb

from orchestration.lib.contracts import load_contracts
from orchestration.lib.crm_feed import OUTGOING_DIR, first_change_date
from orchestration.lib.delivery import write_delivery

LISTS = "maintenance.action_list"


def write_action_lists(marts: Path, out: Path, day: date) -> Path | None:
    """Write the lists that were made at the close of ``day`` below ``out``; returns the folder.

    ``marts``: marts.duckdb of a version. None before books are decided here: nobody has a list. A branch without a
    line has no file; a day without any is told as a delivery of no rows.
    """
    with duckdb.connect(str(marts), read_only=True) as con:
        live_from = first_change_date(con)
        if live_from is None or day < live_from:
            return None
        feed = load_contracts(OUTGOING_DIR)[LISTS]
        columns = ", ".join(column.name for column in feed.columns)
        rows = con.execute(
            f"select {columns} from {LISTS} where business_date = ? order by branch_id, {', '.join(feed.key)}", [day]
        ).to_arrow_table()
    folder = out / feed.entity / day.isoformat()
    return write_delivery(out, feed, day, rows, file_format="csv.gz", folder=folder, split_by="branch_id")
