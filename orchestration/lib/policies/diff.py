"""A draft of a policy against the one in force: who would move, and what that means for staff.

Both are replayed over the kept month ends by the models of the daily build, from the same first month. The
deployment is only read.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import jinja2
import yaml
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestration.lib.home import Home
from orchestration.lib.policies.compile import NONE_TIER, scheme_structures, tier_ranks
from orchestration.lib.policies.lint import lint
from orchestration.lib.policies.load import SHARED_FILES, PolicyError, PolicySet, load_policies, policies_dir
from orchestration.lib.policies.model import Owner, Scheme, SchemeVersion
from orchestration.lib.policies.trial import Trial, TrialFailed
from orchestration.lib.policies.units import OPEN_END

TEMPLATES_DIR = Path(__file__).parent / "templates"
# Vetoed customers keep their tier and lose its owner (G35).
VETO_ROLE = "compliance_officer"
# So many movers are listed by id; all are counted.
MOVERS_SHOWN = 1000
_SIDES = ("in_force", "draft")


@dataclass(frozen=True)
class Draft:
    """A draft among the policies in force. ``scheme_codes``: what it changes or adds."""

    in_force: PolicySet
    policies: PolicySet
    scheme_codes: tuple[str, ...]


@dataclass(frozen=True)
class Mover:
    customer_id: str
    from_tier: str
    to_tier: str


@dataclass(frozen=True)
class MonthRow:
    """Customers with a tier at a month end under each policy, and how many of all have another one."""

    month_end: date
    in_force: int
    draft: int
    moved: int


@dataclass(frozen=True)
class TierRow:
    tier_code: str
    label_zh: str
    label_en: str
    in_force: int
    draft: int
    in_force_aum_cny: Decimal
    draft_aum_cny: Decimal


@dataclass(frozen=True)
class RoleRow:
    """Customers of a role; of one branch when ``branch_id`` is given."""

    role_code: str
    label_zh: str
    label_en: str
    in_force: int
    draft: int
    branch_id: str = ""


@dataclass(frozen=True)
class Stability:
    """Changes of official tier after the first evaluation, over the months that customers had or lost a tier in."""

    changes: int
    customer_months: int

    @property
    def per_customer_year(self) -> Decimal | None:
        """Changes per customer-year, two decimals; None when there is a single month end."""
        if not self.customer_months:
            return None
        return (Decimal(12 * self.changes) / self.customer_months).quantize(Decimal("0.01"))


@dataclass(frozen=True)
class SchemeDiff:
    """What a draft of one scheme changes. All but ``months`` and stability is as of the last month end.

    ``matrix``: customers by (tier in force, tier under the draft); ``none`` is not tiered.
    """

    scheme_code: str
    label_zh: str
    label_en: str
    version: str
    author: str
    approved_by: str
    in_force_version: str | None
    months: tuple[MonthRow, ...]
    movers: tuple[Mover, ...]
    tiers: tuple[TierRow, ...]
    roles: tuple[RoleRow, ...]
    branches: tuple[RoleRow, ...]
    matrix: dict[tuple[str, str], int]
    in_force_stability: Stability
    draft_stability: Stability
    has_doors: bool

    @property
    def moved(self) -> int:
        return self.months[-1].moved

    @property
    def in_force_tiers(self) -> list[str]:
        """Tier codes of the matrix's rows, highest first."""
        return [t.tier_code for t in self.tiers if any(key[0] == t.tier_code for key in self.matrix)]

    @property
    def draft_tiers(self) -> list[str]:
        """Tier codes of the matrix's columns, highest first."""
        return [t.tier_code for t in self.tiers if any(key[1] == t.tier_code for key in self.matrix)]


def load_draft(path: Path) -> Draft:
    """A scheme's file, or a folder of policy files, put in the place of those in force.

    Raises PolicyError: a line for everything that makes the draft unusable, by file and line of the draft.
    """
    files = sorted(path.glob("*.yml")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        raise PolicyError(f"{path}: found no policy file, expected a scheme's YAML file or a folder of them")
    directory = policies_dir()
    in_force = load_policies(directory)
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch)
        for file in directory.glob("*.yml"):
            shutil.copy(file, target)
        names = {_policy_name(file): file for file in files}
        for name, file in names.items():
            shutil.copy(file, target / f"{name}.yml")
        try:
            policies = load_policies(target)
            problems = [str(finding) for finding in lint(policies)]
        except PolicyError as error:
            problems = str(error).splitlines()
        if problems:
            raise PolicyError("\n".join(_as_in_draft(line, names) for line in problems))
    for name in ("asset_classes", "measures"):
        if getattr(policies, name) != getattr(in_force, name):
            raise PolicyError(
                f"{names[name]}: differs from the file in force, but kept month ends were measured by that one; "
                "a draft may change schemes and roles"
            )
    given = [policies.scheme(name) for name in names if name not in SHARED_FILES]
    changed = [s for s in given if not path.is_dir() or _said(s) != _said(_found(in_force, s.scheme_code))]
    if not changed:
        raise PolicyError(f"{path}: every scheme says what the one in force says; there is nothing to compare")
    for scheme in changed:
        if scheme.subject != "customer" or not scheme.is_enabled:
            raise PolicyError(
                f"{names[scheme.scheme_code]}: found a scheme that is disabled or not of customers; only enabled "
                "schemes of customers can be replayed"
            )
    return Draft(in_force, policies, tuple(s.scheme_code for s in changed))


def _policy_name(file: Path) -> str:
    """What a policy file is called in the folder in force: a scheme goes by its scheme_code."""
    if file.stem in SHARED_FILES:
        return file.stem
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return file.stem  # the loader says what is wrong with it
    code = content.get("scheme_code") if isinstance(content, dict) else None
    return code if isinstance(code, str) and code.isidentifier() else file.stem


def _as_in_draft(line: str, names: dict[str, Path]) -> str:
    file, separator, rest = line.partition(".yml:")
    return f"{names[file].name}:{rest}" if separator and file in names else line


def _found(policies: PolicySet, scheme_code: str) -> Scheme | None:
    """The enabled scheme of a code."""
    return next((s for s in policies.schemes if s.scheme_code == scheme_code and s.is_enabled), None)


def _newest(scheme: Scheme) -> SchemeVersion:
    return max(scheme.versions, key=lambda v: v.effective_from)


def _said(scheme: Scheme | None) -> object:
    """All that a scheme's newest version says, but for its dates and names."""
    if scheme is None:
        return None
    outside = {"version", "effective_from", "effective_to", "author", "approved_by"}
    return scheme.model_dump(exclude={"versions"}), _newest(scheme).model_dump(exclude=outside)


def diff_policies(draft: Draft, home: Home, months: int | None = None) -> list[SchemeDiff]:
    """Replay a draft and the policies in force over the kept month ends, or the last ``months`` of them.

    The newest version of each drafted scheme holds over all of them; the policies in force change as they are
    dated. Raises TrialFailed when there is nothing to replay.
    """
    with tempfile.TemporaryDirectory() as scratch:
        trial = Trial.of_home(home, Path(scratch))
        month_ends = trial.month_ends()[-months if months else 0 :]
        if not month_ends:
            raise TrialFailed(f"{home.root}: no month end was measured yet; build through the end of a month first")
        what_if = _over_all_months(draft, month_ends[0])
        _check_measured(what_if, draft.scheme_codes, trial, month_ends)
        trial.replay(_with_vetoes(draft.in_force, draft.scheme_codes), month_ends, "in_force")
        trial.replay(_with_vetoes(what_if, draft.scheme_codes), month_ends, "draft")
        with trial.connect() as con:
            return [_scheme_diff(con, draft, code, month_ends) for code in draft.scheme_codes]


def _over_all_months(draft: Draft, first: date) -> PolicySet:
    """The draft with its newest versions in force from the first compared month on."""
    dates = {"effective_from": first.replace(day=1), "effective_to": OPEN_END}
    schemes = [
        s.model_copy(update={"versions": (_newest(s).model_copy(update=dates),)})
        if s.scheme_code in draft.scheme_codes
        else s
        for s in draft.policies.schemes
    ]
    return replace(draft.policies, schemes=tuple(schemes))


def _with_vetoes(policies: PolicySet, codes: Iterable[str]) -> PolicySet:
    """Only these schemes, and those that veto them."""
    wanted = {*codes}
    vetoes = {v.veto.scheme_code for s in policies.schemes if s.scheme_code in wanted for v in s.versions if v.veto}
    return replace(policies, schemes=tuple(s for s in policies.schemes if s.scheme_code in wanted | vetoes))


def _check_measured(policies: PolicySet, codes: Iterable[str], trial: Trial, month_ends: Sequence[date]) -> None:
    """Raise TrialFailed when a draft measures by assets that were not kept."""
    with trial.connect() as con:
        rows = con.execute("select distinct evaluation_date, asset_set from core.fct_month_measure").fetchall()
    kept = {(day, name) for day, name in rows}
    for structure in scheme_structures(policies, month_ends[-1]):
        if structure["scheme_code"] not in codes:
            continue
        for measure in [structure["measure"], *(f["measure"] for f in structure["factors"])]:
            if measure is None or measure["quantity"] != "assets":
                continue
            absent = [d for d in month_ends if (d, measure["asset_set"]) not in kept]
            if absent:
                measured = sum(1 for d in month_ends if (d, measure["asset_set"]) in kept)
                raise TrialFailed(
                    f"{structure['scheme_code']}: asset set {measure['asset_set']!r} was not measured at "
                    f"{', '.join(map(str, absent))}; compare the months since then (--months {measured}), or choose a "
                    "set that schemes in force measure by"
                )


@dataclass(frozen=True)
class _Cell:
    """Customers at the last month end who have everything in common that the report asks about."""

    branch_id: str
    age_years: int | None
    in_force_tier: str
    draft_tier: str
    is_in_force_veto: bool
    is_draft_veto: bool
    customers: int
    aum_cny: Decimal

    def under(self, side: str) -> tuple[str, bool]:
        """Tier, and whether a veto takes its owner away, under the policy ``in_force`` or ``draft``."""
        if side == "draft":
            return self.draft_tier, self.is_draft_veto
        return self.in_force_tier, self.is_in_force_veto


def _scheme_diff(con: duckdb.DuckDBPyConnection, draft: Draft, code: str, month_ends: Sequence[date]) -> SchemeDiff:
    scheme, before = draft.policies.scheme(code), _found(draft.in_force, code)
    newest = _newest(scheme)
    standing = next((v for v in before.versions if _holds(v, month_ends[-1])), None) if before else None
    cells = _cells(con, code, month_ends[-1])
    matrix: Counter[tuple[str, str]] = Counter()
    for cell in cells:
        matrix[cell.in_force_tier, cell.draft_tier] += cell.customers
    return SchemeDiff(
        scheme_code=code,
        label_zh=scheme.label_zh,
        label_en=scheme.label_en,
        version=newest.version,
        author=newest.author,
        approved_by=newest.approved_by,
        in_force_version=standing.version if standing else None,
        months=tuple(_months(con, code, month_ends)),
        movers=tuple(_movers(con, code, month_ends[-1])),
        tiers=tuple(_tiers(cells, newest, standing)),
        roles=tuple(_roles(cells, newest, standing, draft, is_by_branch=False)),
        branches=tuple(_roles(cells, newest, standing, draft, is_by_branch=True)),
        matrix=dict(matrix),
        in_force_stability=_stability(con, "in_force", code),
        draft_stability=_stability(con, "draft", code),
        has_doors=bool(newest.entry_doors),
    )


def _holds(version: SchemeVersion, day: date) -> bool:
    return version.effective_from <= day < version.effective_to


def _both(code: str, columns: str) -> str:
    """A query on every customer of every month end with what each policy made of him (parameter: none)."""
    sides = "\n".join(
        f"left join (select * from trial.{side} where scheme_code = '{code}') as {side} "
        f"on {side}.evaluation_date = customers.evaluation_date and {side}.customer_id = customers.customer_id"
        for side in _SIDES
    )
    return f"select {columns} from core.fct_customer_factor as customers\n{sides}\n"


_IN_FORCE = f"coalesce(in_force.tier_code, '{NONE_TIER}')"
_DRAFT = f"coalesce(draft.tier_code, '{NONE_TIER}')"


def _cells(con: duckdb.DuckDBPyConnection, code: str, day: date) -> list[_Cell]:
    columns = (
        f"coalesce(people.home_branch_id, ''), customers.age_years::bigint, {_IN_FORCE}, {_DRAFT}, "
        "coalesce(in_force.decided_by = 'veto', false), coalesce(draft.decided_by = 'veto', false), "
        "count(*), coalesce(sum(assets.aum_cny), 0)"
    )
    rows = con.execute(
        _both(code, columns) + "left join core.dim_customer as people on people.customer_id = customers.customer_id "
        "left join core.fct_month_measure as assets on assets.evaluation_date = customers.evaluation_date "
        "and assets.asset_set = 'standard' and assets.customer_id = customers.customer_id "
        "where customers.evaluation_date = ? group by all order by all",
        [day],
    ).fetchall()
    return [_Cell(*row) for row in rows]


def _months(con: duckdb.DuckDBPyConnection, code: str, month_ends: Sequence[date]) -> Iterator[MonthRow]:
    columns = (
        f"customers.evaluation_date, count(*) filter ({_IN_FORCE} != '{NONE_TIER}'), "
        f"count(*) filter ({_DRAFT} != '{NONE_TIER}'), count(*) filter ({_IN_FORCE} != {_DRAFT})"
    )
    rows = {row[0]: row for row in con.execute(_both(code, columns) + "group by 1").fetchall()}
    for day in month_ends:
        yield MonthRow(*rows.get(day, (day, 0, 0, 0)))


def _movers(con: duckdb.DuckDBPyConnection, code: str, day: date) -> Iterator[Mover]:
    where = f"where customers.evaluation_date = ? and {_IN_FORCE} != {_DRAFT} order by 1 limit {MOVERS_SHOWN}"
    for row in con.execute(_both(code, f"customers.customer_id, {_IN_FORCE}, {_DRAFT}") + where, [day]).fetchall():
        yield Mover(*row)


def _stability(con: duckdb.DuckDBPyConnection, side: str, code: str) -> Stability:
    """Changes after the first evaluation, which is everyone's entry."""
    changes, customer_months = con.execute(
        f"with evaluations as (select * from trial.{side} where scheme_code = ?) "
        f"select count(change_kind), count(*) filter (tier_rank > 0 or previous_tier_code != '{NONE_TIER}') "
        "from evaluations where evaluation_date > (select min(evaluation_date) from evaluations)",
        [code],
    ).fetchall()[0]
    return Stability(changes, customer_months)


def _tiers(cells: Sequence[_Cell], newest: SchemeVersion, standing: SchemeVersion | None) -> Iterator[TierRow]:
    """Tiers of the draft, highest first, then those that it does away with, then none."""
    counts: Counter[tuple[str, str]] = Counter()
    aum: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for cell in cells:
        for side in _SIDES:
            tier, _ = cell.under(side)
            counts[side, tier] += cell.customers
            aum[side, tier] += cell.aum_cny
    labels = {t.tier_code: (t.label_zh, t.label_en) for v in (standing, newest) if v for t in v.tiers}
    labels[NONE_TIER] = (newest.not_tiered_label_zh, "Not tiered")
    ordered = [*_highest_first(newest), *(_highest_first(standing) if standing else ()), NONE_TIER]
    for code in dict.fromkeys(ordered):
        yield TierRow(
            code,
            *labels[code],
            counts["in_force", code],
            counts["draft", code],
            aum["in_force", code],
            aum["draft", code],
        )


def _highest_first(version: SchemeVersion) -> list[str]:
    ranks = tier_ranks(version)
    return sorted((t.tier_code for t in version.tiers), key=lambda code: -ranks[code])


def _roles(
    cells: Sequence[_Cell],
    newest: SchemeVersion,
    standing: SchemeVersion | None,
    draft: Draft,
    *,
    is_by_branch: bool,
) -> Iterator[RoleRow]:
    """Customers by role that owns them, most first; none of a scheme that assigns no owners."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for side, owners in (("in_force", _owners(standing)), ("draft", _owners(newest))):
        for cell in cells:
            tier, is_vetoed = cell.under(side)
            if tier in owners:
                role = VETO_ROLE if is_vetoed else owners[tier].role_at(cell.age_years)
                counts[cell.branch_id if is_by_branch else "", role, side] += cell.customers
    roles = {**draft.in_force.roles.roles, **draft.policies.roles.roles}
    keys = dict.fromkeys((branch, role) for branch, role, _ in counts)
    for branch, role in sorted(keys, key=lambda k: (k[0], -counts[k[0], k[1], "draft"], k[1])):
        label_zh, label_en = (roles[role].label_zh, roles[role].label_en) if role in roles else (role, role)
        before, after = counts[branch, role, "in_force"], counts[branch, role, "draft"]
        yield RoleRow(role, label_zh, label_en, before, after, branch)


def _owners(version: SchemeVersion | None) -> dict[str, Owner]:
    return {t.tier_code: t.owner for t in version.tiers if t.owner} if version else {}


def print_report(diffs: Sequence[SchemeDiff], console: Console) -> None:
    """Print the comparison as tables, without the customers' ids."""
    for diff in diffs:
        first, last = diff.months[0].month_end, diff.months[-1].month_end
        console.print(
            f"\n{diff.scheme_code} ({diff.label_zh}): draft version {diff.version} (author {diff.author}, approved by "
            f"{diff.approved_by}) against version {diff.in_force_version or 'none'} in force, {len(diff.months)} month "
            f"ends {first} to {last}.\nThe draft's newest version holds over all of them; households are those of the "
            "last build. Nothing was written.",
            highlight=False,
            markup=False,
        )
        if diff.has_doors:
            console.print("Customers in scope by an entry door alone are not counted: doors open and close by the day.")
        stability = [s.per_customer_year for s in (diff.in_force_stability, diff.draft_stability)]
        shown = ["unknown (one month end)" if rate is None else str(rate) for rate in stability]
        console.print(f"{diff.moved:,} customers would move at {last}", highlight=False)
        console.print(f"tier changes per customer-year: in force {shown[0]}, draft {shown[1]}", highlight=False)
        columns = ["in force", "draft", "change"]
        _print_table(
            console,
            f"Customers and assets by tier, {last}",
            ["tier", *columns, "AUM in force", "AUM draft"],
            [[t.tier_code, *_counts(t), f"{t.in_force_aum_cny:,.0f}", f"{t.draft_aum_cny:,.0f}"] for t in diff.tiers],
        )
        _print_table(
            console,
            "Transitions (rows in force, columns draft)",
            ["", *diff.draft_tiers],
            [
                [row, *(f"{diff.matrix.get((row, column), 0):,}" for column in diff.draft_tiers)]
                for row in diff.in_force_tiers
            ],
        )
        _print_table(
            console,
            "By month: customers with a tier, and those whose tier differs",
            ["month end", "in force", "draft", "differ"],
            [[str(m.month_end), f"{m.in_force:,}", f"{m.draft:,}", f"{m.moved:,}"] for m in diff.months],
        )
        if diff.roles:
            rows = [[r.role_code, *_counts(r)] for r in diff.roles]
            _print_table(console, "Customers by owner role", ["role", *columns], rows)
            rows = [[f"{r.branch_id or 'unknown'} {r.role_code}", *_counts(r)] for r in diff.branches]
            _print_table(console, "Workload by home branch", ["branch and role", *columns], rows)


def _counts(row: TierRow | RoleRow) -> list[str]:
    return [f"{row.in_force:,}", f"{row.draft:,}", f"{row.draft - row.in_force:+,}"]


def _print_table(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table of numbers; the first column names the row."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def write_report(diffs: Sequence[SchemeDiff], path: Path) -> None:
    """Write the comparison as one HTML file that needs no network."""
    # A template of numbers and codes; autoescape covers what people wrote.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES_DIR),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("policy_diff.html").render(diffs=diffs, movers_shown=MOVERS_SHOWN)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
