"""What the linter says of a policy, and the place in a scheme's version that it speaks of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.model import Scheme, SchemeVersion
from orchestration.lib.policies.yaml_file import Loc

Kind = Literal[
    # the number line, codes and cells
    "gap",
    "overlap",
    "order",
    "empty",
    "unit",
    "missing",
    "weights",
    "points",
    "unreachable",
    "household",
    # what a policy names and says
    "shape",
    "name",
    "rule id",
    "text",
    "unknown",
    "code list",
    "door",
    "rate",
    "grace",
    "approval",
    # what it may not do
    "owner",
    "nda",
    "capacity",
    "range",
    "point in time",
    "sales only",
    "frozen",
]


@dataclass(frozen=True)
class Finding:
    """One defect of a policy. ``rule_id``: the rule it is in, else the version or the file."""

    file: str
    line: int
    rule_id: str
    kind: Kind
    found: str
    mend: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.rule_id} {self.kind}: {self.found} -> {self.mend}"


@dataclass(frozen=True)
class Place:
    """One version of a scheme within all policies, and what was found in it."""

    policies: PolicySet
    scheme: Scheme
    version: SchemeVersion
    index: int
    findings: list[Finding] = field(default_factory=list)

    def report(self, loc: Loc, kind: Kind, found: str, mend: str) -> None:
        """Note a finding at ``loc`` below the version, under the rule of the tier or door that ``loc`` leads to."""
        code = self.scheme.scheme_code
        rule_id = f"{code}@{self.version.version}"
        match loc:
            case ("tiers", int(i), *_):
                rule_id = self.version.tiers[i].rule_id
            case ("entry_doors", int(i), *_):
                rule_id = self.version.entry_doors[i].rule_id
        line = self.policies.line(code, ("versions", self.index, *loc))
        self.findings.append(Finding(f"{code}.yml", line, rule_id, kind, found, mend))
