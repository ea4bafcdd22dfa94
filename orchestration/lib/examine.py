"""Judge one delivery: load its files in one pass, then counts, totals, keys and bad rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

import duckdb

from orchestration.lib.column_rules import (
    EXPECTED,
    Reading,
    file_literal,
    identifier,
    in_domain,
    literal,
)
from orchestration.lib.contracts import C3, Column, ControlTotal, Feed
from orchestration.lib.delivery import IS_DELETED, KEY_SEPARATOR
from orchestration.lib.findings import Finding, Level, shown
from orchestration.lib.manifest import Delivery, Manifest, check_manifest
from orchestration.lib.reader import (
    Source,
    Unreadable,
    broken_csv,
    empty_source,
    open_source,
    raise_if_of_this_machine,
    row_count_differs,
)

_SHOWN_ROWS = 5
_NUMERIC = {"money", "qty", "price", "rate", "int"}
_DELETED = Column(
    name=IS_DELETED,
    type="bool",
    required=True,
    key_position=None,
    values=(),
    classification="C1",
    is_identity=False,
    is_personal=False,
    description="True for a row that is gone at the source.",
    label_zh="是否删除",
)


class NotConserved(RuntimeError):
    """Rows or money written are not those read: a defect of the program or of the disk."""


@dataclass
class Examination:
    """What was found. Counts are of all rows delivered; totals as in the ledger's Batch."""

    findings: list[Finding] = field(default_factory=list)
    row_count: int = 0
    quarantined_count: int = 0
    control_totals: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def is_accepted(self) -> bool:
        return not any(finding.level == "reject" for finding in self.findings)


@dataclass(frozen=True)
class _Loaded:
    """A delivery whose rows lie in ``batch``: its files and their row counts, in order."""

    delivery: Delivery
    feed: Feed
    sources: list[Source]
    counts: list[int]


class Workbench:
    """A DuckDB connection that judges one delivery after another.

    After ``examine`` the rows lie typed in its table ``batch`` and the bad ones, as text, in
    ``quarantine``; ``write`` stores them. Not for two threads at once.
    """

    def __init__(self, scratch: Path, *, threads: int, memory_limit: str) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self.scratch = scratch
        self.connection = duckdb.connect(
            config={
                "threads": threads,
                "memory_limit": memory_limit,
                "temp_directory": str(scratch / "spill"),
                # Row numbers in findings and the order in raw files are those of the delivery.
                "preserve_insertion_order": True,
            }
        )
        self.connection.execute("set TimeZone = 'UTC'")

    def close(self) -> None:
        self.connection.close()

    def examine(self, delivery: Delivery, manifest: Manifest, feed: Feed) -> Examination:
        """All findings about one delivery; data are read only when manifest and files agree."""
        result = Examination(check_manifest(delivery, manifest, feed))
        if not result.is_accepted:
            return result
        columns = (*feed.columns, _DELETED) if manifest.mode == "delta" else feed.columns
        try:
            sources, counts = self._load(delivery, manifest, feed, columns)
        except Unreadable as error:
            result.findings += error.findings
            return result
        result.row_count = sum(counts)
        result.findings += _check_counts(manifest, sources, counts)
        bad_count = self._check_totals(delivery, manifest, feed, result)
        bad_count += self._mark_duplicates(feed)
        if bad_count:
            self._judge_bad_rows(_Loaded(delivery, feed, sources, counts), bad_count, result)
        return result

    def write(self, delivery: Delivery, feed: Feed, result: Examination, folder: Path) -> None:
        """Store the batch below ``folder``: raw/part.parquet, identity/…, quarantine/rows.parquet.

        Raises NotConserved when rows or control totals read back differ from those delivered.
        """
        tail = [
            f"date {literal(delivery.date_text)} as business_date",
            f"{literal(delivery.batch_id)} as batch_id",
        ]
        raw = [identifier(column.name) for column in feed.columns if not column.is_identity]
        for column, presence in zip(feed.identity_columns, feed.presence_columns, strict=True):
            raw.append(f"{identifier(column.name)} is not null as {identifier(presence.name)}")
        if feed.has_delta:
            raw.append(identifier(IS_DELETED))
        written = self._copy([*raw, *tail], folder / "raw" / "part.parquet")
        if written != result.row_count - result.quarantined_count:
            raise NotConserved(
                f"{delivery.batch_id}: {written} rows written, expected {result.row_count} "
                f"delivered less {result.quarantined_count} quarantined"
            )
        self._check_money(delivery, feed, result, folder / "raw" / "part.parquet")
        if feed.identity_columns:
            (folder / "identity").mkdir(mode=0o700)
            path = folder / "identity" / "part.parquet"
            names = [*feed.key, *(column.name for column in feed.identity_columns)]
            self._copy([*map(identifier, names), *tail], path)
            path.chmod(0o600)
        if result.quarantined_count:
            (folder / "quarantine").mkdir(mode=0o700)
            path = folder / "quarantine" / "rows.parquet"
            self.connection.execute(
                f"copy (select * from quarantine order by row_number) to {literal(str(path))} "
                "(format parquet, compression zstd)"
            )
            path.chmod(0o600)

    def _copy(self, select: list[str], path: Path) -> int:
        path.parent.mkdir(exist_ok=True)
        return self._one(
            f"copy (select {', '.join(select)} from batch where not _bad) "
            f"to {literal(str(path))} (format parquet, compression zstd)"
        )[0]

    def _one(self, query: str) -> tuple[Any, ...]:
        return self.connection.execute(query).fetchall()[0]

    # --- load ----------------------------------------------------------------------------------

    def _load(
        self,
        delivery: Delivery,
        manifest: Manifest,
        feed: Feed,
        columns: tuple[Column, ...],
    ) -> tuple[list[Source], list[int]]:
        """Fill ``batch`` file by file; returns the sources and their row counts."""
        sources: list[Source] = []
        counts: list[int] = []
        for file in manifest.files:
            source = open_source(
                delivery.folder / file.name,
                delivery.file_label(file.name),
                feed.csv,
                columns,
                connection=self.connection,
                scratch=self.scratch,
                row_count=file.row_count,
            )
            sources.append(source)
            verb = "insert into batch" if counts else "create or replace temp table batch as"
            try:
                counts.append(self._one(f"{verb} {_typed(feed, source, manifest)}")[0])
            except (duckdb.InvalidInputException, duckdb.IOException) as error:
                raise_if_of_this_machine(error)
                raise Unreadable(broken_csv(error, source, feed.csv)) from None
        if not sources:
            query = _typed(feed, empty_source(columns), manifest)
            self._one(f"create or replace temp table batch as {query}")
        return sources, counts

    # --- whole-batch checks --------------------------------------------------------------------

    def _check_totals(self, delivery: Delivery, manifest: Manifest, feed: Feed, result: Examination) -> int:
        """Control totals and key hash over all rows, bad ones too; returns the bad rows' count."""
        totals, findings = _wanted_totals(delivery, manifest, feed)
        result.findings += findings
        groups = sorted({total.by for total in totals if total.by != "*"})
        sums = [f"sum({identifier(total.column)})" for total in totals]
        key = "sum(_key)" if manifest.key_hash is not None else "0"
        keys = [f"coalesce({identifier(name)}, '')" for name in groups]
        by_group = self.connection.execute(
            f"select {', '.join([*keys, 'count(*) filter (where _bad)', key, *sums])} from batch"
            + (f" group by {', '.join(keys)}" if keys else "")
        ).fetchall()
        first = len(groups)
        for i, total in enumerate(totals):
            scale = _scale(feed, total.column)
            found: dict[str, Decimal] = {} if total.by != "*" else {"*": Decimal(0)}
            for row in by_group:
                group = "*" if total.by == "*" else row[groups.index(total.by)]
                found[group] = found.get(group, Decimal(0)) + Decimal(row[first + 2 + i] or 0)
            result.control_totals[total.column] = {group: f"{found[group]:.{scale}f}" for group in sorted(found)}
            stated = manifest.control_totals.get(total.column)
            if stated is not None:
                result.findings += _compare(delivery, total, stated, found, scale)
        if manifest.key_hash is not None:
            key_hash = sum(int(row[first + 1] or 0) for row in by_group) % 2**64
            if key_hash != int(manifest.key_hash, 16):
                result.findings.append(
                    Finding(
                        "the key hash differs: other keys than the source says",
                        f"{delivery.file_label()}, field key_hash",
                        manifest.key_hash,
                        f"{key_hash:016x}",
                        "Extract the files again and compute the hash over the same rows.",
                    )
                )
        return sum(row[first] for row in by_group)

    def _check_money(self, delivery: Delivery, feed: Feed, result: Examination, path: Path) -> None:
        columns = sorted({total.column for total in feed.control_totals})
        if not columns:
            return
        sums = ", ".join(f"coalesce(sum({identifier(column)}), 0)" for column in columns)
        set_aside = self._one(f"select {sums} from batch where _bad")
        used = self._one(f"select {sums} from read_parquet({file_literal(path)})")
        for column, bad, good in zip(columns, set_aside, used, strict=True):
            whole = sum(Decimal(total) for total in result.control_totals[column].values())
            if whole != bad + good:
                raise NotConserved(
                    f"{delivery.batch_id}, column {column}: {good} written and {bad} quarantined, "
                    f"expected {whole} in all"
                )

    # --- row checks ----------------------------------------------------------------------------

    def _mark_duplicates(self, feed: Feed) -> int:
        """Mark rows of repeated keys bad; returns how many.

        Of rows that are equal in every column one is kept; rows that differ contradict each
        other, so all of them go. Either way the order of the rows decides nothing.
        """
        key = ", ".join(identifier(name) for name in feed.key)
        rows, keys = self._one(f"select count(*), count(distinct hash({key})) from batch where not _bad")
        if rows == keys:
            return 0
        return self._one(
            f"""
            update batch set _bad = true, _duplicate = true
            where rowid in (
                with repeated as (
                    select {key} from batch where not _bad group by {key} having count(*) > 1
                ),
                variants as (
                    select
                        {key},
                        min(batch.rowid) as first_row,
                        count(distinct batch) > 1 as differ
                    from batch join repeated using ({key})
                    where not _bad
                    group by {key}
                )
                select batch.rowid
                from batch join variants using ({key})
                where not _bad and (differ or batch.rowid <> first_row)
            )
            """
        )[0]

    def _judge_bad_rows(self, loaded: _Loaded, bad_count: int, result: Examination) -> None:
        """Quarantine the bad rows, or reject the batch when they pass the contract's limit."""
        delivery, feed, sources = loaded.delivery, loaded.feed, loaded.sources
        limit = int(Decimal(str(feed.quarantine_limit_rate)) * result.row_count)
        offsets = [0, *accumulate(loaded.counts)]
        bad_rows = " union all ".join(
            _as_text(feed, source, offset) for source, offset in zip(sources, offsets, strict=False)
        )
        names = [reading.column.name for reading in sources[0].readings]
        level: Level = "quarantine"
        if bad_count > limit:
            level = "reject"
            rows = self.connection.execute(
                f"select * from ({bad_rows}) order by row_number limit {_SHOWN_ROWS}"
            ).fetchall()
            result.findings.append(
                Finding(
                    "too many bad rows",
                    delivery.label,
                    f"at most {limit} of {result.row_count} rows",
                    f"{bad_count} (the first follow)",
                    "Correct the rows at the source and deliver again.",
                )
            )
        else:
            self.connection.execute(f"create or replace temp table quarantine as {bad_rows}")
            result.quarantined_count = bad_count
            held = self._one("select count(*) from quarantine")[0]
            if held != bad_count:
                raise NotConserved(f"{delivery.batch_id}: {held} rows in quarantine, expected {bad_count}")
            rows = self.connection.execute(
                f"select * from quarantine order by row_number limit {_SHOWN_ROWS}"
            ).fetchall()
        by_name = {reading.column.name: reading.column for reading in sources[0].readings}
        for *values, row_number, reason in rows:
            file_no = next(i for i, end in enumerate(offsets[1:]) if row_number <= end)
            row = dict(zip(names, values, strict=True))
            where = f"{sources[file_no].label} data row {row_number - offsets[file_no]}"
            result.findings += [_bad_value(where, part, by_name, row, level) for part in reason.split("; ")]


def _bad_value(
    where: str, reason: str, columns: dict[str, Column], row: dict[str, str | None], level: Level
) -> Finding:
    name, _, problem = reason.partition(": ")
    mend = "Correct the value at the source."
    if name not in columns or problem.startswith("duplicate"):
        key = ", ".join(shown(row[part]) for part in name.split("+"))
        return Finding(problem, f"{where}, column {name}", "each key once", key, mend, level)
    column = columns[name]
    expected = EXPECTED[column.type]
    if problem == "not in the domain":
        expected = " or ".join(column.values)
    elif problem == "empty but required":
        expected = "a value"
    if column.is_personal or column.classification == C3:
        found = "(hidden: confidential column)"
    elif any(each.is_personal for each in columns.values()) and row[name]:
        # A row whose columns slipped has a name or a number here that belongs to a column beside it.
        found = f"(hidden: {len(row[name] or '')} characters, beside confidential columns)"
    else:
        found = shown(row[name])
    return Finding(problem, f"{where}, column {name}", expected, found, mend, level)


def _check_counts(manifest: Manifest, sources: list[Source], counts: list[int]) -> list[Finding]:
    return [
        row_count_differs(source.label, file.row_count, count)
        for file, source, count in zip(manifest.files, sources, counts, strict=True)
        if file.row_count != count
    ]


def _wanted_totals(delivery: Delivery, manifest: Manifest, feed: Feed) -> tuple[list[ControlTotal], list[Finding]]:
    """The contract's control totals, then those that the manifest gives beyond it."""
    findings = []
    totals = list(feed.control_totals)
    for total in totals:
        if total.column not in manifest.control_totals:
            findings.append(
                Finding(
                    "a compulsory control total is missing",
                    f"{delivery.file_label()}, field control_totals",
                    f"the sum of {total.column} per {total.by}"
                    if total.by != "*"
                    else f"the sum of {total.column} under '*'",
                    "none",
                    "Add the sum over all rows, computed at the source.",
                )
            )
    types = {column.name: column.type for column in feed.columns}
    compulsory = {total.column for total in totals}
    for name, stated in manifest.control_totals.items():
        if name in compulsory:
            continue
        by = "*" if set(stated) <= {"*"} else "currency"
        if types.get(name) not in _NUMERIC or (by != "*" and by not in types):
            findings.append(
                Finding(
                    "a control total that cannot be computed",
                    f"{delivery.file_label()}, field control_totals.{name}",
                    "a numeric column of the contract, by currency or '*'",
                    shown(name),
                    "Leave it out or name a column of the contract.",
                )
            )
        else:
            totals.append(ControlTotal(name, by))
    return totals, findings


def _compare(
    delivery: Delivery,
    total: ControlTotal,
    stated: dict[str, str],
    found: dict[str, Decimal],
    scale: int,
) -> list[Finding]:
    findings = []
    for group in sorted(stated.keys() | found.keys()):
        said = Decimal(stated[group]) if group in stated else None
        # A group without rows may be stated as 0; one with rows must be stated.
        if said != found.get(group, Decimal(0)):
            findings.append(
                Finding(
                    "control total differs",
                    f"{delivery.label}, column {total.column}, {total.by} {group}".replace("* *", "all rows"),
                    "a stated total" if said is None else f"{stated[group]} (manifest)",
                    f"{found.get(group, Decimal(0)):.{scale}f} (sum over all rows)",
                    "Extract again; files and totals must come from the same state.",
                )
            )
    return findings


def _scale(feed: Feed, column: str) -> int:
    kind = next(c.type for c in feed.columns if c.name == column)
    return {"money": 2, "qty": 6, "price": 8, "rate": 8}.get(kind, 0)


def _problems(feed: Feed, source: Source) -> list[tuple[str, str]]:
    """(reason, SQL that is true for a good row) of every row check."""
    deleted = next((r.typed for r in source.readings if r.column.name == IS_DELETED), None)
    problems = []
    for reading in source.readings:
        column = reading.column
        if column.required:
            present = f"{reading.text} is not null"
            if deleted and column.name not in feed.key:
                # Of a row that is gone the source may know no more than its key.
                present = f"{present} or coalesce({deleted}, false)"
            problems.append((f"{column.name}: empty but required", present))
        problems.append((f"{column.name}: not of type {column.type}", reading.fits))
        if column.values:
            problems.append((f"{column.name}: not in the domain", in_domain(reading)))
    return problems


def _key_number(feed: Feed, readings: tuple[Reading, ...]) -> str:
    """SQL: first 8 bytes of sha256 over the key's text, as the landing contract defines it."""
    texts = {reading.column.name: reading.text for reading in readings}
    parts = f" || {literal(KEY_SEPARATOR)} || ".join(f"coalesce({texts[k]}, '')" for k in feed.key)
    return f"('0x' || substr(sha256({parts}), 1, 16))::ubigint"


def _typed(feed: Feed, source: Source, manifest: Manifest) -> str:
    """Query behind ``batch``: typed columns in contract order, then the checks' results."""
    select = [f"{r.typed} as {identifier(r.column.name)}" for r in source.readings]
    if feed.has_delta and manifest.mode != "delta":
        select.append(f"false as {identifier(IS_DELETED)}")
    good = " and ".join(f"({sql})" for _, sql in _problems(feed, source))
    select.append(f"not coalesce({good}, false) as _bad")
    select.append("false as _duplicate")
    if manifest.key_hash is not None:
        select.append(f"{_key_number(feed, source.readings)} as _key")
    return f"select {', '.join(select)} from {source.relation}"


def _as_text(feed: Feed, source: Source, offset: int) -> str:
    """The bad rows of one file: every column as delivered, row_number (from 1) and reason."""
    columns = ", ".join(f"{r.text} as {identifier(r.column.name)}" for r in source.readings)
    reasons = [
        f"case when not coalesce({sql}, false) then {literal(reason)} end" for reason, sql in _problems(feed, source)
    ]
    duplicate = literal(f"{'+'.join(feed.key)}: duplicate key")
    reasons.append(f"case when _duplicate then {duplicate} end")
    return f"""
        select {columns}, row_number, concat_ws('; ', {", ".join(reasons)}) as reason
        from (
            select row_number() over () + {offset} as row_number, * from {source.relation}
        ) as delivered
        join (select rowid + 1 as row_number, _duplicate from batch where _bad) as bad
        using (row_number)
    """
