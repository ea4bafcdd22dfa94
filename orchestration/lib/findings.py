"""What is wrong with a delivery, said so that a bank's engineer can mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["reject", "quarantine", "waiting", "fine"]


@dataclass(frozen=True)
class Finding:
    """One statement about a delivery.

    ``where`` names the file and the line, data row or column. ``level``: reject (the whole batch),
    quarantine (single rows, the batch is accepted), waiting (no manifest yet), fine (a count).
    """

    what: str
    where: str
    expected: str = ""
    found: str = ""
    mend: str = ""
    level: Level = "reject"

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.what}"]
        if self.expected:
            parts.append(f"expected {self.expected}")
        if self.found:
            parts.append(f"found {self.found}")
        text = "; ".join(parts)
        return f"{text}. {self.mend}" if self.mend else text


def shown(value: object, limit: int = 40) -> str:
    """A value as it may stand in a finding: quoted, on one line, cut to ``limit`` characters."""
    if value is None:
        return "nothing"
    text = str(value)
    return repr(text if len(text) <= limit else text[:limit] + "…")
