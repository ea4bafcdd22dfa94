"""Lint of what a scheme says beside numbers: names, texts, owners, known things, and what no policy may do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import BaseModel

from orchestration.lib.policies.compile import NONE_TIER, door_threshold
from orchestration.lib.policies.finding import Kind, Place
from orchestration.lib.policies.load import V, version_at
from orchestration.lib.policies.model import CODE_LISTS, Measure, Owner, Rule
from orchestration.lib.policies.yaml_file import Loc

RULE_ID = re.compile(r"[A-Z]\d{1,2}(-\d{2}[a-z]?)?")
CODE = re.compile(r"[a-z][a-z0-9_]*")
BIN_CODE = re.compile(r"[a-z0-9][a-z0-9_]*")
# Money that customers bring by buying: a score of nothing else rewards selling alone (金规〔2025〕6号).
SALES = {"revenue_365d_cny", "revenue_kind_count", "product_family_count"}
# Ages at which owners are asked for, beside those around each limit: the retirement ages of the sources (G3).
_AGES = (0, 59, 60, 61, 150)


def parts(model: BaseModel, loc: Loc = ()) -> Iterator[tuple[Loc, BaseModel]]:
    """A model and every model in it, with the path that leads there."""
    yield loc, model
    for name in type(model).model_fields:
        yield from _parts_of_value(getattr(model, name), (*loc, name))


def _parts_of_value(value: object, loc: Loc) -> Iterator[tuple[Loc, BaseModel]]:
    if isinstance(value, BaseModel):
        yield from parts(value, loc)
    elif isinstance(value, tuple):
        for i, each in enumerate(value):
            yield from _parts_of_value(each, (*loc, i))
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _parts_of_value(each, (*loc, key))


def blank_texts(model: BaseModel) -> Iterator[Loc]:
    """Paths of texts that are written and say nothing."""
    for loc, part in parts(model):
        for name in part.model_fields_set:
            value = getattr(part, name)
            if isinstance(value, str) and not value.strip():
                yield (*loc, name)


def lint_names(place: Place) -> None:
    """Codes are lower_snake_case and single; rules name their id and line."""
    version = place.version
    tiers = [(("tiers", i), tier.tier_code) for i, tier in enumerate(version.tiers)]
    doors: list[tuple[Loc, str]] = [(("door_tier",), version.door_tier.tier_code)] if version.door_tier else []
    _lint_codes(place, [*doors, *tiers], "tier_code", CODE, taken=(NONE_TIER,))
    factors: list[tuple[Loc, str]] = [(("factors", i), f.factor_code) for i, f in enumerate(version.factors)]
    _lint_codes(place, factors, "factor_code", CODE)
    for i, factor in enumerate(version.factors):
        bins: list[tuple[Loc, str]] = [(("factors", i, "bins", n), b.bin_code) for n, b in enumerate(factor.bins)]
        _lint_codes(place, bins, "bin_code", BIN_CODE)
    for loc, part in parts(version):
        if isinstance(part, Rule) and not RULE_ID.fullmatch(part.rule_id):
            place.report((*loc, "rule_id"), "rule id", repr(part.rule_id), "write it as the catalogue does: A9-05, G12")
        if isinstance(part, Rule) and part.source_line < 1:
            place.report((*loc, "source_line"), "rule id", f"source_line {part.source_line}", "count lines from 1")


def _lint_codes(
    place: Place, coded: list[tuple[Loc, str]], key: str, pattern: re.Pattern[str], taken: tuple[str, ...] = ()
) -> None:
    seen = set(taken)
    for loc, code in coded:
        if not pattern.fullmatch(code):
            place.report((*loc, key), "name", f"{key} {code!r}", "use small letters, digits and _")
        if code in seen:
            place.report((*loc, key), "name", f"{key} {code!r} is taken", "choose another")
        seen.add(code)


def lint_owners(place: Place) -> None:
    """With owners: one known primary role under NDA for every tier and every age; without: none (A9-19, G3, G24)."""
    version = place.version
    owners: list[tuple[Loc, str, Owner | None]] = [
        (("tiers", i), tier.tier_code, tier.owner) for i, tier in enumerate(version.tiers)
    ]
    if version.door_tier:
        owners.append((("door_tier",), version.door_tier.tier_code, version.door_tier.owner))
    limits = [o.age_max for _, _, o in owners if o and o.age_max is not None]
    ages = sorted({*_AGES, *limits, *(limit + 1 for limit in limits)})
    known = place.policies.roles.roles
    for loc, tier_code, owner in owners:
        if not place.scheme.assigns_owners:
            if owner:
                found = f"{tier_code} has an owner in a scheme that assigns none"
                place.report((*loc, "owner"), "owner", found, "remove it, or say assigns_owners: true")
            continue
        if owner is None:
            place.report(loc, "owner", f"nobody owns customers of {tier_code}", "add an owner with a primary_role")
            continue
        for role in sorted({role for role in (owner.primary_role, owner.fallback_role, *owner.team_roles) if role}):
            if role not in known:
                place.report((*loc, "owner"), "unknown", f"role {role!r}", "name a role of roles.yml, or add it there")
        for role in dict.fromkeys(owner.role_at(age) for age in ages):
            if role in known and not known[role].needs_nda:
                found = f"{role} owns customers of {tier_code} without an NDA"
                place.report((*loc, "owner"), "nda", found, "let roles.yml say needs_nda: true, or choose another role")
            if role in known and (known[role].default_capacity or 0) <= 0:
                found = f"{role} owns customers of {tier_code} without a capacity"
                mend = "give it a default_capacity in roles.yml, or choose another role"
                place.report((*loc, "owner"), "capacity", found, mend)
        if owner.primary_role in owner.team_roles:
            found = f"{owner.primary_role} is the owner of {tier_code} and in its team"
            place.report((*loc, "owner", "team_roles"), "owner", found, "name it once")


def in_force(versions: tuple[V, ...], place: Place) -> list[V]:
    """Versions of something else that hold on some day of this version."""
    first, last = place.version.effective_from, place.version.effective_to
    return [v for v in versions if v.effective_from < last and v.effective_to > first]


def _measures(place: Place) -> list[tuple[Loc, Measure]]:
    version = place.version
    own: list[tuple[Loc, Measure]] = [(("measure",), version.measure)] if version.measure else []
    return own + [(("factors", i, "measure"), factor.measure) for i, factor in enumerate(version.factors)]


def lint_known(place: Place) -> None:
    """Asset sets, code lists, doors and vetoes name things that are there on every day of the version."""
    version, policies = place.version, place.policies
    measured = _measures(place)
    for loc, measure in measured:
        if measure.quantity == "assets":
            if version_at(policies.asset_classes.versions, version.effective_from) is None:
                found = f"no version of asset_classes on {version.effective_from}"
                place.report(loc, "unknown", found, "let asset_classes.yml start as early")
            for other in in_force(policies.asset_classes.versions, place):
                if measure.asset_set not in other.asset_sets:
                    found = f"asset set {measure.asset_set!r}, not in version {other.version} of asset_classes"
                    place.report(loc, "unknown", found, f"name one of {', '.join(other.asset_sets)}, or add it there")
    doors: list[tuple[Loc, str]] = [(("entry_doors", i), d.measure) for i, d in enumerate(version.entry_doors)]
    for loc, quantity in [*((loc, measure.quantity) for loc, measure in measured), *doors]:
        list_name = CODE_LISTS.get(quantity)
        if list_name:
            lists = {v.effective_from: v.codes.get(list_name, ()) for v in in_force(policies.measures.versions, place)}
            changes = [day for day, codes in lists.items() if codes != next(iter(lists.values()))]
            if changes:
                found = f"the codes of {list_name} change on {changes[0]}, within the version"
                place.report(loc, "code list", found, "start a version of the scheme on that day")
    for i, door in enumerate(version.entry_doors):
        try:
            door_threshold(door, policies.measures, version.effective_from)
        except ValueError as error:
            kind: Kind = "unknown" if door.measure in CODE_LISTS else "unit"
            place.report(("entry_doors", i, "at_least"), kind, str(error), "write an amount, or a code of measures.yml")
    if bool(version.entry_doors) != bool(version.door_tier):
        found = "entry_doors without door_tier" if version.entry_doors else "door_tier without entry_doors"
        loc = ("entry_doors",) if version.entry_doors else ("door_tier",)
        place.report(loc, "door", found, "give both or neither: the tier is for those who enter by a door")
    if version.veto:
        _lint_veto(place)


def _lint_veto(place: Place) -> None:
    veto, schemes = place.version.veto, {s.scheme_code: s for s in place.policies.schemes}
    if veto is None:
        return
    other = schemes.get(veto.scheme_code)
    if other is None or other is place.scheme or not other.is_enabled or other.subject != "customer":
        known = ", ".join(s for s in schemes if s != place.scheme.scheme_code)
        found = f"scheme {veto.scheme_code!r} as a veto"
        place.report(("veto", "scheme_code"), "unknown", found, f"name another enabled scheme of customers: {known}")
        return
    for version in in_force(other.versions, place):
        codes = [tier.tier_code for tier in version.tiers]
        for code in veto.tier_codes:
            if code not in codes:
                found = f"tier {code!r} of {other.scheme_code}@{version.version}"
                place.report(("veto", "tier_codes"), "unknown", found, f"name one of {', '.join(codes)}")


def lint_settings(place: Place) -> None:
    """Rates and months that can have an effect."""
    version = place.version
    if not 0 < version.near_threshold_rate <= 1:
        found = f"near_threshold_rate {version.near_threshold_rate}"
        place.report(("near_threshold_rate",), "rate", found, "write a share above 0, at most 100%")
    grace = max((tier.downgrade_after_months for tier in version.tiers), default=0)
    if version.watch_from_month is not None and not 1 <= version.watch_from_month <= grace:
        found = f"watch_from_month {version.watch_from_month} with a grace of {grace} months"
        place.report(("watch_from_month",), "grace", found, "name a month of the grace, or remove it")
    if version.best_tier_of_months > 1 and grace:
        found = f"best_tier_of_months {version.best_tier_of_months} and a grace of {grace} months"
        place.report(
            ("best_tier_of_months",), "grace", found, "choose one: the best of months, or downgrade_after_months"
        )


def lint_forbidden(place: Place) -> None:
    """What regulators forbid: deposits appraised at a point in time, and scores of sales alone."""
    scheme, version = place.scheme, place.version
    if scheme.assigns_owners or scheme.is_primary:
        for loc, measure in _measures(place):
            if (measure.quantity == "assets" and measure.window == "point") or measure.quantity == "deposit_cny":
                found = f"{measure.code} of one day, in a scheme that staff are appraised by"
                mend = (
                    "take a daily average (window: month): balances of one day may not be appraised (存款偏离度, 2018)"
                )
                place.report((*loc, "window"), "point in time", found, mend)
    quantities = {factor.measure.quantity for factor in version.factors}
    if scheme.kind == "scorecard" and quantities and quantities <= SALES:
        found = f"a score of {', '.join(sorted(quantities))} alone"
        mend = "add a factor that is not sales (金规〔2025〕6号)"
        place.report(("factors",), "sales only", found, mend)


LINTS = (lint_names, lint_owners, lint_known, lint_settings, lint_forbidden)
