"""The linter: what is wrong with policies that can be read. Findings name file, line, rule, defect and mend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from orchestration.lib.policies import lint_rules, lint_values
from orchestration.lib.policies.finding import Finding, Place
from orchestration.lib.policies.lint_access import lint_access
from orchestration.lib.policies.lint_actions import lint_actions
from orchestration.lib.policies.lint_appraisal import lint_appraisal
from orchestration.lib.policies.lint_books import lint_books
from orchestration.lib.policies.lint_churn import lint_churn
from orchestration.lib.policies.lint_events import lint_events
from orchestration.lib.policies.lint_obligations import lint_obligations
from orchestration.lib.policies.lint_offers import lint_offers
from orchestration.lib.policies.lint_service import lint_service
from orchestration.lib.policies.lint_shared import lint_shared
from orchestration.lib.policies.load import DAILY_FILES, PolicySet
from orchestration.lib.policies.model import Scheme


def lint(policies: PolicySet) -> list[Finding]:
    """All findings, by file and line; none when over the whole number line, ages and codes one answer is given."""
    findings = [
        *lint_shared(policies),
        *lint_books(policies),
        *lint_access(policies),
        *lint_actions(policies),
        *lint_appraisal(policies),
        *lint_churn(policies),
        *lint_events(policies),
        *lint_obligations(policies),
        *lint_offers(policies),
        *lint_service(policies),
        *_blank_texts(policies),
        *(finding for scheme in policies.schemes for finding in _lint_scheme(policies, scheme)),
    ]
    return sorted(findings, key=lambda f: (f.file, f.line))


def _lint_scheme(policies: PolicySet, scheme: Scheme) -> Iterator[Finding]:
    if not lint_rules.CODE.fullmatch(scheme.scheme_code):
        code = scheme.scheme_code
        found = f"scheme_code {code!r}"
        line = policies.line(code, ("scheme_code",))
        yield Finding(f"{code}.yml", line, code, "name", found, "use small letters, digits and _")
    for index, version in enumerate(scheme.versions):
        place = Place(policies, scheme, version, index)
        lint_values.lint_shape(place)
        if not place.findings:
            for check in (*lint_values.LINTS[scheme.kind], *lint_rules.LINTS):
                check(place)
        yield from place.findings


def _blank_texts(policies: PolicySet) -> Iterator[Finding]:
    files = {
        "access": policies.access,
        "asset_classes": policies.asset_classes,
        "books": policies.books,
        "measures": policies.measures,
        "roles": policies.roles,
        **{name: getattr(policies, name) for name in DAILY_FILES},
    }
    for name, model in {**files, **{s.scheme_code: s for s in policies.schemes}}.items():
        for loc in lint_rules.blank_texts(model):
            found, mend = f"{loc[-1]} says nothing", "write it, or remove the key if it may be left out"
            yield Finding(f"{name}.yml", policies.line(name, loc), name, "text", found, mend)


def frozen_changes(
    policies: PolicySet, published_versions: Mapping[str, Mapping[str, str]], frozen_through: date | None
) -> list[Finding]:
    """Changes of what was in force in closed periods.

    ``published_versions``: version and decision hashes of the last published build. ``frozen_through``: last
    day of the last closed quarter, None before the first close. A version that began by then may end later than
    it said, or earlier, but after that day; nothing else of it may change, and none may be added or removed.
    A scheme that was never published may start in a closed period: it changes nothing that was decided.
    """
    if frozen_through is None:
        return []
    now = {**policies.version_hashes(), **policies.decision_hashes()}
    places = {
        f"{name}@{version.version}": (name, index)
        for name, versions in policies.dated(is_disabled_too=True)
        for index, version in enumerate(versions)
    }
    published_names = {label.split("@")[0] for label in published_versions}
    findings = []
    for label in {**published_versions, **now}:
        name = label.split("@")[0]
        before, after = published_versions.get(label), now.get(label)
        days = [date.fromisoformat(each["effective_from"]) for each in (before, after) if each]
        if name not in published_names or min(days) > frozen_through:
            continue
        what = _frozen_change(before, after, frozen_through)
        if what:
            index = places[label][1] if label in places else None
            line = policies.line(name, ("versions",) if index is None else ("versions", index))
            found = f"{what}, but periods through {frozen_through} are closed"
            mend = "take the change back; add a version that starts after that day instead"
            findings.append(Finding(f"{name}.yml", line, label, "frozen", found, mend))
    return sorted(findings, key=lambda f: (f.file, f.line, f.rule_id))


def _frozen_change(
    before: Mapping[str, str] | None, after: Mapping[str, str] | None, frozen_through: date
) -> str | None:
    if before is None:
        return "was added"
    if after is None:
        return "is gone"
    if before["sha256"] != after["sha256"] or before["effective_from"] != after["effective_from"]:
        return "was changed"
    # In force through the closed days before and after: its end was moved beyond them.
    ends = {min(date.fromisoformat(each["effective_to"]), frozen_through) for each in (before, after)}
    return "ends on another day" if len(ends) > 1 else None
