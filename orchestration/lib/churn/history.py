"""What indicators said of customers at past month ends, and who of them left in the months after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
from numpy.typing import NDArray

from orchestration.lib import warehouse
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal
from orchestration.lib.policies.churn import INDICATOR_UNITS


class CalibrationFailed(RuntimeError):
    """Ranges cannot be proposed: no history, too few who left, or a busy warehouse."""


@dataclass(frozen=True)
class History:
    """``values``: indicator -> value of every row (NaN: not known). ``has_left``: whether the customer left after.

    A row is a customer at a judged month end, in the order of month end and customer. ``as_of_date``: published day.
    """

    as_of_date: date
    month_ends: tuple[date, ...]
    values: dict[str, NDArray[np.float64]]
    has_left: NDArray[np.bool_]


def read_history(home: Home) -> History:
    """Judged month ends up to the published day. The home is only read. Raises CalibrationFailed."""
    published = Journal(home.journal).last_published()
    if published is None:
        raise CalibrationFailed(f"{home.root}: nothing has been published yet; run `tierhouse run` first")
    as_of = date.fromisoformat(published["as_of_date"])
    codes = ", ".join(f"cast(indicators.{code} as double) as {code}" for code in INDICATOR_UNITS)
    try:
        with warehouse.connect(home.warehouse, read_only=True) as con:
            table = con.execute(
                f"select outcomes.month_end_date, outcomes.is_churned, {codes} "
                "from core.fct_churn_outcome as outcomes inner join core.fct_churn_indicator as indicators "
                "on indicators.as_of_date = outcomes.month_end_date and indicators.customer_id = outcomes.customer_id "
                "where outcomes.outcome_date <= ? order by outcomes.month_end_date, outcomes.customer_id",
                [as_of],
            ).fetchnumpy()
    except duckdb.Error as error:
        raise CalibrationFailed(
            f"{home.warehouse}: cannot be read; is a build running? wait for it ({error})"
        ) from error
    return History(
        as_of_date=as_of,
        month_ends=tuple(d.item() for d in np.unique(table["month_end_date"].astype("datetime64[D]"))),
        values={code: np.ma.filled(np.ma.asarray(table[code], np.float64), np.nan) for code in INDICATOR_UNITS},
        has_left=np.asarray(table["is_churned"], np.bool_),
    )
