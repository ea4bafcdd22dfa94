"""Lint of the files that schemes share: asset classes, ordered codes, roles. Feeds say which codes exist."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from orchestration.lib.contracts import load_contracts
from orchestration.lib.policies.books import BookVersion
from orchestration.lib.policies.finding import Finding, Kind
from orchestration.lib.policies.lint_rules import CODE, RULE_ID, parts
from orchestration.lib.policies.load import PolicySet
from orchestration.lib.policies.model import CODE_LISTS, AssetClassVersion, DatedVersion, MeasureRulesVersion, Rule
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
    """Findings in asset_classes.yml, measures.yml and roles.yml; who approved each of them and each file of what is
    decided from day to day, and the rules that these name.
    """
    for i, classes in enumerate(policies.asset_classes.versions):
        yield from _lint_approval(policies, "asset_classes", i, classes)
        yield from _lint_asset_sets(policies, i, classes)
    for i, rules in enumerate(policies.measures.versions):
        yield from _lint_approval(policies, "measures", i, rules)
        yield from _lint_code_lists(policies, i, rules)
    for i, book in enumerate(policies.books.versions):
        yield from _lint_approval(policies, "books", i, book)
    quoted = _quoted(policies)
    for name, versions in policies.daily().items():
        for i, version in enumerate(versions):
            yield from _lint_approval(policies, name, i, version)
            yield from _lint_rule_ids(policies, name, i, version, quoted)
    yield from _lint_roles(policies)


def _quoted(policies: PolicySet) -> set[str]:
    """Rules whose words stand in some file."""
    said = (*policies.schemes, *policies.books.versions, *itertools.chain(*policies.daily().values()))
    return {part.rule_id for model in said for _, part in parts(model) if isinstance(part, Rule)}


def _lint_rule_ids(
    policies: PolicySet, name: str, i: int, version: DatedVersion, quoted: Collection[str]
) -> Iterator[Finding]:
    """A reading (G12) is named by its number; a rule of a source is quoted in some file."""
    for loc, part in parts(version):
        rule_id = getattr(part, "rule_id", None)
        if not isinstance(rule_id, str):
            continue
        place: Loc = ("versions", i, *loc, "rule_id")
        if not RULE_ID.fullmatch(rule_id):
            mend = "write it as the catalogue does: A9-05, G12"
            yield _finding(policies, name, place, "rule id", repr(rule_id), mend)
        elif "-" in rule_id and rule_id not in quoted:
            found = f"rule {rule_id}, which is quoted nowhere"
            yield _finding(policies, name, place, "rule id", found, "quote it under `rules`, or correct it")
        if isinstance(part, Rule) and part.source_line < 1:
            mend = "count lines from 1"
            place = ("versions", i, *loc, "source_line")
            yield _finding(policies, name, place, "rule id", f"source_line {part.source_line}", mend)


def _finding(policies: PolicySet, name: str, loc: Loc, kind: Kind, found: str, mend: str) -> Finding:
    return Finding(f"{name}.yml", policies.line(name, loc), name, kind, found, mend)


def _lint_approval(
    policies: PolicySet,
    name: str,
    i: int,
    version: AssetClassVersion | MeasureRulesVersion | BookVersion | DatedVersion,
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
