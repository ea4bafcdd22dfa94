"""Reading policy files: one PolicySet, or an error that names file, line, what was found and the mend."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel

from orchestration.lib.home import POLICIES_DIR
from orchestration.lib.policies.access import Access
from orchestration.lib.policies.actions import Actions
from orchestration.lib.policies.appraisal import Appraisal
from orchestration.lib.policies.books import Books, BookVersion
from orchestration.lib.policies.churn import Churn
from orchestration.lib.policies.events import Events
from orchestration.lib.policies.model import (
    AssetClasses,
    AssetClassVersion,
    DatedVersion,
    MeasureRules,
    MeasureRulesVersion,
    Roles,
    Scheme,
    SchemeVersion,
)
from orchestration.lib.policies.obligations import Obligations
from orchestration.lib.policies.offers import Offers
from orchestration.lib.policies.service import Service
from orchestration.lib.policies.yaml_file import Loc, Unreadable, line_of, read_yaml

T = TypeVar("T", bound=BaseModel)
Version = SchemeVersion | AssetClassVersion | MeasureRulesVersion | BookVersion | DatedVersion
V = TypeVar("V", bound=Version)
# Files of what is decided from day to day and what that is judged by. Decisions are never restated: a change dirties
# no fact.
DAILY_FILES: dict[str, type[Obligations | Events | Actions | Appraisal | Churn | Offers | Service]] = {
    "actions": Actions,
    "appraisal": Appraisal,
    "churn": Churn,
    "events": Events,
    "obligations": Obligations,
    "offers": Offers,
    "service": Service,
}
SHARED_FILES = ("access", "asset_classes", "books", "measures", "roles", *DAILY_FILES)
POLICIES_VARIABLE = "TIERHOUSE_POLICIES"
# How an owner owns decides books, not tiers.
_OWNED_AS = {"owner": {"primary_as", "fallback_as"}}


class PolicyError(ValueError):
    """Policy files that cannot be used; each line of the message names file, line, found value and the mend."""


@dataclass(frozen=True)
class PolicySet:
    """All policies of a deployment. ``roots``: the files as read, by name without ending, for line numbers."""

    schemes: tuple[Scheme, ...]
    asset_classes: AssetClasses
    measures: MeasureRules
    roles: Roles
    books: Books
    actions: Actions
    appraisal: Appraisal
    churn: Churn
    events: Events
    obligations: Obligations
    offers: Offers
    service: Service
    access: Access
    roots: Mapping[str, yaml.Node] = field(default_factory=dict, compare=False, repr=False)

    def line(self, name: str, loc: Loc = ()) -> int:
        """Line of a part of a file; 1 when the policies were not read from files."""
        return line_of(self.roots[name], loc) if name in self.roots else 1

    def daily(self) -> dict[str, tuple[DatedVersion, ...]]:
        """Versions of each file of what is decided from day to day."""
        return {name: getattr(self, name).versions for name in DAILY_FILES}

    def dated(self, *, is_disabled_too: bool = False) -> list[tuple[str, tuple[Version, ...]]]:
        """Name and versions of everything that has dated versions."""
        return [
            ("asset_classes", self.asset_classes.versions),
            ("books", self.books.versions),
            ("measures", self.measures.versions),
            *self.daily().items(),
            *((s.scheme_code, s.versions) for s in self.schemes if s.is_enabled or is_disabled_too),
        ]

    def version_hashes(self) -> dict[str, dict[str, str]]:
        """Per version: its days and the hash of all else that it says. A change restates from its first day.

        The end is not in the hash: a version that is succeeded by another says the same as before. What is decided
        from day to day is left out: decisions are never restated.
        """
        return self._hashes(lambda version: not isinstance(version, BookVersion | DatedVersion))

    def decision_hashes(self) -> dict[str, dict[str, str]]:
        """As ``version_hashes``, of the versions that decisions are taken and judged by."""
        return self._hashes(lambda version: isinstance(version, BookVersion | DatedVersion))

    def _hashes(self, is_wanted: Callable[[Version], bool]) -> dict[str, dict[str, str]]:
        kinds = {
            s.scheme_code: {"kind": s.kind, "subject": s.subject, "is_primary": s.is_primary} for s in self.schemes
        }
        hashes: dict[str, dict[str, str]] = {}
        for name, versions in self.dated():
            for version in filter(is_wanted, versions):
                left_out: dict[str, Any] = {"effective_to": True}
                if isinstance(version, SchemeVersion):
                    left_out |= {"tiers": {"__all__": _OWNED_AS}, "door_tier": _OWNED_AS}
                content = {**kinds.get(name, {}), **version.model_dump(mode="json", exclude=left_out)}
                text = json.dumps(content, sort_keys=True, ensure_ascii=False)
                hashes[f"{name}@{version.version}"] = {
                    "effective_from": version.effective_from.isoformat(),
                    "effective_to": version.effective_to.isoformat(),
                    "sha256": hashlib.sha256(text.encode()).hexdigest(),
                }
        return hashes

    @property
    def policy_hash(self) -> str:
        """Hash of all that facts and decisions are made by; who reads them is none of it."""
        owners = {
            f"{s.scheme_code}@{version.version}": [
                owned.owner.model_dump(mode="json") if owned and owned.owner else None
                for owned in (version.door_tier, *version.tiers)
            ]
            for s in self.schemes
            if s.is_enabled
            for version in s.versions
        }
        decisions = {
            "books": self.books.model_dump(mode="json"),
            "roles": self.roles.model_dump(mode="json"),
            **{name: getattr(self, name).model_dump(mode="json") for name in DAILY_FILES},
            "owners": owners,
        }
        text = json.dumps({"versions": self.version_hashes(), **decisions}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def book_version(self, day: date) -> BookVersion:
        """The rules of books in force on a day. Raises PolicyError when there are none."""
        version = version_at(self.books.versions, day)
        if version is None:
            raise PolicyError(f"books.yml: no version is in force on {day}; let the first one start earlier")
        return version

    @property
    def primary(self) -> Scheme:
        return next(s for s in self.schemes if s.is_primary)

    def scheme(self, scheme_code: str) -> Scheme:
        """Raises PolicyError naming the known schemes."""
        for scheme in self.schemes:
            if scheme.scheme_code == scheme_code:
                return scheme
        known = ", ".join(s.scheme_code for s in self.schemes)
        raise PolicyError(f"no scheme {scheme_code!r}; known: {known}")


def version_at(versions: tuple[V, ...], day: date) -> V | None:
    """The version in force on a day, or None before the first one."""
    return next((v for v in versions if v.effective_from <= day < v.effective_to), None)


def policies_dir() -> Path:
    """The folder in force: ``TIERHOUSE_POLICIES`` when it is set, else the shipped one."""
    return Path(os.environ.get(POLICIES_VARIABLE) or POLICIES_DIR)


def load_policies(directory: Path | None = None) -> PolicySet:
    """Read and validate every policy file of ``directory``, or of the folder in force.

    Raises PolicyError: a line for every problem of every file.
    """
    directory = directory or policies_dir()
    roots: dict[str, yaml.Node] = {}
    problems: list[str] = []

    def read(name: str, model: type[T]) -> T | None:
        try:
            parsed = read_yaml(directory / f"{name}.yml", model)
        except Unreadable as error:
            problems.extend(error.problems)
            return None
        roots[name] = parsed.root
        return parsed.value

    names = [p.stem for p in sorted(directory.glob("*.yml")) if p.stem not in SHARED_FILES]
    schemes = [read(name, Scheme) for name in names]
    asset_classes = read("asset_classes", AssetClasses)
    measures = read("measures", MeasureRules)
    roles = read("roles", Roles)
    books = read("books", Books)
    others = {name: read(name, model) for name, model in {**DAILY_FILES, "access": Access}.items()}
    for name, scheme in zip(names, schemes, strict=True):
        if scheme and scheme.scheme_code != name:
            line = line_of(roots[name], ("scheme_code",))
            problems.append(
                f"{name}.yml:{line}: scheme_code: found {scheme.scheme_code!r}, expected {name!r} as the file is "
                "named; rename one of them"
            )
    if problems or asset_classes is None or measures is None or roles is None or books is None:
        raise PolicyError("\n".join(problems))
    policies = PolicySet(
        tuple(s for s in schemes if s), asset_classes, measures, roles, books, roots=roots, **cast("Any", others)
    )
    problems = [*_primary_problems(policies, directory), *_date_problems(policies)]
    if problems:
        raise PolicyError("\n".join(problems))
    return policies


def load_access(directory: Path | None = None) -> Access:
    """access.yml alone, of ``directory`` or of the folder in force. Raises PolicyError."""
    try:
        return read_yaml((directory or policies_dir()) / "access.yml", Access).value
    except Unreadable as error:
        raise PolicyError("\n".join(error.problems)) from error


def _primary_problems(policies: PolicySet, directory: Path) -> Iterator[str]:
    primary = [s for s in policies.schemes if s.is_primary]
    if not primary:
        yield f"{directory.name}/: found no scheme with is_primary: true, expected one; say it in one scheme's file"
    for scheme in primary:
        place = f"{scheme.scheme_code}.yml:{policies.line(scheme.scheme_code, ('is_primary',))}: is_primary"
        if len(primary) > 1:
            others = ", ".join(s.scheme_code for s in primary if s is not scheme)
            yield f"{place}: found other primary schemes ({others}), expected one; set it to false in all but one"
        if not scheme.is_enabled or scheme.subject != "customer":
            yield f"{place}: found a scheme that is disabled or not of customers; make another the primary one"


def _date_problems(policies: PolicySet) -> Iterator[str]:
    for name, versions in policies.dated(is_disabled_too=True):
        lines = {id(v): policies.line(name, ("versions", i, "effective_from")) for i, v in enumerate(versions)}
        if not versions:
            line = policies.line(name, ("versions",))
            yield f"{name}.yml:{line}: versions: found none, expected one or more; add one"
        labels = [v.version for v in versions]
        for version in versions:
            place = f"{name}.yml:{lines[id(version)]}: version {version.version}"
            if labels.count(version.version) > 1:
                yield f"{place}: found its name more than once, expected once; name each version differently"
            if version.effective_to <= version.effective_from:
                yield (
                    f"{place}: found effective_to {version.effective_to}, expected a day after effective_from "
                    f"{version.effective_from}; correct one of them"
                )
        for earlier, later in itertools.pairwise(sorted(versions, key=lambda v: v.effective_from)):
            if earlier.effective_to != later.effective_from:
                what = "a gap" if earlier.effective_to < later.effective_from else "an overlap"
                yield (
                    f"{name}.yml:{lines[id(later)]}: versions: found {what}: version {earlier.version} ends "
                    f"{earlier.effective_to} and version {later.version} starts {later.effective_from}, expected the "
                    f"same day; set effective_to of version {earlier.version} to {later.effective_from}"
                )
