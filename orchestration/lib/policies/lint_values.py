"""Lint of what a scheme measures: bands, factors, cells and household cuts, over the whole number line."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from decimal import Decimal

from orchestration.lib.policies.compile import bin_points, cell_tiers, factor_places
from orchestration.lib.policies.finding import Place
from orchestration.lib.policies.intervals import Span, claims_at, misclaimed, shown_number, shown_stretch
from orchestration.lib.policies.load import version_at
from orchestration.lib.policies.model import CODE_LISTS, Bin, Bound, Factor, Tier
from orchestration.lib.policies.units import CENT, HIGHEST, LOWEST
from orchestration.lib.policies.yaml_file import Loc

# So many combinations of a matrix one finding names; the others it counts.
_NAMED_CELLS = 3


def lint_shape(place: Place) -> None:
    """A scheme has the parts of its kind and no others: the other checks rely on it."""
    version, kind = place.version, place.scheme.kind
    wanted = {
        "bands": {"measure", "tiers"},
        "scorecard": {"factors", "tiers"},
        "matrix": {"factors", "cells", "tiers"},
    }[kind]
    for part in ("measure", "factors", "cells", "tiers"):
        if getattr(version, part) and part not in wanted:
            place.report((part,), "shape", f"{kind} with {part}", f"remove {part}, or correct kind")
        if not getattr(version, part) and part in wanted:
            place.report((part,), "shape", f"{kind} without {part}", f"add {part}, or correct kind")
    for i, tier in enumerate(version.tiers):
        if kind == "matrix" and (tier.lower or tier.upper):
            place.report(("tiers", i), "shape", "a tier of a matrix with bounds", "remove them; cells give the tier")
    for i, factor in enumerate(version.factors):
        useless = {
            "weight": kind == "matrix" and factor.weight != 1,
            "bins": kind == "matrix" and any(b.points for b in factor.bins),
            "is_reversed": bool(factor.bins) and factor.is_reversed,
        }
        for key in (key for key, is_useless in useless.items() if is_useless):
            name = "points" if key == "bins" else key
            found = f"{name} of factor {factor.factor_code}, which have no effect here"
            place.report(("factors", i, key), "shape", found, f"remove {name}")
    is_revenue = version.measure is not None and version.measure.quantity == "annual_revenue_cny"
    if (place.scheme.subject == "enterprise") != is_revenue:
        found = f"subject {place.scheme.subject} measured by {version.measure.code if version.measure else 'factors'}"
        place.report(("measure",), "shape", found, "measure enterprises, and only them, by annual_revenue_cny")


def lint_tiers(place: Place) -> None:
    """Tiers of bands and scorecards: exactly one for every value from the lowest bound upwards."""
    version = place.version
    named = [(tier.rule_id, tier) for tier in version.tiers]
    spans = _spans(place, ("tiers",), named, version.value_unit)
    if spans is None:
        return
    _claimed_once(place, ("tiers",), spans, min(span.lower for span in spans))
    if place.scheme.kind == "scorecard" and _has_whole_points(place):
        totals = reachable_totals(place)
        for i, span in enumerate(spans):
            if not any(claims_at([span], total) for total in totals):
                reached = f"points add up to {shown_number(min(totals))} to {shown_number(max(totals))}"
                found = f"{shown_stretch(span.lower, span.upper)}; {reached}"
                place.report(("tiers", i), "unreachable", found, "move its bounds, or remove the tier")


def lint_factors(place: Place) -> None:
    """Factors: every value of the measure in exactly one bin; weights add up to 1; points in whole hundredths."""
    version = place.version
    for i, factor in enumerate(version.factors):
        loc: Loc = ("factors", i)
        if factor.bins:
            if factor.measure.unit == "code":
                _lint_code_bins(place, (*loc, "bins"), factor)
            else:
                _lint_interval_bins(place, (*loc, "bins"), factor)
            takers = [b.bin_code for b in factor.bins if b.takes_missing]
            if len(takers) > 1:
                found = f"{', '.join(takers)} of factor {factor.factor_code} all take customers without the measure"
                place.report((*loc, "bins"), "missing", found, "let at most one bin say takes_missing")
        shares = (Decimal(0), *factor.share_cuts, Decimal(1))
        if factor.share_cuts and any(a >= b for a, b in itertools.pairwise(shares)):
            found = f"share_cuts {', '.join(map(str, factor.share_cuts))}"
            place.report((*loc, "share_cuts"), "order", found, "write shares between 0 and 1, ascending")
    if place.scheme.kind != "scorecard":
        return
    total = sum((factor.weight for factor in version.factors), Decimal(0))
    if total != 1:
        found = f"{' + '.join(str(factor.weight) for factor in version.factors)} = {total}"
        place.report(("factors",), "weights", found, "let the weights add up to 1")
    for i, factor in enumerate(version.factors):
        for points in _broken_points(place, factor):
            found = f"{points} points of factor {factor.factor_code}, weight included"
            place.report(("factors", i), "points", found, "choose points and weight that give whole hundredths")


def lint_cells(place: Place) -> None:
    """Cells of a matrix: known axes and bins, every combination in exactly one cell, every tier reached."""
    version = place.version
    axes = {factor.factor_code: factor.bin_codes for factor in version.factors}
    tier_codes = [tier.tier_code for tier in version.tiers]
    is_known = True

    def know(name: str, known: Iterable[str], what: str, loc: Loc) -> bool:
        nonlocal is_known
        if name in known:
            return True
        is_known = False
        place.report(loc, "unknown", f"{what} {name!r}", f"name one of {', '.join(known)}")
        return False

    for i, cell in enumerate(version.cells):
        know(cell.tier_code, tier_codes, "tier", ("cells", i, "tier_code"))
        for axis, codes in cell.when.items():
            loc = ("cells", i, "when", axis)
            if know(axis, axes, "axis", loc):
                for bin_code in codes:
                    know(bin_code, axes[axis], f"bin of axis {axis}", loc)
    if not is_known:
        return
    claims = cell_tiers(version)
    unclaimed = [_combination(place, number) for number, codes in claims.items() if not codes]
    if unclaimed:
        place.report(("cells",), "gap", f"no cell takes {_some(unclaimed)}", "give each combination to one cell")
    disputed: dict[tuple[str, ...], list[str]] = {}
    for number, claimants in claims.items():
        if len(claimants) > 1:
            disputed.setdefault(tuple(claimants), []).append(_combination(place, number))
    for rivals, combinations in disputed.items():
        last = max(i for i, cell in enumerate(version.cells) if cell.tier_code == rivals[-1])
        found = f"cells of {' and '.join(rivals)} take {_some(combinations)}"
        place.report(("cells", last), "overlap", found, "give each combination to one cell")
    reached = {cell.tier_code for cell in version.cells}
    for i, tier in enumerate(version.tiers):
        if tier.tier_code not in reached:
            found = f"no cell gives {tier.tier_code}"
            place.report(("tiers", i), "unreachable", found, "add a cell for it, or remove the tier")


def lint_household(place: Place) -> None:
    """Household cuts rise with the tiers; a cut below the one for a single customer is usual (C2-05)."""
    version = place.version
    cuts: list[tuple[Tier, Decimal]] = []
    for i, tier in enumerate(version.tiers):
        loc: Loc = ("tiers", i, "household_lower")
        if tier.household_lower is None:
            if tier.household_rule:
                place.report(loc, "household", "household_rule without household_lower", "add household_lower")
        elif version.household is None or version.measure is None:
            mend = "add household (in bands only), or remove it"
            place.report(loc, "household", "household_lower without a household path", mend)
        else:
            number = _number(place, loc, tier.household_lower, version.value_unit)
            if number is not None and cuts and number <= cuts[-1][1]:
                found = f"{shown_number(number)} after {shown_number(cuts[-1][1])} of {cuts[-1][0].rule_id}"
                place.report(loc, "order", found, "let household cuts rise with the tiers")
            if number is not None:
                cuts.append((tier, number))
    if version.household and not any(tier.household_lower for tier in version.tiers):
        mend = "add household_lower to tiers, or remove household"
        place.report(("household",), "household", "a household path without any household_lower", mend)


def reachable_totals(place: Place) -> set[Decimal]:
    """Every sum of points that some customer can have."""
    totals = {Decimal(0)}
    for factor in place.version.factors:
        totals = {t + p for t in totals for p in bin_points(place.scheme.kind, place.version, factor)}
    return totals


def _broken_points(place: Place, factor: Factor) -> list[Decimal]:
    return [p for p in bin_points(place.scheme.kind, place.version, factor) if p != p.quantize(CENT)]


def _has_whole_points(place: Place) -> bool:
    return not any(_broken_points(place, factor) for factor in place.version.factors)


def _number(place: Place, loc: Loc, bound: Bound, unit: str) -> Decimal | None:
    try:
        number = bound.number(unit)
    except ValueError as error:
        place.report(loc, "unit", str(error), "write the bound in the unit of the measure")
        return None
    if not LOWEST < number < HIGHEST:
        place.report(loc, "unit", f"{bound.value!r} is beyond all amounts", "leave out a bound that is open")
        return None
    return number


def _spans(place: Place, loc: Loc, parts: Sequence[tuple[str, Tier | Bin]], unit: str) -> list[Span] | None:
    """Intervals of tiers or bins, ascending; None when a bound cannot be read or an interval is empty."""
    spans, is_whole = [], True
    for i, (name, part) in enumerate(parts):
        bounds = {end: bound for end, bound in (("lower", part.lower), ("upper", part.upper)) if bound}
        numbers = [_number(place, (*loc, i, end), bound, unit) for end, bound in bounds.items()]
        if None in numbers:
            is_whole = False
            continue
        span = Span(name, part.interval.lower_value(unit), part.interval.upper_value(unit))
        spans.append(span)
        if span.lower >= span.upper:
            is_whole = False
            found = f"{name} takes {shown_stretch(span.lower, span.upper)}, which is no value"
            place.report((*loc, i), "empty", found, "let lower be below upper")
        elif i and len(spans) > 1 and span.lower <= spans[-2].lower:
            found = f"{name} starts at {shown_number(span.lower)}, after {spans[-2].name} at "
            place.report((*loc, i), "order", found + shown_number(spans[-2].lower), "write the lowest first")
    return spans if is_whole else None


def _claimed_once(place: Place, loc: Loc, spans: list[Span], floor: Decimal) -> None:
    for lower, upper, names in misclaimed(spans, floor):
        index = next((i for i, span in enumerate(spans) if span.upper == lower), len(spans) - 1)
        if names:
            index = max(i for i, span in enumerate(spans) if span.name in names)
            found = f"{shown_stretch(lower, upper)} belongs to {' and '.join(names)}"
            place.report((*loc, index), "overlap", found, "let one end where the other starts, inclusive in one only")
        else:
            found = f"{shown_stretch(lower, upper)} belongs to nobody"
            mend = "let neighbours share a bound, inclusive in one of them; leave out what is open to infinity"
            place.report((*loc, index), "gap", found, mend)


def _lint_interval_bins(place: Place, loc: Loc, factor: Factor) -> None:
    coded = [i for i, each in enumerate(factor.bins) if each.codes]
    for i in coded:
        found = f"codes in a bin of {factor.measure.code}, which has none"
        place.report((*loc, i, "codes"), "unit", found, "give lower and upper instead")
    if coded:
        return
    named = [(f"{factor.factor_code}.{each.bin_code}", each) for each in factor.bins]
    spans = _spans(place, loc, named, factor.measure.unit)
    if spans is not None:
        _claimed_once(place, loc, spans, LOWEST)


def _lint_code_bins(place: Place, loc: Loc, factor: Factor) -> None:
    """Bins of codes follow their list: every code once, lowest first."""
    list_name = CODE_LISTS[factor.measure.quantity]
    rules = version_at(place.policies.measures.versions, place.version.effective_from)
    known = rules.codes.get(list_name, ()) if rules else ()
    for i, each in enumerate(factor.bins):
        if each.lower or each.upper or not each.codes:
            found = f"bin {each.bin_code} of {factor.measure.code} without codes or with bounds"
            place.report((*loc, i), "unit", found, f"give codes of {list_name}: {', '.join(known)}")
            return
    listed = [(i, code) for i, each in enumerate(factor.bins) for code in each.codes]
    unknown = [(i, code) for i, code in listed if code not in known]
    for i, code in unknown:
        place.report((*loc, i, "codes"), "unknown", f"code {code!r} of {list_name}", f"name one of {', '.join(known)}")
    if unknown:
        return
    codes = [code for _, code in listed]
    for code in known:
        if code not in codes:
            found = f"no bin of factor {factor.factor_code} takes {code}"
            place.report(loc, "gap", found, f"give every code of {list_name} to one bin")
        elif codes.count(code) > 1:
            last = max(i for i, each in listed if each == code)
            found = f"{codes.count(code)} bins of factor {factor.factor_code} take {code}"
            place.report((*loc, last), "overlap", found, "give the code to one bin")
    ranks = [[known.index(code) for code in each.codes] for each in factor.bins]
    for i, (before, after) in enumerate(itertools.pairwise(ranks), start=1):
        if len(set(codes)) == len(codes) and max(before) > min(after):
            found = f"bins of factor {factor.factor_code} do not follow the order of {list_name}"
            place.report((*loc, i), "order", found, f"write bins lowest first: {', '.join(known)}")


def _combination(place: Place, number: int) -> str:
    """Bins that make up a cell's number, such as assets=high credit=low."""
    places = factor_places(place.version)
    return " ".join(
        f"{f.factor_code}={f.bin_codes[number // places[f.factor_code] % f.group_count]}" for f in place.version.factors
    )


def _some(combinations: list[str]) -> str:
    more = len(combinations) - _NAMED_CELLS
    return "; ".join(combinations[:_NAMED_CELLS]) + (f" and {more} more" if more > 0 else "")


# What to check of a scheme of each kind, once its shape is right.
LINTS = {
    "bands": (lint_tiers, lint_household),
    "scorecard": (lint_factors, lint_tiers, lint_household),
    "matrix": (lint_factors, lint_cells, lint_household),
}
