"""Lint of bands copied word for word out of a document, before anybody has decided what they mean.

Every cut is asked twice: the cut itself and the first hundredth above it, which stands for all values up to the
next cut. Bounds are as the words have them: 以上 and 以下 include the number, 大于 and 超过 do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from pydantic import RootModel

from orchestration.lib.policies.intervals import Span, claims_at
from orchestration.lib.policies.load import PolicyError
from orchestration.lib.policies.model import Bound, Interval, Strict
from orchestration.lib.policies.units import CENT, Money, Years
from orchestration.lib.policies.yaml_file import Unreadable, read_yaml

_SCHEME_WIDTH = 34


class LiteralBand(Strict):
    """One band as written, bounds in yuan. ``age_max``: completed years, inclusive when ``age_inc``."""

    id: str
    name: str
    lo: Money
    lo_inc: bool
    hi: Money | None
    hi_inc: bool
    owners: tuple[str, ...]
    age_max: Years | None = None
    age_inc: bool = True
    quote: str = ""

    @property
    def span(self) -> Span:
        """What the band claims, half open."""
        upper = None if self.hi is None else Bound(value=str(self.hi), inclusive=self.hi_inc)
        interval = Interval(lower=Bound(value=str(self.lo), inclusive=self.lo_inc), upper=upper)
        return Span(self.id, interval.lower_value("cny"), interval.upper_value("cny"))


class LiteralScheme(Strict):
    """The bands of one document; customers below ``floor`` are meant to have none."""

    scheme: str
    measure: str
    floor: Money
    bands: tuple[LiteralBand, ...]


class LiteralSchemes(RootModel[tuple[LiteralScheme, ...]]):
    """A file of literal bands."""


def literal_findings(path: Path) -> list[str]:
    """What is wrong with the bands of a file, a line each. Raises PolicyError when it cannot be read."""
    try:
        schemes = read_yaml(path, LiteralSchemes).value.root
    except Unreadable as error:
        raise PolicyError(str(error)) from error
    return [f"{scheme.scheme:<{_SCHEME_WIDTH}} {text}" for scheme in schemes for text in _findings(scheme)]


def _findings(scheme: LiteralScheme) -> Iterator[str]:
    spans = [band.span for band in scheme.bands]
    ends = {end for band in scheme.bands for end in (band.lo, band.hi) if end is not None}
    for cut in sorted({scheme.floor, *(end for end in ends if end > scheme.floor)}):
        for value, where in ((cut, _wan(cut)), (cut + CENT, f"just inside ({_wan(cut)}, next)")):
            claims = claims_at(spans, value)
            if len(claims) != 1:
                yield f"{'OVERLAP' if claims else 'GAP'} at {where}: {claims}"
    for band in scheme.bands:
        if band.age_max is not None:
            yield f"CONDITIONAL OWNER {band.id}: no owner for age {'>' if band.age_inc else '>='} {band.age_max}"
        if len(band.owners) > 1:
            yield f"{len(band.owners)} JOINT OWNERS, no primary: {band.id} {list(band.owners)}"
        if not band.owners:
            yield f"NO OWNER ROLE {band.id}"


def _wan(amount: Decimal) -> str:
    """Yuan in 万, as the documents write it."""
    return f"{(amount / 10_000).normalize():f}万"
