"""Half-open intervals of a number line: who claims a value, and where nobody or several do."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from decimal import Decimal

from orchestration.lib.policies.units import HIGHEST, LOWEST


@dataclass(frozen=True)
class Span:
    """``name`` claims [lower, upper)."""

    name: str
    lower: Decimal
    upper: Decimal


def claims_at(spans: list[Span], value: Decimal) -> list[str]:
    """Names that claim a value, in the order of the spans."""
    return [span.name for span in spans if span.lower <= value < span.upper]


def misclaimed(spans: list[Span], floor: Decimal) -> list[tuple[Decimal, Decimal, list[str]]]:
    """Stretches [lower, upper) of the line from ``floor`` to infinity that not exactly one span claims.

    Claims change at ends of spans only, so asking once between two neighbouring ends asks everywhere.
    """
    ends = {end for span in spans for end in (span.lower, span.upper) if end > floor}
    cuts = sorted({floor, HIGHEST, *ends})
    stretches = [(lower, upper, claims_at(spans, lower)) for lower, upper in itertools.pairwise(cuts)]
    return [stretch for stretch in stretches if len(stretch[2]) != 1]


def shown_number(value: Decimal) -> str:
    """A bound as people read it: 100,000 or 0.5; the ends of the line as infinity."""
    if value in (LOWEST, HIGHEST):
        return "-infinity" if value == LOWEST else "+infinity"
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shown_stretch(lower: Decimal, upper: Decimal) -> str:
    return f"[{shown_number(lower)}, {shown_number(upper)})"
