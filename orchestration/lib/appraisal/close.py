"""The close of a quarter: what is published of it is frozen into a folder that no build and no correction touches.

``published/quarters/<period>/`` holds the rows of FROZEN_MARTS as Parquet, and a manifest. Its ``content`` says what
was frozen, with the hash of the quarter before: the same data and decisions give the same content hash on any
machine. The rest of the manifest says out of which version and by whom. The journal's line ``quarter_closed`` is the
commit: a folder that the journal does not name was cut off before it, and the next attempt writes it anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from orchestration.lib import fault
from orchestration.lib.appraisal.objections import Objection, ObjectionError, parse_objections, read_objections
from orchestration.lib.appraisal.period import Quarter
from orchestration.lib.appraisal.record import MANIFEST, QuarterError, quarter_folder
from orchestration.lib.appraisal.tables import FROZEN_MARTS, FrozenMart
from orchestration.lib.audit import Verdict
from orchestration.lib.content_hash import columns, content_hash
from orchestration.lib.files import file_sha256, fsync_path, fsync_tree, write_atomically
from orchestration.lib.home import Home
from orchestration.lib.journal import Journal, JournalState, two_names
from orchestration.lib.marts import MARTS, hash_rows
from orchestration.lib.publish import read_publish_log, recover

BEFORE_FREEZE = fault.declare("close.before_freeze", "the quarter may be closed, nothing written")
BEFORE_CLEARING = fault.declare("close.before_clearing", "before a folder of a close that was cut off is removed")
AFTER_FILES = fault.declare("close.after_files", "folder written under a temporary name")
AFTER_RENAME = fault.declare("close.after_rename", "folder in place, journal says nothing")
AFTER_JOURNAL = fault.declare("close.after_journal", "journal says closed, no build has read it")
BEFORE_OBJECTIONS = fault.declare("objections.before_file", "objections may be filed, nothing written")
BEFORE_OBJECTIONS_LINE = fault.declare("objections.before_journal", "the file is kept, the journal does not name it")
AFTER_OBJECTIONS = fault.declare("objections.after_journal", "objections are filed, no build has read them")


def close_quarter(home: Home, period_code: str, by: str, approved_by: str) -> dict[str, Any]:
    """Freeze a quarter as the published version tells it; returns the journal's event. Under the build lock.

    Raises QuarterError: one name instead of two; no or another quarter; closed already; out of order; too early;
    evidence that is not final; objections that no published build has read; a build that did not get published; a
    blocking check that was overridden; a published version that was altered.
    """
    names = _names(by, approved_by)
    quarter = _quarter(period_code)
    recover(home)
    journal = Journal(home.journal)
    state = journal.read()
    entry = _published(home)
    _refuse_closed(quarter, state)
    _refuse_open_checks(home, state, entry)
    with duckdb.connect(str(home.current / "marts.duckdb"), read_only=True) as con:
        _refuse_other_content(home, con, entry)
        _refuse_out_of_order(con, quarter, state)
        policy = policy_tables(home, entry["policy_version"], quarter.end_date)
        _refuse_too_early(quarter, policy, date.fromisoformat(entry["as_of_date"]))
        _refuse_provisional(con, quarter)
        _refuse_unread_objections(quarter, state)
        fault.point(BEFORE_FREEZE)
        folder, target = home.quarters / f".closing-{period_code}", quarter_folder(home, period_code)
        for cut_off in (folder, target):
            if cut_off.exists():
                fault.point(BEFORE_CLEARING)
                shutil.rmtree(cut_off)
        folder.mkdir(parents=True)
        files = {mart.name: _freeze(con, mart, quarter, folder) for mart in FROZEN_MARTS}
    objections = [o for e in state.objections if e["period_code"] == period_code for o in read_objections(home, e)]
    content = {
        "period_code": period_code,
        "start_date": quarter.start_date.isoformat(),
        "end_date": quarter.end_date.isoformat(),
        "marts": {name: {k: known[k] for k in ("row_count", "content_hash")} for name, known in files.items()},
        "policy": policy,
        "objections": [_plain(vars(objection)) for objection in objections],
        "previous_hash": state.closes[-1]["content_hash"] if state.closes else "",
    }
    version = home.current.resolve()
    manifest = {
        "content": content,
        "content_hash": content_hash_of(content),
        "files": files,
        "closed_as_of": entry["as_of_date"],
        "version": entry["version"],
        "build_id": entry["build_id"],
        "inputs_hash": entry["inputs_hash"],
        "outputs_hash": entry["outputs_hash"],
        "inputs": json.loads((version / "manifest.json").read_text(encoding="utf-8"))["inputs"],
        "policy_versions": entry["policy_versions"],
        "by": names[0],
        "approved_by": names[1],
    }
    path = folder / MANIFEST
    path.write_text(json.dumps(manifest, sort_keys=True, ensure_ascii=False, indent=1), encoding="utf-8")
    for file in folder.iterdir():
        file.chmod(0o444)
    fsync_tree(folder)
    manifest_sha256 = file_sha256(path)
    fault.point(AFTER_FILES)
    os.replace(folder, target)
    fsync_path(home.quarters)
    fault.point(AFTER_RENAME)
    event = {
        "event": "quarter_closed",
        "period_code": period_code,
        "start_date": quarter.start_date.isoformat(),
        "through": quarter.end_date.isoformat(),
        "evaluation_date": quarter.evaluation_date.isoformat(),
        "closed_as_of": entry["as_of_date"],
        "version": entry["version"],
        "content_hash": manifest["content_hash"],
        "manifest_sha256": manifest_sha256,
        "by": names[0],
        "approved_by": names[1],
    }
    journal.append(event)
    fault.point(AFTER_JOURNAL)
    return event


def file_objections(home: Home, period_code: str, path: Path, by: str, approved_by: str) -> list[Objection]:
    """File objections and findings of conduct to a quarter that is not closed; returns them. Under the build lock.

    The next build applies them. Raises ObjectionError, and QuarterError: one name instead of two, a closed or unknown
    quarter, a file filed before, a cell or employee that the published scorecards do not have.
    """
    names = _names(by, approved_by)
    quarter = _quarter(period_code)
    recover(home)
    journal = Journal(home.journal)
    state = journal.read()
    entry = _published(home)
    _refuse_closed(quarter, state)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ObjectionError(f"{path}: cannot be read ({error.strerror}); give the path of a file") from error
    entries = parse_objections(period_code, content, path.name)
    digest = hashlib.sha256(content).hexdigest()
    for event in state.objections:
        if event["sha256"] == digest and event["period_code"] == period_code:
            raise QuarterError(
                f"{path.name}: was filed on {event['date']} by {event['by']} and {event['approved_by']}; "
                "file what is new in a file of its own"
            )
    with duckdb.connect(str(home.current / "marts.duckdb"), read_only=True) as con:
        _refuse_unknown_cells(con, quarter, entries, path.name)
    name = f"{period_code}-{digest[:12]}{path.suffix.lower()}"
    fault.point(BEFORE_OBJECTIONS)
    write_atomically(home.objections / name, content)
    fault.point(BEFORE_OBJECTIONS_LINE)
    journal.append(
        {
            "event": "objection_filed",
            "period_code": period_code,
            "date": entry["as_of_date"],
            "file": name,
            "sha256": digest,
            "by": names[0],
            "approved_by": names[1],
        }
    )
    fault.point(AFTER_OBJECTIONS)
    return entries


def quarter_rows(home: Home) -> list[tuple[str, ...]]:
    """Quarter, state, last day seen, scorecards, files of objections, and of closed ones when, by whom and hash."""
    state = Journal(home.journal).read()
    closes = {close["period_code"]: close for close in state.closes}
    found: list[tuple[str, date, bool, int]] = []
    if home.current.exists():
        with duckdb.connect(str(home.current / "marts.duckdb"), read_only=True) as con:
            found = con.execute(
                "select period_code, max(through_date), bool_and(is_final), count(*) from appraisal.scorecard_total "
                "group by period_code order by period_code"
            ).fetchall()
    rows = []
    for period_code, through, is_final, count in found:
        close = closes.get(period_code)
        word = "closed" if close else "final" if is_final else "provisional"
        filed = sum(event["period_code"] == period_code for event in state.objections)
        told = (close["closed_as_of"], f"{close['by']}, {close['approved_by']}", close["content_hash"]) if close else ()
        rows.append((period_code, word, str(through), str(count), str(filed), *told))
    return rows


def policy_tables(home: Home, policy_hash: str, day: date) -> dict[str, list[dict[str, Any]]]:
    """Tables of the appraisal's version in force on a day, as compiled: table -> rows in order, values as text."""
    folder = home.policy / policy_hash
    if not folder.exists():
        raise QuarterError(
            f"{folder}: expected the compiled rules of the published version, found none; restore the folder, or build "
            "the next day, which compiles them"
        )
    tables: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(folder.glob("appraisal*.parquet")):
        rows = [r for r in pq.read_table(file).to_pylist() if r["effective_from"] <= day < r["effective_to"]]
        # When the version ends is said by the next one.
        said = [{k: v for k, v in row.items() if k != "effective_to"} for row in rows]
        tables[file.stem] = sorted((_plain(row) for row in said), key=lambda row: json.dumps(row, sort_keys=True))
    if not tables.get("appraisal"):
        raise QuarterError(
            f"policy {policy_hash}: expected rules of appraisal in force on {day}, found none; add a version of "
            "policies/appraisal.yml that holds on that day, and run"
        )
    return tables


def content_hash_of(content: dict[str, Any]) -> str:
    """Hash of what a manifest says was frozen."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def earliest_close(quarter: Quarter, policy: dict[str, list[dict[str, Any]]]) -> date:
    """First business date as of which a quarter may be closed."""
    return quarter.end_date + timedelta(days=int(policy["appraisal"][0]["close_after_days"]))


def _freeze(con: duckdb.DuckDBPyConnection, mart: FrozenMart, quarter: Quarter, folder: Path) -> dict[str, Any]:
    """Write a mart's rows of the quarter; returns what the manifest says of the file."""
    file = folder / mart.file
    frozen = ["true as is_frozen" if name == "is_frozen" else name for name in mart.schema.names]
    con.execute(
        f"copy (select {', '.join(frozen)} from {mart.relation} where period_code = '{quarter.period_code}' "
        f"order by {', '.join(mart.key)}) to '{file}' (format parquet, compression zstd)"
    )
    return describe_file(file) | {"sha256": file_sha256(file)}


def describe_file(file: Path) -> dict[str, Any]:
    """Number and content hash of the rows of a Parquet file, and its columns."""
    relation = f"read_parquet('{str(file).replace(chr(39), chr(39) * 2)}')"
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        return {
            "row_count": pq.read_metadata(file).num_rows,
            "content_hash": content_hash(con, relation),
            "columns": columns(con, relation),
        }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Values as JSON keeps them without loss: dates and decimals as text."""
    return {k: str(v) if isinstance(v, date | Decimal) else v for k, v in row.items()}


# --- what is refused ------------------------------------------------------------------------------------


def _names(by: str, approved_by: str) -> tuple[str, str]:
    names = two_names(by, approved_by)
    if names is None:
        raise QuarterError(
            f"expected two different names (--by, --approved-by), found {by!r} and {approved_by!r}; "
            "have another person approve"
        )
    return names


def _quarter(period_code: str) -> Quarter:
    quarter = Quarter.of(period_code)
    if quarter is None:
        raise QuarterError(f"quarter {period_code!r}: expected a code such as 2026Q3; correct it")
    return quarter


def _published(home: Home) -> dict[str, Any]:
    log = read_publish_log(home)
    if not log:
        raise QuarterError(f"{home.root}: nothing has been published yet; run `tierhouse run` first")
    return log[-1]


def _refuse_closed(quarter: Quarter, state: JournalState) -> None:
    for close in state.closes:
        if close["period_code"] == quarter.period_code:
            raise QuarterError(
                f"{quarter.period_code} was closed as of {close['closed_as_of']} by {close['by']} and "
                f"{close['approved_by']}; a quarter is closed once, what is found later is told in "
                "appraisal.restatement"
            )


def _refuse_out_of_order(con: duckdb.DuckDBPyConnection, quarter: Quarter, state: JournalState) -> None:
    closed = {close["period_code"] for close in state.closes}
    last = max(closed, default="")
    earlier = [
        code
        for (code,) in con.execute(
            "select distinct period_code from appraisal.scorecard_total order by period_code"
        ).fetchall()
        if last < code < quarter.period_code
    ]
    following = Quarter.of(last)
    expected = following.next_code if following else (earlier[0] if earlier else quarter.period_code)
    if quarter.period_code != expected:
        raise QuarterError(
            f"{quarter.period_code}: expected {expected}, since quarters are closed in order"
            f"{f' and {last} is the last closed one' if last else ''}; close {expected} first"
            if quarter.period_code > expected
            else f"{quarter.period_code}: expected {expected}, the quarter after {last}, the last closed one; "
            "it can be closed no more"
        )


def _refuse_too_early(quarter: Quarter, policy: dict[str, list[dict[str, Any]]], as_of: date) -> None:
    earliest = earliest_close(quarter, policy)
    if as_of < earliest:
        raise QuarterError(
            f"{quarter.period_code} ends on {quarter.end_date}: expected a published business date of {earliest} or "
            f"later ({policy['appraisal'][0]['close_after_days']} days after), found {as_of}; until then it is "
            "provisional, run the days up to there"
        )


def _refuse_provisional(con: duckdb.DuckDBPyConnection, quarter: Quarter) -> None:
    found = con.execute(
        "select count(*), count(*) filter (where not is_final) from appraisal.scorecard_total where period_code = ?",
        [quarter.period_code],
    ).fetchall()
    count, provisional = found[0]
    if not count:
        raise QuarterError(
            f"{quarter.period_code}: expected its scorecards in the published version, found none; it was not "
            "appraised (its first day is before books went live, or the quarter before it is not whole)"
        )
    if provisional:
        raise QuarterError(
            f"{quarter.period_code}: expected final evidence, found {provisional} provisional scorecards; run the "
            f"month end of {quarter.evaluation_date}"
        )


def _refuse_unread_objections(quarter: Quarter, state: JournalState) -> None:
    filed = len(state.objections) - state.unbuilt_objections
    unread = [e["file"] for e in state.objections[filed:] if e["period_code"] == quarter.period_code]
    if unread:
        raise QuarterError(
            f"{quarter.period_code}: expected a published build that has read every objection, found {len(unread)} "
            f"filed after the last one ({', '.join(unread)}); run `tierhouse run`, then close"
        )


def _refuse_open_checks(home: Home, state: JournalState, entry: dict[str, Any]) -> None:
    if state.last_begun != entry["build_id"]:
        path = Verdict.path(home, str(state.last_begun))
        blocking = Verdict.read(home, str(state.last_begun)).blocking() if path.exists() else []
        found = f"its audit is blocked by {', '.join(blocking)}" if blocking else "it did not get that far"
        raise QuarterError(
            f"build {state.last_begun}: expected the last build to be published, found that {found}; mend the cause "
            "and run, then close"
        )
    if entry["overrides"]:
        raise QuarterError(
            f"version {entry['version']}: expected no open blocking check, found {', '.join(entry['overrides'])} "
            "overridden; people are paid on checked numbers: mend the cause and run, then close"
        )


def _refuse_other_content(home: Home, con: duckdb.DuckDBPyConnection, entry: dict[str, Any]) -> None:
    """What is frozen must be what was audited."""
    manifest = json.loads((home.current.resolve() / "manifest.json").read_text(encoding="utf-8"))
    frozen = {mart.relation for mart in FROZEN_MARTS}
    for mart in MARTS:
        if mart.relation in frozen:
            known = {p: h for p, h in manifest["partition_hashes"].items() if p.split("/")[0] == mart.relation}
            found = {mart.partition(label): h for label, h in hash_rows(con, mart, "").items()}
            if found != known:
                changed = sorted(p for p in known.keys() | found.keys() if known.get(p) != found.get(p))
                raise QuarterError(
                    f"version {entry['version']}: expected the rows that were audited, found others in "
                    f"{', '.join(changed)}; restore the version from a backup, or run again"
                )


def _refuse_unknown_cells(
    con: duckdb.DuckDBPyConnection, quarter: Quarter, entries: list[Objection], name: str
) -> None:
    def known(relation: str, key: str) -> set[tuple[str, ...]]:
        query = f"select distinct {key} from appraisal.{relation} where period_code = ?"
        return set(con.execute(query, [quarter.period_code]).fetchall())

    employees = known("scorecard_total", "employee_id")
    if not employees:
        raise QuarterError(
            f"{quarter.period_code}: expected its scorecards in the published version, found none; objections are "
            "filed to a quarter that is being appraised"
        )
    objected = [e for e in entries if e.customer_id is not None]
    cells = known("scorecard_evidence", "employee_id, measure_code, customer_id") if objected else set()
    for number, e in enumerate(entries, start=1):
        if e.customer_id is not None:
            if (e.employee_id, e.measure_code, e.customer_id) not in cells:
                raise QuarterError(
                    f"{name} entry {number}: expected a row of appraisal.scorecard_evidence of {quarter.period_code}, "
                    f"found none of {e.employee_id}, {e.measure_code}, {e.customer_id}; look it up with "
                    f"`tierhouse explain-score {e.employee_id} {quarter.period_code}`"
                )
        elif (e.employee_id,) not in employees:
            raise QuarterError(
                f"{name} entry {number}: expected an employee with a scorecard of {quarter.period_code}, found "
                f"{e.employee_id}; correct the id"
            )
        elif e.finding_date is None or not quarter.start_date <= e.finding_date <= quarter.end_date:
            raise QuarterError(
                f"{name} entry {number}: expected a day from {quarter.start_date} to {quarter.end_date}, found "
                f"{e.finding_date}; file it to the quarter of that day"
            )
