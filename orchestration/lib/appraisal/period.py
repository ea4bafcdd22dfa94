"""Quarters by their code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from orchestration.lib.planning import DAY, month_end, window_end


@dataclass(frozen=True)
class Quarter:
    """A calendar quarter. ``evaluation_date``: the month end after it, at which its evidence is final."""

    period_code: str
    start_date: date

    @classmethod
    def of(cls, period_code: str) -> Quarter | None:
        """The quarter of a code such as 2026Q3; None when it is none."""
        if not re.fullmatch(r"\d{4}Q[1-4]", period_code):
            return None
        return cls(period_code, date(int(period_code[:4]), 3 * int(period_code[5]) - 2, 1))

    @property
    def end_date(self) -> date:
        return window_end(self.start_date, "quarter")

    @property
    def evaluation_date(self) -> date:
        return month_end(self.end_date + DAY)

    @property
    def next_code(self) -> str:
        day = self.end_date + DAY
        return f"{day.year}Q{(day.month + 2) // 3}"
