"""A quarter is closed once, in order, by two people, on checked numbers; what is frozen stays and can be proven."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.lib.appraisal.close import close_quarter, content_hash_of, describe_file, file_objections
from orchestration.lib.appraisal.objections import ObjectionError
from orchestration.lib.appraisal.record import QuarterError, closed_files, record_tables
from orchestration.lib.appraisal.tables import FROZEN_MARTS, GIVEN_BACK, RESTATEMENT
from orchestration.lib.appraisal.verify import unnamed_folders, verify_quarters
from orchestration.lib.files import file_sha256
from orchestration.lib.home import DBT_PROJECT_DIR, Home
from orchestration.lib.journal import Journal
from orchestration.lib.policies import load_policies
from orchestration.lib.policies.lint import frozen_changes
from orchestration.lib.publish import VERSIONS_KEPT, _drop_old_versions, read_publish_log
from tests import support
from tests.appraisal.small_quarter import (
    EARLIEST_CLOSE,
    PERIOD,
    begin,
    publish_version,
    quarter_rows,
    write_objections,
)

NAMES = ("A. Chen", "B. Wu")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("published") / "home")
    publish_version(home)
    return home


@pytest.fixture
def home(published: Home, tmp_path: Path) -> Home:
    """A deployment whose last version tells a quarter that may be closed."""
    return support.copy_home(published, tmp_path / "home")


def files_of(home: Home, period: str = PERIOD) -> dict[str, str]:
    return {path.name: file_sha256(path) for path in sorted((home.quarters / period).iterdir())}


def with_quarter(period: str, marts: tuple[str, ...] = ()) -> dict[str, list[dict[str, Any]]]:
    """The quarter's rows, and in some marts (all, if none is named) the same rows as another quarter's."""
    return {
        name: [*own, *({**row, "period_code": period} for row in own if not marts or name in marts)]
        for name, own in quarter_rows().items()
    }


# --- what a close freezes ----------------------------------------------------------------------------------


def test_a_close_freezes_every_mart_of_the_quarter_as_it_was_published(home: Home) -> None:
    event = close_quarter(home, PERIOD, *NAMES)

    for mart in FROZEN_MARTS:
        frozen = pq.read_table(home.quarters / PERIOD / mart.file)
        published = duckdb.connect(str(home.current / "marts.duckdb"), read_only=True).execute(
            f"select * from {mart.relation} where period_code = ? order by {', '.join(mart.key)}", [PERIOD]
        )
        expected = published.to_arrow_table().to_pylist()
        assert expected
        assert frozen.to_pylist() == [{k: True if k == "is_frozen" else v for k, v in row.items()} for row in expected]
    assert Journal(home.journal).read().closes == (event,)
    assert Journal(home.journal).read().frozen_through == date(2026, 6, 30)


def test_a_manifest_names_rules_inputs_versions_and_the_two_persons(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)

    manifest = json.loads((home.quarters / PERIOD / "manifest.json").read_text("utf-8"))
    assert manifest["content"]["policy"]["appraisal"][0]["policy_version"] == "appraisal@1"
    assert len(manifest["content"]["policy"]["appraisal_measure"]) == 5
    assert "appraisal@1" in manifest["policy_versions"]
    assert manifest["inputs"] == {"a.b.2026-05-01.1": "hash"}
    assert (manifest["version"], manifest["closed_as_of"]) == (1, EARLIEST_CLOSE.isoformat())
    assert (manifest["by"], manifest["approved_by"]) == NAMES


def test_a_frozen_folder_holds_read_only_files_alone(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)

    modes = {path.name: path.stat().st_mode & 0o777 for path in (home.quarters / PERIOD).iterdir()}
    assert modes == {"manifest.json": 0o444, **{mart.file: 0o444 for mart in FROZEN_MARTS}}


def test_the_same_numbers_have_the_same_content_hash_whatever_version_told_them_and_whoever_closes(
    home: Home, tmp_path: Path
) -> None:
    other = Home(tmp_path / "other")
    publish_version(other)
    rows = {name: list(reversed(own)) for name, own in quarter_rows().items()}
    publish_version(other, EARLIEST_CLOSE + timedelta(days=9), rows)

    events = [close_quarter(home, PERIOD, *NAMES), close_quarter(other, PERIOD, "C. Li", "D. He")]

    assert events[0]["content_hash"] == events[1]["content_hash"]
    assert events[0]["manifest_sha256"] != events[1]["manifest_sha256"]


def test_other_numbers_have_another_content_hash(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    rows = quarter_rows()
    rows["scorecard_evidence"][0]["value_cny"] += 1
    publish_version(other, rows=rows)

    assert close_quarter(home, PERIOD, *NAMES)["content_hash"] != close_quarter(other, PERIOD, *NAMES)["content_hash"]


def test_quarters_are_chained(home: Home) -> None:
    first = close_quarter(home, PERIOD, *NAMES)
    publish_version(home, date(2026, 10, 31), with_quarter("2026Q3"))

    close_quarter(home, "2026Q3", *NAMES)

    manifest = json.loads((home.quarters / "2026Q3" / "manifest.json").read_text("utf-8"))
    assert manifest["content"]["previous_hash"] == first["content_hash"]


def test_a_policy_version_that_a_closed_quarter_was_judged_by_may_not_change(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)
    state = Journal(home.journal).read()
    assert state.last_published is not None
    published = dict(state.last_published["policy_versions"])
    assert not frozen_changes(load_policies(), published, state.frozen_through)

    published["appraisal@1"] = {**published["appraisal@1"], "sha256": "that of other weights"}

    (finding,) = frozen_changes(load_policies(), published, state.frozen_through)
    assert "was changed, but periods through 2026-06-30 are closed" in str(finding)


def test_old_versions_are_dropped_and_closed_quarters_are_not(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)
    frozen = files_of(home)
    for n in range(1, VERSIONS_KEPT + 2):
        publish_version(home, EARLIEST_CLOSE + timedelta(days=n))

    _drop_old_versions(home, read_publish_log(home))

    assert not (home.published / "1").exists()
    assert files_of(home) == frozen


# --- what is refused ---------------------------------------------------------------------------------------


def too_early(home: Home) -> None:
    publish_version(home, EARLIEST_CLOSE - timedelta(days=1))


def provisional(home: Home) -> None:
    rows = quarter_rows()
    for row in rows["scorecard_total"]:
        row["is_final"] = False
    publish_version(home, rows=rows)


def not_published(home: Home) -> None:
    publish_version(home)
    begin(home, "20260801-unfinished", date(2026, 8, 1))


def overridden(home: Home) -> None:
    publish_version(home, overrides=("drift.money.core_banking.deposit_accounts",))


def objected(home: Home) -> None:
    publish_version(home)
    text = "- {employee_id: wm1, measure_code: m1_retention, customer_id: c2, action: exclude, reason: a clerk's error}"
    file_objections(home, PERIOD, write_objections(home.root, text), *NAMES)


def altered(home: Home) -> None:
    publish_version(home)
    with duckdb.connect(str(home.current / "marts.duckdb")) as con:
        con.execute("update appraisal.scorecard set score = 119 where employee_id = 'wm1'")


def compiled_rules_gone(home: Home) -> None:
    publish_version(home)
    shutil.rmtree(home.policy)


def closed(home: Home) -> None:
    publish_version(home)
    close_quarter(home, PERIOD, *NAMES)


def an_earlier_one_is_open(home: Home) -> None:
    publish_version(home, rows=with_quarter("2026Q1", ("scorecard_total",)))


def a_later_one_is_closed(home: Home) -> None:
    rows = {name: [{**row, "period_code": "2026Q3"} for row in own] for name, own in quarter_rows().items()}
    publish_version(home, date(2026, 10, 31), rows)
    close_quarter(home, "2026Q3", *NAMES)


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (too_early, "expected a published business date of 2026-07-31 or later .31 days after., found 2026-07-30"),
        (provisional, "expected final evidence, found 3 provisional scorecards; run the month end of 2026-07-31"),
        (not_published, "build 20260801-unfinished: expected the last build to be published"),
        (overridden, "found drift.money.core_banking.deposit_accounts overridden"),
        (objected, "expected a published build that has read every objection, found 1 filed after the last one"),
        (altered, "expected the rows that were audited, found others in appraisal.scorecard"),
        (compiled_rules_gone, "expected the compiled rules of the published version, found none"),
        (closed, "was closed as of 2026-07-31 by A. Chen and B. Wu; a quarter is closed once"),
        (an_earlier_one_is_open, "2026Q2: expected 2026Q1, since quarters are closed in order"),
        (a_later_one_is_closed, "expected 2026Q4, the quarter after 2026Q3.*it can be closed no more"),
    ],
)
def test_a_close_is_refused(tmp_path: Path, prepare: Callable[[Home], None], said: str) -> None:
    home = Home(tmp_path / "home")
    prepare(home)
    before = (home.journal.read_bytes(), sorted(home.quarters.rglob("*")))

    with pytest.raises(QuarterError, match=said):
        close_quarter(home, PERIOD, *NAMES)

    assert (home.journal.read_bytes(), sorted(home.quarters.rglob("*"))) == before


@pytest.mark.parametrize("names", [("A. Chen", "a. chen "), ("", "B. Wu"), ("A. Chen", " ")])
def test_one_person_alone_closes_nothing(home: Home, names: tuple[str, str]) -> None:
    with pytest.raises(QuarterError, match="expected two different names"):
        close_quarter(home, PERIOD, *names)


@pytest.mark.parametrize("code", ["2026Q5", "Q2", "2026-06"])
def test_what_is_no_quarter_is_not_closed(home: Home, code: str) -> None:
    with pytest.raises(QuarterError, match="expected a code such as 2026Q3"):
        close_quarter(home, code, *NAMES)


def test_a_quarter_that_was_not_appraised_is_not_closed(home: Home) -> None:
    with pytest.raises(QuarterError, match="expected 2026Q2, since quarters are closed in order"):
        close_quarter(home, "2026Q3", *NAMES)


# --- what builds read of it ----------------------------------------------------------------------------------


def test_builds_are_given_the_closed_quarter_and_its_rows(home: Home) -> None:
    event = close_quarter(home, PERIOD, *NAMES)

    (quarter,) = record_tables(home)["closed_quarter"].to_pylist()
    assert (quarter["period_code"], quarter["end_date"]) == (PERIOD, date(2026, 6, 30))
    assert (quarter["evaluation_date"], quarter["content_hash"]) == (date(2026, 7, 31), event["content_hash"])
    assert closed_files(home)["closed_scorecard"] == [home.quarters / PERIOD / "scorecard.parquet"]


def test_a_folder_that_the_journal_does_not_name_is_no_quarter(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)
    (home.quarters / "2026Q9").mkdir()

    assert len(closed_files(home)["closed_scorecard"]) == 1
    assert unnamed_folders(home) == ["2026Q9"]


def test_no_build_reads_a_frozen_file_that_was_changed(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)
    rewrite(home, "scorecard", lambda table: table.slice(1))

    with pytest.raises(QuarterError, match=r"scorecard.parquet: expected the file with sha256 .* restore the folder"):
        closed_files(home)


def documented(model: str) -> dict[str, str]:
    for path in (DBT_PROJECT_DIR / "models" / "marts" / "appraisal").glob("*.yml"):
        for entry in yaml.safe_load(path.read_text("utf-8")).get("models", []):
            if entry["name"] == model:
                return {column["name"]: column["data_type"] for column in entry["columns"]}
    raise AssertionError(model)


def duck_types(schema: pa.Schema) -> dict[str, str]:
    words = {"string": "string", "date32[day]": "date", "int64": "bigint", "bool": "boolean"}
    types = {field.name: str(field.type) for field in schema}
    return {n: words.get(t, t.replace("decimal128", "decimal").replace(", ", ",")) for n, t in types.items()}


@pytest.mark.parametrize("mart", [*FROZEN_MARTS], ids=lambda mart: mart.name)
def test_a_frozen_mart_has_every_column_of_the_mart_in_its_type(mart: Any) -> None:
    assert duck_types(mart.schema) == documented(f"mart_appraisal__{mart.name}")


def test_restatements_are_given_back_in_the_columns_of_their_mart() -> None:
    assert duck_types(RESTATEMENT) == documented("mart_appraisal__restatement")


def test_the_source_of_builds_lists_the_columns_of_frozen_marts() -> None:
    text = (DBT_PROJECT_DIR / "models" / "_build__sources.yml").read_text("utf-8")
    tables = {t["name"]: t for s in yaml.safe_load(text)["sources"] if s["name"] == "build" for t in s["tables"]}
    for mart in GIVEN_BACK:
        assert [column["name"] for column in tables[mart.source]["columns"]] == mart.schema.names


# --- proof ---------------------------------------------------------------------------------------------------


def rewrite(home: Home, mart: str, change: Callable[[pa.Table], pa.Table]) -> Path:
    path = home.quarters / PERIOD / f"{mart}.parquet"
    path.chmod(0o644)
    pq.write_table(change(pq.read_table(path)), path)
    return path


def forge(home: Home, mart: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change a frozen file and everything that vouches for it: manifest, content hash and journal."""
    path = rewrite(home, mart, change)
    file = home.quarters / PERIOD / "manifest.json"
    manifest = json.loads(file.read_text("utf-8"))
    manifest["files"][mart] = describe_file(path) | {"sha256": file_sha256(path)}
    manifest["content"]["marts"][mart] = {k: manifest["files"][mart][k] for k in ("row_count", "content_hash")}
    manifest["content_hash"] = content_hash_of(manifest["content"])
    file.chmod(0o644)
    file.write_text(json.dumps(manifest), encoding="utf-8")
    lines = []
    for event in Journal(home.journal).events():
        if event["event"] == "quarter_closed":
            event |= {"content_hash": manifest["content_hash"], "manifest_sha256": file_sha256(file)}
        lines.append(json.dumps(event))
    home.journal.write_text("\n".join(lines) + "\n", encoding="utf-8")


def set_to(column: str, value: str, row: int = 0) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        old = table.column(column)
        values = [value if n == row else v for n, v in enumerate(pc.cast(old, pa.string()).to_pylist())]
        return table.set_column(table.column_names.index(column), column, pa.array(values, pa.string()).cast(old.type))

    return change


def findings(home: Home) -> tuple[str, ...]:
    (verified,) = verify_quarters(home, PERIOD)
    return verified.findings


def test_every_cell_of_an_untouched_quarter_follows_from_its_evidence(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)

    (verified,) = verify_quarters(home)

    assert verified.findings == ()
    # Six figures of 15 cells, five of 3 totals, three of 2 branch cells, two ends of 1 book.
    assert verified.cell_count == 6 * 15 + 5 * 3 + 3 * 2 + 2


def test_a_changed_frozen_file_is_found(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)
    rewrite(home, "book_flow", set_to("lost_count", "0"))

    assert any("book_flow.parquet: expected content_hash" in finding for finding in findings(home))


def test_a_changed_manifest_is_found(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)
    path = home.quarters / PERIOD / "manifest.json"
    path.chmod(0o644)
    path.write_text(path.read_text("utf-8").replace("A. Chen", "Z. Chen"), encoding="utf-8")

    assert any("manifest.json: expected sha256" in finding for finding in findings(home))


@pytest.mark.parametrize("name", ["manifest.json", "scorecard_evidence.parquet"])
def test_a_frozen_file_that_is_gone_is_found(home: Home, name: str) -> None:
    close_quarter(home, PERIOD, *NAMES)
    (home.quarters / PERIOD / name).unlink()

    assert findings(home)


@pytest.mark.parametrize(
    ("mart", "change", "said"),
    [
        ("scorecard", set_to("score", "120"), "scorecard of wm1, m1_retention: expected score 10.0000, found 120"),
        ("scorecard", set_to("value_rate", "0.1"), "scorecard of wm1, m1_retention: expected value_rate 0.50000000"),
        ("scorecard", set_to("weight", "0.9"), "scorecard of wm1, m1_retention: expected weight 0.20000000"),
        ("scorecard", lambda table: table.slice(1), "scorecard of wm1, m1_retention: expected the cell, found none"),
        ("scorecard_total", set_to("total_score", "99"), "scorecard_total of wm1: expected total_score 50.0000"),
        ("scorecard_total", set_to("complaint_count", "0", 2), "scorecard_total of wm3: expected gate_code None"),
        ("scorecard_total", set_to("rank_in_peer_group", "1", 2), "scorecard_total of wm3: expected rank_in_peer"),
        ("scorecard_total", set_to("total_with_adjustment", "99", 1), "scorecard_total of wm2: expected total_with"),
        ("branch_scorecard", set_to("score", "1"), "branch_scorecard of 0010, m1_retention: expected score 120.0000"),
        ("scorecard_evidence", set_to("is_numerator", "false", 2), "scorecard of wm1, m1_retention: expected num"),
        ("scorecard_evidence", set_to("held_days", "1", 1), "scorecard of wm1, m1_retention: expected denominator"),
        ("scorecard_evidence", lambda table: table.slice(2), "scorecard_total of wm1: expected cohort_count 2"),
        ("book_flow", set_to("lost_count", "0"), "book_flow of employee wm1: expected closing_count 3, found 2"),
        ("book_flow", set_to("lost_aum_cny", "0"), "book_flow of employee wm1: expected closing_aum_cny 185000.00"),
    ],
)
def test_a_value_that_does_not_follow_from_the_evidence_is_found_though_every_hash_was_forged(
    home: Home, mart: str, change: Callable[[pa.Table], pa.Table], said: str
) -> None:
    close_quarter(home, PERIOD, *NAMES)

    forge(home, mart, change)

    assert any(said in finding for finding in findings(home)), findings(home)


def test_rows_that_readers_see_otherwise_than_they_were_frozen_are_found(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)
    rows = {n: [{**row, "is_frozen": True} for row in own] for n, own in quarter_rows().items()}
    publish_version(home, date(2026, 8, 1), rows)
    assert findings(home) == ()

    rows["scorecard_total"][0]["total_score"] = "51"
    publish_version(home, date(2026, 8, 2), rows)

    (finding,) = findings(home)
    assert "appraisal.scorecard_total: expected the frozen rows of 2026Q2, found others" in finding


def test_targets_are_the_medians_of_the_quarter_that_was_closed_before(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)
    publish_version(home, date(2026, 10, 31), with_quarter("2026Q3"))
    close_quarter(home, "2026Q3", *NAMES)

    (verified,) = verify_quarters(home, "2026Q3")

    # Of 0.5, 0 and 0 of m1 the median is 0; the frozen rows were measured against 5%.
    assert any(
        "scorecard of wm1, m1_retention: expected target_rate 0E-8, found 0.05000000" in f
        or "scorecard of wm1, m1_retention: expected target_rate 0.00000000" in f
        for f in verified.findings
    )


# --- objections ----------------------------------------------------------------------------------------------

OBJECTION = """\
- employee_id: wm1
  measure_code: m1_retention
  customer_id: c2
  action: exclude
  reason: the account was closed by mistake and opened again, ticket 4711
- employee_id: wm2
  action: conduct
  date: 2026-05-12
  reason: sold without the risk talk
"""


def test_objections_and_findings_of_conduct_are_given_to_the_next_build(home: Home) -> None:
    file_objections(home, PERIOD, write_objections(home.root, OBJECTION), *NAMES)

    tables = record_tables(home)
    assert tables["objection"].to_pylist() == [
        {
            "period_code": PERIOD,
            "employee_id": "wm1",
            "measure_code": "m1_retention",
            "customer_id": "c2",
            "action": "exclude",
            "reason": "the account was closed by mistake and opened again, ticket 4711",
        }
    ]
    assert tables["conduct_finding"].to_pylist() == [
        {
            "period_code": PERIOD,
            "employee_id": "wm2",
            "finding_date": date(2026, 5, 12),
            "reason": "sold without the risk talk",
        }
    ]
    assert Journal(home.journal).read().unbuilt_objections == 1


def test_a_table_of_objections_says_the_same_as_a_list(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    publish_version(other)
    table = (
        "employee_id,measure_code,customer_id,action,date,reason\n"
        'wm1,m1_retention,c2,exclude,,"the account was closed by mistake and opened again, ticket 4711"\n'
        "wm2,,,conduct,2026-05-12,sold without the risk talk\n"
    )
    file_objections(home, PERIOD, write_objections(home.root, OBJECTION), *NAMES)
    file_objections(other, PERIOD, write_objections(other.root, table, "objections.csv"), *NAMES)

    for name in ("objection", "conduct_finding"):
        assert record_tables(home)[name] == record_tables(other)[name]


def test_the_later_objection_to_a_cell_holds(home: Home) -> None:
    for action in ("exclude", "not_count"):
        file_objections(home, PERIOD, write_objections(home.root, OBJECTION.replace("exclude", action)), *NAMES)

    assert record_tables(home)["objection"].column("action").to_pylist() == ["not_count"]
    assert record_tables(home)["conduct_finding"].num_rows == 1


def test_objections_that_a_published_build_has_read_no_longer_hold_up_a_close(home: Home) -> None:
    file_objections(home, PERIOD, write_objections(home.root, OBJECTION), *NAMES)
    publish_version(home, date(2026, 8, 1))

    close_quarter(home, PERIOD, *NAMES)

    manifest = json.loads((home.quarters / PERIOD / "manifest.json").read_text("utf-8"))
    assert [entry["employee_id"] for entry in manifest["content"]["objections"]] == ["wm1", "wm2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            OBJECTION.replace("c2", "c7"),
            "entry 1: expected a row of appraisal.scorecard_evidence of 2026Q2, found none",
        ),
        (OBJECTION.replace("wm2", "wm9"), "entry 2: expected an employee with a scorecard of 2026Q2, found wm9"),
        (OBJECTION.replace("2026-05-12", "2026-07-01"), "entry 2: expected a day from 2026-04-01 to 2026-06-30"),
        (OBJECTION.replace("2026-05-12", "in May"), "entry 2: date 'in May'; expected a date such as 2026-05-12"),
        (OBJECTION.replace("exclude", "forgive"), "entry 1: action 'forgive'; expected one of exclude, count"),
        (OBJECTION.replace("  customer_id: c2\n", ""), "entry 1: expected action, customer_id, employee_id, measure"),
        (OBJECTION.replace("reason: sold without the risk talk", "reason: ' '"), "entry 2: expected action, date"),
        (OBJECTION.partition("- employee_id: wm2")[0] * 2, "entry 2: wm1, m1_retention, c2 is there twice; keep one"),
        ("", "expected a list of objections, found none"),
        ("- just a line", "entry 1: expected columns with values, found 'just a line'"),
        ("- {employee_id: [", "cannot be read as UTF-8 yml"),
    ],
)
def test_a_file_of_objections_that_says_too_little_or_too_much_is_refused(home: Home, text: str, said: str) -> None:
    with pytest.raises((ObjectionError, QuarterError), match=said):
        file_objections(home, PERIOD, write_objections(home.root, text), *NAMES)

    assert not Journal(home.journal).read().objections


def test_a_file_of_objections_is_filed_once_and_by_two_people(home: Home) -> None:
    path = write_objections(home.root, OBJECTION)
    with pytest.raises(QuarterError, match="expected two different names"):
        file_objections(home, PERIOD, path, "A. Chen", "A. Chen")
    file_objections(home, PERIOD, path, *NAMES)

    with pytest.raises(QuarterError, match=r"was filed on 2026-07-31 by A[.] Chen and B[.] Wu"):
        file_objections(home, PERIOD, path, *NAMES)


def test_nobody_objects_to_a_closed_quarter(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)

    with pytest.raises(QuarterError, match="a quarter is closed once"):
        file_objections(home, PERIOD, write_objections(home.root, OBJECTION), *NAMES)


def test_objections_that_were_changed_after_they_were_filed_stop_builds(home: Home) -> None:
    file_objections(home, PERIOD, write_objections(home.root, OBJECTION), *NAMES)
    (kept,) = home.objections.iterdir()
    kept.write_text(OBJECTION.replace("exclude", "count"), encoding="utf-8")

    with pytest.raises(ObjectionError, match="expected the objections with sha256"):
        record_tables(home)


# --- commands ------------------------------------------------------------------------------------------------


def command(home: Home, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["quarter", *arguments, "--home", str(home.root)], env={"COLUMNS": "200"})


def test_a_quarter_is_objected_to_closed_listed_and_verified_by_command(home: Home) -> None:
    by = ("--by", NAMES[0], "--approved-by", NAMES[1])
    path = write_objections(home.root, OBJECTION)

    assert "2 entries are filed to 2026Q2" in command(home, "object", PERIOD, str(path), *by).stdout
    refused = command(home, "close", PERIOD, *by)
    assert (refused.exit_code, "found 1 filed after the last one" in refused.stderr) == (1, True)
    assert "final" in command(home, "list").stdout
    publish_version(home, date(2026, 8, 1))
    closed_as = command(home, "close", PERIOD, *by)
    assert "2026Q2 is closed as of 2026-08-01 from version 2, content hash" in closed_as.stdout
    assert "closed" in command(home, "list").stdout
    verified = command(home, "verify")
    assert (verified.exit_code, "113 cells computed again, no findings" in verified.stdout) == (0, True)


def test_the_command_fails_where_a_closed_quarter_is_not_what_it_was(home: Home) -> None:
    close_quarter(home, PERIOD, *NAMES)
    rewrite(home, "scorecard_total", set_to("total_score", "99"))

    verified = command(home, "verify", PERIOD)

    assert verified.exit_code == 1
    assert "scorecard_total of wm1: expected total_score 50.0000, found 99.0000" in verified.stdout
    assert command(home, "verify", "2025Q4").exit_code == 1
