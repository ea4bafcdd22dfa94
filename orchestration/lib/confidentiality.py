"""Classes of columns (JR/T 0171-2020) and personal data: what each column holds, and how far it may go.

C3 is what proves who someone is (passwords, biometrics, one-time codes), C2 what tells of a person or his money,
C1 the rest of a customer's data. A contract classes the columns that a bank delivers. A column of a model has the
highest class of the columns that it is made of: ``tierhouse docs`` writes it into dbt's meta, and the audit of
every build follows the SQL that ran and stops the build when it holds more than it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import yaml

from orchestration.lib.column_rules import file_literal
from orchestration.lib.contracts import C1, C3, Feed
from orchestration.lib.home import DBT_PROJECT_DIR, Home
from orchestration.lib.ledger import Batch
from orchestration.lib.lineage import Column, Project, made_of, read_project
from orchestration.lib.marts import MARTS, Mart, written_rows
from orchestration.lib.warehouse import published_copies

# Columns of marts (<schema>.<mart>.<column>) that may hold a name, an id number, a phone number or an address.
PERSONAL_COLUMNS: frozenset[str] = frozenset()
# Layers whose columns say their class; the others are made anew by every build.
STATED_LAYERS = ("core", "marts")


@dataclass(frozen=True)
class Content:
    """What a column holds: its class, and whether that names a person or tells how to reach him."""

    classification: str = C1
    is_personal: bool = False

    def __or__(self, other: Content) -> Content:
        return Content(max(self.classification, other.classification), self.is_personal or other.is_personal)

    def covers(self, other: Content) -> bool:
        """Whether a column that says this of itself may hold the other."""
        return self | other == self


Contents = dict[Column, Content]


@dataclass(frozen=True)
class Offence:
    """Columns that break one rule: the check's name and a sentence for each."""

    check_name: str
    found: tuple[str, ...]


def contract_contents(contracts: Mapping[str, Feed]) -> Contents:
    """What the columns of the raw relations hold."""
    return {
        (f"raw.{feed.raw_table}", column.name): Content(column.classification, column.is_personal)
        for feed in contracts.values()
        for column in (*feed.columns, *feed.presence_columns)
    }


def stated_contents(models_dir: Path = DBT_PROJECT_DIR / "models") -> dict[str, dict[str, Content]]:
    """Model -> column -> what dbt's meta says of it; columns that say nothing are left out."""
    stated: dict[str, dict[str, Content]] = {}
    for layer in STATED_LAYERS:
        for path in sorted((models_dir / layer).rglob("*.yml")):
            document = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader) or {}
            for model in document.get("models", []):
                metas = {c["name"]: c.get("config", {}).get("meta", {}) for c in model["columns"]}
                stated[model["name"]] = {
                    name: Content(meta["classification"], bool(meta.get("is_personal", False)))
                    for name, meta in metas.items()
                    if "classification" in meta
                }
    return stated


def mart_classes() -> dict[str, dict[str, str]]:
    """Mart -> column -> class, as dbt's meta says it: what readers' views are masked by."""
    stated = stated_contents()
    return {mart.relation: {name: c.classification for name, c in stated.get(mart.model, {}).items()} for mart in MARTS}


def offences(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    manifest: Mapping[str, Any],
    contracts: Mapping[str, Feed],
    batches: Mapping[str, list[Batch]],
    as_of_date: date,
    kept: Mapping[str, list[str]],
) -> list[Offence]:
    """Every rule of this module judged on a build, with what breaks it; () where nothing does.

    ``con``: the build's warehouse. ``manifest``: dbt's, with the SQL that ran. ``batches``: feed -> its accepted
    deliveries in order. ``kept``: mart -> labels of the partitions that the build did not write.
    """
    customers = contracts["core_banking.customers"]
    return [
        *lineage_offences(read_project(manifest), contracts, stated_contents()),
        value_offence(con, home, customers, batches.get(customers.feed_id, []), as_of_date, kept),
    ]


# --- from contracts to models -----------------------------------------------------------------------------


def _content(origins: Iterable[Column], known: Mapping[Column, Content]) -> Content:
    found = Content()
    for origin in origins:
        found |= known.get(origin, Content())
    return found


def _with_copies(contents: Contents) -> Contents:
    """The planner's copies of published rows hold what they are copies of."""
    copies = published_copies()
    return contents | {
        (f"build.{copy}", column): content
        for copy, relation in copies.items()
        for (of, column), content in contents.items()
        if of == relation
    }


def derive_contents(projects: Iterable[Project], contracts: Mapping[str, Feed]) -> dict[str, dict[str, Content]]:
    """Model -> column -> what it can hold by the SQL of any of the compilations.

    State is made of state of the days before, so that contents are followed until they grow no more.
    """
    compiled = [
        (model, made_of(model, project.columns)) for project in projects for model in project.models if model.sql
    ]
    known = contract_contents(contracts)
    while True:
        grown = dict(known)
        for model, columns in compiled:
            upstream = _with_copies(grown)
            for name, origins in columns.items():
                key = (model.relation, name)
                grown[key] = grown.get(key, Content()) | _content(origins, upstream)
        if grown == known:
            return {model.name: {name: known[model.relation, name] for name in columns} for model, columns in compiled}
        known = grown


def lineage_offences(
    project: Project,
    contracts: Mapping[str, Feed],
    stated: Mapping[str, Mapping[str, Content]],
    allowed: frozenset[str] = PERSONAL_COLUMNS,
) -> list[Offence]:
    """What the SQL of a build brings where it must not be; an entry per rule, also when nothing was found.

    Columns of core and marts are taken to hold what they say, and what they are given must not be more: state keeps
    rows of builds whose SQL was of another day.
    """
    known = contract_contents(contracts)
    c3 = [
        f"{relation}.{column} is read by the models; expected: a C3 column is not staged (run `tierhouse docs`)"
        for relation, columns in project.columns.items()
        for column in columns
        if relation.startswith("raw.") and known.get((relation, column), Content()).classification == C3
    ]
    personal: list[str] = []
    classes: list[str] = []
    relations = {mart.model: mart.relation for mart in MARTS}
    for model in project.models:
        if not model.sql:
            classes.append(f"{model.name} was not compiled; run the build again")
            continue
        given = stated.get(model.name, {})
        upstream = _with_copies(known)
        made = made_of(model, project.columns)
        if set(made) != set(project.columns[model.relation]):
            unlike = ", ".join(sorted(set(made) ^ set(project.columns[model.relation])))
            classes.append(f"{model.name}: {unlike} cannot be followed; name every column that the model selects")
            continue
        for name, origins in made.items():
            content = _content(origins, upstream)
            where = f"{model.name}.{name}"
            if content.classification == C3:
                c3.append(f"{where} is made of a C3 column; expected: C3 stays in raw; take it out of the model")
            if model.layer in STATED_LAYERS:
                says = given.get(name)
                if says is None or not says.covers(content):
                    classes.append(
                        f"{where} holds {_words(content)} and says {_words(says) if says else 'nothing'}; "
                        "run `tierhouse docs` and have the change reviewed"
                    )
                content |= says or Content()
            known[model.relation, name] = content
            column = f"{relations.get(model.name, model.relation)}.{name}"
            if model.layer == "marts" and content.is_personal and column not in allowed:
                personal.append(f"{column} tells of a person by name, number or address, and is not allowed to hold it")
    return [
        Offence("confidentiality.c3", tuple(c3)),
        Offence("confidentiality.personal", tuple(personal)),
        Offence("confidentiality.classes", tuple(classes)),
    ]


def _words(content: Content) -> str:
    return f"{content.classification} personal data" if content.is_personal else content.classification


# --- what the documents say -------------------------------------------------------------------------------

_META = re.compile(r"    config: \{meta: \{classification: C\d(, is_personal: true)?\}\}\n")
_MODEL = re.compile(r"- name: (\S+)")
_COLUMN = re.compile(r"  - name: (\S+)")


def annotated(text: str, contents: Mapping[str, Mapping[str, Content]]) -> str:
    """A YAML file of models with the class of every column in its meta, after its data type; nothing else changes.

    Columns that are not in ``contents`` say nothing.
    """
    lines: list[str] = []
    model = column = ""
    is_in_columns = False
    for line in text.splitlines(keepends=True):
        if found := _MODEL.match(line):
            model, column, is_in_columns = found[1], "", False
        elif line.startswith("  columns:"):
            is_in_columns = True
        elif is_in_columns and (found := _COLUMN.match(line)):
            column = found[1]
        if _META.fullmatch(line):
            continue
        lines.append(line)
        content = contents.get(model, {}).get(column)
        if content is not None and line.startswith("    data_type:"):
            personal = ", is_personal: true" if content.is_personal else ""
            lines.append(f"    config: {{meta: {{classification: {content.classification}{personal}}}}}\n")
    return "".join(lines)


def render_classes(contents: Mapping[str, Mapping[str, Content]]) -> dict[Path, str]:
    """Path below the models folder -> content, for every file that describes models of core and marts."""
    models = DBT_PROJECT_DIR / "models"
    return {
        path.relative_to(models): annotated(path.read_text(encoding="utf-8"), contents)
        for layer in STATED_LAYERS
        for path in sorted((models / layer).rglob("*.yml"))
    }


# --- values ------------------------------------------------------------------------------------------------

# A number stands alone: not within a longer number, an id or a hash.
_ALONE = "(?:^|[^0-9A-Za-z])({})(?:[^0-9A-Za-z]|$)"
_ID_NUMBER = _ALONE.format(r"[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]")
_MOBILE = _ALONE.format(r"1\d{10}")
# GB 11643: weights of the first seventeen digits; the remainder by 11 chooses the eighteenth.
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"
_MOBILE_LENGTH = 11
SAMPLED_ROWS = 100_000
_TERMS = " + ".join(f"{weight} * cast(n[{place}] as integer)" for place, weight in enumerate(_WEIGHTS, start=1))
_HAS_VALID_CHECK_DIGIT = f"upper(n[18]) = '{_CHECK_DIGITS}'[({_TERMS}) % 11 + 1]"
# One in eleven numbers that look like an id number has a valid check digit by chance, and an opaque id of eleven
# digits may be someone's phone number. A column of persons' numbers is nobody's chance.
_ID_CHANCE = 0.5
_MOBILE_CHANCE = 0.001


def value_offence(
    con: duckdb.DuckDBPyConnection,
    home: Home,
    customers: Feed,
    batches: list[Batch],
    as_of_date: date,
    kept: Mapping[str, list[str]],
) -> Offence:
    """Text columns of the marts that hold persons' id numbers, or phone numbers in force in the identity lake.

    ``batches``: accepted deliveries of ``customers`` in order. Rows of partitions that the build took over
    (``kept``: mart -> labels) were looked at when they were written. Of a large mart about SAMPLED_ROWS rows are,
    others every day: a column that is filled with such numbers is found at once, a single row may not be.
    """
    lake = _mobiles_in_force(home, customers, batches, as_of_date)
    found: list[str] = []
    for mart in MARTS:
        written = _looked_at(con, mart, written_rows(mart, kept.get(mart.relation, ())), as_of_date)
        for column in _suspects(con, mart, written):
            texts = f"select distinct {column} as value from {mart.relation} where {written}"
            found += [f"{mart.relation}.{column} holds {text}" for text in _judge(con, texts, lake)]
    return Offence("confidentiality.values", tuple(found))


def _looked_at(con: duckdb.DuckDBPyConnection, mart: Mart, written: str, as_of_date: date) -> str:
    """Condition on the rows to look at: those written, of many those whose key and date have a certain hash."""
    row = con.execute(f"select count(*) from {mart.relation} where {written}").fetchone()
    share = (row[0] if row else 0) // SAMPLED_ROWS
    return f"{written} and hash({', '.join(mart.key)}, date '{as_of_date}') % {share} = 0" if share > 1 else written


def _text_columns(con: duckdb.DuckDBPyConnection, mart: Mart) -> list[str]:
    rows = con.execute(
        "select column_name from information_schema.columns where table_catalog = current_database() "
        "and table_schema = ? and table_name = ? and data_type = 'VARCHAR' order by ordinal_position",
        [mart.schema, mart.name],
    ).fetchall()
    return [row[0] for row in rows if f"{mart.relation}.{row[0]}" not in PERSONAL_COLUMNS]


def _suspects(con: duckdb.DuckDBPyConnection, mart: Mart, written: str) -> list[str]:
    """Text columns of a mart in which some number looks like one of a person: one pass over its rows."""
    columns = _text_columns(con, mart)
    if not columns:
        return []
    looks_like = ", ".join(
        f"bool_or(length({c}) >= {_MOBILE_LENGTH} and regexp_matches({c}, '{_ID_NUMBER}|{_MOBILE}'))" for c in columns
    )
    row = con.execute(f"select {looks_like} from {mart.relation} where {written}").fetchone()
    return [column for column, is_suspect in zip(columns, row or (), strict=True) if is_suspect]


def _judge(con: duckdb.DuckDBPyConnection, texts: str, lake: str) -> list[str]:
    """What is wrong with the values of a query's column ``value``; ``lake`` is a query of phone numbers."""
    found = []
    for pattern, is_one, limit, what in (
        (_ID_NUMBER, _HAS_VALID_CHECK_DIGIT, _ID_CHANCE, "id numbers with a valid check digit"),
        (_MOBILE, f"n in ({lake})", _MOBILE_CHANCE, "phone numbers of customers"),
    ):
        row = con.execute(
            f"select count(*), count(*) filter (where {is_one}) "
            f"from (select distinct unnest(regexp_extract_all(value, '{pattern}', 1)) as n from ({texts}))"
        ).fetchone()
        like_one, of_persons = row or (0, 0)
        if of_persons > like_one * limit:
            found.append(f"{of_persons} {what}; expected none")
    return found


def _mobiles_in_force(home: Home, feed: Feed, batches: list[Batch], as_of_date: date) -> str:
    """Query of the phone numbers, as eleven digits, of the deliveries that say who the customers are."""
    known = [b for b in batches if b.business_date <= as_of_date and b.identity_path]
    full = max((i for i, b in enumerate(known) if b.mode == "full"), default=0)
    files = ", ".join(file_literal(home.lake / b.identity_path / "part.parquet") for b in known[full:])
    if not files:
        return "select null"
    columns = [c.name for c in feed.identity_columns if c.name == "mobile"]
    return " union all ".join(
        f"select right(regexp_replace({column}, '[^0-9]', '', 'g'), {_MOBILE_LENGTH}) "
        f"from read_parquet([{files}], hive_partitioning = false)"
        for column in columns
    )
