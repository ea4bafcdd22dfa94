"""Lint of policies/access.yml: it names marts that there are, by columns that they have, and two people."""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.lib.contracts import C2
from orchestration.lib.mart_contracts import mart_contracts
from orchestration.lib.policies.access import EVERY_MART, SCOPES, Reader, Scope
from orchestration.lib.policies.finding import Finding, Kind
from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.yaml_file import Loc

# Columns by which rows are one's own: a mart needs one of each group.
CUSTOMER, EMPLOYEE, BRANCH, CELL = (
    ("customer_id",),
    ("employee_id",),
    ("branch_id", "home_branch_id"),
    ("customer_count",),
)
NEEDED: dict[Scope, tuple[tuple[str, ...], ...]] = {
    "own_customers": (CUSTOMER,),
    "own_work": (EMPLOYEE,),
    "own_work_on_own_customers": (EMPLOYEE, CUSTOMER),
    "own_branches": (BRANCH,),
    "large_cells": (CELL,),
    "everything": (),
}


def lint_access(policies: PolicySet) -> Iterator[Finding]:
    """Findings in access.yml."""
    access = policies.access
    if access.author.strip().lower() == access.approved_by.strip().lower():
        found = f"author and approved_by are both {access.author!r}"
        yield _finding(policies, ("approved_by",), "approval", found, "let another approve it")
    for code, reader in access.readers.items():
        yield from _lint_reader(policies, code, reader)
    readers = access.readers.values()
    for mart in mart_contracts():
        if not any(reader.scopes(mart) for reader in readers):
            mend = "name it under a scope of the reader who needs it"
            yield _finding(policies, ("readers",), "gap", f"nobody reads {mart}", mend)


def _lint_reader(policies: PolicySet, code: str, reader: Reader) -> Iterator[Finding]:
    contracts = mart_contracts()
    named: set[str] = set()
    for scope in SCOPES:
        marts: tuple[str, ...] = getattr(reader, scope)
        for number, mart in enumerate(marts):
            loc: Loc = ("readers", code, scope, number)
            if mart == EVERY_MART and scope == "everything":
                named |= contracts.keys()
                continue
            if mart not in contracts:
                yield _finding(policies, loc, "unknown", f"mart {mart!r}", "name one of docs/marts.md")
                continue
            columns = {column.name for column in contracts[mart]}
            lacking = [" or ".join(group) for group in NEEDED[scope] if not columns & set(group)]
            if lacking:
                found = f"{mart} has no column {', '.join(lacking)}, by which rows are chosen"
                yield _finding(policies, loc, "unknown", found, "name it under another scope")
            if mart in named:
                yield _finding(policies, loc, "overlap", f"{mart} is named twice", "name it under one scope")
            named.add(mart)
    for number, mart in enumerate(reader.masked):
        if mart in named and all(column.classification != C2 for column in contracts[mart]):
            found = f"{mart} is masked, and has no C2 column"
            yield _finding(policies, ("readers", code, "masked", number), "unknown", found, "take it out")
        elif mart not in named:
            found = f"{mart} is masked, and no scope names it"
            yield _finding(policies, ("readers", code, "masked", number), "unknown", found, "name it under a scope")


def _finding(policies: PolicySet, loc: Loc, kind: Kind, found: str, mend: str) -> Finding:
    return Finding("access.yml", policies.line("access", loc), "access", kind, found, mend)
