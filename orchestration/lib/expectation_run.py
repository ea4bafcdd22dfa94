"""Great Expectations suites: read from ``expectations/``, run on the warehouse where the data lie.

A suite is one YAML file per table, in the group ``landing`` (raw views: is the delivery plausible
beyond what its contract can say) or ``marts``. Great Expectations is imported on first use only:
the import costs several seconds (``preload``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from orchestration.lib.home import PROJECT_ROOT
from orchestration.lib.marts import MARTS, written_rows

EXPECTATIONS_DIR = PROJECT_ROOT / "expectations"
GROUPS = ("landing", "marts")

Severity = Literal["block", "warn"]
Status = Literal["pass", "fail", "skipped", "error"]

NO_DELIVERY = "skipped: no delivery"
KEPT = "skipped: judged by the build that wrote its rows; the version takes them over"

# Results hold counts and never values of the bank's data.
RESULT_FORMAT = {"result_format": "BASIC", "partial_unexpected_count": 0}
_COUNTS = {"element_count", "missing_count", "unexpected_count", "unexpected_percent"}

# Errors of these kinds speak of names in the suite and the schema; any other may quote a value.
_SCHEMA_ERRORS = re.compile(r'(Binder|Catalog|Parser) Error: [^\n]+|The column "\w+" in BatchData does not exist')
_ERROR_CLASS = re.compile(r"\(([A-Za-z_.]*(?:Error|Exception))\)")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reading(_Strict):
    """A text for business people, in English and Chinese."""

    en: str = Field(min_length=1)
    zh: str = Field(min_length=1)


class Expectation(Reading):
    """One expectation. ``type`` and ``kwargs`` are those of Great Expectations."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    severity: Severity
    type: str
    kwargs: dict[str, Any]


class Suite(_Strict):
    """The expectations of one table; ``{as_of_date}`` in filter and kwargs is the day checked.

    ``may_be_empty``: the table belongs to a feed that a bank or a day may lack; then the suite is
    skipped, and says so.
    """

    name: str
    table: str = Field(pattern=r"^[a-z_]+\.[a-z0-9_]+$")
    title: Reading
    owner: str
    filter: str = Field(min_length=1)
    may_be_empty: bool
    expectations: tuple[Expectation, ...] = Field(min_length=1)

    def filter_at(self, as_of_date: date) -> str:
        """Condition on the rows that the suite judges on a day."""
        return str(_at(self.filter, as_of_date))

    def query(self, as_of_date: date, kept: Sequence[str] = ()) -> str:
        """Rows that the suite judges on a day: not those of its mart's partitions ``kept`` (labels)."""
        mart = next((mart for mart in MARTS if mart.relation == self.table), None)
        others = f" and {written_rows(mart, kept)}" if mart and kept else ""
        return f"select * from {self.table} where ({self.filter_at(as_of_date)}){others}"


@dataclass(frozen=True)
class ExpectationResult:
    """Outcome of one expectation.

    ``check_name`` is ``gx.<suite>.<expectation>``. ``failed_count`` counts rows or groups that
    break the expectation (1 where the table as a whole does, 0 where nothing was counted).
    ``detail`` says why a status is skipped or error; it never holds a value of the data.
    """

    check_name: str
    suite: str
    table: str
    severity: Severity
    status: Status
    failed_count: int
    description_en: str
    description_zh: str
    owner: str
    detail: str = ""


def _at(value: Any, as_of_date: date) -> Any:
    """Fill ``{as_of_date}`` in, at any depth (``{batch}`` is Great Expectations' own)."""
    if isinstance(value, str):
        return value.replace("{as_of_date}", as_of_date.isoformat())
    if isinstance(value, dict):
        return {k: _at(v, as_of_date) for k, v in value.items()}
    if isinstance(value, list):
        return [_at(v, as_of_date) for v in value]
    return value


@cache
def load_suites(directory: Path = EXPECTATIONS_DIR) -> tuple[Suite, ...]:
    """All suites, landing first, named ``<group>.<file stem>``.

    Raises ValueError when a file does not follow the format, names an expectation twice or lets a
    compulsory table be empty.
    """
    suites = []
    for group in GROUPS:
        for path in sorted((directory / group).glob("*.yaml")):
            doc = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
            suites.append(_checked(Suite.model_validate({"name": f"{group}.{path.stem}", **doc})))
    if not suites:
        raise ValueError(
            f"{directory}: expected one YAML file per table under {' and '.join(GROUPS)}, found none; check the folder"
        )
    return tuple(suites)


def _checked(suite: Suite) -> Suite:
    names = [e.name for e in suite.expectations]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"suite {suite.name}: expectation {twice[0]} is named twice; rename one")
    counts_rows = any(
        e.type == "ExpectTableRowCountToBeBetween" and e.severity == "block" and e.kwargs.get("min_value", 0) >= 1
        for e in suite.expectations
    )
    if not suite.may_be_empty and not counts_rows:
        raise ValueError(
            f"suite {suite.name}: {suite.table} may not be empty, so the suite needs a blocking "
            "ExpectTableRowCountToBeBetween with min_value 1 or more; found none; add it"
        )
    return suite


def preload() -> None:
    """Import Great Expectations; a build does it in a thread beside other work."""
    import great_expectations.expectations  # noqa: F401


def run_suites(
    warehouse: Path,
    as_of_date: date,
    out_dir: Path,
    *,
    suites: tuple[Suite, ...] | None = None,
    kept: Mapping[str, Sequence[str]] | None = None,
) -> list[ExpectationResult]:
    """Run the suites on the warehouse file, opened read-only, and keep their results.

    ``kept``: by mart the partitions that come from the published version. They were judged by the build that wrote
    them and cannot have changed, so a suite looks at the other rows; one that has no others is skipped.
    Writes one ``<suite>.json`` per suite that ran into out_dir: the validation result of Great
    Expectations without values of the data. Returns one result per expectation, in file order;
    an expectation that could not be judged has status error. No connection to the warehouse is
    open afterwards. Raises FileNotFoundError when there is no warehouse file.
    """
    if not warehouse.is_file():
        raise FileNotFoundError(f"{warehouse}: expected the warehouse file of a build, found none; run the build first")
    out_dir.mkdir(parents=True, exist_ok=True)
    for old in out_dir.glob("*.json"):
        old.unlink()
    results: list[ExpectationResult] = []
    with _datasource(warehouse) as source:
        for suite in load_suites() if suites is None else suites:
            results += _run_suite(source, suite, as_of_date, out_dir, (kept or {}).get(suite.table, ()))
    return results


@contextmanager
def _datasource(warehouse: Path) -> Iterator[Any]:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_sql(
        "warehouse",
        connection_string=f"duckdb:///{warehouse}?access_mode=read_only",
        kwargs={"isolation_level": "AUTOCOMMIT", "skip_autocommit_rollback": True},
    )
    try:
        yield source
    finally:
        # The data source keeps an engine of its own beside the execution engine's. Either, left
        # open, keeps the next writer of this process out of the file.
        source.get_execution_engine().engine.dispose()
        source.get_engine().dispose()


def _run_suite(
    source: Any, suite: Suite, as_of_date: date, out_dir: Path, kept: Sequence[str]
) -> list[ExpectationResult]:
    status: Status
    query = suite.query(as_of_date, kept)
    try:
        missing = _why_not_judged(source, suite, query, KEPT if kept else NO_DELIVERY)
        if missing is not None:
            status = "skipped" if suite.may_be_empty else "error"
            return [_result(suite, e, status, 0, missing) for e in suite.expectations]
        validation = _validate(source, suite, as_of_date, query)
    except Exception as error:  # whatever stops a suite must show as its errors, not as silence
        detail = _error_text(str(error), type(error).__name__)
        return [_result(suite, e, "error", 0, detail) for e in suite.expectations]
    (out_dir / f"{suite.name}.json").write_text(
        json.dumps(validation, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8"
    )
    found = {r["expectation_config"]["meta"]["name"]: r for r in validation["results"]}
    results = []
    for expectation in suite.expectations:
        outcome = found.get(expectation.name)
        if outcome is None:
            results.append(_result(suite, expectation, "error", 0, "Great Expectations left it out"))
            continue
        raised = outcome["exception_info"]["exception_message"]
        status = "error" if raised else "pass" if outcome["success"] else "fail"
        failed = _failed_count(outcome) if status == "fail" else 0
        results.append(_result(suite, expectation, status, failed, raised or ""))
    return results


def _why_not_judged(source: Any, suite: Suite, query: str, why_empty: str) -> str | None:
    """Reason why there is nothing to judge: no table, or no row where none need be."""
    import sqlalchemy as sa

    schema, table = suite.table.split(".")
    with source.get_engine().connect() as connection:
        exists = connection.execute(
            sa.text("select 1 from information_schema.tables where table_schema = :schema and table_name = :table"),
            {"schema": schema, "table": table},
        ).fetchall()
        if not exists:
            return (
                NO_DELIVERY
                if suite.may_be_empty
                else f"{suite.table}: expected the table in the warehouse, found none; build it"
            )
        if suite.may_be_empty:
            rows = connection.execute(sa.text(f"{query} limit 1")).fetchall()
            if not rows:
                return why_empty
    return None


def _validate(source: Any, suite: Suite, as_of_date: date, query: str) -> dict[str, Any]:
    """Validate one suite; the result is free of clock, values and tracebacks."""
    import great_expectations as gx
    import great_expectations.expectations as gxe

    asset = source.add_query_asset(suite.name, query=query)
    batch = asset.add_batch_definition_whole_table("day").get_batch()
    expectations = [
        getattr(gxe, e.type)(
            **_at(e.kwargs, as_of_date),
            severity="critical" if e.severity == "block" else "warning",
            meta={"name": e.name, "severity": e.severity, "en": e.en, "zh": e.zh},
        )
        for e in suite.expectations
    ]
    validation: dict[str, Any] = batch.validate(
        gx.ExpectationSuite(suite.name, expectations=expectations), result_format=RESULT_FORMAT
    ).to_json_dict()
    validation["meta"] = {
        "great_expectations_version": gx.__version__,
        "run_id": as_of_date.isoformat(),
    }
    order = [e.name for e in suite.expectations]
    validation["results"].sort(key=lambda r: order.index(r["expectation_config"]["meta"]["name"]))
    for outcome in validation["results"]:
        outcome["expectation_config"]["kwargs"].pop("batch_id", None)
        outcome["exception_info"] = _without_values(outcome.get("exception_info") or {})
        counts = {"observed_value"} if _counts_rows(outcome) else _COUNTS
        outcome["result"] = {k: v for k, v in outcome["result"].items() if k in counts}
    return validation


def _counts_rows(outcome: dict[str, Any]) -> bool:
    return outcome["expectation_config"]["type"] in {
        "expect_table_row_count_to_be_between",
        "unexpected_rows_expectation",
    }


def _failed_count(outcome: dict[str, Any]) -> int:
    if outcome["expectation_config"]["type"] == "unexpected_rows_expectation":
        return int(outcome["result"]["observed_value"])
    return int(outcome["result"].get("unexpected_count", 1))


def _without_values(info: dict[str, Any]) -> dict[str, Any]:
    """One exception entry without traceback; its message is kept only where it quotes no data."""
    # Either the entry itself, or one entry per metric that raised.
    entries = [info] if "raised_exception" in info else list(info.values())
    message = next((str(e["exception_message"]) for e in entries if e["raised_exception"]), None)
    return {
        "raised_exception": message is not None,
        "exception_message": None if message is None else _error_text(message, "error"),
        "exception_traceback": "",
    }


def _error_text(message: str, kind: str) -> str:
    schema_error = _SCHEMA_ERRORS.search(message)
    if schema_error:
        return schema_error.group(0)
    driver_error = _ERROR_CLASS.search(message)
    return f"{driver_error.group(1) if driver_error else kind} (its text may quote data)"


def _result(
    suite: Suite, expectation: Expectation, status: Status, failed_count: int, detail: str
) -> ExpectationResult:
    return ExpectationResult(
        check_name=f"gx.{suite.name}.{expectation.name}",
        suite=suite.name,
        table=suite.table,
        severity=expectation.severity,
        status=status,
        failed_count=failed_count,
        description_en=expectation.en,
        description_zh=expectation.zh,
        owner=suite.owner,
        detail=detail,
    )
