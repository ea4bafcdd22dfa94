"""Lint of policies/offers.yml: kinds, families and levels that there are, numbers that can be met."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from decimal import Decimal
from itertools import pairwise

from orchestration.lib.contracts import load_contracts
from orchestration.lib.policies.finding import Finding, Kind
from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.offers import APPETITES, OFFER_KINDS, UNSUITABLE_REASONS, OffersVersion
from orchestration.lib.policies.yaml_file import Loc

# Tables hold so many decimals of a share.
_SMALLEST = Decimal("1e-8")


def lint_offers(policies: PolicySet) -> Iterator[Finding]:
    """Findings in offers.yml."""
    for i, version in enumerate(policies.offers.versions):
        yield from _lint_numbers(policies, i, version)
        yield from _lint_codes(policies, i, ("kinds",), version.kinds, OFFER_KINDS)
        appetites, reasons = version.suitability.appetites, version.suitability.reasons
        yield from _lint_codes(policies, i, ("suitability", "appetites"), appetites, APPETITES)
        yield from _lint_codes(policies, i, ("suitability", "reasons"), reasons, UNSUITABLE_REASONS)
        for lower, higher in pairwise(appetite for appetite in APPETITES if appetite in appetites):
            if appetites[higher] < appetites[lower]:
                found = f"{higher} may be offered {appetites[higher]}, {lower} {appetites[lower]}"
                mend = "let who bears more risk be offered no less"
                yield _finding(policies, i, ("suitability", "appetites", higher), "order", found, mend)
        families = next(c.values for c in load_contracts()["reference.products"].columns if c.name == "product_family")
        for family in version.families:
            if family not in families:
                mend = f"name one of {', '.join(families)}"
                yield _finding(policies, i, ("families", family), "unknown", f"product family {family!r}", mend)
        if not version.families:
            yield _finding(policies, i, ("families",), "gap", "no family is offered", "name one or more")


def _finding(policies: PolicySet, i: int, loc: Loc, kind: Kind, found: str, mend: str) -> Finding:
    label = f"offers@{policies.offers.versions[i].version}"
    return Finding("offers.yml", policies.line("offers", ("versions", i, *loc)), label, kind, found, mend)


def _lint_numbers(policies: PolicySet, i: int, version: OffersVersion) -> Iterator[Finding]:
    ranges: list[tuple[Loc, Decimal | int, int, int, str]] = [
        (("most_offers",), version.most_offers, 1, 20, "offers"),
        (("maturity",), version.maturity, 0, 366, "days"),
        (("minimum_support",), version.minimum_support, 0, 1, "as a share"),
        (("minimum_confidence",), version.minimum_confidence, 0, 1, "as a share"),
        (("minimum_lift",), version.minimum_lift, 0, 1000, "times"),
        (("suitability", "senior_age"), version.suitability.senior_age, 0, 120, "years"),
    ]
    for loc, value, low, high, unit in ranges:
        if not low <= value <= high:
            found, mend = f"{loc[-1]} {value}", f"write {low} to {high} {unit}"
            yield _finding(policies, i, loc, "range", found, mend)
        elif value % _SMALLEST:
            yield _finding(policies, i, loc, "range", f"{loc[-1]} {value}", "write at most 8 decimals")


def _lint_codes(
    policies: PolicySet, i: int, loc: Loc, written: Collection[str], known: Collection[str]
) -> Iterator[Finding]:
    missing = [code for code in known if code not in written]
    if missing:
        found = f"{loc[-1]} say nothing of {', '.join(missing)}"
        yield _finding(policies, i, loc, "gap", found, "give each its entry")
