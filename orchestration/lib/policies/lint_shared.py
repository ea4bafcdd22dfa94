"""Lint of the files that schemes share: asset classes, ordered codes, roles. Feeds say which codes exist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from orchestration.lib.contracts import load_contracts
from orchestration.lib.policies.books import BookVersion
from orchestration.lib.policies.finding import Finding, Kind
from orchestration.lib.policies.lint_rules import CODE
from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.model import CODE_LISTS, AssetClassVersion, MeasureRulesVersion
from orchestration.lib.policies.yaml_file import Loc

# Where the codes of a list are delivered: feed and column.
_LIST_FEEDS = {
    "card_grade": "card.card_accounts",
    "risk_result": "risk.customer_risk",
    "special_flag": "risk.customer_risk",
    "aml_class": "risk.customer_risk",
    "risk_appetite": "core_banking.customers",
    "loan_class": "loan.loans",
}
# Positions of the brokerage feed have no product; their family is this one.
_SECURITIES = "securities"
STANDARD_SET = "standard"


def lint_shared(policies: PolicySet) -> Iterator[Finding]:
    """Findings in asset_classes.yml, measures.yml and roles.yml, and who approved each of them and books.yml."""
    for i, classes in enumerate(policies.asset_classes.versions):
        yield from _lint_approval(policies, "asset_classes", i, classes)
        yield from _lint_asset_sets(policies, i, classes)
    for i, rules in enumerate(policies.measures.versions):
        yield from _lint_approval(policies, "measures", i, rules)
        yield from _lint_code_lists(policies, i, rules)
    for i, book in enumerate(policies.books.versions):
        yield from _lint_approval(policies, "books", i, book)
    yield from _lint_roles(policies)


def _finding(policies: PolicySet, name: str, loc: Loc, kind: Kind, found: str, mend: str) -> Finding:
    return Finding(f"{name}.yml", policies.line(name, loc), name, kind, found, mend)


def _lint_approval(
    policies: PolicySet, name: str, i: int, version: AssetClassVersion | MeasureRulesVersion | BookVersion
) -> Iterator[Finding]:
    if version.author.strip().lower() == version.approved_by.strip().lower():
        found = f"author and approved_by of version {version.version} are both {version.author!r}"
        yield _finding(policies, name, ("versions", i, "approved_by"), "approval", found, "let another approve it")


def _values(feed_id: str, column: str) -> tuple[str, ...]:
    return next(c.values for c in load_contracts()[feed_id].columns if c.name == column)


def _lint_asset_sets(policies: PolicySet, i: int, version: AssetClassVersion) -> Iterator[Finding]:
    families = (*_values("reference.products", "product_family"), _SECURITIES)
    loc: Loc = ("versions", i, "asset_sets")
    if STANDARD_SET not in version.asset_sets:
        found, mend = f"no asset set {STANDARD_SET!r}", "add it: the published AUM is made of it (G5)"
        yield _finding(policies, "asset_classes", loc, "unknown", found, mend)
    for name, asset_set in version.asset_sets.items():
        here = (*loc, name, "families")
        for family in asset_set.families:
            if family not in families:
                found, mend = f"product family {family!r}", f"name one of {', '.join(families)}"
                yield _finding(policies, "asset_classes", (*here, family), "unknown", found, mend)
        missing = [family for family in families if family not in asset_set.families]
        if missing:
            found = f"asset set {name} says nothing of {', '.join(missing)}"
            yield _finding(
                policies, "asset_classes", here, "gap", found, "give each family a coefficient, 0 leaves it out"
            )


def _lint_code_lists(policies: PolicySet, i: int, version: MeasureRulesVersion) -> Iterator[Finding]:
    for list_name in CODE_LISTS.values():
        known = _values(_LIST_FEEDS[list_name], list_name)
        listed = version.codes.get(list_name, ())
        loc: Loc = ("versions", i, "codes", list_name)
        yield from _unknown(policies, loc, listed, known, f"code of {list_name}")
        missing = [code for code in known if code not in listed]
        if missing:
            found = f"{list_name} says nothing of {', '.join(missing)}"
            yield _finding(policies, "measures", loc, "gap", found, "give every delivered code its place, lowest first")
        for code, count in Counter(listed).items():
            if count > 1:
                yield _finding(policies, "measures", loc, "overlap", f"{code} stands {count} times", "name it once")
    lists = tuple(CODE_LISTS.values())
    yield from _unknown(policies, ("versions", i, "codes"), version.codes, lists, "code list")
    kinds = _values("card.card_transactions", "transaction_kind")
    yield from _unknown(policies, ("versions", i, "card_spend_kinds"), version.card_spend_kinds, kinds, "kind")


def _unknown(
    policies: PolicySet, loc: Loc, names: Iterable[str], known: tuple[str, ...], what: str
) -> Iterator[Finding]:
    for name in names:
        if name not in known:
            found, mend = f"{what} {name!r}", f"name one of {', '.join(known)}"
            yield _finding(policies, "measures", loc, "unknown", found, mend)


def _lint_roles(policies: PolicySet) -> Iterator[Finding]:
    roles = policies.roles.roles
    names = Counter(name for code, role in roles.items() for name in {role.label_zh, *role.synonyms, code})
    for code, role in roles.items():
        if not CODE.fullmatch(code):
            found = f"role {code!r}"
            yield _finding(policies, "roles", ("roles", code), "name", found, "use small letters, digits and _")
        for synonym in role.synonyms:
            if names[synonym] > 1:
                found = f"{synonym} is a name of several roles, {code} among them"
                yield _finding(
                    policies, "roles", ("roles", code, "synonyms"), "name", found, "leave it to one role (G25)"
                )
